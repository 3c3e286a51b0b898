#include "backends/cuda/nvrtc.h"

#include <algorithm>
#include <cstring>

#include "backends/cuda/cuda.h"
#include "backends/cuda/kernel_attributes.h"
#include "backends/cuda/kernel_cache.h"
#include "backends/cuda/libraries/library.h"
#include "backends/cuda/made_once.h"

namespace tenon::cuda {
namespace {

/// The functions of NVRTC that are called, by their names without "nvrtc".
struct Nvrtc {
  using Program = struct ProgramObject*;
  int (*Version)(int*, int*);
  const char* (*GetErrorString)(int);
  int (*GetNumSupportedArchs)(int*);
  int (*GetSupportedArchs)(int*);
  int (*CreateProgram)(Program*, const char* source, const char* name, int headers, const char* const* texts,
                       const char* const* names);
  int (*CompileProgram)(Program, int options, const char* const* texts);
  int (*GetProgramLogSize)(Program, size_t*);
  int (*GetProgramLog)(Program, char*);
  int (*GetCUBINSize)(Program, size_t*);
  int (*GetCUBIN)(Program, char*);
  int (*DestroyProgram)(Program*);

  std::string missing;  ///< why there is none
  int version = 0;      ///< 1000 * major + minor
  std::vector<int> architectures;
};

Nvrtc load() {
  static Library library({"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"});
  Nvrtc n{};
  library.find("nvrtcVersion", n.Version);
  library.find("nvrtcGetErrorString", n.GetErrorString);
  library.find("nvrtcGetNumSupportedArchs", n.GetNumSupportedArchs);
  library.find("nvrtcGetSupportedArchs", n.GetSupportedArchs);
  library.find("nvrtcCreateProgram", n.CreateProgram);
  library.find("nvrtcCompileProgram", n.CompileProgram);
  library.find("nvrtcGetProgramLogSize", n.GetProgramLogSize);
  library.find("nvrtcGetProgramLog", n.GetProgramLog);
  library.find("nvrtcGetCUBINSize", n.GetCUBINSize);
  library.find("nvrtcGetCUBIN", n.GetCUBIN);
  library.find("nvrtcDestroyProgram", n.DestroyProgram);
  n.missing = library.error();
  int major = 0, minor = 0, count = 0;
  if (!n.missing.empty()) return n;
  if (n.Version(&major, &minor) != 0 || n.GetNumSupportedArchs(&count) != 0 || count < 1) {
    n.missing = "NVRTC does not say what it can do";
    return n;
  }
  n.version = 1000 * major + minor;
  n.architectures.resize(size_t(count));
  if (n.GetSupportedArchs(n.architectures.data()) != 0) n.architectures.clear();
  return n;
}

const Nvrtc& nvrtc() {
  static const Nvrtc loaded = load();
  return loaded;
}

std::string log_of(const Nvrtc& n, Nvrtc::Program program) {
  size_t size = 0;
  if (n.GetProgramLogSize(program, &size) != 0 || size < 2) return {};
  std::string text(size, '\0');
  if (n.GetProgramLog(program, text.data()) != 0) return {};
  text.resize(std::strlen(text.c_str()));
  return text;
}

std::vector<char> compile(int sm, const std::string& source) {
  const Nvrtc& n = nvrtc();
  Nvrtc::Program program = nullptr;
  int code = n.CreateProgram(&program, source.c_str(), "tenon.cu", 0, nullptr, nullptr);
  require(code == 0, ErrorCode::kInternal, "nvrtcCreateProgram: ", n.GetErrorString(code));
  const std::shared_ptr<void> owner(program, [&n](void* p) {
    Nvrtc::Program mine = static_cast<Nvrtc::Program>(p);
    n.DestroyProgram(&mine);
  });
  const std::string architecture = cat("--gpu-architecture=sm_", sm);
  const char* const options[] = {architecture.c_str(), "--std=c++17"};
  code = n.CompileProgram(program, 2, options);
  require(code == 0, ErrorCode::kInternal, "nvrtcCompileProgram: ", n.GetErrorString(code), "\n", log_of(n, program));
  size_t size = 0;
  code = n.GetCUBINSize(program, &size);
  std::vector<char> cubin(size);
  if (code == 0 && size > 0) code = n.GetCUBIN(program, cubin.data());
  require(code == 0 && size > 0, ErrorCode::kInternal, "nvrtcGetCUBIN: ", n.GetErrorString(code));
  return cubin;
}

std::vector<char> find_or_compile(int sm, const std::string& source) {
  const KernelCache cache(cat("sm_", sm, " nvrtc ", nvrtc().version, "\n", source));
  if (auto cubin = cache.read()) return std::move(*cubin);
  std::vector<char> cubin = compile(sm, source);
  cache.write(cubin);
  return cubin;
}

}  // namespace

std::string nvrtc_refusal(int sm) {
  const Nvrtc& n = nvrtc();
  if (!n.missing.empty()) return n.missing;
  if (std::find(n.architectures.begin(), n.architectures.end(), sm) == n.architectures.end())
    return cat("NVRTC ", n.version / 1000, ".", n.version % 1000, " does not know sm_", sm);
  return {};
}

std::shared_ptr<const std::vector<char>> compile_source(int sm, const std::string& source) {
  static MadeOnce<std::shared_ptr<const std::vector<char>>> codes;
  const std::string refusal = nvrtc_refusal(sm);
  require(refusal.empty(), ErrorCode::kUnsupported, refusal);
  return codes.get(cat(sm, "\n", source),
                   [&] { return std::make_shared<const std::vector<char>>(find_or_compile(sm, source)); });
}

CompiledKernel::CompiledKernel(int sm, const std::string& source, const char* entry) : waits_(sm >= kFirstOverlap) {
  const auto code = compile_source(sm, source);
  TENON_CUDA(cudaLibraryLoadData(&library_, code->data(), nullptr, nullptr, 0, nullptr, nullptr, 0));
  cudaError_t error = cudaLibraryGetKernel(&kernel_, library_, entry);
  cudaFuncAttributes loaded{};  // loads the code now: a launch may be recorded, where loading is not allowed
  if (error == cudaSuccess) error = cudaFuncGetAttributes(&loaded, reinterpret_cast<const void*>(kernel_));
  if (error != cudaSuccess) cudaLibraryUnload(library_);
  check(error, "cudaLibraryGetKernel");
}

CompiledKernel::~CompiledKernel() { cudaLibraryUnload(library_); }

cudaError_t CompiledKernel::launch(unsigned blocks, unsigned threads, cudaStream_t stream, void* parameters) const {
  const cudaError_t split =
      prefer_memory_split(reinterpret_cast<const void*>(kernel_), int64_t(blocks) * int64_t(threads));
  if (split != cudaSuccess) return split;
  cudaLaunchAttribute overlap{};
  overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  overlap.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(blocks);
  config.blockDim = dim3(threads);
  config.stream = stream;
  config.attrs = &overlap;
  config.numAttrs = waits_ ? 1 : 0;
  void* arguments[] = {parameters};
  return cudaLaunchKernelExC(&config, reinterpret_cast<const void*>(kernel_), arguments);
}

std::shared_ptr<const CompiledKernel> compiled_kernel(int sm, const std::string& source, const char* entry) {
  static MadeOnce<std::shared_ptr<const CompiledKernel>> kernels;
  return kernels.get(cat(sm, " ", entry, "\n", source),
                     [&] { return std::make_shared<const CompiledKernel>(sm, source, entry); });
}

}  // namespace tenon::cuda
