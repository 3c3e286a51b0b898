// Matrix products and convolutions of 32-bit integers, which wrap: what MatMulInteger and ConvInteger come to. B is
// packed into panels of columns, once where it is constant; a task computes panels of a few rows.
#include <algorithm>

#include "backends/cpu/kernels/conv_problem.h"
#include "backends/cpu/kernels/strides.h"
#include "ops/nn/matmul.h"

namespace tenon::cpu {
namespace {

using isa::IntegerLoops;

constexpr double kNs = 0.15;  ///< a multiply-add
constexpr int64_t kRows = IntegerLoops::kRows;
constexpr int64_t kMostColumns = 64;  ///< of a panel

bool is_i32(ir::DType t) { return t == ir::DType::kI32 || t == ir::DType::kU32; }

/// Where the elements of B matrices are: (matrix, row, column) at matrix * matrix_step + (row % inner) * row_step +
/// (row / inner) * outer_step + column * column_step.
struct Elements {
  int64_t matrix_step, inner, row_step, outer_step, column_step;
};

/// B matrices as panels: [matrix][panel][k][columns of a panel], zeros beyond the last column.
struct Panels {
  int64_t matrices, k, n, columns;
  int64_t count() const { return (n + columns - 1) / columns; }
  int64_t elements() const { return matrices * count() * k * columns; }
  const uint32_t* at(const uint32_t* packed, int64_t matrix, int64_t panel) const {
    return packed + (matrix * count() + panel) * k * columns;
  }
  /// Packs panel `i` of all matrices' panels.
  void pack(int64_t i, const uint32_t* source, const Elements& e, uint32_t* packed) const {
    const int64_t first = i % count() * columns;
    uint32_t* to = packed + i * k * columns;
    source += i / count() * e.matrix_step + first * e.column_step;
    for (int64_t row = 0; row < k; ++row) {
      const uint32_t* from = source + row % e.inner * e.row_step + row / e.inner * e.outer_step;
      for (int64_t c = 0; c < columns; ++c) *to++ = first + c < n ? from[c * e.column_step] : 0;
    }
  }
};

/// What both kernels share: the packed operand and the loop over tiles.
class IntegerProduct : public Kernel {
 public:
  explicit IntegerProduct(int threads) : loops_(isa::loop_table().integer), threads_(threads) {}
  int64_t workspace_bytes() const override { return packed_ ? 0 : panels_.elements() * 4; }
  bool reads_constant(size_t input) const override { return input != 1 || !packed_; }

 protected:
  /// Takes the operand's geometry, and packs it at once if it is constant.
  void set_operand(const Problem& p, const std::string& format, const Panels& panels, const Elements& elements) {
    panels_ = panels;
    elements_ = elements;
    if (!p.constants[1]) return;
    const ir::Tensor& source = *p.constants[1];
    packed_ = packed(p, source, cat("integer/", panels_.columns, "/", format), panels_.elements() * 4, [&](void* to) {
      for (int64_t i = 0; i < panels_.matrices * panels_.count(); ++i)
        panels_.pack(i, source.as<uint32_t>(), elements_, static_cast<uint32_t*>(to));
    });
  }
  const uint32_t* operand(const RunArgs& args) const {
    if (packed_) return static_cast<const uint32_t*>(packed_.get());
    auto* to = static_cast<uint32_t*>(args.workspace);
    const auto* source = static_cast<const uint32_t*>(args.inputs[1]);
    args.pool.parallel_for(panels_.matrices * panels_.count(),
                           [&](int64_t i, int) { panels_.pack(i, source, elements_, to); });
    return to;
  }
  /// Calls tile(part, first row, rows, panel, sums) for every tile of `parts` products of `rows` rows; `sums` are zero.
  template <class Tile>
  void for_tiles(const RunArgs& args, int64_t parts, int64_t rows, const Tile& tile) const {
    const int64_t blocks = (rows + kRows - 1) / kRows, panels = panels_.count(), all = parts * panels * blocks;
    const int64_t tasks = task_count(double(all) * double(kRows * panels_.columns * panels_.k) * kNs, all, threads_);
    args.pool.parallel_for(tasks, [&](int64_t task, int) {
      for (int64_t t = all * task / tasks, end = all * (task + 1) / tasks; t < end; ++t) {
        uint32_t sums[kRows * kMostColumns] = {};
        const int64_t first = t % blocks * kRows;
        tile(t / blocks / panels, first, std::min(kRows, rows - first), t / blocks % panels, sums);
      }
    });
  }
  /// Columns of the panel that the result has.
  int64_t width(int64_t panel) const { return std::min(panels_.columns, panels_.n - panel * panels_.columns); }

  const IntegerLoops& loops_;
  int threads_;
  Panels panels_{};
  Elements elements_{};
  std::shared_ptr<const void> packed_;
};

/// Offsets in matrices of an operand as the batch of the result runs through them.
std::vector<int64_t> matrices(const ir::Dims& x, const ir::Dims& y) {
  TensorDesc desc{ir::DType::kI32, {x.begin(), x.end() - 2}, 0};
  const ir::Dims batch(y.begin(), y.end() - 2);
  desc.pitch = desc.dims.empty() ? 1 : desc.dims.back();
  const ir::Dims strides = broadcast_strides(desc, batch);
  int64_t count = 1;
  for (int64_t d : batch) count *= d;
  std::vector<int64_t> all(static_cast<size_t>(count));
  for (int64_t z = 0; z < count; ++z)
    for (int64_t i = int64_t(batch.size()), rest = z; i-- > 0; rest /= batch[size_t(i)])
      all[size_t(z)] += rest % batch[size_t(i)] * strides[size_t(i)];
  return all;
}

class IntegerMatMul final : public IntegerProduct {
 public:
  explicit IntegerMatMul(const Problem& p) : IntegerProduct(p.threads), bias_(p.has_input(2)) {
    const auto& t = p.attrs<ops::MatMulAttrs>();
    const ir::Dims &a = p.inputs[0].dims, &b = p.inputs[1].dims, &y = p.outputs[0].dims;
    m_ = y[y.size() - 2];
    const int64_t n = y.back(), k = t.transpose_a ? a[a.size() - 2] : a.back();
    row_ = t.transpose_a ? 1 : k, step_ = t.transpose_a ? m_ : 1;
    a_at_ = matrices(a, y), b_at_ = matrices(b, y);
    set_operand(p, cat("matmul/", t.transpose_b), {p.inputs[1].count() / (k * n), k, n, loops_.panel},
                {k * n, k, t.transpose_b ? 1 : n, 0, t.transpose_b ? k : 1});
    if (panels_.matrices == 1 && !t.transpose_a && p.inputs[0].count() == int64_t(a_at_.size()) * m_ * k) {
      m_ *= int64_t(a_at_.size());  // one B for all of A: the batch is more rows
      a_at_.resize(1);
      b_at_.resize(1);
    }
  }
  void run(const RunArgs& args) const override {
    const uint32_t* b = operand(args);
    const auto* a = static_cast<const uint32_t*>(args.inputs[0]);
    const auto* bias = bias_ ? static_cast<const uint32_t*>(args.inputs[2]) : nullptr;
    for_tiles(args, int64_t(a_at_.size()), m_,
              [&](int64_t z, int64_t first, int64_t rows, int64_t panel, uint32_t* sums) {
                const uint32_t* from[kRows];
                for (int64_t r = 0; r < rows; ++r) from[r] = a + a_at_[size_t(z)] * m_ * panels_.k + (first + r) * row_;
                loops_.multiply(from, step_, panels_.at(b, b_at_[size_t(z)], panel), panels_.k, sums, rows);
                const int64_t column = panel * panels_.columns;
                auto* y = static_cast<uint32_t*>(args.outputs[0]) + (z * m_ + first) * panels_.n + column;
                for (int64_t r = 0; r < rows; ++r, sums += panels_.columns, y += panels_.n)
                  for (int64_t c = 0; c < width(panel); ++c) y[c] = sums[c] + (bias ? bias[column + c] : 0);
              });
  }

 private:
  bool bias_;
  int64_t m_, row_, step_;
  std::vector<int64_t> a_at_, b_at_;
};

Support supports_matmul(const Problem& p) {
  for (const TensorDesc* d : {&p.inputs[0], &p.inputs[1], &p.outputs[0]})
    if (!is_i32(d->dtype)) return Support::no("an operand is ", d->dtype, ", accepted are i32 and u32");
  if (p.has_input(2) && !is_i32(p.inputs[2].dtype)) return Support::no("the bias is ", p.inputs[2].dtype);
  if (!p.all_dense()) return Support::no("operands must be dense");
  if (p.inputs[0].count() == 0 || p.inputs[1].count() == 0) return Support::no("an operand is empty");
  const auto& t = p.attrs<ops::MatMulAttrs>();
  if (!t.epilogue.empty() || t.alpha != 1) return Support::no("integers take neither alpha nor an epilogue");
  const ir::Dims& a = p.inputs[0].dims;
  const double k = double(t.transpose_a ? a[a.size() - 2] : a.back());
  return Support::yes(streaming_us(double(p.inputs[1].count()) * 8, double(p.outputs[0].count()) * k * kNs, p.threads));
}

class IntegerConv final : public IntegerProduct {
 public:
  IntegerConv(const Problem& p, const ConvShape& s) : IntegerProduct(p.threads), s_(s) {
    const int64_t c = s.c / s.group, n = s.n / s.group, taps = s.taps();  // weights are [n][c of a group][taps]
    set_operand(p, cat("conv/", s.group), {s.group, taps * c, n, loops_.panel}, {n * c * taps, c, taps, 1, c * taps});
    zeros_.assign(size_t(c), 0);
  }
  void run(const RunArgs& args) const override {
    const uint32_t* w = operand(args);
    for_tiles(
        args, s_.group, s_.rows(), [&](int64_t group, int64_t first, int64_t rows, int64_t panel, uint32_t* sums) {
          const uint32_t* columns = panels_.at(w, group, panel);
          const int64_t c = s_.c / s_.group;
          const auto* x = static_cast<const uint32_t*>(args.inputs[0]) + group * c;
          for (int64_t tap = 0; tap < s_.taps(); ++tap, columns += c * panels_.columns) {
            const uint32_t* from[kRows];
            bool any = false;
            for (int64_t r = 0; r < rows; ++r) {
              const int64_t at = position(first + r, tap);
              from[r] = at < 0 ? zeros_.data() : x + at * s_.c;
              any |= at >= 0;
            }
            if (any) loops_.multiply(from, 1, columns, c, sums, rows);
          }
          auto* y =
              static_cast<uint32_t*>(args.outputs[0]) + first * s_.n + group * panels_.n + panel * panels_.columns;
          for (int64_t r = 0; r < rows; ++r, sums += panels_.columns, y += s_.n) std::copy_n(sums, width(panel), y);
        });
  }

 private:
  /// The position of x that tap `tap` of output position `row` reads, or -1.
  int64_t position(int64_t row, int64_t tap) const {
    int64_t at = 0, scale = 1;
    for (int i = 3; i-- > 0; row /= s_.out[i], tap /= s_.kernel[i], scale *= s_.in[i]) {
      const int64_t p = row % s_.out[i] * s_.stride[i] - s_.pad[i] + tap % s_.kernel[i] * s_.dilation[i];
      if (p < 0 || p >= s_.in[i]) return -1;
      at += p * scale;
    }
    return at + row * scale;  // what is left of the row is the image
  }
  ConvShape s_;
  std::vector<uint32_t> zeros_;
};

std::string read(const Problem& p, ConvShape& s) {
  for (const TensorDesc* d : {&p.inputs[0], &p.inputs[1], &p.outputs[0]})
    if (!is_i32(d->dtype)) return cat("an operand is ", ir::name(d->dtype), ", accepted are i32 and u32");
  if (!p.all_dense()) return "operands must be dense";
  if (p.has_input(2) || !p.attrs<ops::ConvAttrs>().epilogue.empty()) return "integers take no bias and no epilogue";
  return read_conv_window(p, s);
}

Support supports_conv(const Problem& p) {
  ConvShape s;
  if (const std::string reason = read(p, s); !reason.empty()) return Support::no(reason);
  return Support::yes(streaming_us(s.x_elements() * 4, s.multiply_adds() * kNs, p.threads));
}

}  // namespace

std::vector<KernelDef> integer_product() {
  return {{"integer_matmul", "MatMul", supports_matmul,
           [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<IntegerMatMul>(p); }},
          {"integer_conv", "Conv", supports_conv, [](const Problem& p) -> std::unique_ptr<Kernel> {
             ConvShape s;
             const std::string reason = read(p, s);
             require(reason.empty(), ErrorCode::kInternal, reason);
             return std::make_unique<IntegerConv>(p, s);
           }}};
}

}  // namespace tenon::cpu
