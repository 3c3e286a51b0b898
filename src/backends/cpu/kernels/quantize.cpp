// QuantizeLinear from f32 to 8 bits and DequantizeLinear back, with parameters of the tensor or of one axis.
#include "ops/quant/quantize.h"

#include <algorithm>
#include <cmath>

#include "backends/kernel.h"
#include "base/thread_pool.h"

namespace tenon::cpu {
namespace {

using ir::DType;

constexpr int64_t kStrip = 8192;         ///< elements a task
constexpr float kRounder = 12582912.0f;  ///< 1.5 * 2^23: adding it leaves the nearest whole number in the mantissa

/// Elements as segments of `inner` that share a parameter; parameter k of `count` serves the segments k modulo count.
struct Segments {
  int64_t inner = 1, count = 1;
};

Segments segments_of(const Problem& p) {
  const ir::Dims& x = p.inputs[0].dims;
  const int64_t count = p.inputs[1].count();
  if (count == 1) return {p.inputs[0].count(), 1};
  const int64_t given = p.attrs<ops::QuantizeAttrs>().axis;
  const size_t axis = x.size() == 1 ? 0 : size_t(given < 0 ? given + int64_t(x.size()) : given);
  Segments s{1, count};
  for (size_t i = axis + 1; i < x.size(); ++i) s.inner *= x[i];
  return s;
}

template <class T>
void quantize_run(const float* x, T* y, int64_t n, const float* scale, const T* zero, bool one) {
  constexpr float kLow = float(std::numeric_limits<T>::min()), kHigh = float(std::numeric_limits<T>::max());
  const auto round = [&](int64_t i, float s, float z) {
    const float t = x[i] / s, held = std::min(std::max(t == t ? t : 0.0f, kLow - z), kHigh - z);
    y[i] = T(int32_t((held + kRounder) - kRounder) + int32_t(z));
  };
  if (one) {
    const float s = scale[0], z = zero ? float(zero[0]) : 0.0f;
    for (int64_t i = 0; i < n; ++i) round(i, s, z);
  } else if (zero) {
    for (int64_t i = 0; i < n; ++i) round(i, scale[i], float(zero[i]));
  } else {
    for (int64_t i = 0; i < n; ++i) round(i, scale[i], 0.0f);
  }
}

template <class T>
void dequantize_run(const T* x, float* y, int64_t n, const float* scale, const T* zero, bool one) {
  if (one) {
    const float s = scale[0], z = zero ? float(zero[0]) : 0.0f;
    for (int64_t i = 0; i < n; ++i) y[i] = (float(x[i]) - z) * s;
  } else {
    for (int64_t i = 0; i < n; ++i) y[i] = (float(x[i]) - (zero ? float(zero[i]) : 0.0f)) * scale[i];
  }
}

template <class T, bool kQuantizes>
class Convert final : public Kernel {
 public:
  explicit Convert(const Problem& p)
      : segments_(segments_of(p)), count_(p.inputs[0].count()), has_zero_(p.has_input(2)) {}

  void run(const RunArgs& args) const override {
    args.pool.parallel_for((count_ + kStrip - 1) / kStrip, [&](int64_t task, int) {
      const int64_t end = std::min(count_, (task + 1) * kStrip);
      for (int64_t at = task * kStrip; at < end;) {
        const bool by_element = segments_.inner == 1 && segments_.count > 1;
        const int64_t k = at / segments_.inner % segments_.count;
        const int64_t left = by_element ? segments_.count - k : segments_.inner - at % segments_.inner;
        const int64_t n = std::min(end - at, left);
        part(args, at, n, k, !by_element);
        at += n;
      }
    });
  }

 private:
  void part(const RunArgs& args, int64_t at, int64_t n, int64_t k, bool one) const {
    const float* scale = static_cast<const float*>(args.inputs[1]) + k;
    const T* zero = has_zero_ ? static_cast<const T*>(args.inputs[2]) + k : nullptr;
    if constexpr (kQuantizes)
      quantize_run(static_cast<const float*>(args.inputs[0]) + at, static_cast<T*>(args.outputs[0]) + at, n, scale,
                   zero, one);
    else
      dequantize_run(static_cast<const T*>(args.inputs[0]) + at, static_cast<float*>(args.outputs[0]) + at, n, scale,
                     zero, one);
  }
  Segments segments_;
  int64_t count_;
  bool has_zero_;
};

Support supports(const Problem& p) {
  const DType narrow = p.node->op == "QuantizeLinear" ? p.outputs[0].dtype : p.inputs[0].dtype;
  const DType wide = p.node->op == "QuantizeLinear" ? p.inputs[0].dtype : p.outputs[0].dtype;
  if (wide != DType::kF32 || p.inputs[1].dtype != DType::kF32 || (narrow != DType::kI8 && narrow != DType::kU8))
    return Support::no("types ", ir::name(wide), " and ", ir::name(narrow), ", accepted are f32 with i8 or u8");
  if (p.has_input(2) && p.inputs[2].dtype != narrow) return Support::no("the zero point must be ", ir::name(narrow));
  if (!p.all_dense()) return Support::no("operands must be dense");
  const int64_t count = p.inputs[1].count();
  if (count != 1 && p.inputs[1].dims.size() != 1) return Support::no("scales of blocks");
  return Support::yes(1 + double(p.inputs[0].count()) * 0.0006 / p.threads);
}

template <bool kQuantizes>
std::unique_ptr<Kernel> prepare(const Problem& p) {
  const DType narrow = kQuantizes ? p.outputs[0].dtype : p.inputs[0].dtype;
  if (narrow == DType::kI8) return std::make_unique<Convert<int8_t, kQuantizes>>(p);
  return std::make_unique<Convert<uint8_t, kQuantizes>>(p);
}

}  // namespace

std::vector<KernelDef> quantize() {
  return {{"quantize", "QuantizeLinear", supports, prepare<true>},
          {"dequantize", "DequantizeLinear", supports, prepare<false>}};
}

}  // namespace tenon::cpu
