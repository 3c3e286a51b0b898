#include "backends/cpu/kernels/strided_copy.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "backends/cpu/isa/loops.h"

namespace tenon::cpu {
namespace {

constexpr int64_t kRunBytes = 64 * 1024;  // a longer run is cut
constexpr int64_t kSquareSide = 64;       // elements of a side of the square that is transposed at once

/// `rows` runs of `bytes`; short ones inline.
void copy_rows(const char* from, int64_t from_pitch, char* to, int64_t to_pitch, int64_t rows, int64_t bytes) {
  auto fixed = [&](auto size) {
    for (int64_t r = 0; r < rows; ++r) std::memcpy(to + r * to_pitch, from + r * from_pitch, decltype(size)::value);
  };
  switch (bytes) {
    case 4:
      return fixed(std::integral_constant<size_t, 4>());
    case 8:
      return fixed(std::integral_constant<size_t, 8>());
    case 12:
      return fixed(std::integral_constant<size_t, 12>());
    case 16:
      return fixed(std::integral_constant<size_t, 16>());
    default:
      for (int64_t r = 0; r < rows; ++r) std::memcpy(to + r * to_pitch, from + r * from_pitch, size_t(bytes));
  }
}

bool whole_element(int64_t bytes) { return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8 || bytes == 16; }

}  // namespace

StridedCopy::StridedCopy(ir::Dims dims, ir::Dims from_strides, ir::Dims to_strides, int64_t size)
    : loops_(isa::loop_table().move), size_(size) {
  std::vector<ir::Dims> strides{std::move(from_strides), std::move(to_strides)};
  collapse(dims, strides);
  auto &from = strides[0], &to = strides[1];
  auto drop_inner = [&] {
    dims.pop_back();
    from.pop_back();
    to.pop_back();
  };
  bytes_ = size;
  for (int64_t d : dims) bytes_ *= d;
  // A short run that both sides have contiguous is one larger element, if all else keeps its multiple.
  if (dims.size() > 1 && from.back() == 1 && to.back() == 1 && whole_element(size * dims.back())) {
    const int64_t n = dims.back();
    bool fits = true;
    for (size_t i = 0; i + 1 < dims.size(); ++i) fits = fits && from[i] % n == 0 && to[i] % n == 0;
    if (fits) {
      drop_inner();
      size_ *= n;
      for (size_t i = 0; i < dims.size(); ++i) from[i] /= n, to[i] /= n;
    }
  }
  if (dims.empty()) dims = {1}, from = {1}, to = {1};
  columns_ = dims.back();
  from_column_ = from.back() * size_;
  to_column_ = to.back() * size_;
  drop_inner();
  if (from_column_ == size_ && to_column_ == size_) {
    form_ = Form::kRun;
    if (!dims.empty()) {
      rows_ = dims.back();
      from_row_ = from.back() * size_;
      to_row_ = to.back() * size_;
      drop_inner();
    }
  } else {
    form_ = Form::kGather;
    size_t row = dims.size();
    for (size_t i = 0; i < dims.size(); ++i)
      if (from[i] == 1 && to_column_ == size_ && dims[i] > 1) row = i;
    if (row < dims.size()) {
      form_ = Form::kSquare;
      rows_ = dims[row];
      from_row_ = from[row] * size_;
      to_row_ = to[row] * size_;
      for (auto* v : {&dims, &from, &to}) v->erase(v->begin() + int64_t(row));
    }
  }
  outer_ = dims;
  for (size_t i = 0; i < dims.size(); ++i) {
    outer_from_.push_back(from[i] * size_);
    outer_to_.push_back(to[i] * size_);
  }
  plan_blocks();
}

void StridedCopy::plan_blocks() {
  const int64_t columns = std::max<int64_t>(1, columns_), rows = std::max<int64_t>(1, rows_);  // either may be 0
  column_block_ = form_ == Form::kSquare ? kSquareSide : std::max<int64_t>(1, kRunBytes / size_);
  row_block_ = kSquareSide;
  if (form_ == Form::kSquare && columns < kSquareSide) row_block_ = kSquareSide * kSquareSide / columns / 16 * 16;
  if (form_ == Form::kSquare && rows < kSquareSide) column_block_ = kSquareSide * kSquareSide / rows / 16 * 16;
  if (form_ == Form::kRun)
    row_block_ = std::max<int64_t>(1, kRunBytes / 4 / (std::min(columns, column_block_) * size_));
  row_blocks_ = (rows_ + row_block_ - 1) / row_block_;
  column_blocks_ = (columns_ + column_block_ - 1) / column_block_;
  pieces_ = row_blocks_ * column_blocks_;
  for (int64_t d : outer_) pieces_ *= d;
}

void StridedCopy::copy(const char* from, char* to, int64_t row, int64_t column) const {
  const int64_t columns = std::min(column_block_, columns_ - column);
  from += row * from_row_ + column * from_column_;
  to += row * to_row_ + column * to_column_;
  if (form_ == Form::kRun) {
    copy_rows(from, from_row_, to, to_row_, std::min(row_block_, rows_ - row), columns * size_);
  } else if (form_ == Form::kSquare) {
    loops_.transpose(from, from_column_, to, to_row_, columns, std::min(row_block_, rows_ - row), size_);
  } else if (to_column_ == size_) {
    loops_.gather(from, from_column_ / size_, to, columns, size_);
  } else if (from_column_ == size_) {
    loops_.scatter(from, to, to_column_ / size_, columns, size_);
  } else {
    for (int64_t i = 0; i < columns; ++i) std::memcpy(to + i * to_column_, from + i * from_column_, size_t(size_));
  }
}

void StridedCopy::run(const void* from, void* to, int64_t begin, int64_t end) const {
  constexpr size_t kFewAxes = 16;
  int64_t few[kFewAxes];
  const size_t n = outer_.size();
  std::vector<int64_t> many(n > kFewAxes ? n : 0);
  int64_t* const index = n > kFewAxes ? many.data() : few;
  int64_t column = begin % column_blocks_, rest = begin / column_blocks_, row = rest % row_blocks_;
  rest /= row_blocks_;
  const char* f = static_cast<const char*>(from);
  char* t = static_cast<char*>(to);
  for (size_t d = n; d-- > 0; rest /= outer_[d]) {
    index[d] = rest % outer_[d];
    f += index[d] * outer_from_[d];
    t += index[d] * outer_to_[d];
  }
  for (int64_t i = begin; i < end; ++i) {
    copy(f, t, row * row_block_, column * column_block_);
    if (++column < column_blocks_) continue;
    column = 0;
    if (++row < row_blocks_) continue;
    row = 0;
    for (size_t d = n; d-- > 0;) {
      f += outer_from_[d];
      t += outer_to_[d];
      if (++index[d] < outer_[d]) break;
      f -= outer_from_[d] * outer_[d];
      t -= outer_to_[d] * outer_[d];
      index[d] = 0;
    }
  }
}

}  // namespace tenon::cpu
