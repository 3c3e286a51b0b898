// Exact element-wise arithmetic on integers of up to 64 bits and bool, and Cast between any two plain types. Operands
// are widened to i64 (or f64) piece by piece; sums and products wrap, and a division by zero gives 0.
#include "ops/math/integer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "backends/cpu/kernels/strides.h"
#include "base/half.h"
#include "base/thread_pool.h"

namespace tenon::cpu {
namespace {

using ir::DType;

constexpr int64_t kPiece = 512;

bool plain_integer(DType t) { return (ir::is_integer(t) && ir::bits(t) >= 8 && t != DType::kU64) || t == DType::kBool; }
bool plain_float(DType t) { return t == DType::kF32 || t == DType::kF64 || t == DType::kF16 || t == DType::kBF16; }

int64_t to_integer(double v) {
  if (std::isnan(v)) return 0;
  return v >= 9223372036854775808.0 ? INT64_MAX : v <= -9223372036854775808.0 ? INT64_MIN : int64_t(v);
}

/// to[i] = from[i * step] with step 0 or 1.
template <class T, class Wide>
void load_as(const void* from, int64_t step, Wide* to, int64_t n) {
  const T* x = static_cast<const T*>(from);
  for (int64_t i = 0; i < n; ++i) to[i] = Wide(x[i * step]);
}
template <class Wide>
void load(DType type, const void* from, int64_t step, Wide* to, int64_t n) {
  switch (type) {
    case DType::kI8:
      return load_as<int8_t>(from, step, to, n);
    case DType::kU8:
    case DType::kBool:
      return load_as<uint8_t>(from, step, to, n);
    case DType::kI16:
      return load_as<int16_t>(from, step, to, n);
    case DType::kU16:
      return load_as<uint16_t>(from, step, to, n);
    case DType::kI32:
      return load_as<int32_t>(from, step, to, n);
    case DType::kU32:
      return load_as<uint32_t>(from, step, to, n);
    case DType::kI64:
      return load_as<int64_t>(from, step, to, n);
    case DType::kF32:
      return load_as<float>(from, step, to, n);
    case DType::kF64:
      return load_as<double>(from, step, to, n);
    default:
      break;
  }
  const uint16_t* x = static_cast<const uint16_t*>(from);
  for (int64_t i = 0; i < n; ++i) {
    f16 h;
    h.bits = x[i * step];
    bf16 b;
    b.bits = x[i * step];
    to[i] = Wide(type == DType::kF16 ? float(h) : float(b));
  }
}
template <class T>
void store_as(const int64_t* from, void* to, int64_t n) {
  T* y = static_cast<T*>(to);
  for (int64_t i = 0; i < n; ++i) y[i] = T(from[i]);
}
void store(DType type, const int64_t* from, void* to, int64_t n) {
  switch (type) {
    case DType::kI8:
    case DType::kU8:
      return store_as<uint8_t>(from, to, n);
    case DType::kI16:
    case DType::kU16:
      return store_as<uint16_t>(from, to, n);
    case DType::kI32:
    case DType::kU32:
      return store_as<uint32_t>(from, to, n);
    case DType::kI64:
      return store_as<int64_t>(from, to, n);
    default:
      for (int64_t i = 0; i < n; ++i) static_cast<uint8_t*>(to)[i] = from[i] != 0;
  }
}
void store(DType type, const double* from, void* to, int64_t n) {
  switch (type) {
    case DType::kF32:
      for (int64_t i = 0; i < n; ++i) static_cast<float*>(to)[i] = float(from[i]);
      return;
    case DType::kF64:
      std::memcpy(to, from, size_t(n) * 8);
      return;
    case DType::kF16:
      for (int64_t i = 0; i < n; ++i) static_cast<uint16_t*>(to)[i] = f16::encode(float(from[i]));
      return;
    case DType::kBF16:
      for (int64_t i = 0; i < n; ++i) static_cast<uint16_t*>(to)[i] = bf16::encode(float(from[i]));
      return;
    case DType::kBool:
      for (int64_t i = 0; i < n; ++i) static_cast<uint8_t*>(to)[i] = from[i] != 0;
      return;
    default:
      break;
  }
  int64_t whole[kPiece];
  for (int64_t i = 0; i < n; ++i) whole[i] = to_integer(from[i]);
  store(type, whole, to, n);
}

class CastPieces final : public Kernel {
 public:
  explicit CastPieces(const Problem& p)
      : from_(p.inputs[0].dtype),
        to_(p.outputs[0].dtype),
        count_(p.outputs[0].count()),
        pieces_((count_ + kPiece - 1) / kPiece),
        tasks_(task_count(double(count_), pieces_, p.threads)) {}
  void run(const RunArgs& args) const override {
    const bool whole = !plain_float(from_) && !plain_float(to_);
    args.pool.parallel_for(tasks_, [&](int64_t task, int) {
      for (int64_t k = pieces_ * task / tasks_, end = pieces_ * (task + 1) / tasks_; k < end; ++k) {
        if (whole)
          piece<int64_t>(args, k * kPiece);
        else
          piece<double>(args, k * kPiece);
      }
    });
  }

 private:
  template <class Wide>
  void piece(const RunArgs& args, int64_t at) const {
    Wide buffer[kPiece];
    const int64_t n = std::min(kPiece, count_ - at);
    load(from_, static_cast<const char*>(args.inputs[0]) + at * (ir::bits(from_) / 8), 1, buffer, n);
    store(to_, buffer, static_cast<char*>(args.outputs[0]) + at * (ir::bits(to_) / 8), n);
  }
  DType from_, to_;
  int64_t count_, pieces_, tasks_;
};

Support supports_cast(const Problem& p) {
  if (!p.all_dense()) return Support::no("operands must be dense");
  for (DType t : {p.inputs[0].dtype, p.outputs[0].dtype})
    if (!plain_integer(t) && !plain_float(t)) return Support::no("elements of type ", t);
  const double n = double(p.outputs[0].count());
  return Support::yes(streaming_us(n * 12, n * 1.5, p.threads));
}

using Fn = void (*)(const int64_t* a, const int64_t* b, const int64_t* c, int64_t* y, int64_t n);
template <int64_t (*F)(int64_t, int64_t)>
void apply(const int64_t* a, const int64_t* b, const int64_t*, int64_t* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = F(a[i], b[i]);
}
void choose(const int64_t* a, const int64_t* b, const int64_t* c, int64_t* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] ? b[i] : c[i];
}

namespace fn {
using namespace ops::integer;
inline int64_t sum(int64_t a, int64_t b) { return add(a, b); }
inline int64_t difference(int64_t a, int64_t b) { return sub(a, b); }
inline int64_t product(int64_t a, int64_t b) { return mul(a, b); }
inline int64_t quotient(int64_t a, int64_t b) { return div(a, b, false); }
inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
inline int64_t equal(int64_t a, int64_t b) { return a == b; }
inline int64_t lt(int64_t a, int64_t b) { return a < b; }
inline int64_t le(int64_t a, int64_t b) { return a <= b; }
inline int64_t gt(int64_t a, int64_t b) { return a > b; }
inline int64_t ge(int64_t a, int64_t b) { return a >= b; }
inline int64_t both(int64_t a, int64_t b) { return a & b; }
inline int64_t either(int64_t a, int64_t b) { return a | b; }
inline int64_t differ(int64_t a, int64_t b) { return a ^ b; }
inline int64_t negative(int64_t a, int64_t) { return sub(0, a); }
inline int64_t magnitude(int64_t a, int64_t) { return a < 0 ? sub(0, a) : a; }
inline int64_t sign(int64_t a, int64_t) { return (a > 0) - (a < 0); }
}  // namespace fn

struct Named {
  std::string_view op;
  size_t operands;
  Fn fn;
};
constexpr Named kFunctions[] = {{"Add", 2, apply<fn::sum>},
                                {"Sub", 2, apply<fn::difference>},
                                {"Mul", 2, apply<fn::product>},
                                {"Div", 2, apply<fn::quotient>},
                                {"Min", 2, apply<fn::smaller>},
                                {"Max", 2, apply<fn::larger>},
                                {"Equal", 2, apply<fn::equal>},
                                {"Less", 2, apply<fn::lt>},
                                {"LessOrEqual", 2, apply<fn::le>},
                                {"Greater", 2, apply<fn::gt>},
                                {"GreaterOrEqual", 2, apply<fn::ge>},
                                {"Xor", 2, apply<fn::differ>},
                                {"BitwiseAnd", 2, apply<fn::both>},
                                {"BitwiseOr", 2, apply<fn::either>},
                                {"BitwiseXor", 2, apply<fn::differ>},
                                {"Neg", 1, apply<fn::negative>},
                                {"Abs", 1, apply<fn::magnitude>},
                                {"Sign", 1, apply<fn::sign>},
                                {"Where", 3, choose}};

const Named* function_of(const ir::Node& node) {
  for (const Named& f : kFunctions)
    if (f.op == node.op) return &f;
  return nullptr;
}

class IntegerPieces final : public Kernel {
 public:
  explicit IntegerPieces(const Problem& p) : f_(*function_of(*p.node)), type_(p.outputs[0].dtype) {
    dims_ = p.outputs[0].dims;
    for (const TensorDesc& d : p.inputs) {
      strides_.push_back(broadcast_strides(d, dims_));
      types_.push_back(d.dtype);
    }
    strides_.push_back(element_strides(p.outputs[0]));
    collapse(dims_, strides_);
    if (dims_.empty()) {
      dims_ = {1};
      for (auto& s : strides_) s = {0};
    }
    for (size_t d = 0; d + 1 < dims_.size(); ++d) rows_ *= dims_[d];
    parts_ = (dims_.back() + kPiece - 1) / kPiece;
    tasks_ = task_count(double(p.outputs[0].count()) * 2, rows_ * parts_, p.threads);
  }
  void run(const RunArgs& args) const override {
    const int64_t pieces = rows_ * parts_;
    args.pool.parallel_for(tasks_, [&](int64_t task, int) {
      for (int64_t k = pieces * task / tasks_, end = pieces * (task + 1) / tasks_; k < end; ++k)
        piece(args, k / parts_, k % parts_ * kPiece);
    });
  }

 private:
  void piece(const RunArgs& args, int64_t row, int64_t column) const {
    int64_t values[3][kPiece], at[4];
    const int64_t n = std::min(kPiece, dims_.back() - column);
    for (size_t i = 0; i < strides_.size(); ++i) {
      at[i] = column * strides_[i].back();
      int64_t rest = row;
      for (size_t d = dims_.size() - 1; d-- > 0; rest /= dims_[d]) at[i] += rest % dims_[d] * strides_[i][d];
    }
    for (size_t i = 0; i < f_.operands; ++i)
      load(types_[i], static_cast<const char*>(args.inputs[i]) + at[i] * (ir::bits(types_[i]) / 8), strides_[i].back(),
           values[i], n);
    f_.fn(values[0], values[1], values[2], values[0], n);
    store(type_, values[0], static_cast<char*>(args.outputs[0]) + at[f_.operands] * (ir::bits(type_) / 8), n);
  }
  const Named& f_;
  DType type_;
  ir::Dims dims_;
  std::vector<ir::Dims> strides_;
  std::vector<DType> types_;
  int64_t rows_ = 1, parts_ = 1, tasks_ = 1;
};

Support supports(const Problem& p) {
  const Named* f = function_of(*p.node);
  if (!f || p.inputs.size() != f->operands)
    return Support::no("operator ", p.node->op, " of ", p.inputs.size(), " operands");
  if (!p.all_dense()) return Support::no("operands must be dense");
  for (const TensorDesc& d : p.inputs)
    if (!plain_integer(d.dtype))
      return Support::no("an operand is ", d.dtype, ", accepted are bool and integers of 8 to 64 bits but u64");
  if (!plain_integer(p.outputs[0].dtype)) return Support::no("the result is ", p.outputs[0].dtype);
  const double n = double(p.outputs[0].count());
  return Support::yes(streaming_us(n * 16, n * 2, p.threads));
}

}  // namespace

std::vector<KernelDef> integer() {
  std::vector<KernelDef> defs{{"cast_pieces", "Cast", supports_cast, [](const Problem& p) -> std::unique_ptr<Kernel> {
                                 return std::make_unique<CastPieces>(p);
                               }}};
  for (const Named& f : kFunctions)
    defs.push_back({"integer_pieces", f.op, supports,
                    [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<IntegerPieces>(p); }});
  return defs;
}

}  // namespace tenon::cpu
