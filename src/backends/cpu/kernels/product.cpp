#include "backends/cpu/kernels/product.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <mutex>

#include "base/checked.h"

namespace tenon::cpu {

using isa::Act;
using ops::PointwiseArg;
using ops::PointwiseFn;
using Kind = PointwiseArg::Kind;

bool has_isa_type(ir::DType type) { return type == ir::DType::kF32 || type == ir::DType::kBF16; }
isa::Type isa_type(ir::DType type) { return type == ir::DType::kBF16 ? isa::Type::kBf16 : isa::Type::kF32; }

namespace {

bool readable(ir::DType t) { return has_isa_type(t) || t == ir::DType::kF16; }

constexpr int kMaxColumns = 64;  ///< of one call of apply
constexpr int kMaxSlots = 96, kMaxRegisters = 24;

isa::PwType strip_type(ir::DType t) {
  return t == ir::DType::kF32 ? isa::PwType::kF32 : t == ir::DType::kBF16 ? isa::PwType::kBf16 : isa::PwType::kF16;
}
int64_t bytes_of(ir::DType t) { return ir::bits(t) / 8; }

}  // namespace

std::string Epilogue::read(const Problem& p, const std::string& program, size_t bias, size_t first_extra) {
  const TensorDesc& y = p.outputs[0];
  y_type_ = y.dtype;
  rows_.assign(y.dims.begin(), y.dims.end() - 1);
  if (p.has_input(bias)) {
    const bool constant = bias < p.constants.size() && p.constants[bias];
    if (p.inputs[bias].dtype == ir::DType::kF32)
      bias_ = int(bias);
    else if (constant)
      for (double v : p.constants[bias]->to_doubles()) bias_values_.push_back(float(v));
    else
      return cat("bias has the type ", ir::name(p.inputs[bias].dtype), ", accepted are f32 and constants");
  }
  if (program.empty()) return {};
  has_program_ = true;
  const ops::PointwiseProgram parsed = ops::parse_pointwise(program);
  if (parsed.results.size() != 1) return cat("the epilogue has ", parsed.results.size(), " results, accepted is 1");
  const int count = std::max(0, parsed.input_count - 1);
  if (count > kMaxExtras) return cat("the epilogue has ", count, " operands, accepted are ", kMaxExtras);
  for (int k = 0; k < count; ++k) {
    const size_t input = first_extra + size_t(k);
    require(p.has_input(input), ErrorCode::kInvalidModel, "the epilogue names operand i", k + 1, ", which is absent");
    const TensorDesc& d = p.inputs[input];
    if (!readable(d.dtype)) return cat("epilogue operand i", k + 1, " has the type ", ir::name(d.dtype));
    Extra e{input, d.dtype, Form::kBroadcast, d.pitch, ir::Dims(rows_.size(), 0), 0};
    if (d.dims == y.dims) {
      e.form = Form::kFull;
      if (d.dims.size() == 1) e.pitch = d.dims[0];
    } else if (d.count() == 1) {
      e.form = Form::kScalar;
    } else if (d.dims.back() == d.count() && d.dims.back() == y.dims.back()) {
      e.form = Form::kColumn;
    } else {
      int64_t stride = d.dense() ? d.dims.back() : d.pitch;
      e.last = d.dims.back() == 1 ? 0 : 1;
      for (size_t i = 1; i < d.dims.size(); ++i) {
        const size_t from_end = d.dims.size() - 1 - i;
        if (d.dims[from_end] != 1) e.strides[rows_.size() - i] = stride;
        stride *= d.dims[from_end];
      }
    }
    extras_.push_back(e);
  }
  matched_ = match(parsed);
  if (matched_) return {};
  column_ = residual_ = -1;
  std::vector<bool> single{false};
  for (const Extra& e : extras_) single.push_back(e.single());
  loops_ = &isa::loop_table().pointwise;
  steps_ = compile_pointwise(parsed, single, *loops_);
  if (steps_.registers > kMaxRegisters || steps_.first_register() + steps_.registers > kMaxSlots)
    return cat("the epilogue needs ", steps_.registers, " strips, accepted are ", kMaxRegisters);
  return {};
}

/// Whether the instruction is an activation of its first operand that the vector loops know; sets it.
bool Epilogue::match_act(const ops::PointwiseInstr& instr) {
  for (size_t i = 1; i < instr.args.size(); ++i)
    if (instr.args[i].kind != Kind::kConstant) return false;
  const auto value = [&](size_t i) { return instr.args[i].value; };
  const auto set = [&](Act act, float a = 0, float b = 0) {
    act_ = act;
    a_ = a;
    b_ = b;
    return true;
  };
  const float infinity = std::numeric_limits<float>::infinity();
  switch (instr.fn) {
    case PointwiseFn::kRelu:
      return set(Act::kClip, 0, infinity);
    case PointwiseFn::kClip:
      return value(1) <= value(2) && set(Act::kClip, value(1), value(2));
    case PointwiseFn::kMax:
      return set(Act::kClip, value(1), infinity);
    case PointwiseFn::kMin:
      return set(Act::kClip, -infinity, value(1));
    case PointwiseFn::kSigmoid:
      return set(Act::kSigmoid);
    case PointwiseFn::kTanh:
      return set(Act::kTanh);
    case PointwiseFn::kSilu:
      return set(Act::kSilu, 1);
    case PointwiseFn::kGeluErf:
      return set(Act::kGeluErf);
    case PointwiseFn::kGeluTanh:
      return set(Act::kGeluTanh);
    case PointwiseFn::kHardSwish:
      return set(Act::kHardSwish, 1 / 6.f, 0.5f);
    case PointwiseFn::kHardSigmoid:
      return set(Act::kHardSigmoid, value(1), value(2));
    case PointwiseFn::kLeakyRelu:
      return set(Act::kLeaky, value(1));
    case PointwiseFn::kElu:
      return set(Act::kElu, value(1));
    case PointwiseFn::kMish:
      return set(Act::kMish);
    case PointwiseFn::kSoftplus:
      return set(Act::kSoftplus);
    default:
      return false;
  }
}

/// Programs of the form act(x + residual) or act(x) + residual, parts of which may be absent.
bool Epilogue::match(const ops::PointwiseProgram& program) {
  for (size_t k = 0; k < program.instrs.size(); ++k) {
    const ops::PointwiseInstr& instr = program.instrs[k];
    const auto is_value = [&](const PointwiseArg& a) {
      return k == 0 ? a.kind == Kind::kInput && a.index == 0 : a.kind == Kind::kTemp && size_t(a.index) == k - 1;
    };
    if (instr.fn == PointwiseFn::kAdd) {
      const bool first = is_value(instr.args[0]);
      if (!first && !is_value(instr.args[1])) return false;
      const PointwiseArg& other = instr.args[first ? 1 : 0];
      if (other.kind != Kind::kInput || other.index < 1) return false;
      const Extra& e = extras_[size_t(other.index) - 1];
      // Not behind a residual: the bias is added first, and in a single row the order would be another.
      if (e.form == Form::kColumn && e.dtype == ir::DType::kF32 && act_ == Act::kNone && column_ < 0 && bias_ < 0 &&
          residual_ < 0 && bias_values_.empty()) {
        column_ = other.index - 1;
        continue;
      }
      if (residual_ >= 0) return false;
      if (e.form != Form::kFull || e.dtype != y_type_) return false;
      residual_ = other.index - 1;
      add_after_ = act_ != Act::kNone;
    } else {
      if (!is_value(instr.args[0]) || act_ != Act::kNone || add_after_ || !match_act(instr)) return false;
    }
  }
  const PointwiseArg& result = program.results[0];
  if (program.instrs.empty()) return result.kind == Kind::kInput && result.index == 0;
  return result.kind == Kind::kTemp && size_t(result.index) + 1 == program.instrs.size();
}

int64_t Epilogue::offset_of(const Extra& e, int64_t row) const {
  int64_t offset = 0;
  for (size_t i = rows_.size(); i-- > 0; row /= rows_[i]) offset += row % rows_[i] * e.strides[i];
  return offset;
}

void Epilogue::apply(void* user, float* sums, int64_t pitch, int64_t m, int64_t step, int64_t rows, int64_t n,
                     int64_t columns) {
  const Bound& bound = *static_cast<const Bound*>(user);
  const Epilogue& self = *bound.epilogue;
  const PwSteps& steps = self.steps_;
  const size_t extras = self.extras_.size(), first = size_t(steps.first_register());
  alignas(64) float registers[kMaxRegisters][kMaxColumns], strips[kMaxExtras][kMaxColumns];
  float* slots[kMaxSlots];
  for (size_t i = 0; i < steps.constants.size(); ++i)
    slots[size_t(steps.inputs) + i] = const_cast<float*>(&steps.constants[i]);
  for (int i = 0; i < steps.registers; ++i) slots[first + size_t(i)] = registers[i];
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t row = m + r * step;
    float* sum = slots[0] = sums + r * pitch;
    for (size_t k = 0; k < extras; ++k) {
      const Extra& e = self.extras_[k];
      int64_t at = e.form == Form::kFull ? row * e.pitch : e.form == Form::kBroadcast ? self.offset_of(e, row) : 0;
      if (!e.single()) at += n;
      const char* from = static_cast<const char*>(bound.extras[k]) + at * bytes_of(e.dtype);
      slots[k + 1] = strips[k];
      if (e.dtype == ir::DType::kF32)
        slots[k + 1] = const_cast<float*>(reinterpret_cast<const float*>(from));
      else
        self.loops_->load[size_t(strip_type(e.dtype))](from, strips[k], e.single() ? 1 : columns);
    }
    for (const PwStep& s : steps.steps)
      s.loop(slots[s.to], slots[s.args[0]], slots[s.args[1]], slots[s.args[2]], s.single ? 1 : columns);
    const float* result = slots[steps.results[0]];
    if (result != sum) std::memcpy(sum, result, size_t(columns) * sizeof(float));
  }
}

void Epilogue::bind(const RunArgs& args, Bound& bound) const {
  bound.epilogue = this;
  for (size_t k = 0; k < extras_.size(); ++k) bound.extras[k] = args.inputs[extras_[k].input];
  isa::Post post;
  post.bias = bias_ >= 0             ? static_cast<const float*>(args.inputs[bias_])
              : column_ >= 0         ? static_cast<const float*>(bound.extras[column_])
              : bias_values_.empty() ? nullptr
                                     : bias_values_.data();
  if (has_program_ && !matched_) {
    post.apply = apply;
    post.user = &bound;
  } else {
    post.act = act_;
    post.a = a_;
    post.b = b_;
    post.add_after = add_after_;
    if (residual_ >= 0) {
      post.residual = bound.extras[residual_];
      post.residual_pitch = extras_[size_t(residual_)].pitch;
    }
  }
  bound.post = post;
}

namespace {

constexpr int64_t kHuge = 2 << 20, kSmall = kHuge / 4;

std::shared_ptr<void> huge_pages(int64_t bytes) {
  const int64_t size = checked_add(bytes, kHuge - 1) / kHuge * kHuge;
  void* p = std::aligned_alloc(size_t(kHuge), size_t(size));
  require(p != nullptr, ErrorCode::kOutOfMemory, "no memory for ", bytes, " bytes of packed weights");
  madvise(p, size_t(size), MADV_HUGEPAGE);
  return {p, std::free};
}

/// A huge page from which small pieces are cut; it stays as long as one of them does.
struct Page {
  std::mutex mutex;
  std::weak_ptr<void> memory;
  int64_t used = 0;
};

}  // namespace

std::shared_ptr<void> packed_memory(int64_t bytes) {
  if (bytes > kSmall) return huge_pages(bytes);
  static Page page;
  const int64_t size = std::max<int64_t>(round_up(bytes), 64);
  std::lock_guard lock(page.mutex);
  std::shared_ptr<void> memory = page.memory.lock();
  if (!memory || page.used + size > kHuge) {
    page.memory = memory = huge_pages(kHuge);
    page.used = 0;
  }
  void* piece = static_cast<char*>(memory.get()) + page.used;
  page.used += size;
  return {std::move(memory), piece};
}

std::shared_ptr<const void> packed(const Problem& p, const ir::Tensor& source, const std::string& format, int64_t bytes,
                                   const std::function<void(void*)>& make) {
  const auto fresh = [&]() -> std::shared_ptr<const void> {
    auto memory = packed_memory(bytes);
    make(memory.get());
    return memory;
  };
  return p.weights ? p.weights->get(source, format, fresh) : fresh();
}

ir::Tensor as_f32(const ir::Tensor& t) { return t.dtype() == ir::DType::kF32 ? t : t.cast(ir::DType::kF32); }

void run_tasks(const RunArgs& args, int slots, int64_t tasks, FunctionRef<void(int64_t, int)> fn) {
  if (args.pool.size() <= slots) return args.pool.parallel_for(tasks, fn);
  for (int64_t i = 0; i < tasks; ++i) fn(i, 0);
}

Grid make_grid(const isa::IsaTable& t, int64_t rows, int64_t panels, int64_t a_bytes, int64_t b_bytes, int threads,
               int64_t share) {
  Grid g{rows, panels};
  if (threads <= 1 || share >= 4 * threads) return g;
  const int64_t tiles = std::max<int64_t>(1, (rows + t.rows - 1) / t.rows);
  const int64_t wanted = share >= threads ? 2 : 4 * threads / std::max<int64_t>(share, 1);
  // Each cut of the rows reads all of B, each cut of the panels all of A.
  if (b_bytes > a_bytes || tiles < 2 * threads) {
    g.panel_cuts = std::min(panels, wanted);
    if (g.panel_cuts < threads) g.row_cuts = std::min<int64_t>(tiles, (threads + g.panel_cuts - 1) / g.panel_cuts);
  } else {
    g.row_cuts = std::min(tiles, wanted);
  }
  return g;
}

double estimate_us(const isa::IsaTable& t, isa::Type type, double multiply_adds, double bytes, int threads) {
  double a_cycle = 2.0 * t.lanes;
  if (type == isa::Type::kBf16) a_cycle *= t.fast_bf16 ? 1.9 : 0.9;
  if (t.isa == isa::Isa::kBase) a_cycle *= 0.5;
  const double compute = multiply_adds / (a_cycle * 3500), memory = bytes / 20000;
  return (compute + memory * 0.3) / threads + 1.5;
}

}  // namespace tenon::cpu
