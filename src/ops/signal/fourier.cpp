// Discrete Fourier transforms y[k] = sum over n of x[n] exp(-2 pi j k n / N): of powers of two by halves (Cooley and
// Tukey, 1965), of other lengths as a convolution (Bluestein, 1970), short ones by the definition.
#include "ops/signal/fourier.h"

#include <bit>
#include <cmath>
#include <complex>
#include <memory>
#include <numbers>

#include "base/checked.h"
#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/move.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

using Complex = std::complex<double>;

/// A transform of one length, made once for all signals of a node. Not scaled.
class Transform {
 public:
  Transform(size_t n, bool inverse) : n_(n), roots_(n) {
    const double turn = (inverse ? 2 : -2) * std::numbers::pi;
    for (size_t i = 0; i < n; ++i) roots_[i] = std::polar(1.0, turn * double(i) / double(n));
    if (n <= kShort || std::has_single_bit(n)) return;
    // k n = (k^2 + n^2 - (k - n)^2) / 2, so the sum is a convolution with a chirp.
    const size_t size = std::bit_ceil(2 * n - 1);
    for (size_t i = 0; i < n; ++i) chirp_.push_back(std::polar(1.0, turn / 2 * double(i * i % (2 * n)) / double(n)));
    forward_ = std::make_unique<Transform>(size, false);
    backward_ = std::make_unique<Transform>(size, true);
    filter_.resize(size);
    for (size_t i = 0; i < n; ++i) filter_[i] = filter_[(size - i) % size] = std::conj(chirp_[i]);
    forward_->run(filter_);
  }

  void run(std::vector<Complex>& x) const {
    if (std::has_single_bit(n_))
      by_halves(x);
    else if (forward_)
      by_convolution(x);
    else
      by_definition(x);
  }

 private:
  static constexpr size_t kShort = 16;

  void by_definition(std::vector<Complex>& x) const {
    const std::vector<Complex> from = x;
    for (size_t k = 0; k < n_; ++k) {
      x[k] = 0;
      for (size_t i = 0; i < n_; ++i) x[k] += product(from[i], roots_[k * i % n_]);
    }
  }
  void by_halves(std::vector<Complex>& x) const {
    for (size_t i = 1, j = 0; i < n_; ++i) {  // elements in the order of their reversed bits
      size_t bit = n_ >> 1;
      for (; j & bit; bit >>= 1) j ^= bit;
      j ^= bit;
      if (i < j) std::swap(x[i], x[j]);
    }
    for (size_t half = 1; half < n_; half *= 2)
      for (size_t first = 0; first < n_; first += 2 * half)
        for (size_t i = 0; i < half; ++i) {
          const Complex even = x[first + i], odd = product(x[first + half + i], roots_[i * (n_ / half / 2)]);
          x[first + i] = even + odd;
          x[first + half + i] = even - odd;
        }
  }
  void by_convolution(std::vector<Complex>& x) const {
    std::vector<Complex> a(filter_.size());
    for (size_t i = 0; i < n_; ++i) a[i] = product(x[i], chirp_[i]);
    forward_->run(a);
    for (size_t i = 0; i < a.size(); ++i) a[i] = product(a[i], filter_[i]);
    backward_->run(a);
    for (size_t k = 0; k < n_; ++k) x[k] = product(a[k], chirp_[k]) / double(a.size());
  }
  /// Without the detour that C++ prescribes for infinite parts.
  static Complex product(Complex a, Complex b) {
    return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
  }

  size_t n_;
  std::vector<Complex> roots_, chirp_, filter_;
  std::unique_ptr<Transform> forward_, backward_;
};

/// One element of an optional scalar input; nullopt if it is not known.
std::optional<Dim> scalar(const InferContext& c, size_t i) {
  const auto known = c.contents(i);
  return known && known->size() == 1 ? std::optional(known->front()) : std::nullopt;
}
int64_t scalar(const EvalContext& c, size_t i, int64_t fallback) {
  if (!c.has(i)) return fallback;
  require(c.input(i).count() == 1, ErrorCode::kShapeMismatch, "input ", i, " must have one element");
  return c.input(i).get_int(0);
}

size_t signal_axis(int64_t axis, size_t rank) {
  const size_t at = normalized_axis(axis, rank);
  require(at + 1 < rank, ErrorCode::kShapeMismatch, "axis ", axis, " is the axis of real and imaginary parts");
  return at;
}

void infer_dft(InferContext& c) {
  const auto& a = c.attrs<DftAttrs>();
  Shape y = c.shape(0);
  c.expect(y.size() >= 2, "the signal ", c.text(y), " must have rank 2 or more");
  const auto axis = c.has(2) ? scalar(c, 2) : std::optional<Dim>(a.axis);
  const bool real = a.inverse && a.onesided;
  y.back() = real ? 1 : 2;
  if (!axis || !axis->is_const()) {
    for (size_t i = 0; i + 1 < y.size(); ++i) y[i] = c.unknown();
    return c.output(0, c.dtype(0), std::move(y));
  }
  Dim& d = y[signal_axis(axis->constant(), y.size())];
  if (c.has(1)) {
    const auto length = scalar(c, 1);
    d = length ? *length : c.unknown();
  } else if (real) {
    d = c.dims().mul(c.dims().sub(d, 1), 2);
  }
  if (a.onesided && !a.inverse) d = c.dims().add(c.dims().floor_div(d, 2), 1);
  c.output(0, c.dtype(0), std::move(y));
}

void eval_dft(EvalContext& c) {
  const auto& a = c.attrs<DftAttrs>();
  const Tensor& x = c.input(0);
  Dims yd = x.dims();
  const int64_t parts = yd.back();
  require(parts == 1 || parts == 2, ErrorCode::kShapeMismatch, "the last axis has ", parts,
          " entries, accepted are 1 and 2");
  const size_t axis = signal_axis(scalar(c, 2, a.axis), yd.size());
  const bool irfft = a.inverse && a.onesided;
  const int64_t in = yd[axis], length = scalar(c, 1, irfft ? 2 * (in - 1) : in);
  require(length >= 1, ErrorCode::kShapeMismatch, "the transform has length ", length, ", accepted are numbers from 1");
  yd[axis] = a.onesided && !a.inverse ? length / 2 + 1 : length;
  yd.back() = irfft ? 1 : 2;
  Tensor& y = c.output(0, yd);
  const int64_t outer = count_between(yd, 0, axis), inner = count_between(yd, axis + 1, yd.size() - 1);
  std::vector<Complex> signal(static_cast<size_t>(length));
  const Transform transform(signal.size(), a.inverse);
  const double scale = a.inverse ? 1 / double(length) : 1;
  for (int64_t row = 0; row < outer * inner; ++row) {
    const int64_t o = row / inner, i = row % inner;
    for (int64_t n = 0; n < length; ++n) {
      const bool mirrored = irfft && n > length / 2;  // the second half of a real signal's spectrum
      const int64_t from = mirrored ? length - n : n, at = ((o * in + from) * inner + i) * parts;
      Complex v = from < in ? Complex(x.get(at), parts == 2 ? x.get(at + 1) : 0) : Complex();
      signal[size_t(n)] = mirrored ? std::conj(v) : v;
    }
    transform.run(signal);
    for (int64_t k = 0; k < yd[axis]; ++k) {
      const int64_t at = ((o * yd[axis] + k) * inner + i) * yd.back();
      y.set(at, signal[size_t(k)].real() * scale);
      if (!irfft) y.set(at + 1, signal[size_t(k)].imag() * scale);
    }
  }
}

void infer_stft(InferContext& c) {
  const Shape x = c.shape(0);
  c.expect(x.size() == 3, "the signal ", c.text(x), " must be [batch, length, parts]");
  const auto step = scalar(c, 1);
  const auto length = c.has(3) ? scalar(c, 3) : std::optional<Dim>(c.has(2) ? c.shape(2).at(0) : x[1]);
  auto& d = c.dims();
  Dim frames = c.unknown(), bins = c.unknown();
  if (length) bins = c.attrs<StftAttrs>().onesided ? d.add(d.floor_div(*length, 2), 1) : *length;
  if (length && step && step->is_const() && step->constant() > 0)
    frames = d.add(d.floor_div(d.sub(x[1], *length), *step), 1);
  c.output(0, c.dtype(0), {x[0], frames, bins, 2});
}

void eval_stft(EvalContext& c) {
  const Tensor& x = c.input(0);
  const int64_t batch = x.dims()[0], length = x.dims()[1], parts = x.dims()[2];
  const int64_t step = scalar(c, 1, 0), frame = scalar(c, 3, c.has(2) ? c.input(2).count() : length);
  require(parts == 1 || parts == 2, ErrorCode::kShapeMismatch, "the last axis has ", parts,
          " entries, accepted are 1 and 2");
  require(step >= 1 && frame >= 1 && frame <= length, ErrorCode::kShapeMismatch, "frames of ", frame, " samples every ",
          step, " do not fit a signal of ", length);
  require(!c.has(2) || c.input(2).count() == frame, ErrorCode::kShapeMismatch, "the window has ",
          c.has(2) ? c.input(2).count() : 0, " samples, a frame ", frame);
  const int64_t frames = (length - frame) / step + 1, bins = c.attrs<StftAttrs>().onesided ? frame / 2 + 1 : frame;
  Tensor& y = c.output(0, {batch, frames, bins, 2});
  std::vector<Complex> signal(static_cast<size_t>(frame));
  const Transform transform(signal.size(), false);
  for (int64_t f = 0; f < batch * frames; ++f) {
    for (int64_t n = 0; n < frame; ++n) {
      const int64_t at = (f / frames * length + f % frames * step + n) * parts;
      const double w = c.has(2) ? c.input(2).get(n) : 1;
      signal[size_t(n)] = w * Complex(x.get(at), parts == 2 ? x.get(at + 1) : 0);
    }
    transform.run(signal);
    for (int64_t k = 0; k < bins; ++k) {
      y.set((f * bins + k) * 2, signal[size_t(k)].real());
      y.set((f * bins + k) * 2 + 1, signal[size_t(k)].imag());
    }
  }
}

// Until opset 19 the axis is an attribute that counts the batch, 1 where absent; then an input, the last signal axis.
void import_dft(ImportContext& c) {
  DftAttrs a{c.opset() < 20 ? c.attr_int("axis", 1) : -2, c.attr_int("inverse", 0) != 0,
             c.attr_int("onesided", 0) != 0};
  std::vector<ir::ValueId> inputs{c.required(0)};
  if (const auto axis = c.constant_ints(2); axis && axis->size() == 1) a.axis = axis->front();
  const bool dynamic = c.has(2) && !c.constant_ints(2);
  if (c.has(1) || dynamic) inputs.push_back(c.input(1));
  if (dynamic) inputs.push_back(c.input(2));
  c.output(0, c.add("DFT", std::move(inputs), a));
}

void import_stft(ImportContext& c) {
  std::vector<ir::ValueId> inputs{c.required(0), c.required(1)};
  for (size_t i = 2; i < c.input_count(); ++i) inputs.push_back(c.input(i));
  c.output(0, c.add("STFT", std::move(inputs), StftAttrs{c.attr_int("onesided", 1) != 0}));
}

}  // namespace

OpSet fourier() {
  return {{{.name = "DFT", .attrs = ir::schema_of<DftAttrs>(), .max_inputs = 3, .infer = infer_dft, .eval = eval_dft},
           {.name = "STFT",
            .attrs = ir::schema_of<StftAttrs>(),
            .min_inputs = 2,
            .max_inputs = 4,
            .infer = infer_stft,
            .eval = eval_stft}},
          {{"", "DFT", 17, import_dft}, {"", "STFT", 17, import_stft}}};
}

}  // namespace tenon::ops
