// Operators that only move elements, as strided copies: Transpose, Concat, Split, Slice, Expand, Tile, Pad,
// DepthToSpace and SpaceToDepth.
#include <algorithm>
#include <cstring>

#include "backends/cpu/kernels/strided_copy.h"
#include "backends/moves.h"
#include "base/thread_pool.h"

namespace tenon::cpu {
namespace {

using ir::Dims;

/// Copies of this device; phases follow each other, the steps of a phase are independent.
struct Step {
  static constexpr int kZero = -1;        ///< reads one element of zeros
  static constexpr int kFromOutput = -2;  ///< reads output 0
  StridedCopy copy;
  int input = 0, output = 0;
  int64_t from = 0, to = 0;  ///< bytes
};
struct Steps {
  std::vector<std::vector<Step>> phases{1};
  std::string reason;  ///< why there are none
  void add(Dims dims, Dims from, Dims to, int64_t size, int input, int output, int64_t from_at, int64_t to_at) {
    phases.back().push_back({StridedCopy(std::move(dims), std::move(from), std::move(to), size), input, output,
                             from_at * size, to_at * size});
  }
};
template <class... Parts>
Steps none(const Parts&... parts) {
  Steps m;
  m.reason = cat(parts...);
  return m;
}

int64_t size_of(const Problem& p) { return element_bytes(p.inputs[0].dtype); }

Steps pad_steps(const Problem& p) {
  const ops::PadMode mode = p.attrs<ops::PadAttrs>().mode;
  const Padding pad = padding_of(p);
  if (!pad.reason.empty()) return none(pad.reason);
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
  Steps m;
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
      const int input = p.has_input(2) ? 2 : Step::kZero;
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
      m.add(dims, to, to, size, Step::kFromOutput, 0, base + source * to[d], base + at * to[d]);
      if (++slices > 4096) return none("more than 4096 slices are repeated");
    }
  }
  return m;
}

Steps steps_of(const Problem& p) {
  if (p.node->op == "Pad") return pad_steps(p);
  Moves moves = moves_of(p);
  Steps m;
  m.reason = std::move(moves.reason);
  for (Move& k : moves.all)
    m.add(std::move(k.dims), std::move(k.from), std::move(k.to), size_of(p), k.input, k.output, k.from_at, k.to_at);
  return m;
}

class StridedMoves final : public Kernel {
 public:
  explicit StridedMoves(const Problem& p) : steps_(steps_of(p)) {
    require(steps_.reason.empty(), ErrorCode::kInternal, steps_.reason);
    for (const auto& phase : steps_.phases) {
      int64_t bytes = 0, pieces = 0;
      for (const Step& m : phase) bytes += m.copy.bytes(), pieces += m.copy.pieces();
      bytes_.push_back(bytes);
      tasks_.push_back(task_count(double(bytes) * 0.1, pieces, p.threads));
    }
  }
  void run(const RunArgs& args) const override {
    for (size_t k = 0; k < steps_.phases.size(); ++k) {
      const int64_t tasks = tasks_[k], bytes = bytes_[k];
      if (bytes == 0) continue;
      args.pool.parallel_for(tasks, [&](int64_t task, int) {
        run_share(args, steps_.phases[k], bytes / tasks * task, task + 1 == tasks ? bytes : bytes / tasks * (task + 1));
      });
    }
  }

 private:
  /// The pieces that begin within bytes [begin, end) of a phase.
  static void run_share(const RunArgs& args, const std::vector<Step>& phase, int64_t begin, int64_t end) {
    static constexpr char zeros[16] = {};
    int64_t base = 0;
    for (const Step& m : phase) {
      const int64_t bytes = m.copy.bytes(), pieces = m.copy.pieces();
      auto piece = [&](int64_t at) {
        return int64_t(double(std::clamp<int64_t>(at - base, 0, bytes)) / double(bytes) * double(pieces));
      };
      const int64_t from_piece = piece(begin), to_piece = end >= base + bytes ? pieces : piece(end);
      base += bytes;
      if (from_piece >= to_piece) continue;
      const void* from = m.input == Step::kZero         ? zeros
                         : m.input == Step::kFromOutput ? args.outputs[0]
                                                        : args.inputs[m.input];
      m.copy.run(static_cast<const char*>(from) + m.from, static_cast<char*>(args.outputs[m.output]) + m.to, from_piece,
                 to_piece);
    }
  }
  Steps steps_;
  std::vector<int64_t> bytes_, tasks_;
};

Support supports(const Problem& p) {
  if (element_bytes(p.inputs[0].dtype) == 0)
    return Support::no("elements of type ", p.inputs[0].dtype, " have no whole number of bytes");
  if (p.inputs[0].dims.size() > 12 || p.outputs[0].dims.size() > 12) return Support::no("at most 12 axes are walked");
  double bytes = 0;
  for (const TensorDesc& d : p.outputs)
    if (d.dtype != ir::DType::kUndefined) bytes += double(d.count()) * ir::bits(d.dtype) / 8;
  const Steps m = steps_of(p);
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
