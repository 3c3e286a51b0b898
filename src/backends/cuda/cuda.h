// What kernels on a GPU know about it and share: its description, error checks, weights in device memory.
#pragma once
#include <cuda_runtime_api.h>

#include <memory>
#include <string>

#include "backends/backend.h"
#include "backends/device.h"
#include "base/error.h"

namespace tenon::cuda {

/// A GPU, present or only described.
struct DeviceInfo {
  std::string name;  ///< "NVIDIA H200"
  int sm = 0;        ///< compute capability times ten: 75, 80, 86, 89, 90, 100, 120
  int multiprocessors = 0;
  int64_t shared_bytes = 0;  ///< most shared memory of one block
  int64_t l2_bytes = 0, memory_bytes = 0;
  double tflops_f32 = 0, tflops_f16 = 0, gigabytes_a_second = 0;  ///< nominal; for estimates only
  std::string driver;                                             ///< driver version; empty if only described
};

/// Kernels of this library belong to one GPU each.
class CudaBackend : public Backend {
 public:
  virtual const DeviceInfo& info() const = 0;
  virtual int ordinal() const = 0;
};
inline const CudaBackend& backend_of(const Problem& p) { return static_cast<const CudaBackend&>(*p.backend); }
inline const DeviceInfo& info_of(const Problem& p) { return backend_of(p).info(); }

/// Throws Error naming the call unless `code` is success.
void check(cudaError_t code, const char* call);
/// Throws the reason if the GPU's context is lost: asked where other code reports a failure.
void check_context();
#define TENON_CUDA(call) ::tenon::cuda::check((call), #call)

inline cudaStream_t stream_of(const RunArgs& args) { return static_cast<cudaStream_t>(args.stream); }

/// `bytes` of host memory copied to the device of `p`; lives as long as the pointer.
std::shared_ptr<const void> upload(const Problem& p, const void* data, size_t bytes);
/// Constant operand `input` in a form made by `make` from its value as host bytes, in device memory; made once for an
/// engine and shared by contexts and shapes. `format` names the form.
std::shared_ptr<const void> packed_constant(const Problem& p, size_t input, const std::string& format,
                                            const std::function<std::vector<std::byte>(const ir::Tensor&)>& make);

/// A lower bound of a kernel's time in microseconds: a launch, its bytes and its operations at the nominal rates.
/// `efficiency` is the part of the rate that the kernel reaches.
double estimate_us(const Problem& p, double flops, double efficiency);
/// Why a kernel that rounds f32 operands to TF32 is not for `p`, or empty.
std::string refuse_tf32(const Problem& p);
/// How much faster than on vector units TF32 nominally is.
double tf32_gain(const Problem& p);
/// Bytes of all operands, each once.
double operand_bytes(const Problem& p);

}  // namespace tenon::cuda
