#include "ir/sample.h"

#include <cmath>
#include <limits>
#include <numbers>

namespace tenon::ir {

Tensor random_tensor(DType dtype, const Dims& dims, Xorshift& random) {
  Tensor t(dtype, dims);
  for (int64_t i = 0; i < t.count() && dtype != DType::kString; ++i) {
    const double radius = std::sqrt(-2 * std::log(1 - random.unit()));
    const double normal = radius * std::cos(2 * std::numbers::pi * random.unit());
    is_float(dtype) ? t.set(i, normal) : t.set_int(i, normal > 0);
  }
  return t;
}

double relative_error(const Tensor& a, const Tensor& b) {
  if (a.dims() != b.dims()) return std::numeric_limits<double>::infinity();
  double difference = 0, norm = 0;
  for (int64_t i = 0; i < a.count(); ++i) {
    const double x = a.get(i), y = b.get(i);
    if (std::isnan(x) != std::isnan(y)) return std::numeric_limits<double>::infinity();
    if (std::isnan(x) || x == y) {
      norm += std::isfinite(y) ? y * y : 0;
      continue;
    }
    difference += (x - y) * (x - y);
    norm += y * y;
  }
  return difference == 0 ? 0 : std::sqrt(difference / norm);
}

}  // namespace tenon::ir
