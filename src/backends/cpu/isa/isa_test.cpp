// The vector loops of every instruction set that this machine has, against double arithmetic.
#include "backends/cpu/isa/isa.h"

#include <doctest/doctest.h>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/half.h"

namespace tenon::isa {
namespace {

struct Random {
  uint64_t state;
  float next() {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return float(int32_t(state >> 33) - (1 << 30)) * 0x1p-30f;
  }
};

/// Values in the storage of a Type, with the doubles they stand for.
struct Values {
  Type type;
  std::vector<float> f;
  std::vector<uint16_t> h;
  Values(Type t, size_t n, uint64_t seed) : type(t) {
    Random random{seed * 77777 + 5};
    for (size_t i = 0; i < n; ++i) push(random.next());
  }
  void push(float v) { type == Type::kF32 ? f.push_back(v) : h.push_back(bf16(v).bits); }
  void* data() { return type == Type::kF32 ? static_cast<void*>(f.data()) : static_cast<void*>(h.data()); }
  double at(size_t i) const {
    if (type == Type::kF32) return double(f[i]);
    bf16 v;
    v.bits = h[i];
    return double(float(v));
  }
  size_t size() const { return f.size() + h.size(); }
};

double reference_act(Act act, double a, double b, double x) {
  auto unit = [](double v) { return std::fmin(std::fmax(v, 0.0), 1.0); };
  switch (act) {
    case Act::kNone:
      return x;
    case Act::kClip:
      return std::fmin(std::fmax(x, a), b);
    case Act::kLeaky:
      return x < 0 ? a * x : x;
    case Act::kSigmoid:
      return 1 / (1 + std::exp(-x));
    case Act::kSilu:
      return x / (1 + std::exp(-a * x));
    case Act::kTanh:
      return std::tanh(x);
    case Act::kGeluErf:
      return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
    case Act::kGeluTanh:
      return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
    case Act::kHardSigmoid:
      return unit(a * x + b);
    case Act::kHardSwish:
      return x * unit(a * x + b);
    case Act::kElu:
      return x < 0 ? a * std::expm1(x) : x;
    case Act::kMish:
      return x * std::tanh(std::log1p(std::exp(x)));
    case Act::kSoftplus:
      return std::fmax(x, 0.0) + std::log1p(std::exp(-std::fabs(x)));
  }
  return x;
}
struct ActCase {
  Act act;
  float a, b;
};
const ActCase kActs[] = {{Act::kNone, 0, 0},
                         {Act::kClip, 0, INFINITY},
                         {Act::kClip, -0.5f, 0.75f},
                         {Act::kLeaky, 0.1f, 0},
                         {Act::kSigmoid, 0, 0},
                         {Act::kSilu, 1, 0},
                         {Act::kTanh, 0, 0},
                         {Act::kGeluErf, 0, 0},
                         {Act::kGeluTanh, 0, 0},
                         {Act::kHardSigmoid, .2f, .5f},
                         {Act::kHardSwish, 1 / 6.f, .5f},
                         {Act::kElu, 1.3f, 0},
                         {Act::kMish, 0, 0},
                         {Act::kSoftplus, 0, 0}};

template <class F>
void each_level(const F& f) {
  for (int i = 0; i < kIsaCount; ++i)
    if (const IsaTable* t = isa_table(Isa(i))) {
      CAPTURE(t->name);
      f(*t);
    }
}

/// Collects ||y - ref|| / ||ref||.
struct Error {
  double difference = 0, size = 0;
  void add(double y, double ref) {
    difference += (y - ref) * (y - ref);
    size += ref * ref;
  }
  double value() const { return std::sqrt(difference / (size + 1e-30)); }
};
double limit(Type y) { return y == Type::kF32 ? 2e-6 : 4e-3; }

/// Everything around a product that Post says, in doubles.
struct PostCase {
  ActCase act{Act::kNone, 0, 0};
  bool bias = false, residual = false, add_after = false;
};
double finish(const PostCase& c, double sum, double bias, double residual) {
  if (c.bias) sum += bias;
  if (c.residual && !c.add_after) sum += residual;
  sum = reference_act(c.act.act, double(c.act.a), double(c.act.b), sum);
  return c.residual && c.add_after ? sum + residual : sum;
}
Post make_post(const PostCase& c, Values& bias, Values& residual, int64_t pitch) {
  Post p;
  if (c.bias) p.bias = bias.f.data();
  if (c.residual) p.residual = residual.data();
  p.residual_pitch = pitch;
  p.act = c.act.act;
  p.a = c.act.a;
  p.b = c.act.b;
  p.add_after = c.add_after;
  return p;
}
std::vector<PostCase> post_cases() {
  std::vector<PostCase> all;
  for (const ActCase& a : kActs) all.push_back({a, true, true, all.size() % 2 == 0});
  for (int i = 0; i < 8; ++i) all.push_back({kActs[i / 4], bool(i & 1), bool(i & 2), false});
  return all;
}

struct GemmCase {
  int64_t m, n, k, extra;
  Type type, y_type;
  bool transposed;
};

void check_gemm(const IsaTable& t, const GemmCase& c, const PostCase& post) {
  const int64_t lda = c.k + c.extra, ldy = c.n + c.extra;
  Values a(c.type, size_t(c.m * lda), 1), b(c.type, size_t(c.k * c.n), 2), bias(Type::kF32, size_t(c.n), 3);
  Values residual(c.y_type, size_t(c.m * ldy), 4), y(c.y_type, size_t(c.m * ldy), 5);
  const Values before = y;
  Pack pack{.source = b.data(), .source_bf16 = c.type == Type::kBf16, .k = c.k, .n = c.n, .type = c.type};
  pack.sk = c.transposed ? 1 : c.n;
  pack.sn = c.transposed ? c.k : 1;
  std::vector<char> packed(size_t(t.packed_bytes(c.type, 1, c.k, c.n)));
  t.pack(pack, packed.data(), 0, 1000);
  Gemm g{a.data(),
         lda,
         packed.data(),
         y.data(),
         ldy,
         c.m,
         c.n,
         c.k,
         c.type,
         c.y_type,
         make_post(post, bias, residual, ldy)};
  std::vector<char> scratch(size_t(t.gemm_scratch(g)));
  const int64_t middle = c.m / 3;
  t.gemm(g, 0, middle, 0, 1000, scratch.data());
  t.gemm(g, middle, c.m, 0, 1, scratch.data());
  t.gemm(g, middle, c.m, 1, 1000, scratch.data());
  Error error;
  bool untouched = true;
  for (int64_t i = 0; i < c.m; ++i)
    for (int64_t j = 0; j < ldy; ++j) {
      if (j >= c.n) {
        untouched &= y.at(size_t(i * ldy + j)) == before.at(size_t(i * ldy + j));
        continue;
      }
      double sum = 0;
      for (int64_t k = 0; k < c.k; ++k)
        sum += a.at(size_t(i * lda + k)) * b.at(size_t(c.transposed ? j * c.k + k : k * c.n + j));
      error.add(y.at(size_t(i * ldy + j)), finish(post, sum, bias.at(size_t(j)), residual.at(size_t(i * ldy + j))));
    }
  CHECK(untouched);
  CHECK(error.value() < limit(c.y_type));
}

TEST_CASE("matrix products") {
  const GemmCase cases[] = {
      {1, 1, 1, 0, Type::kF32, Type::kF32, false},      {49, 67, 33, 3, Type::kF32, Type::kF32, false},
      {15, 16, 64, 0, Type::kF32, Type::kBf16, true},   {31, 48, 5, 1, Type::kF32, Type::kF32, true},
      {5, 100, 1024, 0, Type::kF32, Type::kF32, false}, {29, 40, 27, 1, Type::kBf16, Type::kBf16, false},
      {16, 33, 64, 0, Type::kBf16, Type::kF32, true},   {3, 8, 1, 2, Type::kBf16, Type::kF32, true},
      {230, 7, 20, 0, Type::kF32, Type::kF32, false}};
  each_level([&](const IsaTable& t) {
    for (const GemmCase& c : cases) {
      CAPTURE(c.m);
      CAPTURE(c.n);
      CAPTURE(c.k);
      check_gemm(t, c, {{Act::kClip, 0, INFINITY}, true, false, false});
    }
    for (const PostCase& p : post_cases()) {
      CAPTURE(int(p.act.act));
      check_gemm(t, {17, 35, 9, 2, Type::kF32, Type::kF32, false}, p);
      check_gemm(t, {17, 64, 9, 2, Type::kF32, Type::kBf16, false}, p);
    }
  });
}

TEST_CASE("a row's bits depend on nothing but the row") {
  each_level([](const IsaTable& t) {
    for (Type type : {Type::kF32, Type::kBf16}) {
      const int64_t m = 45, n = 50, k = 77;
      Values a(type, m * k, 1), b(type, k * n, 2), y(Type::kF32, m * n, 3), one(Type::kF32, n, 3);
      Pack pack{.source = b.data(), .source_bf16 = type == Type::kBf16, .k = k, .n = n, .sk = n, .sn = 1, .type = type};
      std::vector<char> packed(size_t(t.packed_bytes(type, 1, k, n)));
      t.pack(pack, packed.data(), 0, 1000);
      Gemm g{a.data(), k, packed.data(), y.data(), n, m, n, k, type, Type::kF32, {}};
      std::vector<char> scratch(size_t(t.gemm_scratch(g)));
      t.gemm(g, 0, m, 0, 1000, scratch.data());
      for (int64_t row = 0; row < m; row += 4) {
        g.y = one.data();
        g.a = static_cast<const char*>(a.data()) + row * k * (type == Type::kF32 ? 4 : 2);
        t.gemm(g, 0, 1, 0, 1000, scratch.data());
        CHECK(std::memcmp(one.data(), y.f.data() + row * n, n * 4) == 0);
      }
    }
  });
}

struct ConvCase {
  int64_t batch, in[3], c, n, kernel[3], stride[3], dilation[3], pad[3];
  Type type;
  bool merge_w;
  int64_t extra;
};

/// Sum of one output of a convolution with weights [n][c][taps].
template <class X>
double conv_sum(const ConvCase& c, const int64_t (&at)[3], const X& x, const Values& w, int64_t n, int64_t channels) {
  double sum = 0;
  for (int64_t kd = 0; kd < c.kernel[0]; ++kd)
    for (int64_t kh = 0; kh < c.kernel[1]; ++kh)
      for (int64_t kw = 0; kw < c.kernel[2]; ++kw) {
        const int64_t k[3] = {kd, kh, kw};
        int64_t p[3];
        bool in = true;
        for (int i = 0; i < 3; ++i) {
          p[i] = at[i] * c.stride[i] - c.pad[i] + k[i] * c.dilation[i];
          in &= p[i] >= 0 && p[i] < c.in[i];
        }
        if (!in) continue;
        const int64_t tap = (kd * c.kernel[1] + kh) * c.kernel[2] + kw, taps = c.kernel[0] * c.kernel[1] * c.kernel[2];
        for (int64_t ch = 0; ch < channels; ++ch)
          sum += x((p[0] * c.in[1] + p[1]) * c.in[2] + p[2], ch) * w.at(size_t((n * channels + ch) * taps + tap));
      }
  return sum;
}
template <class Args>
void set_shape(const ConvCase& c, Args& a) {
  a.batch = c.batch;
  for (int i = 0; i < 3; ++i) {
    a.in[i] = c.in[i];
    a.pad[i] = c.pad[i];
    a.out[i] = (c.in[i] + 2 * c.pad[i] - (c.kernel[i] - 1) * c.dilation[i] - 1) / c.stride[i] + 1;
  }
}
template <class Args>
void set_window(const ConvCase& c, Args& a) {
  for (int i = 0; i < 3; ++i) {
    a.kernel[i] = c.kernel[i];
    a.stride[i] = c.stride[i];
    a.dilation[i] = c.dilation[i];
  }
}
/// Calls f(y row, image, {d, h, w}) for every output position.
template <class Args, class F>
void each_position(const Args& a, const F& f) {
  int64_t row = 0;
  for (int64_t n = 0; n < a.batch; ++n)
    for (int64_t d = 0; d < a.out[0]; ++d)
      for (int64_t h = 0; h < a.out[1]; ++h)
        for (int64_t w = 0; w < a.out[2]; ++w) f(row++, n, {d, h, w});
}

struct Tensors {
  Values x, w, y, bias, residual;
  int64_t ldx, ldy, plane;
  Tensors(const ConvCase& c, int64_t rows_in, int64_t rows_out, int64_t channels, int64_t n, size_t weights)
      : x(c.type, size_t(rows_in * (channels + c.extra)), 1),
        w(c.type, weights, 2),
        y(c.type, size_t(rows_out * (n + c.extra)), 3),
        bias(Type::kF32, size_t(n), 4),
        residual(c.type, size_t(rows_out * (n + c.extra)), 5),
        ldx(channels + c.extra),
        ldy(n + c.extra),
        plane(c.in[0] * c.in[1] * c.in[2]) {}
};
template <class Args>
int64_t rows_of(const Args& a) {
  return a.batch * a.out[0] * a.out[1] * a.out[2];
}

void check_conv(const IsaTable& t, const ConvCase& c, const PostCase& post) {
  Conv a;
  set_shape(c, a);
  set_window(c, a);
  const int64_t taps = c.kernel[0] * c.kernel[1] * c.kernel[2], rows = rows_of(a);
  Tensors v(c, c.batch * c.in[0] * c.in[1] * c.in[2], rows, c.c, c.n, size_t(c.n * c.c * taps));
  Pack pack{.source = v.w.data(), .source_bf16 = c.type == Type::kBf16, .n = c.n, .type = c.type};
  pack.taps = c.merge_w ? taps / c.kernel[2] : taps;
  pack.k = c.merge_w ? c.kernel[2] * c.c : c.c;
  pack.inner = c.c;
  pack.st = c.merge_w ? c.kernel[2] : 1;
  pack.so = 1;
  pack.sk = taps;
  pack.sn = c.c * taps;
  std::vector<char> packed(size_t(t.packed_bytes(c.type, pack.taps, pack.k, c.n)));
  t.pack(pack, packed.data(), 0, 1000);
  a.x = v.x.data();
  a.ldx = v.ldx;
  a.b = packed.data();
  a.y = v.y.data();
  a.ldy = v.ldy;
  a.c = c.c;
  a.n = c.n;
  a.type = a.y_type = c.type;
  a.merge_w = c.merge_w;
  a.post = make_post(post, v.bias, v.residual, v.ldy);
  std::vector<char> scratch(size_t(t.conv_scratch(a)));
  t.conv(a, 0, rows / 2, 0, 1000, scratch.data());
  t.conv(a, rows / 2, rows, 0, 1000, scratch.data());
  Error error;
  each_position(a, [&](int64_t row, int64_t image, const int64_t(&at)[3]) {
    auto x = [&](int64_t p, int64_t ch) { return v.x.at(size_t((image * v.plane + p) * v.ldx + ch)); };
    for (int64_t n = 0; n < c.n; ++n) {
      const size_t i = size_t(row * v.ldy + n);
      error.add(v.y.at(i), finish(post, conv_sum(c, at, x, v.w, n, c.c), v.bias.at(size_t(n)), v.residual.at(i)));
    }
  });
  CHECK(error.value() < limit(c.type));
}

TEST_CASE("convolutions by implicit GEMM") {
  const ConvCase cases[] = {{1, {1, 9, 7}, 16, 20, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, Type::kF32, false, 0},
                            {2, {1, 8, 11}, 5, 33, {1, 3, 3}, {1, 2, 2}, {1, 1, 1}, {0, 1, 1}, Type::kF32, false, 3},
                            {1, {1, 12, 12}, 3, 40, {1, 7, 7}, {1, 2, 2}, {1, 1, 1}, {0, 3, 3}, Type::kF32, true, 0},
                            {2, {1, 10, 9}, 3, 17, {1, 3, 3}, {1, 1, 2}, {1, 1, 1}, {0, 1, 1}, Type::kBf16, true, 0},
                            {1, {1, 11, 10}, 8, 12, {1, 3, 3}, {1, 1, 1}, {1, 2, 3}, {0, 2, 3}, Type::kF32, false, 1},
                            {1, {4, 5, 6}, 7, 9, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, Type::kF32, false, 0},
                            {2, {5, 6, 5}, 6, 18, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}, {1, 1, 1}, Type::kBf16, false, 2},
                            {1, {3, 6, 8}, 3, 10, {2, 3, 5}, {1, 1, 2}, {1, 1, 1}, {1, 1, 2}, Type::kF32, true, 0},
                            {3, {1, 1, 40}, 3, 16, {1, 1, 7}, {1, 1, 2}, {1, 1, 1}, {0, 0, 3}, Type::kF32, true, 0},
                            {3, {1, 6, 6}, 24, 16, {1, 1, 1}, {1, 2, 2}, {1, 1, 1}, {0, 0, 0}, Type::kBf16, false, 0}};
  each_level([&](const IsaTable& t) {
    for (const ConvCase& c : cases) {
      check_conv(t, c, {});
      check_conv(t, c, {{Act::kSilu, 1, 0}, true, true, true});
      check_conv(t, c, {{Act::kClip, 0, 6}, true, true, false});
    }
  });
}

void check_depthwise(const IsaTable& t, const ConvCase& c, const PostCase& post) {
  Depthwise a;
  set_shape(c, a);
  set_window(c, a);
  const int64_t taps = c.kernel[0] * c.kernel[1] * c.kernel[2], rows = rows_of(a);
  Tensors v(c, c.batch * c.in[0] * c.in[1] * c.in[2], rows, c.c, c.c, 1);
  Values w(Type::kF32, size_t(taps * c.c), 9);
  a.x = v.x.data();
  a.ldx = v.ldx;
  a.w = w.f.data();
  a.y = v.y.data();
  a.ldy = v.ldy;
  a.c = c.c;
  a.type = a.y_type = c.type;
  a.post = make_post(post, v.bias, v.residual, v.ldy);
  const int64_t lines = rows / a.out[2], middle = c.c > 32 ? 32 : c.c;
  t.depthwise(a, 0, lines / 2, 0, c.c);
  t.depthwise(a, lines / 2, lines, 0, middle);
  t.depthwise(a, lines / 2, lines, middle, c.c);
  Error error;
  each_position(a, [&](int64_t row, int64_t image, const int64_t(&at)[3]) {
    for (int64_t n = 0; n < c.c; ++n) {
      auto x = [&](int64_t p, int64_t) { return v.x.at(size_t((image * v.plane + p) * v.ldx + n)); };
      Values one(Type::kF32, 0, 0);
      for (int64_t k = 0; k < taps; ++k) one.push(w.f[size_t(k * c.c + n)]);
      const size_t i = size_t(row * v.ldy + n);
      error.add(v.y.at(i), finish(post, conv_sum(c, at, x, one, 0, 1), v.bias.at(size_t(n)), v.residual.at(i)));
    }
  });
  CHECK(error.value() < limit(c.type));
}

TEST_CASE("depthwise convolutions") {
  const ConvCase cases[] = {{1, {1, 9, 19}, 16, 0, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, Type::kF32, false, 0},
                            {2, {1, 8, 11}, 21, 0, {1, 3, 3}, {1, 2, 2}, {1, 1, 1}, {0, 1, 1}, Type::kF32, false, 3},
                            {1, {1, 7, 7}, 70, 0, {1, 5, 5}, {1, 1, 1}, {1, 1, 1}, {0, 2, 2}, Type::kBf16, false, 0},
                            {1, {1, 13, 12}, 33, 0, {1, 7, 7}, {1, 1, 1}, {1, 1, 1}, {0, 3, 3}, Type::kF32, false, 0},
                            {1, {1, 3, 2}, 5, 0, {1, 5, 5}, {1, 1, 1}, {1, 1, 1}, {0, 2, 2}, Type::kF32, false, 0},
                            {1, {1, 10, 20}, 20, 0, {1, 3, 3}, {1, 1, 2}, {1, 2, 3}, {0, 2, 3}, Type::kBf16, false, 1},
                            {2, {4, 5, 6}, 9, 0, {3, 3, 3}, {1, 2, 1}, {1, 1, 1}, {1, 1, 1}, Type::kF32, false, 0}};
  each_level([&](const IsaTable& t) {
    for (const ConvCase& c : cases) {
      check_depthwise(t, c, {});
      check_depthwise(t, c, {{Act::kHardSwish, 1 / 6.f, .5f}, true, true, false});
    }
  });
}

void check_winograd(const IsaTable& t, const ConvCase& c, const PostCase& post) {
  Winograd a;
  set_shape(c, a);
  Tensors v(c, c.batch * c.in[0] * c.in[1] * c.in[2], rows_of(a), c.c, c.n, 1);
  Values w(Type::kF32, size_t(c.n * c.c * c.kernel[0] * c.kernel[1] * c.kernel[2]), 8);
  a.x = v.x.data();
  a.ldx = v.ldx;
  a.y = v.y.data();
  a.ldy = v.ldy;
  a.kernel_d = c.kernel[0];
  a.stride_d = c.stride[0];
  a.dilation_d = c.dilation[0];
  a.r = c.kernel[1];
  a.dilation = c.dilation[1];
  a.c = c.c;
  a.n = c.n;
  a.type = c.type;
  a.post = make_post(post, v.bias, v.residual, v.ldy);
  const int64_t panels = (c.n + t.panel - 1) / t.panel, tiles = c.batch * t.winograd_plane_tiles(a);
  std::vector<float> u(size_t(t.winograd_weight_count(a, panels)));
  t.winograd_weights(a, w.f.data(), u.data(), 0, 1);
  t.winograd_weights(a, w.f.data(), u.data(), 1, panels);
  a.u = u.data();
  std::vector<char> scratch(size_t(t.winograd_scratch(a, tiles, a.out[0], panels)));
  t.winograd(a, 0, tiles / 2, 0, a.out[0], 0, panels, scratch.data());
  t.winograd(a, tiles / 2, tiles, 0, a.out[0] / 2, 0, panels, scratch.data());
  t.winograd(a, tiles / 2, tiles, a.out[0] / 2, a.out[0], 0, 1, scratch.data());
  t.winograd(a, tiles / 2, tiles, a.out[0] / 2, a.out[0], 1, panels, scratch.data());
  Error error;
  each_position(a, [&](int64_t row, int64_t image, const int64_t(&at)[3]) {
    auto x = [&](int64_t p, int64_t ch) { return v.x.at(size_t((image * v.plane + p) * v.ldx + ch)); };
    for (int64_t n = 0; n < c.n; ++n) {
      const size_t i = size_t(row * v.ldy + n);
      error.add(v.y.at(i), finish(post, conv_sum(c, at, x, w, n, c.c), v.bias.at(size_t(n)), v.residual.at(i)));
    }
  });
  CHECK(error.value() < limit(c.type));
}

TEST_CASE("Winograd convolutions") {
  const ConvCase cases[] = {{1, {1, 9, 14}, 16, 20, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, Type::kF32, false, 0},
                            {2, {1, 7, 7}, 21, 70, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, Type::kF32, false, 3},
                            {1, {1, 11, 8}, 5, 33, {1, 3, 3}, {1, 1, 1}, {1, 2, 2}, {0, 2, 2}, Type::kF32, false, 0},
                            {1, {1, 9, 6}, 10, 12, {1, 5, 5}, {1, 1, 1}, {1, 1, 1}, {0, 2, 2}, Type::kBf16, false, 2},
                            {1, {5, 8, 9}, 6, 7, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, Type::kF32, false, 0},
                            {2, {6, 5, 4}, 4, 40, {3, 3, 3}, {2, 1, 1}, {1, 1, 1}, {1, 0, 1}, Type::kF32, false, 0},
                            {1, {1, 20, 20}, 64, 8, {1, 3, 3}, {1, 1, 1}, {1, 4, 4}, {0, 4, 4}, Type::kBf16, false, 0}};
  each_level([&](const IsaTable& t) {
    for (const ConvCase& c : cases) {
      check_winograd(t, c, {});
      check_winograd(t, c, {{Act::kTanh, 0, 0}, true, true, false});
    }
  });
}

TEST_CASE("activations over the whole range of floats") {
  each_level([](const IsaTable& t) {
    for (const ActCase& c : kActs) {
      CAPTURE(int(c.act));
      double worst = 0;
      for (float scale : {1e-4f, 0.1f, 1.f, 5.f, 30.f, 120.f}) {
        std::vector<float> x, y(203);
        for (int i = 0; i < 203; ++i) x.push_back(float(i - 101) / 101 * scale);
        t.activate(c.act, c.a, c.b, x.data(), y.data(), 203);
        for (int i = 0; i < 203; ++i) {
          const double ref = reference_act(c.act, double(c.a), double(c.b), double(x[size_t(i)]));
          const double bound =
              3e-7 * std::fabs(ref) + 1.5e-7 * std::fmin(1, std::fabs(double(x[size_t(i)]))) * 0.5 + 1e-37;
          worst = std::fmax(worst, std::fabs(double(y[size_t(i)]) - ref) / bound);
        }
      }
      CHECK(worst < 1);
      const float extremes[] = {NAN, INFINITY, -INFINITY};
      float out[3];
      t.activate(c.act, c.a, c.b, extremes, out, 3);
      CHECK(std::isnan(out[0]));
      CHECK(double(out[1]) == reference_act(c.act, double(c.a), double(c.b), INFINITY));
    }
  });
}

TEST_CASE("bf16 conversions round to nearest even") {
  each_level([](const IsaTable& t) {
    std::vector<float> x = {1.f, 1.00390625f, 1.01171875f, -3.3333f, 65504.f, 1e38f, 0.f, -0.f, INFINITY, NAN, 3.4e38f};
    for (int i = 0; i < 30; ++i) x.push_back(float(i) * 0.7371f - 9);
    std::vector<uint16_t> h(x.size());
    std::vector<float> back(x.size());
    t.to_bf16(x.data(), h.data(), int64_t(x.size()));
    t.from_bf16(h.data(), back.data(), int64_t(x.size()));
    for (size_t i = 0; i < x.size(); ++i) {
      CAPTURE(x[i]);
      if (std::isnan(x[i])) {
        CHECK(std::isnan(back[i]));
        continue;
      }
      CHECK(h[i] == bf16(x[i]).bits);
      CHECK(back[i] == float(bf16(x[i])));
    }
  });
}

}  // namespace
}  // namespace tenon::isa
