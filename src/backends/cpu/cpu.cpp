#include <string>
#include <vector>

#include "backends/backend.h"

namespace tenon {
namespace cpu {
#define TENON_KERNELS(name) std::vector<KernelDef> name();
#include "backends/cpu/kernels/kernels.inc"
#undef TENON_KERNELS
}  // namespace cpu

namespace {

class CpuBackend final : public Backend {
 public:
  CpuBackend() {
    auto add = [this](std::vector<KernelDef> defs) { kernels_.insert(kernels_.end(), defs.begin(), defs.end()); };
#define TENON_KERNELS(name) add(cpu::name());
#include "backends/cpu/kernels/kernels.inc"
#undef TENON_KERNELS
  }
  std::string_view name() const override { return "cpu"; }
  std::string fingerprint() const override { return "cpu"; }
  std::span<const KernelDef> kernels() const override { return kernels_; }

 private:
  std::vector<KernelDef> kernels_;
};

}  // namespace

const Backend& cpu_backend() {
  static const CpuBackend backend;
  return backend;
}

}  // namespace tenon
