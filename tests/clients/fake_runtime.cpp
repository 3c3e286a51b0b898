// Stands for NVIDIA's CUDA runtime: of it, an engine asks only whether the process has loaded it.
extern "C" int cudaRuntimeGetVersion(int* version) { return *version = 13000, 0; }
