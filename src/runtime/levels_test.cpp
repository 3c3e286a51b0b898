// A plan built at one instruction-set level, loaded at another.
#include <doctest/doctest.h>

#include <cstdlib>

#include "backends/cpu/isa/isa.h"
#include "base/knobs.h"
#include "builder/builder.h"
#include "ir/sample.h"
#include "ops/op.h"
#include "ops/parse.h"
#include "runtime/engine.h"

using namespace tenon;

namespace {

/// Convolutions of every kind (a Winograd one, an expansion and its depthwise one, strides), pooling, a product, rows.
constexpr std::string_view kNet = R"(graph "net" {
  %x: f32[2, 8, 64, 64] = input
  %w0: f32[16, 8, 3, 3] = random(1, -0.2, 0.2)
  %w1: f32[32, 16, 1, 1] = random(2, -0.4, 0.4)
  %w2: f32[32, 1, 3, 3] = random(3, -0.5, 0.5)
  %w3: f32[24, 32, 3, 3] = random(4, -0.1, 0.1)
  %w4: f32[24, 40] = random(5, -0.3, 0.3)
  %a = Conv(%x, %w0) {strides = [1, 1], pads = [1, 1, 1, 1], dilations = [1, 1]} "a"
  %b = Conv(%a, %w1) {strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1]} "b"
  %c = Relu(%b) "c"
  %d = Conv(%c, %w2) {strides = [1, 1], pads = [1, 1, 1, 1], dilations = [1, 1], group = 32} "d"
  %e = Conv(%d, %w3) {strides = [2, 2], pads = [1, 1, 1, 1], dilations = [1, 1]} "e"
  %m = Pool(%e) {kind = average} "m"
  %s: i64[2] = {0, -1}
  %r = Reshape(%m, %s) "r"
  %p = MatMul(%r, %w4) "p"
  %y = Softmax(%p) {axis = 1} "y"
  return %y, %e
}
)";

class Level {
 public:
  explicit Level(isa::Isa isa) {
    if (const char* now = std::getenv(kName.c_str())) before_ = now;
    setenv(kName.c_str(), isa::isa_name(isa), 1);
  }
  ~Level() { before_ ? setenv(kName.c_str(), before_->c_str(), 1) : unsetenv(kName.c_str()); }
  Level(const Level&) = delete;

 private:
  const std::string kName{info(Knob::kCpuIsa).name};
  std::optional<std::string> before_;
};

std::vector<isa::Isa> levels() {
  std::vector<isa::Isa> found;
  for (int i = 0; i < isa::kIsaCount; ++i)
    if (isa::isa_table(isa::Isa(i))) found.push_back(isa::Isa(i));
  return found;
}

}  // namespace

TEST_CASE("a plan built at one instruction-set level runs at another") {
  const ir::Graph net = ops::parse_graph(kNet);
  Xorshift random(5);
  const std::vector<ir::Tensor> x{ir::random_tensor(ir::DType::kF32, {2, 8, 64, 64}, random)};
  const auto want = ops::eval_graph(net, x, true);
  for (bool narrow : {false, true})
    for (isa::Isa built : levels()) {
      std::vector<std::byte> bytes;
      {
        Level level(built);
        builder::BuildOptions options;
        options.level = 1;
        options.allow_bf16 = narrow;
        bytes = plan::serialize(builder::build(net, options));
      }
      for (isa::Isa loaded : levels()) {
        Level level(loaded);
        CAPTURE(cat(isa::isa_name(built), " at ", isa::isa_name(loaded), narrow ? " in bf16" : ""));
        const auto got = runtime::Engine::create(plan::deserialize(nullptr, bytes))->create_context()->run(x);
        for (size_t i = 0; i < want.size(); ++i) CHECK(ir::relative_error(got[i], want[i]) < (narrow ? 2e-2 : 1e-5));
      }
    }
}
