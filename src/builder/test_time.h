// Time that tests bound: the processor's, of all threads, which other work on the machine changes little.
#pragma once
#include <ctime>

namespace tenon::builder::testing {

/// How much longer things take than they would natively: under sanitizers, and elsewhere than on x86-64, where tests
/// run under emulation.
#if defined(__SANITIZE_ADDRESS__) || !defined(__x86_64__)
inline constexpr int kSlower = 20;
#else
inline constexpr int kSlower = 1;
#endif

inline double processor_seconds() { return double(std::clock()) / CLOCKS_PER_SEC; }

}  // namespace tenon::builder::testing
