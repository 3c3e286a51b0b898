// Element-wise programs, and single element-wise operators as programs of one instruction, run over strips that stay in
// the first-level cache. Arithmetic is in f32; narrow types are converted at a strip's edges.
#include <algorithm>
#include <cstring>

#include "backends/cpu/isa/loops.h"
#include "backends/cpu/kernels/pointwise_steps.h"
#include "backends/cpu/kernels/strides.h"
#include "backends/kernel.h"
#include "base/thread_pool.h"
#include "ops/fused/pointwise.h"

namespace tenon::cpu {
namespace {

using ir::DType;
using isa::PwType;

constexpr int64_t kRowStrip = 2048;      // longest strip, in elements
constexpr int64_t kShortRow = 192;       // rows below are taken several a strip
constexpr int kSlots = 512;              // operands, constants and registers of a program
constexpr int64_t kArenaFloats = 12288;  // registers and converted operands of a strip: 48 KiB

std::optional<PwType> strip_type(DType t) {
  switch (t) {
    case DType::kF32:
      return PwType::kF32;
    case DType::kBF16:
      return PwType::kBf16;
    case DType::kF16:
      return PwType::kF16;
    case DType::kBool:
      return PwType::kBool;
    case DType::kI8:
      return PwType::kI8;
    case DType::kU8:
      return PwType::kU8;
    case DType::kI16:
      return PwType::kI16;
    case DType::kU16:
      return PwType::kU16;
    default:
      return std::nullopt;
  }
}

std::optional<ops::PointwiseProgram> program_of(const Problem& p) {
  return ops::pointwise_program_of(*p.node,
                                   [&](size_t i) { return i < p.constants.size() ? p.constants[i] : nullptr; });
}

std::vector<bool> inputs_read(const ops::PointwiseProgram& program) {
  std::vector<bool> read(size_t(program.input_count), false);
  auto note = [&](const ops::PointwiseArg& a) {
    if (a.kind == ops::PointwiseArg::Kind::kInput) read[size_t(a.index)] = true;
  };
  for (const auto& i : program.instrs) std::for_each(i.args.begin(), i.args.end(), note);
  std::for_each(program.results.begin(), program.results.end(), note);
  return read;
}

enum class Source : uint8_t {
  kUnread,
  kSingle,  ///< one value a strip
  kDirect,  ///< f32, contiguous: read where it is
  kLoad,    ///< contiguous, converted to a strip
  kRows,    ///< rows gathered and converted to a strip
};
struct Operand {
  Source source = Source::kUnread;
  PwType type = PwType::kF32;
  int64_t element = 4, row = 0, column = 0;  ///< bytes an element; element strides of the plane's two dims
  std::vector<int64_t> outer;                ///< element strides of the outer dims
  int buffer = -1;                           ///< strip that converted values go to
};

/// The iteration space: outer dims, then a plane of rows x columns, cut into strips of whole rows or parts of a row.
struct Layout {
  std::vector<int64_t> outer;
  int64_t outer_count = 1, rows = 1, columns = 1;
  int64_t strip_rows = 1, strip_columns = 1, row_strips = 1, column_strips = 1, strips = 1;
  int64_t buffer_floats = 0;
  std::vector<Operand> inputs, outputs;
};

void classify(Operand& o, const Layout& l, bool short_rows) {
  if (o.column == 0 && (!short_rows || o.row == 0))
    o.source = Source::kSingle;
  else if (o.column == 1 && (!short_rows || o.row == l.columns))
    o.source = o.type == PwType::kF32 ? Source::kDirect : Source::kLoad;
  else
    o.source = Source::kRows;
}

/// Throws nothing; a reason is returned where the operands cannot be walked.
std::string make_layout(const Problem& p, const std::vector<bool>& read, Layout& l) {
  const ir::Dims& dims = p.outputs[0].dims;
  std::vector<ir::Dims> strides;
  for (size_t i = 0; i < read.size(); ++i)
    if (read[i]) strides.push_back(broadcast_strides(p.inputs[i], dims));
  for (const TensorDesc& d : p.outputs) strides.push_back(broadcast_strides(d, dims));
  ir::Dims space = dims;
  collapse(space, strides);
  while (space.size() < 2) {
    space.insert(space.begin(), 1);
    for (auto& s : strides) s.insert(s.begin(), 0);
  }
  const size_t n = space.size();
  l.columns = space[n - 1];
  l.rows = space[n - 2];
  l.outer.assign(space.begin(), space.end() - 2);
  for (int64_t d : l.outer) l.outer_count *= d;
  size_t at = 0;
  auto operand = [&](const TensorDesc& d) {
    Operand o;
    o.type = *strip_type(d.dtype);
    o.element = ir::bits(d.dtype) / 8;
    const ir::Dims& s = strides[at++];
    o.row = s[n - 2];
    o.column = s[n - 1];
    o.outer.assign(s.begin(), s.end() - 2);
    return o;
  };
  for (size_t i = 0; i < read.size(); ++i) l.inputs.push_back(read[i] ? operand(p.inputs[i]) : Operand{});
  for (const TensorDesc& d : p.outputs) l.outputs.push_back(operand(d));
  const bool short_rows = l.columns < kShortRow && l.rows > 1;
  for (size_t i = 0; i < read.size(); ++i) {
    if (!read[i]) continue;
    if (l.inputs[i].column > 1) return cat("operand ", i, " has neither contiguous nor repeated elements");
    classify(l.inputs[i], l, short_rows);
  }
  for (Operand& o : l.outputs) {
    if (o.column != 1 && l.columns > 1) return "a result has no contiguous elements";
    o.column = 1;
    o.source = short_rows && o.row != l.columns ? Source::kRows
               : o.type == PwType::kF32         ? Source::kDirect
                                                : Source::kLoad;
  }
  return {};
}

/// Cuts the space into strips, given the number of strip buffers.
void cut(Layout& l, int64_t buffers) {
  int64_t strip = std::min(kRowStrip, kArenaFloats / std::max<int64_t>(1, buffers)) / 64 * 64;
  const bool short_rows = l.columns < kShortRow && l.rows > 1;
  l.strip_columns = short_rows ? l.columns : std::min(l.columns, strip);
  l.strip_rows = short_rows ? std::clamp<int64_t>(strip / l.columns, 1, l.rows) : 1;
  l.buffer_floats = (l.strip_columns * l.strip_rows + 15) / 16 * 16;
  l.row_strips = (l.rows + l.strip_rows - 1) / l.strip_rows;
  l.column_strips = (l.columns + l.strip_columns - 1) / l.strip_columns;
  l.strips = l.outer_count * l.row_strips * l.column_strips;
}

class PointwiseStrips final : public Kernel {
 public:
  explicit PointwiseStrips(const Problem& p) : loops_(isa::loop_table().pointwise) {
    const ops::PointwiseProgram program = *program_of(p);
    const std::vector<bool> read = inputs_read(program);
    const std::string reason = make_layout(p, read, l_);
    require(reason.empty(), ErrorCode::kInternal, reason);
    std::vector<bool> single;
    for (const Operand& o : l_.inputs) single.push_back(o.source == Source::kSingle);
    steps_ = compile_pointwise(program, single, loops_);
    int buffers = steps_.registers;
    for (Operand& o : l_.inputs)
      if (o.source == Source::kLoad || o.source == Source::kRows) o.buffer = buffers++;
    cut(l_, buffers);
    plan_results();
    const double ns = double(l_.strips * l_.buffer_floats) * (steps_.nanoseconds + 0.1);
    tasks_ = task_count(ns, l_.strips, p.threads);
  }

  void run(const RunArgs& args) const override {
    args.pool.parallel_for(tasks_, [&](int64_t task, int) {
      const int64_t begin = l_.strips * task / tasks_, end = l_.strips * (task + 1) / tasks_;
      if (begin < end) run_strips(args, begin, end);
    });
  }

 private:
  struct Walk {
    int64_t outer = -1;
    int64_t input_base[64], output_base[64];  ///< elements
    float singles[64];
    const void* filled[64];  ///< what a gathered strip holds
    int64_t filled_rows[64];
    float* slots[kSlots];
  };

  /// A result that is an f32 strip of its own is computed where it belongs.
  void plan_results() {
    in_place_.assign(l_.outputs.size(), false);
    for (size_t i = 0; i < l_.outputs.size(); ++i) {
      const int slot = steps_.results[i];
      const bool taken = std::find(steps_.results.begin(), steps_.results.begin() + int64_t(i), slot) !=
                         steps_.results.begin() + int64_t(i);
      in_place_[i] = l_.outputs[i].source == Source::kDirect && slot >= steps_.first_register() && !taken;
    }
  }
  void set_outer(Walk& w, int64_t outer) const {
    if (w.outer == outer) return;
    w.outer = outer;
    auto base = [&](const Operand& o) {
      int64_t at = 0, rest = outer;
      for (size_t d = l_.outer.size(); d-- > 0; rest /= l_.outer[d]) at += rest % l_.outer[d] * o.outer[d];
      return at;
    };
    for (size_t i = 0; i < l_.inputs.size(); ++i)
      if (l_.inputs[i].source != Source::kUnread) w.input_base[i] = base(l_.inputs[i]);
    for (size_t i = 0; i < l_.outputs.size(); ++i) w.output_base[i] = base(l_.outputs[i]);
  }
  void gather_rows(Walk& w, size_t i, const char* from, int64_t rows) const {
    const Operand& o = l_.inputs[i];
    float* to = w.slots[i];
    if (o.row == 0 && w.filled[i] == from && w.filled_rows[i] >= rows) return;
    const auto load = loops_.load[size_t(o.type)];
    const int64_t n = l_.columns, count = rows * n;
    if (o.row == 0) {  // one row again and again
      load(from, to, n);
      for (int64_t have = n; have < count; have *= 2)
        std::memcpy(to + have, to, size_t(std::min(have, count - have)) * 4);
      w.filled[i] = from;
      w.filled_rows[i] = rows;
    } else if (o.column == 0) {
      float values[kRowStrip];
      if (o.row == 1) load(from, values, rows);
      for (int64_t r = 0; r < rows && o.row != 1; ++r) load(from + r * o.row * o.element, values + r, 1);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < n; ++c) to[r * n + c] = values[r];
    } else if (o.type == PwType::kF32 && n < 16) {
      const float* x = reinterpret_cast<const float*>(from);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < n; ++c) to[r * n + c] = x[r * o.row + c];
    } else {
      for (int64_t r = 0; r < rows; ++r) load(from + r * o.row * o.element, to + r * n, n);
    }
  }
  void set_inputs(Walk& w, const RunArgs& args, int64_t row, int64_t column, int64_t rows, int64_t count) const {
    for (size_t i = 0; i < l_.inputs.size(); ++i) {
      const Operand& o = l_.inputs[i];
      if (o.source == Source::kUnread) continue;
      const char* from =
          static_cast<const char*>(args.inputs[i]) + (w.input_base[i] + row * o.row + column * o.column) * o.element;
      switch (o.source) {
        case Source::kUnread:
          break;
        case Source::kSingle:
          loops_.load[size_t(o.type)](from, &w.singles[i], 1);
          w.slots[i] = &w.singles[i];
          break;
        case Source::kDirect:
          w.slots[i] = const_cast<float*>(reinterpret_cast<const float*>(from));
          break;
        case Source::kLoad:
          loops_.load[size_t(o.type)](from, w.slots[i], count);
          break;
        case Source::kRows:
          gather_rows(w, i, from, rows);
          break;
      }
    }
  }
  char* output_at(const Walk& w, const RunArgs& args, size_t i, int64_t row, int64_t column) const {
    const Operand& o = l_.outputs[i];
    return static_cast<char*>(args.outputs[i]) + (w.output_base[i] + row * o.row + column) * o.element;
  }
  void store(const Walk& w, const RunArgs& args, size_t i, int64_t row, int64_t column, int64_t rows,
             int64_t count) const {
    const Operand& o = l_.outputs[i];
    const float* from = w.slots[steps_.results[i]];
    char* to = output_at(w, args, i, row, column);
    const auto put = loops_.store[size_t(o.type)];
    if (o.source != Source::kRows) {
      put(from, to, count);
      return;
    }
    for (int64_t r = 0; r < rows; ++r) put(from + r * l_.columns, to + r * o.row * o.element, l_.columns);
  }
  void run_strips(const RunArgs& args, int64_t begin, int64_t end) const {
    alignas(64) float arena[kArenaFloats];
    Walk w;
    std::memset(w.filled, 0, sizeof w.filled);
    const size_t first = size_t(steps_.first_register());
    for (size_t i = 0; i < steps_.constants.size(); ++i)
      w.slots[size_t(steps_.inputs) + i] = const_cast<float*>(&steps_.constants[i]);
    for (int r = 0; r < steps_.registers; ++r) w.slots[first + size_t(r)] = arena + r * l_.buffer_floats;
    for (size_t i = 0; i < l_.inputs.size(); ++i)
      if (l_.inputs[i].buffer >= 0) w.slots[i] = arena + l_.inputs[i].buffer * l_.buffer_floats;
    for (int64_t s = begin; s < end; ++s) {
      const int64_t column = s % l_.column_strips * l_.strip_columns, rest = s / l_.column_strips;
      const int64_t row = rest % l_.row_strips * l_.strip_rows;
      const int64_t rows = std::min(l_.strip_rows, l_.rows - row);
      const int64_t count = rows * std::min(l_.strip_columns, l_.columns - column);
      set_outer(w, rest / l_.row_strips);
      set_inputs(w, args, row, column, rows, count);
      for (size_t i = 0; i < l_.outputs.size(); ++i)
        if (in_place_[i]) w.slots[steps_.results[i]] = reinterpret_cast<float*>(output_at(w, args, i, row, column));
      for (const PwStep& step : steps_.steps)
        step.loop(w.slots[step.to], w.slots[step.args[0]], w.slots[step.args[1]], w.slots[step.args[2]],
                  step.single ? 1 : count);
      for (size_t i = 0; i < l_.outputs.size(); ++i)
        if (!in_place_[i]) store(w, args, i, row, column, rows, count);
    }
  }

  const isa::PointwiseLoops& loops_;
  Layout l_;
  PwSteps steps_;
  std::vector<bool> in_place_;
  int64_t tasks_ = 1;
};

Support refuse_types(const Problem& p, const ops::PointwiseProgram& program, const std::vector<bool>& read) {
  if (size_t(program.input_count) > p.inputs.size())
    return Support::no("the program reads operand ", program.input_count - 1);
  for (size_t i = 0; i < read.size(); ++i) {
    if (!read[i]) continue;
    if (!p.has_input(i)) return Support::no("operand ", i, " is absent");
    if (!strip_type(p.inputs[i].dtype))
      return Support::no("operand ", i, " is ", p.inputs[i].dtype,
                         "; f32 arithmetic holds f32, bf16, f16, bool and integers of at most 16 bits");
  }
  for (const TensorDesc& d : p.outputs) {
    if (d.dtype == DType::kUndefined) return Support::no("every result must be wanted");
    if (d.dtype != DType::kF32 && d.dtype != DType::kBF16 && d.dtype != DType::kF16 && d.dtype != DType::kBool)
      return Support::no("a result is ", d.dtype, ", results may be f32, bf16, f16 and bool");
    if (d.dims != p.outputs[0].dims) return Support::no("results differ in shape");
  }
  return Support::yes(0);
}

Support supports(const Problem& p) {
  const auto program = program_of(p);
  if (!program) return Support::no("operator ", p.node->op, " has no element-wise program for these inputs");
  const std::vector<bool> read = inputs_read(*program);
  if (Support s = refuse_types(p, *program, read); !s.ok) return s;
  if (program->results.size() != p.outputs.size())
    return Support::no("the program has ", program->results.size(), " results");
  Layout layout;
  if (std::string reason = make_layout(p, read, layout); !reason.empty()) return Support::no(reason);
  std::vector<bool> single;
  int64_t buffers = 0;
  for (const Operand& o : layout.inputs) {
    single.push_back(o.source == Source::kSingle);
    buffers += o.source == Source::kLoad || o.source == Source::kRows;
  }
  const PwSteps steps = compile_pointwise(*program, single, isa::loop_table().pointwise);
  buffers += steps.registers;
  if (buffers > kArenaFloats / kShortRow)
    return Support::no("the program needs ", buffers, " strips at once, at most ", kArenaFloats / kShortRow,
                       " are kept");
  if (steps.first_register() + steps.registers > kSlots)
    return Support::no("the program has more than ", kSlots, " values");
  double bytes = 0;
  for (size_t i = 0; i < read.size(); ++i)
    if (read[i]) bytes += double(p.inputs[i].count()) * ir::bits(p.inputs[i].dtype) / 8;
  for (const TensorDesc& d : p.outputs) bytes += double(d.count()) * ir::bits(d.dtype) / 8;
  return Support::yes(streaming_us(bytes, double(p.outputs[0].count()) * steps.nanoseconds, p.threads));
}

std::unique_ptr<Kernel> prepare(const Problem& p) { return std::make_unique<PointwiseStrips>(p); }

}  // namespace

std::vector<KernelDef> pointwise() {
  std::vector<KernelDef> defs;
  for (std::string_view op : ops::pointwise_operators())
    defs.push_back({"pointwise_strips", op, supports, prepare, 0xffff | 1u << 16});
  return defs;
}

}  // namespace tenon::cpu
