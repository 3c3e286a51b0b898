// A device that runs kernels. The list of a backend's kernels is the same for planning and for running.
#pragma once
#include <span>
#include <string>

#include "backends/kernel.h"

namespace tenon {

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;  ///< "cpu", "cuda"
  /// What a measured time depends on: processor model and instruction sets, or GPU and driver.
  virtual std::string fingerprint() const = 0;
  /// Every kernel, in order of preference.
  virtual std::span<const KernelDef> kernels() const = 0;
};

/// Kernels of `backend` for an operator, in order; the generic reference comes last.
std::vector<const KernelDef*> kernels_for(const Backend& backend, std::string_view op);
const KernelDef* find_kernel(const Backend& backend, std::string_view name);

/// The processor that this process runs on.
const Backend& cpu_backend();

}  // namespace tenon
