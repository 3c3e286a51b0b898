#include "backends/backend.h"

namespace tenon {

std::vector<const KernelDef*> kernels_for(const Backend& backend, std::string_view op) {
  std::vector<const KernelDef*> found;
  for (const KernelDef& k : backend.kernels())
    if (k.op == op || k.op == "*") found.push_back(&k);
  return found;
}

const KernelDef* find_kernel(const Backend& backend, std::string_view name) {
  for (const KernelDef& k : backend.kernels())
    if (k.name == name) return &k;
  return nullptr;
}

}  // namespace tenon
