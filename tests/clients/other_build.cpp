// Stands for a libtenon_cuda of another build: it says so, and nothing else of it may be called.
#include <cstdlib>

extern "C" char const* tenon_cuda_build() { return "0.0.0-other"; }
extern "C" void const* tenon_cuda_backend() { std::abort(); }
extern "C" void const* tenon_cuda_description() { std::abort(); }
extern "C" int tenon_cuda_current() { std::abort(); }
