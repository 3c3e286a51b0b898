#include "ops/nn/pool.h"

#include <doctest/doctest.h>

#include "backends/cpu/kernels/kernel_test_util.h"

using namespace tenon;
using namespace tenon::cpu::testing;
using ir::DType;
using ops::PoolAttrs;
using ops::PoolKind;

namespace {

struct Window {
  ir::Dims x;  ///< [N, C, spatial…]
  std::vector<int64_t> kernel, strides, pads, dilations;
  bool ceil = false, include = false;
};

KernelCase pool_case(const Window& w, PoolKind kind, bool last, DType t = DType::kF32) {
  PoolAttrs a;
  a.kind = kind;
  a.kernel = w.kernel;
  a.strides = w.strides;
  a.pads = w.pads;
  a.dilations = w.dilations;
  a.ceil_mode = w.ceil;
  a.count_include_pad = w.include;
  a.channels_last = last;
  ir::Dims x = w.x;
  if (last) {
    x.erase(x.begin() + 1);
    x.push_back(w.x[1]);
  }
  KernelCase c;
  c.op = "Pool";
  c.attrs = a;
  c.inputs = {of_type(t, x, -1, 3)};
  return c;
}

const Window kWindows[] = {{{2, 17, 11, 13}, {3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}},
                           {{1, 64, 8, 8}, {2, 2}, {2, 2}, {0, 0, 0, 0}, {1, 1}},
                           {{2, 5, 9, 40}, {3, 5}, {1, 1}, {1, 2, 1, 2}, {1, 1}, false, true},
                           {{1, 70, 7, 7}, {}, {}, {}, {}},
                           {{3, 9, 10, 10}, {3, 3}, {2, 2}, {0, 0, 0, 0}, {1, 1}, true},
                           {{1, 4, 12, 12}, {3, 2}, {1, 3}, {2, 0, 1, 1}, {2, 3}},
                           {{2, 6, 30}, {4}, {3}, {1, 2}, {1}, true, true},
                           {{1, 3, 5, 6, 7}, {2, 3, 3}, {1, 2, 2}, {0, 1, 1, 1, 1, 1}, {1, 1, 1}},
                           {{1, 2048, 7, 7}, {}, {}, {}, {}},
                           {{1, 20, 40, 50}, {}, {}, {}, {}},
                           {{2, 8, 13, 13}, {5, 5}, {1, 1}, {2, 2, 2, 2}, {1, 1}}};

}  // namespace

TEST_CASE("pool") {
  for (const Window& w : kWindows)
    for (PoolKind kind : {PoolKind::kMax, PoolKind::kAverage})
      for (bool last : {false, true})
        for (DType t : {DType::kF32, DType::kBF16, DType::kF16}) {
          CAPTURE(cat(w.x, w.kernel, w.strides, w.pads, int(kind), last, t));
          check_kernel(pool_case(w, kind, last, t));
        }
  KernelCase c = pool_case(kWindows[0], PoolKind::kMax, true);
  c.inputs[0] = pitched(c.inputs[0], 24);
  c.output_pitch = {33};
  check_kernel(c);
}

TEST_CASE("pool: square windows on planes of padding") {
  for (DType t : {DType::kF32, DType::kBF16, DType::kF16})
    for (int64_t channels : {16, 17}) {
      KernelCase c = pool_case({{2, channels, 3, 6, 7}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1, 1, 1, 1}, {1, 1, 1}},
                               PoolKind::kMax, true, t);
      check_kernel(c);
    }
}

TEST_CASE("pool: Lp, and maxima with their places") {
  for (const Window& w : kWindows)
    for (bool last : {false, true})
      for (DType t : {DType::kF32, DType::kBF16, DType::kF16}) {
        CAPTURE(cat(w.x, w.kernel, w.strides, w.pads, last, t));
        for (int64_t p : {1, 2, 3}) {
          KernelCase c = pool_case(w, PoolKind::kLp, last, t);
          auto a = c.attrs.as<PoolAttrs>();
          a.p = p;
          a.count_include_pad = false;
          c.attrs = a;
          check_kernel(c);
        }
        for (int64_t order : {0, 1}) {
          KernelCase c = pool_case(w, PoolKind::kMax, last, t);
          auto a = c.attrs.as<PoolAttrs>();
          a.storage_order = order;
          c.attrs = a;
          c.outputs = 2;
          c.batched = false;  // places count from the start of the whole input
          check_kernel(c);
        }
      }
}

TEST_CASE("pool: measurements" * doctest::skip()) {
  for (bool last : {true, false}) {
    const char* kernel = last ? "pool_channels_last" : "pool_planes";
    MESSAGE(kernel, " max 3x3/2 [1, 64, 112, 112]: ",
            time_kernel(pool_case({{1, 64, 112, 112}, {3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}}, PoolKind::kMax, last),
                        kernel, 1),
            " us");
    MESSAGE(kernel, " global average [1, 2048, 7, 7]: ",
            time_kernel(pool_case({{1, 2048, 7, 7}, {}, {}, {}, {}}, PoolKind::kAverage, last), kernel, 1), " us");
    MESSAGE(kernel, " max 5x5 [1, 256, 20, 20]: ",
            time_kernel(pool_case({{1, 256, 20, 20}, {5, 5}, {1, 1}, {2, 2, 2, 2}, {1, 1}}, PoolKind::kMax, last),
                        kernel, 1),
            " us");
  }
}
