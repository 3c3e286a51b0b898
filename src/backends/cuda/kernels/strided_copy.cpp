#include "backends/cuda/kernels/strided_copy.h"

#include <algorithm>
#include <numeric>

#include "backends/cuda/cuda.h"

namespace tenon::cuda {
namespace {

bool whole(int64_t bytes) { return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8 || bytes == 16; }

/// Axes in the order of their strides in the result, the widest first.
void order_by(ir::Dims& key, ir::Dims& dims, ir::Dims& other) {
  std::vector<size_t> order(key.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return key[a] > key[b]; });
  auto apply = [&](ir::Dims& v) {
    ir::Dims sorted;
    for (size_t i : order) sorted.push_back(v[i]);
    v = std::move(sorted);
  };
  for (ir::Dims* v : {&dims, &other, &key}) apply(*v);
}

}  // namespace

Extents extents_of(const ir::Dims& dims) {
  Extents e;
  for (size_t i = dims.size(); i-- > 0;) e.size[e.rank++] = Divisor(dims[i]);
  return e;
}

Strides strides_of(const ir::Dims& strides) {
  Strides s;
  int n = 0;
  for (size_t i = strides.size(); i-- > 0;) s.of[n++] = strides[i];
  return s;
}

StridedCopy::StridedCopy(const Move& move, int64_t size)
    : input(move.input), output(move.output), from_at_(move.from_at * size), to_at_(move.to_at * size) {
  plain_.size = size;
  for (int64_t d : move.dims) plain_.count *= d;
  if (plain_.count == 0) return;
  ir::Dims dims = move.dims, from = move.from, to = move.to;
  order_by(to, dims, from);
  std::vector<ir::Dims> strides{from, to};
  collapse(dims, strides);
  if (dims.empty()) dims = {1}, strides = {{1}, {1}};
  plain_.dims = dims;
  plain_.from = strides[0];
  plain_.to = strides[1];
  if (dims.size() > size_t(kAxes))
    reason_ = cat("the copy walks ", dims.size(), " axes, accepted are ", kAxes);
  else if (plain_.count > kMaxElements)
    reason_ = cat("the copy has ", plain_.count, " elements, accepted are ", kMaxElements);
  else
    find_tiles();
}

/// Runs of a few elements that both sides have contiguous, taken as one.
std::optional<StridedCopy::View> StridedCopy::with_wider_elements(const View& v) {
  const int64_t n = v.dims.back();
  if (v.dims.size() < 2 || v.from.back() != 1 || v.to.back() != 1 || !whole(n * v.size)) return std::nullopt;
  View w = v;
  for (ir::Dims* d : {&w.dims, &w.from, &w.to}) d->pop_back();
  for (ir::Dims* s : {&w.from, &w.to})
    for (int64_t& stride : *s) {
      if (stride % n) return std::nullopt;
      stride /= n;
    }
  w.size *= n;
  w.count /= n;
  return w;
}

bool StridedCopy::tile_axis(const View& v, size_t& columns) {
  if (v.to.back() != 1 || v.from.back() == 1 || v.from.back() <= 0) return false;
  for (size_t i = 0; i + 1 < v.dims.size(); ++i)
    if (v.from[i] == 1 && v.dims[i] > 1) {
      columns = i;
      return true;
    }
  return false;
}

void StridedCopy::find_tiles() {
  if (tile_axis(plain_, columns_)) tiles_ = plain_;
  if (auto wide = with_wider_elements(plain_); wide && tile_axis(*wide, columns_)) tiles_ = std::move(wide);
}

bool StridedCopy::tiled(const void* from, const void* to) const {
  if (!tiles_) return false;
  const uintptr_t at = reinterpret_cast<uintptr_t>(from) + uintptr_t(from_at_), y = reinterpret_cast<uintptr_t>(to);
  return ((at | (y + uintptr_t(to_at_))) & uintptr_t(tiles_->size - 1)) == 0;
}

cudaError_t StridedCopy::run_tiled(const void* from, void* to, cudaStream_t stream) const {
  View v = *tiles_;
  TransposeParams p;
  p.from = static_cast<const char*>(from) + from_at_;
  p.to = static_cast<char*>(to) + to_at_;
  p.rows = int(v.dims.back());
  p.columns = int(v.dims[columns_]);
  p.from_row = v.from.back();
  p.to_column = v.to[columns_];
  for (ir::Dims* d : {&v.dims, &v.from, &v.to}) {
    d->pop_back();
    d->erase(d->begin() + int64_t(columns_));
  }
  for (int64_t d : v.dims) p.outer *= uint32_t(d);
  p.extents = extents_of(v.dims);
  p.from_strides = strides_of(v.from);
  p.to_strides = strides_of(v.to);
  return transpose(p, int(v.size), stream);
}

int64_t StridedCopy::width(const void* from, const void* to) const {
  if (plain_.from.back() != 1 || plain_.to.back() != 1) return plain_.size;
  // All multiples that must be kept, in bytes.
  uint64_t all = reinterpret_cast<uintptr_t>(from) | reinterpret_cast<uintptr_t>(to) | uint64_t(from_at_) |
                 uint64_t(to_at_) | uint64_t(plain_.dims.back() * plain_.size);
  for (size_t i = 0; i + 1 < plain_.dims.size(); ++i)
    all |= uint64_t(plain_.from[i] * plain_.size) | uint64_t(plain_.to[i] * plain_.size);
  return std::max(plain_.size, std::min<int64_t>(16, int64_t(all & (~all + 1))));
}

CopySegment StridedCopy::segment(const void* from, void* to, int64_t width) const {
  const int64_t n = width / plain_.size;
  ir::Dims dims = plain_.dims, f = plain_.from, t = plain_.to;
  dims.back() /= n;
  for (size_t i = 0; i + 1 < dims.size(); ++i) f[i] /= n, t[i] /= n;
  CopySegment s;
  s.from = static_cast<const char*>(from) + from_at_;
  s.to = static_cast<char*>(to) + to_at_;
  s.count = uint32_t(plain_.count / n);
  s.extents = extents_of(dims);
  s.from_strides = strides_of(f);
  s.to_strides = strides_of(t);
  return s;
}

void run_copies(std::span<const StridedCopy> copies, const void* const* inputs, void* const* outputs,
                cudaStream_t stream) {
  std::vector<std::pair<int64_t, const StridedCopy*>> plain;
  for (const StridedCopy& c : copies) {
    if (c.empty()) continue;
    const void* from = inputs[c.input];
    void* to = outputs[c.output];
    if (c.tiled(from, to))
      TENON_CUDA(c.run_tiled(from, to, stream));
    else
      plain.emplace_back(c.width(from, to), &c);
  }
  std::stable_sort(plain.begin(), plain.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  for (size_t begin = 0; begin < plain.size();) {
    size_t end = begin;
    while (end < plain.size() && end - begin < size_t(kCopySegments) && plain[end].first == plain[begin].first) ++end;
    CopySegment segments[kCopySegments];
    for (size_t i = begin; i < end; ++i) {
      const StridedCopy& c = *plain[i].second;
      segments[i - begin] = c.segment(inputs[c.input], outputs[c.output], plain[i].first);
    }
    TENON_CUDA(copy_strided(segments, int(end - begin), int(plain[begin].first), stream));
    begin = end;
  }
}

}  // namespace tenon::cuda
