#include <fstream>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "backends/cpu/isa/isa.h"
#include "base/text.h"

namespace tenon {
namespace cpu {
#define TENON_KERNELS(name) std::vector<KernelDef> name();
#include "backends/cpu/kernels/kernels.inc"
#undef TENON_KERNELS
}  // namespace cpu

namespace {

/// The processor's model as the system tells it; empty where it does not.
std::string processor_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name") && line.find(": ") != std::string::npos) return line.substr(line.find(": ") + 2);
  return {};
}

class CpuBackend final : public Backend {
 public:
  CpuBackend() {
    auto add = [this](std::vector<KernelDef> defs) { kernels_.insert(kernels_.end(), defs.begin(), defs.end()); };
#define TENON_KERNELS(name) add(cpu::name());
#include "backends/cpu/kernels/kernels.inc"
#undef TENON_KERNELS
  }
  std::string_view name() const override { return "cpu"; }
  std::string fingerprint() const override {
    static const std::string model = processor_model();
    return cat("cpu ", model, " ", isa::isa_name(isa::isa_table().isa));
  }
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
