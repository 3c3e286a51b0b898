// Times the CPU backend's vector loops on layers of known networks: GFLOP/s of the direct algorithm beside the FMA
// peak. usage: kernels [filter] [threads]
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "backends/cpu/isa/isa.h"
#include "base/thread_pool.h"

using namespace tenon;
using namespace tenon::isa;

namespace {

struct Buffer {
  char* data;
  explicit Buffer(int64_t bytes) : data(static_cast<char*>(std::aligned_alloc(64, size_t(bytes + 127) / 64 * 64))) {
    for (int64_t i = 0; i < bytes / 2; ++i) reinterpret_cast<uint16_t*>(data)[i] = uint16_t(0x3c00 + i * 37 % 255);
  }
  ~Buffer() { std::free(data); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
};

/// Best of a few runs, in seconds: of this process's time where one thread runs, so that a busy machine disturbs
/// little.
double time_of(const ThreadPool& pool, const std::function<void()>& f) {
  auto now = [&] {
    timespec t;
    clock_gettime(pool.size() == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
  };
  double best = 1e9, total = 0;
  for (int i = 0; i < 200 && (total < 0.05 || i < 3); ++i) {
    const double start = now();
    f();
    const double t = now() - start;
    best = std::min(best, t);
    total += t;
  }
  return best;
}

struct Layer {
  const char* name;
  int64_t batch, depth, side, c, n, kernel, stride, dilation, kernel_d;
};
const Layer kLayers[] = {{"down 256-512/2", 1, 1, 56, 256, 512, 1, 2, 1, 1},
                         {"down 512-1024/2", 1, 1, 28, 512, 1024, 1, 2, 1, 1},
                         {"down 1024-2048/2", 1, 1, 14, 1024, 2048, 1, 2, 1, 1},
                         {"resnet50 stem 7x7", 1, 1, 224, 3, 64, 7, 2, 1, 1},
                         {"resnet50 1x1 64-64 56", 1, 1, 56, 64, 64, 1, 1, 1, 1},
                         {"resnet50 1x1 64-256 56", 1, 1, 56, 64, 256, 1, 1, 1, 1},
                         {"resnet50 1x1 256-64 56", 1, 1, 56, 256, 64, 1, 1, 1, 1},
                         {"resnet50 3x3 64 56", 1, 1, 56, 64, 64, 3, 1, 1, 1},
                         {"resnet50 3x3 128 28", 1, 1, 28, 128, 128, 3, 1, 1, 1},
                         {"resnet50 3x3/2 128 56", 1, 1, 56, 128, 128, 3, 2, 1, 1},
                         {"resnet50 1x1 512-128 28", 1, 1, 28, 512, 128, 1, 1, 1, 1},
                         {"resnet50 3x3 256 14", 1, 1, 14, 256, 256, 3, 1, 1, 1},
                         {"resnet50 1x1 1024-256 14", 1, 1, 14, 1024, 256, 1, 1, 1, 1},
                         {"resnet50 1x1 256-1024 14", 1, 1, 14, 256, 1024, 1, 1, 1, 1},
                         {"resnet50 3x3 512 7", 1, 1, 7, 512, 512, 3, 1, 1, 1},
                         {"resnet50 1x1 2048-512 7", 1, 1, 7, 2048, 512, 1, 1, 1, 1},
                         {"resnet50 1x1 512-2048 7", 1, 1, 7, 512, 2048, 1, 1, 1, 1},
                         {"resnet50 3x3 512 7 b8", 8, 1, 7, 512, 512, 3, 1, 1, 1},
                         {"mobilenet 1x1 32-16 112", 1, 1, 112, 32, 16, 1, 1, 1, 1},
                         {"mobilenet 1x1 16-96 112", 1, 1, 112, 16, 96, 1, 1, 1, 1},
                         {"mobilenet 1x1 144-24 56", 1, 1, 56, 144, 24, 1, 1, 1, 1},
                         {"mobilenet 1x1 96-576 14", 1, 1, 14, 96, 576, 1, 1, 1, 1},
                         {"mobilenet 1x1 960-160 7", 1, 1, 7, 960, 160, 1, 1, 1, 1},
                         {"fcn 3x3d2 256 32", 1, 1, 32, 256, 256, 3, 1, 2, 1},
                         {"fcn 3x3d4 512 32", 1, 1, 32, 512, 512, 3, 1, 4, 1},
                         {"fcn 3x3 2048-512 32", 1, 1, 32, 2048, 512, 3, 1, 1, 1},
                         {"alexnet 5x5 64-192 27", 1, 1, 27, 64, 192, 5, 1, 1, 1},
                         {"r3d 3x3x3 64 56", 1, 16, 56, 64, 64, 3, 1, 1, 3},
                         {"r3d 3x3x3 128 28", 1, 8, 28, 128, 128, 3, 1, 1, 3},
                         {"r3d 3x3x3 256 14", 1, 4, 14, 256, 256, 3, 1, 1, 3},
                         {"r3d 3x3x3 512 7", 1, 2, 7, 512, 512, 3, 1, 1, 3}};

template <class Args>
void set_geometry(const Layer& l, Args& a) {
  a.batch = l.batch;
  const int64_t in[3] = {l.depth, l.side, l.side};
  for (int i = 0; i < 3; ++i) {
    const int64_t k = i ? l.kernel : l.kernel_d, d = i ? l.dilation : 1, s = i ? l.stride : 1;
    a.in[i] = in[i];
    a.pad[i] = (k - 1) * d / 2;
    a.out[i] = (in[i] + 2 * a.pad[i] - (k - 1) * d - 1) / s + 1;
  }
}

double conv_seconds(const IsaTable& t, ThreadPool& pool, const Layer& l, Type type) {
  Conv a;
  set_geometry(l, a);
  for (int i = 0; i < 3; ++i) {
    a.kernel[i] = i ? l.kernel : l.kernel_d;
    a.dilation[i] = i ? l.dilation : 1;
    a.stride[i] = i ? l.stride : 1;
  }
  a.c = a.ldx = l.c;
  a.n = a.ldy = l.n;
  a.type = a.y_type = type;
  a.merge_w = l.c < 8 && l.dilation == 1;
  a.post.act = Act::kClip;
  a.post.b = 1e30f;
  const int64_t taps = l.kernel_d * l.kernel * (a.merge_w ? 1 : l.kernel), k = l.c * (a.merge_w ? l.kernel : 1);
  const int64_t m = a.batch * a.out[0] * a.out[1] * a.out[2], panels = (l.n + t.panel - 1) / t.panel;
  Buffer x(l.batch * l.depth * l.side * l.side * l.c * 4), b(t.packed_bytes(type, taps, k, l.n)), y(m * l.n * 4);
  Buffer bias(l.n * 4);
  a.x = x.data;
  a.b = b.data;
  a.y = y.data;
  a.post.bias = reinterpret_cast<float*>(bias.data);
  const int64_t each = (t.conv_scratch(a) + 63) / 64 * 64;
  Buffer scratch(each * pool.size());
  const int64_t parts = pool.size(), bytes_b = t.packed_bytes(type, taps, k, l.n);
  const bool by_panel = parts > 1 && bytes_b > l.batch * l.depth * l.side * l.side * l.c * 4 && panels % parts == 0;
  return time_of(pool, [&] {
    pool.parallel_for(parts, [&](int64_t i, int w) {
      if (by_panel)
        t.conv(a, 0, m, panels * i / parts, panels * (i + 1) / parts, scratch.data + each * w);
      else
        t.conv(a, m * i / parts, m * (i + 1) / parts, 0, panels, scratch.data + each * w);
    });
  });
}

double winograd_seconds(const IsaTable& t, ThreadPool& pool, const Layer& l, Type type, int64_t most_tiles,
                        int64_t most_planes) {
  Winograd a;
  set_geometry(l, a);
  a.kernel_d = l.kernel_d;
  a.r = l.kernel;
  a.dilation = l.dilation;
  a.c = a.ldx = l.c;
  a.n = a.ldy = l.n;
  a.type = type;
  a.post.act = Act::kClip;
  a.post.b = 1e30f;
  const int64_t m = a.batch * a.out[0] * a.out[1] * a.out[2], panels = (l.n + t.panel - 1) / t.panel;
  Buffer x(l.batch * l.depth * l.side * l.side * l.c * 4), u(t.winograd_weight_count(a, panels) * 4), y(m * l.n * 4);
  Buffer bias(l.n * 4);
  a.x = x.data;
  a.u = reinterpret_cast<float*>(u.data);
  a.y = y.data;
  a.post.bias = reinterpret_cast<float*>(bias.data);
  const int64_t tiles = a.batch * t.winograd_plane_tiles(a), threads = pool.size();
  const bool by_panel = tiles * a.out[0] < 28 * threads && panels % threads == 0;
  const int64_t shares = by_panel ? 1 : threads;
  const int64_t blocks = shares * std::max<int64_t>(1, (tiles / shares + most_tiles - 1) / most_tiles);
  const int64_t cuts = by_panel ? threads : 1;
  const int64_t each =
      (t.winograd_scratch(a, (tiles + blocks - 1) / blocks, most_planes, panels / cuts) + 63) / 64 * 64;
  Buffer scratch(each * pool.size());
  return time_of(pool, [&] {
    const int64_t depths = (a.out[0] + most_planes - 1) / most_planes;
    pool.parallel_for(blocks * cuts * depths, [&](int64_t i, int w) {
      const int64_t d = i % depths, q = i / depths % blocks, p = i / depths / blocks;
      t.winograd(a, tiles * q / blocks, tiles * (q + 1) / blocks, d * most_planes,
                 std::min(a.out[0], (d + 1) * most_planes), panels * p / cuts, panels * (p + 1) / cuts,
                 scratch.data + each * w);
    });
  });
}

void run_layers(const IsaTable& t, ThreadPool& pool, const char* filter) {
  for (const Layer& l : kLayers) {
    if (!std::strstr(l.name, filter)) continue;
    const int64_t out = (l.side - 1) / l.stride + 1;
    const double flops = 2.0 * double(l.batch * l.depth * out * out * l.c * l.n * l.kernel * l.kernel * l.kernel_d);
    std::printf("%-26s %7.1f MFLOP", l.name, flops * 1e-6);
    for (Type type : {Type::kF32, Type::kBf16}) {
      double s = conv_seconds(t, pool, l, type);
      std::printf("  %s %7.1f us %6.1f", type == Type::kF32 ? "f32" : "bf16", s * 1e6, flops / s * 1e-9);
    }
    if (l.stride == 1 && (l.kernel == 3 || l.kernel == 5))
      for (int64_t most : {14, 28, 56, 112}) {
        double s = winograd_seconds(t, pool, l, Type::kF32, most, std::min<int64_t>(l.depth, 4));
        std::printf("  winograd/%-3d %7.1f us %6.1f", int(most), s * 1e6, flops / s * 1e-9);
      }
    std::printf("\n");
    std::fflush(stdout);
  }
}

struct Product {
  const char* name;
  int64_t m, k, n;
};
const Product kProducts[] = {
    {"mb 12544x32x16", 12544, 32, 16},     {"mb 12544x16x96", 12544, 16, 96},     {"mb 3136x24x144", 3136, 24, 144},
    {"mb 3136x144x24", 3136, 144, 24},     {"mb 784x32x192", 784, 32, 192},       {"mb 196x384x64", 196, 384, 64},
    {"mb 196x64x384", 196, 64, 384},       {"mb 49x160x960", 49, 160, 960},       {"mb 49x960x320", 49, 960, 320},
    {"rn 3136x64x64", 3136, 64, 64},       {"rn 3136x64x256", 3136, 64, 256},     {"bert 128x768x768", 128, 768, 768},
    {"bert 128x768x3072", 128, 768, 3072}, {"bert 128x3072x768", 128, 3072, 768}, {"vit 197x768x2304", 197, 768, 2304},
    {"vit 197x3072x768", 197, 3072, 768},  {"head 128x64x128", 128, 64, 128},     {"fc 1x2048x1000", 1, 2048, 1000},
    {"fc 1x9216x4096", 1, 9216, 4096},     {"fc 8x9216x4096", 8, 9216, 4096}};

void run_products(const IsaTable& t, ThreadPool& pool, const char* filter) {
  for (const Product& p : kProducts) {
    if (!std::strstr(p.name, filter)) continue;
    const double flops = 2.0 * double(p.m * p.k * p.n);
    std::printf("%-26s %7.1f MFLOP", p.name, flops * 1e-6);
    for (Type type : {Type::kF32, Type::kBf16}) {
      Buffer a(p.m * p.k * 4), b(t.packed_bytes(type, 1, p.k, p.n)), y(p.m * p.n * 4);
      Gemm g{a.data, p.k, b.data, y.data, p.n, p.m, p.n, p.k, type, type, {}};
      const int64_t each = (t.gemm_scratch(g) + 63) / 64 * 64, panels = (p.n + t.panel - 1) / t.panel,
                    parts = pool.size();
      Buffer scratch(each * parts);
      double s = time_of(pool, [&] {
        pool.parallel_for(parts, [&](int64_t i, int w) {
          t.gemm(g, 0, p.m, panels * i / parts, panels * (i + 1) / parts, scratch.data + each * w);
        });
      });
      std::printf("  %s %7.1f us %6.1f (%.1f GB/s)", type == Type::kF32 ? "f32" : "bf16", s * 1e6, flops / s * 1e-9,
                  double(p.k * p.n * (type == Type::kF32 ? 4 : 2)) / s * 1e-9);
    }
    std::printf("\n");
    std::fflush(stdout);
  }
}

void run_depthwise(const IsaTable& t, ThreadPool& pool, const char* filter) {
  for (auto [side, c, kernel, stride] : {std::array<int64_t, 4>{112, 32, 3, 1},
                                         {112, 96, 3, 2},
                                         {56, 144, 3, 1},
                                         {28, 192, 3, 1},
                                         {14, 576, 3, 1},
                                         {7, 960, 3, 1},
                                         {28, 240, 5, 1},
                                         {14, 480, 5, 1},
                                         {7, 1152, 5, 1},
                                         {56, 96, 7, 1}}) {
    const std::string name = "depthwise " + std::to_string(side) + " " + std::to_string(c) + " " +
                             std::to_string(kernel) + "x" + std::to_string(kernel) + "/" + std::to_string(stride);
    if (name.find(filter) == std::string::npos) continue;
    Layer l{"", 1, 1, side, c, c, kernel, stride, 1, 1};
    Depthwise a;
    set_geometry(l, a);
    a.kernel[1] = a.kernel[2] = kernel;
    a.stride[1] = a.stride[2] = stride;
    a.c = a.ldx = a.ldy = c;
    std::printf("%-26s", name.c_str());
    for (Type type : {Type::kF32, Type::kBf16}) {
      const int64_t out = a.out[1], rows = out;
      Buffer x(side * side * c * 4), w(kernel * kernel * c * 4), y(out * out * c * 4), bias(c * 4);
      a.x = x.data;
      a.w = reinterpret_cast<float*>(w.data);
      a.y = y.data;
      a.type = a.y_type = type;
      a.post.bias = reinterpret_cast<float*>(bias.data);
      a.post.act = Act::kClip;
      a.post.b = 6;
      double s = time_of(pool, [&] {
        pool.parallel_for(pool.size(), [&](int64_t i, int) {
          t.depthwise(a, rows * i / pool.size(), rows * (i + 1) / pool.size(), 0, c);
        });
      });
      const double flops = 2.0 * double(out * out * c * kernel * kernel);
      std::printf("  %s %7.1f us %6.1f GFLOP/s %5.1f GB/s", type == Type::kF32 ? "f32" : "bf16", s * 1e6,
                  flops / s * 1e-9, double((side * side + out * out) * c * (type == Type::kF32 ? 4 : 2)) / s * 1e-9);
    }
    std::printf("\n");
  }
}

}  // namespace

int main(int argc, char** argv) {
  const char* filter = argc > 1 ? argv[1] : "";
  ThreadPool pool(argc > 2 ? std::atoi(argv[2]) : 1);
  const IsaTable& t = isa_table();
  std::printf("%s, %d threads\n", t.name, pool.size());
  run_layers(t, pool, filter);
  run_products(t, pool, filter);
  run_depthwise(t, pool, filter);
}
