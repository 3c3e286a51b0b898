// Layers of the dialect whose rules say more than one ONNX operator, against loops in double precision.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "ops/trial.h"
#include "ops/trt/lower.h"

namespace tenon::ops::trt {
namespace {

constexpr DType kF32 = DType::kF32;

struct Setting {
  std::string_view field;
  std::variant<int64_t, Ints, DType> value;
};

/// Lowers a layer over these inputs (undefined ones are left out; those at `constants` are constants) and runs it.
Tensor run_layer(const char* layer, const std::vector<Tensor>& inputs, const std::vector<Setting>& settings,
                 const std::vector<size_t>& constants = {}) {
  ir::Graph graph;
  ir::Attrs attrs(find_layer(layer)->attrs);
  for (const Setting& s : settings) {
    const ir::Field* field = attrs.find(s.field);
    REQUIRE(field);
    std::visit([&](const auto& v) { field->of<std::decay_t<decltype(v)>>(attrs.edit_data()) = v; }, s.value);
  }
  std::vector<ValueId> values;
  std::vector<Tensor> given;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& t = inputs[i];
    if (!t.defined()) {
      values.push_back(ir::kNone);
    } else if (std::find(constants.begin(), constants.end(), i) != constants.end()) {
      values.push_back(graph.add_constant(t));
    } else {
      values.push_back(graph.add_input(cat("in", i), t.dtype(), ir::to_shape(t.dims())));
      given.push_back(t);
    }
  }
  const ir::NodeId n = graph.add_node(layer, values, std::move(attrs), 1, "layer");
  graph.outputs = graph.node(n).outputs;
  infer(graph);
  const ir::Shape told = graph.value(graph.outputs[0]).shape;
  lower(graph);
  const Tensor y = eval_graph(graph, given, false).at(0);
  REQUIRE(told.size() == y.dims().size());
  for (size_t i = 0; i < told.size(); ++i) CHECK((!told[i].is_const() || told[i].constant() == y.dims()[i]));
  return y;
}

TEST_CASE("layers: gather behind element-wise dimensions") {
  const Tensor data = trial::noise({2, 3, 4, 5}, 1),
               indices = trial::i64({2, 2, 3}, {0, 3, -1, 2, 2, 1, 1, 0, 3, -2, 3, 0});
  const Tensor y =
      run_layer("trt.Gather", {data, indices}, {{"gather_axis", int64_t{2}}, {"nb_element_wise_dims", int64_t{1}}});
  REQUIRE(y.dims() == ir::Dims{2, 3, 2, 3, 5});
  for (int64_t b = 0, at = 0; b < 2; ++b)
    for (int64_t c = 0; c < 3; ++c)
      for (int64_t i = 0; i < 6; ++i)
        for (int64_t k = 0; k < 5; ++k, ++at) {
          const int64_t row = (indices.get_int(b * 6 + i) + 4) % 4;
          REQUIRE(y.get(at) == data.get(((b * 3 + c) * 4 + row) * 5 + k));
        }
}

/// Element (i, j) of a slice of a matrix that reaches outside, by SampleMode.
double sampled(const Tensor& x, int64_t i, int64_t j, int64_t mode, double fill) {
  const auto inside = [&](int64_t at, int64_t extent) {
    if (mode == 1) return (at % extent + extent) % extent;
    if (mode == 2) return std::clamp<int64_t>(at, 0, extent - 1);
    const int64_t period = 2 * (extent - 1), folded = (at % period + period) % period;
    return folded < extent ? folded : period - folded;
  };
  const int64_t rows = x.dims()[0], columns = x.dims()[1];
  if (mode == 3 && (i < 0 || j < 0 || i >= rows || j >= columns)) return fill;
  return mode == 3 ? x.get(i * columns + j) : x.get(inside(i, rows) * columns + inside(j, columns));
}

TEST_CASE("layers: slices that reach outside, along some axes, by computed numbers") {
  const Tensor x = trial::noise({4, 5}, 2), fill = trial::f32({}, {7});
  struct Window {
    int64_t start, size, stride;
  };
  for (int64_t mode : {1, 2, 3, 4})
    for (const Window& w : {Window{-2, 4, 2}, {3, 4, 1}, {5, 4, -2}, {1, 2, 1}})
      for (bool computed : {false, true}) {
        CAPTURE(mode);
        CAPTURE(w.start);
        const Tensor fills = mode == 3 ? fill : Tensor();
        std::vector<Tensor> inputs{x, Tensor(), Tensor(), Tensor(), fills};
        if (computed)
          inputs = {x, trial::i64({1}, {w.start}), trial::i64({1}, {w.size}), trial::i64({1}, {w.stride}), fills};
        while (!inputs.back().defined()) inputs.pop_back();
        const Tensor y = run_layer("trt.Slice", inputs,
                                   {{"start", Ints{w.start}},
                                    {"size", Ints{w.size}},
                                    {"stride", Ints{w.stride}},
                                    {"axes", Ints{1}},
                                    {"mode", mode}});
        REQUIRE(y.dims() == ir::Dims{4, w.size});
        for (int64_t i = 0; i < 4; ++i)
          for (int64_t j = 0; j < w.size; ++j)
            REQUIRE(y.get(i * w.size + j) == sampled(x, i, w.start + j * w.stride, mode, 7));
      }
}

TEST_CASE("layers: slices with a stride of 0 repeat an element") {
  const Tensor x = trial::noise({3, 4}, 9);
  const auto check = [&](const Tensor& start, const Tensor& size, const Tensor& stride, int64_t mode) {
    std::vector<Tensor> inputs{x, start, size, stride};
    while (!inputs.back().defined()) inputs.pop_back();
    const Tensor y = run_layer("trt.Slice", inputs,
                               {{"start", Ints{1, 3}}, {"size", Ints{5, 2}}, {"stride", Ints{0, -1}}, {"mode", mode}});
    REQUIRE(y.dims() == ir::Dims{5, 2});
    for (int64_t i = 0; i < 10; ++i) REQUIRE(y.get(i) == x.get(4 + 3 - i % 2));
  };
  const Tensor start = trial::i64({2}, {1, 3}), size = trial::i64({2}, {5, 2}), stride = trial::i64({2}, {0, -1}), none;
  check(none, none, none, 0);
  check(start, none, none, 0);
  check(none, size, none, 0);
  check(start, size, stride, 0);
  check(none, none, stride, 0);
  check(none, none, none, 2);
  check(start, size, stride, 3);
}

TEST_CASE("layers: blocks along two axes share a scale") {
  const Tensor x = trial::noise({4, 6}, 3), scale = trial::f32({2, 2}, {0.5, 0.25, 0.125, 1});
  const Tensor q = run_layer("trt.Quantize", {x, scale}, {{"block_shape", Ints{2, 3}}, {"to_type", DType::kI8}}, {1});
  const Tensor y = run_layer("trt.Dequantize", {q, scale}, {{"block_shape", Ints{2, 3}}}, {1});
  for (int64_t i = 0; i < 24; ++i) {
    const double step = scale.get(i / 6 / 2 * 2 + i % 6 / 3);
    REQUIRE(q.get_int(i) == int64_t(std::nearbyint(x.get(i) / step)));
    REQUIRE(y.get(i) == double(q.get_int(i)) * step);
  }
}

constexpr int64_t kHeads = 4, kGroups = 2, kSize = 3, kWidth = 2;

/// A side of an attention: sequences of these lengths, padded to `room`, or behind each other.
struct Side {
  std::vector<int64_t> lengths;
  int64_t room;
  bool packed;
  int64_t batch() const { return int64_t(lengths.size()); }
  int64_t tokens() const {
    int64_t sum = 0;
    for (int64_t n : lengths) sum += n;
    return sum;
  }
  ir::Dims dims(int64_t heads, int64_t size) const {
    return packed ? ir::Dims{tokens(), heads, size} : ir::Dims{batch(), heads, room, size};
  }
  /// Where element 0 of a token and head is.
  int64_t at(int64_t b, int64_t token, int64_t head, int64_t heads, int64_t size) const {
    if (!packed) return ((b * heads + head) * room + token) * size;
    int64_t before = 0;
    for (int64_t i = 0; i < b; ++i) before += lengths[size_t(i)];
    return ((before + token) * heads + head) * size;
  }
  Tensor told() const {
    std::vector<int64_t> values = lengths;
    if (packed) {
      values.assign(1, 0);
      for (int64_t n : lengths) values.push_back(values.back() + n);
    }
    return trial::tensor<int64_t>(DType::kI32, {int64_t(values.size())}, values);
  }
};

void check_attention(const Side& query, const Side& keys, int64_t causal, bool softmax) {
  CAPTURE(query.packed);
  CAPTURE(keys.packed);
  CAPTURE(causal);
  const Tensor q = trial::noise(query.dims(kHeads, kSize), 4), k = trial::noise(keys.dims(kGroups, kSize), 5),
               v = trial::noise(keys.dims(kGroups, kWidth), 6);
  const Tensor y = run_layer("trt.Attention", {q, k, v, Tensor(), keys.told(), query.told()},
                             {{"normalization", int64_t{softmax}},
                              {"causal", causal},
                              {"query_form", int64_t{query.packed}},
                              {"key_value_form", int64_t{keys.packed}}});
  REQUIRE(y.dims() == query.dims(kHeads, kWidth));
  for (int64_t b = 0; b < query.batch(); ++b)
    for (int64_t h = 0; h < kHeads; ++h)
      for (int64_t i = 0; i < query.lengths[size_t(b)]; ++i) {
        const int64_t count = keys.lengths[size_t(b)], group = h / (kHeads / kGroups);
        const int64_t shift = causal == 2 ? count - query.lengths[size_t(b)] : 0;
        double sum = 0, result[kWidth] = {};
        for (int64_t j = 0; j < count && (causal == 0 || j <= i + shift); ++j) {
          double score = 0;
          for (int64_t e = 0; e < kSize; ++e)
            score += q.get(query.at(b, i, h, kHeads, kSize) + e) * k.get(keys.at(b, j, group, kGroups, kSize) + e);
          const double weight = softmax ? std::exp(score) : score;
          sum += weight;
          for (int64_t e = 0; e < kWidth; ++e) result[e] += weight * v.get(keys.at(b, j, group, kGroups, kWidth) + e);
        }
        for (int64_t e = 0; e < kWidth; ++e) {
          const double wanted = softmax && sum != 0 ? result[e] / sum : result[e];
          REQUIRE(std::fabs(y.get(query.at(b, i, h, kHeads, kWidth) + e) - wanted) < 1e-5);
        }
      }
}

TEST_CASE("layers: attention over sequences of several lengths, padded and packed") {
  for (bool query_packed : {false, true})
    for (bool keys_packed : {false, true})
      for (int64_t causal : {0, 1, 2})
        for (bool softmax : {true, false})
          check_attention({{2, 1, 3}, 3, query_packed}, {{4, 2, 5}, 5, keys_packed}, causal, softmax);
}

TEST_CASE("layers: updates of several lengths in a cache") {
  const Side side[] = {{{2, 0, 3}, 3, false}, {{2, 0, 3}, 3, true}};
  for (const Side& update : side) {
    CAPTURE(update.packed);
    const Tensor cache = trial::noise({3, 2, 4, 2}, 7), rows = trial::noise(update.dims(2, 2), 8);
    const std::vector<int64_t> first{1, 2, 1};
    const Tensor y = run_layer("trt.KVCacheUpdate", {cache, rows, trial::i64(first), update.told()},
                               {{"update_form", int64_t{update.packed}}});
    Tensor wanted(kF32, cache.dims());
    for (int64_t i = 0; i < cache.count(); ++i) wanted.set(i, cache.get(i));
    for (int64_t b = 0; b < 3; ++b)
      for (int64_t t = 0; t < update.lengths[size_t(b)]; ++t)
        for (int64_t h = 0; h < 2; ++h)
          for (int64_t e = 0; e < 2; ++e)
            wanted.set(((b * 2 + h) * 4 + first[size_t(b)] + t) * 2 + e, rows.get(update.at(b, t, h, 2, 2) + e));
    REQUIRE(y.dims() == cache.dims());
    CHECK(trial::close(y, wanted.to_doubles(), 0));
  }
}

TEST_CASE("layers: an assertion fails where its condition does not hold") {
  ir::Graph graph;
  const ValueId x = graph.add_input("x", kF32, {graph.symbols->named("n"), 2});
  const ValueId condition = graph.add_input("holds", DType::kBool, {2});
  ir::Attrs attrs(find_layer("trt.Assertion")->attrs);
  attrs.find("message")->of<std::string>(attrs.edit_data()) = "rows must be even";
  graph.add_node("trt.Assertion", {condition}, std::move(attrs), 0, "check");
  const ir::NodeId n = graph.add_node("trt.Unary", {x}, ir::Attrs(find_layer("trt.Unary")->attrs), 1, "exp");
  graph.outputs = graph.node(n).outputs;
  graph.rename(graph.outputs[0], "y");
  infer(graph);
  lower(graph);
  infer(graph);
  graph.check_links();
  CHECK(graph.value(graph.outputs[0]).name == "y");
  const Tensor data = trial::noise({3, 2}, 1);
  CHECK(eval_graph(graph, {data, trial::boolean({2}, {1, 1})}, false)[0].get(5) ==
        doctest::Approx(std::exp(data.get(5))));
  const auto failing = [&] { eval_graph(graph, {data, trial::boolean({2}, {1, 0})}, false); };
  CHECK_THROWS_WITH(failing(), doctest::Contains("rows must be even"));
}

TEST_CASE("layers: random fills of computed dims and ranges") {
  const Tensor dims = trial::i64({2}, {30, 40}), low = trial::f32({}, {3}), high = trial::f32({}, {5});
  for (int64_t operation : {1, 2}) {
    const Tensor y = run_layer("trt.Fill", {dims, low, high}, {{"operation", operation}, {"dimensions", Ints{1, 1}}});
    REQUIRE(y.dims() == ir::Dims{30, 40});
    double sum = 0, squares = 0, least = 1e9, most = -1e9;
    for (int64_t i = 0; i < y.count(); ++i) {
      sum += y.get(i) / 1200;
      squares += y.get(i) * y.get(i) / 1200;
      least = std::min(least, y.get(i)), most = std::max(most, y.get(i));
    }
    const double mean = operation == 1 ? 4 : 3, deviation = operation == 1 ? 2 / std::sqrt(12.0) : 5;
    CHECK(std::fabs(sum - mean) < 0.15 * deviation);
    CHECK(std::fabs(std::sqrt(squares - sum * sum) - deviation) < 0.1 * deviation);
    if (operation == 1) CHECK((least >= 3 && most < 5));
  }
}

}  // namespace
}  // namespace tenon::ops::trt
