// Operators that only move elements, as strided copies: Transpose, Concat, Split, Slice, Expand, Tile, Pad,
// DepthToSpace and SpaceToDepth.
#include <algorithm>
#include <cstring>

#include "backends/cpu/kernels/strided_copy.h"
#include "base/thread_pool.h"
#include "ops/shape/axis_attrs.h"
#include "ops/shape/pad.h"
#include "ops/shape/split.h"
#include "ops/shape/transpose.h"

namespace tenon::cpu {
namespace {

using ir::Dims;

struct Move {
  static constexpr int kZero = -1;        ///< reads one element of zeros
  static constexpr int kFromOutput = -2;  ///< reads output 0
  StridedCopy copy;
  int input = 0, output = 0;
  int64_t from = 0, to = 0;  ///< bytes
};
/// Phases follow each other; the moves of a phase are independent.
struct Moves {
  std::vector<std::vector<Move>> phases{1};
  std::string reason;  ///< why there are none
  void add(Dims dims, Dims from, Dims to, int64_t size, int input, int output, int64_t from_at, int64_t to_at) {
    phases.back().push_back({StridedCopy(std::move(dims), std::move(from), std::move(to), size), input, output,
                             from_at * size, to_at * size});
  }
};
template <class... Parts>
Moves none(const Parts&... parts) {
  Moves m;
  m.reason = cat(parts...);
  return m;
}

int64_t front(int64_t axis, size_t rank) { return axis < 0 ? axis + int64_t(rank) : axis; }
std::vector<int64_t> ints_of(const Problem& p, size_t i) {
  return i < p.constants.size() && p.constants[i] ? p.constants[i]->to_ints() : std::vector<int64_t>();
}
bool known(const Problem& p, size_t i) { return !p.has_input(i) || p.constants[i]; }
int64_t size_of(const Problem& p) { return element_bytes(p.inputs[0].dtype); }

Moves transpose_moves(const Problem& p) {
  const Dims from = element_strides(p.inputs[0]), perm = p.attrs<ops::TransposeAttrs>().perm;
  Dims strides;
  for (size_t i = 0; i < from.size(); ++i)
    strides.push_back(from[perm.empty() ? from.size() - 1 - i : size_t(front(perm[i], from.size()))]);
  Moves m;
  m.add(p.outputs[0].dims, strides, element_strides(p.outputs[0]), size_of(p), 0, 0, 0, 0);
  return m;
}

Moves concat_moves(const Problem& p) {
  const size_t axis = size_t(front(p.attrs<ops::AxisAttrs>().axis, p.outputs[0].dims.size()));
  const Dims to = element_strides(p.outputs[0]);
  Moves m;
  int64_t at = 0;
  for (size_t i = 0; i < p.inputs.size(); ++i) {
    m.add(p.inputs[i].dims, element_strides(p.inputs[i]), to, size_of(p), int(i), 0, 0, at * to[axis]);
    at += p.inputs[i].dims[axis];
  }
  return m;
}

Moves split_moves(const Problem& p) {
  const Dims from = element_strides(p.inputs[0]);
  const size_t axis = size_t(front(p.attrs<ops::SplitAttrs>().axis, from.size()));
  std::vector<int64_t> sizes = ints_of(p, 1);
  const int64_t parts = int64_t(p.outputs.size());
  if (sizes.empty() && p.has_input(1)) return none("the sizes are not known");
  if (sizes.empty()) sizes.assign(p.outputs.size(), (p.inputs[0].dims[axis] + parts - 1) / parts);
  Moves m;
  int64_t at = 0;
  for (size_t i = 0; i < p.outputs.size(); at += sizes[i++]) {
    const TensorDesc& y = p.outputs[i];
    if (y.dtype == ir::DType::kUndefined || y.count() == 0) continue;
    m.add(y.dims, from, element_strides(y), size_of(p), 0, int(i), at * from[axis], 0);
  }
  return m;
}

Moves slice_moves(const Problem& p) {
  for (size_t i = 1; i < p.inputs.size(); ++i)
    if (!known(p, i)) return none("input ", i, " is not known before running");
  const std::vector<int64_t> starts = ints_of(p, 1), axes = ints_of(p, 3), steps = ints_of(p, 4);
  Dims from = element_strides(p.inputs[0]);
  int64_t offset = 0;
  for (size_t i = 0; i < starts.size(); ++i) {
    const size_t axis = size_t(axes.empty() ? int64_t(i) : front(axes[i], from.size()));
    const int64_t step = steps.empty() ? 1 : steps[i], extent = p.inputs[0].dims[axis];
    const int64_t start = starts[i] < 0 ? std::max(starts[i], -extent - 1) + extent : starts[i];
    offset += std::clamp<int64_t>(start, 0, step < 0 ? extent - 1 : extent) * from[axis];
    from[axis] *= p.outputs[0].dims[axis] == 1 ? 1 : step;
  }
  Moves m;
  m.add(p.outputs[0].dims, from, element_strides(p.outputs[0]), size_of(p), 0, 0, offset, 0);
  return m;
}

Moves expand_moves(const Problem& p) {
  Moves m;
  m.add(p.outputs[0].dims, broadcast_strides(p.inputs[0], p.outputs[0].dims), element_strides(p.outputs[0]), size_of(p),
        0, 0, 0, 0);
  return m;
}

Moves tile_moves(const Problem& p) {
  const Dims from = element_strides(p.inputs[0]), to = element_strides(p.outputs[0]), &x = p.inputs[0].dims;
  Dims dims, f, t;
  for (size_t i = 0; i < x.size(); ++i) {
    dims.insert(dims.end(), {p.outputs[0].dims[i] / x[i], x[i]});
    f.insert(f.end(), {0, from[i]});
    t.insert(t.end(), {x[i] * to[i], to[i]});
  }
  Moves m;
  m.add(dims, f, t, size_of(p), 0, 0, 0, 0);
  return m;
}

/// The six axes of a block rearrangement on `small`, the tensor of more channels, and on `large`, of larger planes.
Moves depth_moves(const Problem& p, bool to_space, int64_t b, bool column_major) {
  const TensorDesc &small = to_space ? p.inputs[0] : p.outputs[0], &large = to_space ? p.outputs[0] : p.inputs[0];
  const Dims s = element_strides(small), l = element_strides(large);
  const int64_t n = large.dims[0], c = large.dims[1], h = small.dims[2], w = small.dims[3];
  // n, c, h, block row, w, block column, in the order of `large`; DCR has the block in front of the channels.
  const Dims dims{n, c, h, b, w, b}, at_large{l[0], l[1], l[2] * b, l[2], l[3] * b, l[3]};
  const Dims at_small = column_major ? Dims{s[0], s[1] * b * b, s[2], s[1] * b, s[3], s[1]}
                                     : Dims{s[0], s[1], s[2], s[1] * b * c, s[3], s[1] * c};
  Moves m;
  m.add(dims, to_space ? at_small : at_large, to_space ? at_large : at_small, size_of(p), 0, 0, 0, 0);
  return m;
}

struct Padding {
  Dims begin, end;  ///< of every axis
};
std::string read_padding(const Problem& p, Padding& pad) {
  if (!known(p, 1) || !known(p, 3)) return "the pads are not known before running";
  const size_t rank = p.inputs[0].dims.size();
  const std::vector<int64_t> pads = ints_of(p, 1), axes = ints_of(p, 3);
  pad.begin.assign(rank, 0);
  pad.end.assign(rank, 0);
  const size_t n = pads.size() / 2;
  for (size_t i = 0; i < n; ++i) {
    const size_t axis = size_t(p.has_input(3) ? front(axes[i], rank) : int64_t(i));
    pad.begin[axis] = pads[i];
    pad.end[axis] = pads[n + i];
  }
  return {};
}

/// Source position of padded position `at` on an axis of `extent` entries, both counted from the first entry.
int64_t pad_source(ops::PadMode mode, int64_t at, int64_t extent) {
  if (mode == ops::PadMode::kEdge) return at < 0 ? 0 : extent - 1;
  if (mode == ops::PadMode::kWrap) return (at % extent + extent) % extent;
  if (extent == 1) return 0;
  const int64_t period = 2 * (extent - 1), m = (at % period + period) % period;
  return m < extent ? m : period - m;
}

Moves pad_moves(const Problem& p) {
  const ops::PadMode mode = p.attrs<ops::PadAttrs>().mode;
  Padding pad;
  if (std::string reason = read_padding(p, pad); !reason.empty()) return none(reason);
  const bool constant = mode == ops::PadMode::kConstant;
  if (constant && p.has_input(2) && p.inputs[2].dtype != p.inputs[0].dtype)
    return none("the padding value has another type than the data");
  const Dims &x = p.inputs[0].dims, &y = p.outputs[0].dims, from = element_strides(p.inputs[0]),
             to = element_strides(p.outputs[0]);
  const size_t rank = x.size();
  const int64_t size = size_of(p);
  // The interior, in coordinates of the output, and what it reads.
  Dims first(rank), count(rank);
  int64_t read_at = 0, write_at = 0;
  for (size_t d = 0; d < rank; ++d) {
    if (!constant && (pad.begin[d] < 0 || pad.end[d] < 0))
      return none("negative pads are cropped by constant padding only");
    first[d] = std::max<int64_t>(0, pad.begin[d]);
    count[d] = y[d] - first[d] - std::max<int64_t>(0, pad.end[d]);
    if (count[d] <= 0) return none("nothing of the data is kept");
    read_at += std::max<int64_t>(0, -pad.begin[d]) * from[d];
    write_at += first[d] * to[d];
  }
  Moves m;
  m.add(count, from, to, size, 0, 0, read_at, write_at);
  int64_t slices = 0;
  // Axis by axis from the last: later axes are whole by then, earlier ones still the interior.
  for (size_t d = rank; d-- > 0;) {
    if (!constant) m.phases.emplace_back();
    int64_t base = 0;
    Dims dims(count.begin(), count.begin() + int64_t(d));
    for (size_t i = 0; i < d; ++i) base += first[i] * to[i];
    const int64_t tail = first[d] + count[d];
    if (constant) {
      const int input = p.has_input(2) ? 2 : Move::kZero;
      for (auto [at, n] : {std::pair(int64_t(0), first[d]), std::pair(tail, y[d] - tail)}) {
        if (n == 0) continue;
        Dims slab = dims;
        slab.push_back(n);
        slab.insert(slab.end(), y.begin() + int64_t(d) + 1, y.end());
        m.add(slab, Dims(rank, 0), to, size, input, 0, 0, base + at * to[d]);
      }
      continue;
    }
    dims.push_back(1);
    dims.insert(dims.end(), y.begin() + int64_t(d) + 1, y.end());
    for (int64_t at = 0; at < y[d]; ++at) {
      if (at >= first[d] && at < tail) continue;
      const int64_t source = first[d] + pad_source(mode, at - first[d], x[d]);
      m.add(dims, to, to, size, Move::kFromOutput, 0, base + source * to[d], base + at * to[d]);
      if (++slices > 4096) return none("more than 4096 slices are repeated");
    }
  }
  return m;
}

Moves moves_of(const Problem& p) {
  const std::string& op = p.node->op;
  if (op == "Transpose") return transpose_moves(p);
  if (op == "Concat") return concat_moves(p);
  if (op == "Split") return split_moves(p);
  if (op == "Slice") return slice_moves(p);
  if (op == "Expand") return expand_moves(p);
  if (op == "Tile") return tile_moves(p);
  if (op == "Pad") return pad_moves(p);
  const ir::Attrs& a = p.node->attrs;
  const bool column_major = a.find("column_row_depth")->of<bool>(a.data());
  return depth_moves(p, op == "DepthToSpace", a.find("blocksize")->of<int64_t>(a.data()), column_major);
}

class StridedMoves final : public Kernel {
 public:
  explicit StridedMoves(const Problem& p) : moves_(moves_of(p)) {
    require(moves_.reason.empty(), ErrorCode::kInternal, moves_.reason);
    for (const auto& phase : moves_.phases) {
      int64_t bytes = 0, pieces = 0;
      for (const Move& m : phase) bytes += m.copy.bytes(), pieces += m.copy.pieces();
      bytes_.push_back(bytes);
      tasks_.push_back(task_count(double(bytes) * 0.1, pieces, p.threads));
    }
  }
  void run(const RunArgs& args) const override {
    for (size_t k = 0; k < moves_.phases.size(); ++k) {
      const int64_t tasks = tasks_[k], bytes = bytes_[k];
      if (bytes == 0) continue;
      args.pool.parallel_for(tasks, [&](int64_t task, int) {
        run_share(args, moves_.phases[k], bytes / tasks * task, task + 1 == tasks ? bytes : bytes / tasks * (task + 1));
      });
    }
  }

 private:
  /// The pieces that begin within bytes [begin, end) of a phase.
  static void run_share(const RunArgs& args, const std::vector<Move>& phase, int64_t begin, int64_t end) {
    static constexpr char zeros[16] = {};
    int64_t base = 0;
    for (const Move& m : phase) {
      const int64_t bytes = m.copy.bytes(), pieces = m.copy.pieces();
      auto piece = [&](int64_t at) {
        return int64_t(double(std::clamp<int64_t>(at - base, 0, bytes)) / double(bytes) * double(pieces));
      };
      const int64_t from_piece = piece(begin), to_piece = end >= base + bytes ? pieces : piece(end);
      base += bytes;
      if (from_piece >= to_piece) continue;
      const void* from = m.input == Move::kZero         ? zeros
                         : m.input == Move::kFromOutput ? args.outputs[0]
                                                        : args.inputs[m.input];
      m.copy.run(static_cast<const char*>(from) + m.from, static_cast<char*>(args.outputs[m.output]) + m.to, from_piece,
                 to_piece);
    }
  }
  Moves moves_;
  std::vector<int64_t> bytes_, tasks_;
};

Support supports(const Problem& p) {
  if (element_bytes(p.inputs[0].dtype) == 0)
    return Support::no("elements of type ", p.inputs[0].dtype, " have no whole number of bytes");
  if (p.inputs[0].dims.size() > 12 || p.outputs[0].dims.size() > 12) return Support::no("at most 12 axes are walked");
  double bytes = 0;
  for (const TensorDesc& d : p.outputs)
    if (d.dtype != ir::DType::kUndefined) bytes += double(d.count()) * ir::bits(d.dtype) / 8;
  const Moves m = moves_of(p);
  if (!m.reason.empty()) return Support::no(m.reason);
  return Support::yes(streaming_us(2 * bytes, 0, p.threads));
}

}  // namespace

std::vector<KernelDef> move() {
  std::vector<KernelDef> defs;
  for (std::string_view op :
       {"Transpose", "Concat", "Split", "Slice", "Expand", "Tile", "Pad", "DepthToSpace", "SpaceToDepth"})
    defs.push_back({"strided_copy", op, supports,
                    [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<StridedMoves>(p); },
                    0xffff | 1u << 16});
  return defs;
}

}  // namespace tenon::cpu
