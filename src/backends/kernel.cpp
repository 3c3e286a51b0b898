#include "backends/kernel.h"

#include "base/checked.h"

namespace tenon {

int64_t TensorDesc::count() const { return checked_product(dims); }

bool Problem::all_dense() const {
  for (const auto& d : inputs)
    if (!d.dense()) return false;
  for (const auto& d : outputs)
    if (!d.dense()) return false;
  return true;
}

}  // namespace tenon
