// A device that runs kernels. The list of a backend's kernels is the same for planning and for running.
#pragma once
#include <span>
#include <string>

#include "backends/kernel.h"

namespace tenon {

class Device;

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;  ///< "cpu", "cuda"
  /// What a measured time depends on: processor model and instruction sets, or GPU and driver.
  virtual std::string fingerprint() const = 0;
  /// Every kernel, in order of preference.
  virtual std::span<const KernelDef> kernels() const = 0;
  /// Where tensors and kernels live if not in the host's memory; null for the host.
  virtual const Device* device() const { return nullptr; }
  /// The narrow floating-point type that is fastest where both are allowed.
  virtual ir::DType preferred_narrow() const { return ir::DType::kBF16; }
};

/// Kernels of `backend` for an operator, in order; the generic reference comes last.
std::vector<const KernelDef*> kernels_for(const Backend& backend, std::string_view op);
const KernelDef* find_kernel(const Backend& backend, std::string_view name);

/// The processor that this process runs on.
const Backend& cpu_backend();
/// GPU number `ordinal`, or null where there is none: no driver, no library, no such GPU, or the process holds the
/// stand-in for the CUDA runtime. `why`, if given, receives the reason. Loads libtenon_cuda on the first call.
const Backend* cuda_backend(int ordinal = 0, std::string* why = nullptr);
/// A typical GPU of a compute capability (75, 80, 86, 89, 90), for choosing kernels where there is none.
const Backend* cuda_description(int sm, std::string* why = nullptr);
/// The GPU that is current in the calling thread, else the CPU; TENON_DEVICE=cpu means the CPU.
const Backend& default_backend();
/// "cpu", "cuda", "cuda:N", or "sm75" … "sm90" for a described GPU. Throws kInvalidArgument with the reason where there
/// is no such device.
const Backend& find_backend(std::string_view device);

}  // namespace tenon
