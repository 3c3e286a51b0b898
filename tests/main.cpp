#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

/// AddressSanitizer reads this: an allocation too large fails as it does elsewhere, so that tests can see the error.
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }
