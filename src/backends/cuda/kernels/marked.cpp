// NonZero and Compress: elements other than zero, and the entries of an axis that they choose.
#include "backends/cuda/device/marked.h"

#include <algorithm>
#include <optional>

#include "backends/cuda/kernels/found.h"
#include "backends/cuda/kernels/strided_copy.h"
#include "backends/strides.h"
#include "ops/data/compress.h"

namespace tenon::cuda {
namespace {

using ir::DType;

/// The bits that make an element other than zero. Nothing for types that are not of whole bytes or have no zero.
std::optional<uint64_t> bits_of_value(DType t) {
  const int bits = ir::bits(t);
  if (t == DType::kF8E8M0 || bits < 8 || bits > 64 || t == DType::kC64) return std::nullopt;
  const uint64_t all = bits == 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1;
  // The sign alone is a number of its own in the types that have no negative zero.
  const bool signless = ir::is_float(t) && t != DType::kF8E4M3FNUZ && t != DType::kF8E5M2FNUZ;
  return signless ? all >> 1 : all;
}

MarkedParams marked_params(const TensorDesc& x) {
  MarkedParams params;
  params.bytes = ir::bits(x.dtype) / 8;
  params.bits = *bits_of_value(x.dtype);
  params.count = uint32_t(x.count());
  return params;
}
int64_t tile_bytes(int64_t count) { return (int64_t(marked_tiles(count) + 1) * 4 + 15) / 16 * 16; }

Support supports_marks(const TensorDesc& x) {
  if (!bits_of_value(x.dtype)) return Support::no("elements are ", x.dtype);
  if (x.count() > kMaxElements) return Support::no("x has ", x.count(), " elements, accepted are ", kMaxElements);
  return Support::yes(0);
}

class NonZero final : public Kernel {
 public:
  explicit NonZero(const Problem& p) : params_(marked_params(p.inputs[0])) {
    const ir::Dims& dims = p.inputs[0].dims;
    params_.extents = extents_of(dims.empty() ? ir::Dims{1} : dims);
  }
  int64_t workspace_bytes() const override { return tile_bytes(params_.count); }
  void run(const RunArgs& args) const override {
    MarkedParams p = params_;
    p.x = args.inputs[0];
    p.before = static_cast<uint32_t*>(args.workspace);
    p.coordinates = static_cast<int64_t*>(args.outputs[0]);
    p.found = args.found;
    TENON_CUDA(find_marked(p, stream_of(args)));
  }

 private:
  MarkedParams params_;
};

/// x as it is chosen from: [outer, size, inner].
AxisSplit entries_of(const Problem& p) {
  const auto& a = p.attrs<ops::AxisOrFlatAttrs>();
  if (a.flatten) return {1, p.inputs[0].count(), 1};
  return split_at(p.inputs[0].dims, a.axis);
}

class Compress final : public Kernel {
 public:
  explicit Compress(const Problem& p) : marks_(marked_params(p.inputs[1])) {
    const AxisSplit entries = entries_of(p);
    const int64_t bytes = entries.inner * ir::bits(p.inputs[0].dtype) / 8;
    take_.unit_bytes = int(std::min<int64_t>(bytes & -bytes, 16));
    take_.outer = uint32_t(entries.outer);
    take_.entries = uint32_t(entries.size);
    take_.units = Divisor(bytes / take_.unit_bytes);
    take_.most = p.outputs[0].count() * (ir::bits(p.inputs[0].dtype) / 8) / take_.unit_bytes;
  }
  int64_t workspace_bytes() const override { return tile_bytes(marks_.count) + int64_t(marks_.count) * 4; }
  void run(const RunArgs& args) const override {
    MarkedParams m = marks_;
    auto* const space = static_cast<char*>(args.workspace);
    m.x = args.inputs[1];
    m.before = reinterpret_cast<uint32_t*>(space);
    m.positions = reinterpret_cast<uint32_t*>(space + tile_bytes(m.count));
    TakeParams t = take_;
    t.x = args.inputs[0];
    t.y = args.outputs[0];
    t.positions = m.positions;
    t.chosen = m.before + marked_tiles(m.count);
    t.found = args.found;
    TENON_CUDA(find_marked(m, stream_of(args)));
    TENON_CUDA(take_marked(t, stream_of(args)));
  }

 private:
  MarkedParams marks_;
  TakeParams take_;
};

Support supports_non_zero(const Problem& p) {
  if (!p.all_dense()) return Support::no("operands must be dense");
  if (p.inputs[0].dims.size() > kAxes)
    return Support::no("x has ", p.inputs[0].dims.size(), " axes, accepted are ", kAxes);
  if (const Support s = supports_marks(p.inputs[0]); !s.ok) return s;
  return supports_with_room(p, tile_bytes(p.inputs[0].count()));
}
Support supports_compress(const Problem& p) {
  if (!p.all_dense()) return Support::no("operands must be dense");
  const int bits = ir::bits(p.inputs[0].dtype);
  if (bits < 8) return Support::no("elements are ", p.inputs[0].dtype);
  if (p.inputs[0].count() > kMaxElements / 2)
    return Support::no("x has ", p.inputs[0].count(), " elements, accepted are ", kMaxElements / 2);
  if (const Support s = supports_marks(p.inputs[1]); !s.ok) return s;
  return supports_with_room(p, int64_t(p.inputs[1].count()) * 4);
}

template <class K>
std::unique_ptr<Kernel> make(const Problem& p) {
  return std::make_unique<K>(p);
}

}  // namespace

std::vector<KernelDef> marked() {
  KernelDef non_zero{"non_zero_ballots", "NonZero", supports_non_zero, make<NonZero>};
  non_zero.most = [](const Problem& p) { return p.inputs[0].count(); };
  KernelDef compress{"compress_ballots", "Compress", supports_compress, make<Compress>};
  compress.most = [](const Problem& p) { return std::min(entries_of(p).size, p.inputs[1].count()); };
  return {non_zero, compress};
}

}  // namespace tenon::cuda
