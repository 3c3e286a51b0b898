#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "onnx/load.h"
#include "onnx/testing.h"

using namespace tenon;
using namespace tenon::onnx::testing;
using onnx::load_bytes;
using onnx::Model;

namespace {

Model load_model(const Bytes& b) { return load_bytes(span_of(b)); }

/// The text of the error that loading gives; "" when it succeeds. Anything but tenon::Error fails the test.
std::string error_of(const Bytes& b) {
  try {
    load_model(b);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

ir::Tensor one_tensor(const Bytes& tensor_bytes) {
  const Model m = load_model(model({.nodes = {}, .inputs = {}, .outputs = {}, .initializers = {tensor_bytes}}));
  return m.graph.initializers.at(0).tensor;
}
std::string tensor_error(const Bytes& tensor_bytes) {
  return error_of(model({.nodes = {}, .inputs = {}, .outputs = {}, .initializers = {tensor_bytes}}));
}

/// A model with a bit of everything.
Bytes rich_model() {
  const Bytes body = graph({.nodes = {node("Neg", {"a"}, {"b"})}, .inputs = {}, .outputs = {float_value("b", {2})}});
  const Bytes sequence = Message().text(onnx::type_field::kSequence, Message().text(1, tensor_type(7, {"N"})).bytes());
  const Bytes sparse = Message()
                           .text(onnx::sparse_field::kValues, tensor("sp", {2}, {5, 6}))
                           .text(onnx::sparse_field::kIndices, tensor_i64("", {2, 2}, {0, 1, 2, 0}))
                           .integers(onnx::sparse_field::kDims, {3, 2});
  return model(
      {.nodes =
           {node("Conv", {"x", "w", ""}, {"y"},
                 {attribute("group", 1), attribute("pads", std::vector<int64_t>{1, 1, 1, 1}), attribute("alpha", 0.5f),
                  text_attribute("auto_pad", "NOTSET"), tensor_attribute("value", tensor_i64("", {}, {-7}))},
                 {.name = "conv0", .domain = "ai.onnx"}),
            node("If", {"c"}, {"z"}, {graph_attribute("then_branch", body), graph_attribute("else_branch", body)})},
       .inputs = {float_value("x", {"batch", 3, 8, 8}), value("s", sequence)},
       .outputs = {float_value("z", {2})},
       .initializers = {tensor("w", {1, 2}, {1.5f, -2})},
       .value_infos = {float_value("y", {"batch", "h + 1"})},
       .sparse = {sparse}},
      {.functions = {function({.name = "F",
                               .domain = "local",
                               .inputs = {"p"},
                               .outputs = {"q"},
                               .nodes = {node("LeakyRelu", {"p"}, {"q"}, {reference_attribute("alpha", "slope", 1)})},
                               .opsets = {opset(17)},
                               .attributes = {"slope"},
                               .defaults = {attribute("k", 2)}})}});
}

void check_has(const std::string& text, std::string_view part) {
  INFO("\"", text, "\" lacks \"", std::string(part), "\"");
  CHECK(text.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("every part of a model arrives in its struct") {
  const Model m = load_model(rich_model());
  CHECK(m.ir_version == 8);
  CHECK(m.producer_name == "test");
  REQUIRE(m.opset_imports.size() == 1);
  CHECK(m.opset_imports[0].version == 17);
  const onnx::Graph& g = m.graph;
  REQUIRE(g.nodes.size() == 2);
  const onnx::Node& conv = g.nodes[0];
  CHECK(conv.name == "conv0");
  CHECK(conv.domain == "");
  CHECK(conv.inputs == std::vector<std::string>{"x", "w", ""});
  CHECK(conv.need<int64_t>("group") == 1);
  CHECK(conv.need<std::vector<int64_t>>("pads").size() == 4);
  CHECK(conv.get_or("alpha", 1.f) == 0.5f);
  CHECK(conv.get_or<std::string>("auto_pad", "") == "NOTSET");
  CHECK(conv.need<ir::Tensor>("value").get_int(0) == -7);
  CHECK(conv.get_or<int64_t>("absent", 9) == 9);
  CHECK_THROWS_WITH_AS(conv.get<float>("group"), doctest::Contains("is of kind int, float is accepted"), Error);
  CHECK_THROWS_WITH_AS(conv.need<float>("beta"), doctest::Contains("Conv needs the attribute \"beta\""), Error);
  CHECK(g.nodes[1].need<onnx::GraphPtr>("then_branch")->nodes[0].op_type == "Neg");
  REQUIRE(g.inputs.size() == 2);
  CHECK(g.inputs[0].type.text() == "tensor(f32)[batch, 3, 8, 8]");
  CHECK(g.inputs[1].type.text() == "seq(tensor(i64)[N])");
  CHECK(g.initializers[0].tensor.get(1) == -2);
  CHECK(g.value_infos[0].type.shape->at(1).param == "h + 1");
  const ir::Tensor dense = densify(g.sparse_initializers.at(0));
  CHECK(dense.to_doubles() == std::vector<double>{0, 5, 0, 0, 6, 0});
  REQUIRE(m.functions.size() == 1);
  CHECK(m.functions[0].nodes[0].attributes[0].ref_name == "slope");
  CHECK(m.functions[0].default_attributes.size() == 1);
}

TEST_CASE("all element types are read from raw data") {
  const std::pair<int, ir::DType> types[] = {
      {1, ir::DType::kF32},         {2, ir::DType::kU8},      {3, ir::DType::kI8},          {4, ir::DType::kU16},
      {5, ir::DType::kI16},         {6, ir::DType::kI32},     {7, ir::DType::kI64},         {9, ir::DType::kBool},
      {10, ir::DType::kF16},        {11, ir::DType::kF64},    {12, ir::DType::kU32},        {13, ir::DType::kU64},
      {14, ir::DType::kC64},        {15, ir::DType::kC128},   {16, ir::DType::kBF16},       {17, ir::DType::kF8E4M3FN},
      {18, ir::DType::kF8E4M3FNUZ}, {19, ir::DType::kF8E5M2}, {20, ir::DType::kF8E5M2FNUZ}, {21, ir::DType::kU4},
      {22, ir::DType::kI4},         {23, ir::DType::kF4E2M1}, {24, ir::DType::kF8E8M0},     {25, ir::DType::kU2},
      {26, ir::DType::kI2}};
  for (const auto& [code, dtype] : types) {
    const size_t bytes = size_t(ir::storage_bytes(dtype, 5));
    const ir::Tensor t = one_tensor(raw_tensor("t", code, {5}, std::string(bytes, '\1')));
    CHECK(t.dtype() == dtype);
    CHECK(t.data()[bytes - 1] == std::byte{1});
    check_has(tensor_error(raw_tensor("t", code, {5}, std::string(bytes + 1, '\1'))), "bytes of raw data");
    check_has(tensor_error(raw_tensor("t", code, {5}, std::string(bytes - 1, '\1'))), "bytes of raw data");
  }
  check_has(tensor_error(raw_tensor("t", 27, {1}, "x")), "6-bit float");
  check_has(tensor_error(raw_tensor("t", 99, {1}, "x")), "99 is not an ONNX data type");
  CHECK(one_tensor(raw_tensor("t", 9, {3}, std::string("\0\2\xff", 3))).to_ints() == std::vector<int64_t>{0, 1, 1});
}

TEST_CASE("typed fields carry narrow types, packed or one by one") {
  namespace f = onnx::tensor_field;
  const auto int32s = [](int64_t type, const std::vector<int64_t>& dims, const std::vector<int64_t>& v) {
    return Bytes(
        Message().integers(f::kDims, dims).integer(f::kDataType, type).integers(f::kInt32Data, v).text(f::kName, "t"));
  };
  CHECK(one_tensor(int32s(3, {2}, {-128, 127})).to_ints() == std::vector<int64_t>{-128, 127});
  CHECK(one_tensor(int32s(2, {2}, {0, 255})).to_ints() == std::vector<int64_t>{0, 255});
  CHECK(one_tensor(int32s(9, {2}, {0, 1})).to_ints() == std::vector<int64_t>{0, 1});
  CHECK(one_tensor(int32s(6, {2}, {-2147483648LL, 5})).to_ints() == std::vector<int64_t>{-2147483648LL, 5});
  CHECK(one_tensor(int32s(10, {2}, {0x3c00, 0xc000})).to_doubles() == std::vector<double>{1, -2});
  CHECK(one_tensor(int32s(16, {1}, {0x3fc0})).get(0) == 1.5);
  CHECK(one_tensor(int32s(17, {1}, {0x38})).get(0) == 1);
  CHECK(one_tensor(int32s(22, {3}, {0x7f, 0x08})).to_ints() == std::vector<int64_t>{-1, 7, -8});
  CHECK(one_tensor(int32s(21, {3}, {0xf1, 0x08})).to_ints() == std::vector<int64_t>{1, 15, 8});
  CHECK(one_tensor(int32s(26, {5}, {0xe4, 0x03})).to_ints() == std::vector<int64_t>{0, 1, -2, -1, -1});
  check_has(tensor_error(int32s(3, {1}, {256})), "element 0 is 256, which is no i8");
  check_has(tensor_error(int32s(22, {5}, {1, 2})), "needs 3 items in int32_data, found 2");
  check_has(tensor_error(int32s(7, {1}, {1})), "raw_data, a file or int64_data is accepted");
  const Bytes unpacked = Message()
                             .integer(f::kDims, 2)
                             .integer(f::kDims, 1)
                             .integer(f::kDataType, 1)
                             .number(f::kFloatData, 1.f)
                             .number(f::kFloatData, 2.f)
                             .text(f::kName, "t");
  CHECK(one_tensor(unpacked).dims() == ir::Dims{2, 1});
  CHECK(one_tensor(unpacked).get(1) == 2);
  const Bytes complex =
      Message().integers(f::kDims, {1}).integer(f::kDataType, 15).doubles(f::kDoubleData, {3, 4}).text(f::kName, "t");
  CHECK(one_tensor(complex).as<double>()[1] == 4);
  const Bytes u64 =
      Message().integers(f::kDims, {1}).integer(f::kDataType, 13).integers(f::kUint64Data, {-1}).text(f::kName, "t");
  CHECK(one_tensor(u64).as<uint64_t>()[0] == UINT64_MAX);
  const Bytes strings = Message()
                            .integers(f::kDims, {2})
                            .integer(f::kDataType, 8)
                            .text(f::kStringData, "a")
                            .text(f::kStringData, "")
                            .text(f::kName, "t");
  CHECK(one_tensor(strings).strings() == std::vector<std::string>{"a", ""});
}

TEST_CASE("a tensor's dims must match its data") {
  CHECK(one_tensor(tensor("t", {}, {3})).count() == 1);
  CHECK(one_tensor(tensor("t", {0, 4}, {})).count() == 0);
  check_has(tensor_error(tensor("t", {3}, {1, 2})), "f32[3] needs 3 items in float_data, found 2");
  check_has(tensor_error(tensor("t", {2}, {})), "f32[2] has no data");
  check_has(tensor_error(tensor("t", {-1}, {1})), "negative dimension -1");
  check_has(tensor_error(tensor("t", {int64_t(1) << 40, int64_t(1) << 40}, {1})), "size overflow");
  check_has(tensor_error(tensor("t", {int64_t(1) << 40}, {1})), "needs 1099511627776 items");
  check_has(tensor_error(raw_tensor("t", 1, {int64_t(1) << 61}, "abcd")), "size overflow");
  check_has(tensor_error(tensor("", {1}, {1})), "without a name");
}

TEST_CASE("raw data is used in place when its address suits the type") {
  const Bytes b = model({.nodes = {}, .inputs = {}, .outputs = {}, .initializers = {raw_tensor("t", 2, {3}, "abc")}});
  const auto kept = std::make_shared<const Bytes>(b);
  const Model m = onnx::parse(span_of(*kept), kept, nullptr);
  const auto* data = reinterpret_cast<const char*>(m.graph.initializers[0].tensor.data().data());
  CHECK(data >= kept->data());
  CHECK(data < kept->data() + kept->size());
  CHECK(kept.use_count() == 2);
}

TEST_CASE("attributes must hold what they declare") {
  namespace f = onnx::attribute_field;
  const auto with = [](const Bytes& a) {
    return error_of(model({.nodes = {node("Op", {}, {}, {a}, {.name = "n"})}, .inputs = {}, .outputs = {}}));
  };
  CHECK(with(Message().text(f::kName, "a").integer(f::kInt, 3)) == "");   // IR version 1 declares no kind
  CHECK(with(Message().text(f::kName, "a").integer(f::kKind, 2)) == "");  // a zero that was not written
  CHECK(with(Message().text(f::kName, "a").integer(f::kKind, 7)) == "");  // an empty list
  check_has(with(Message().text(f::kName, "a").integer(f::kInt, 3).integer(f::kKind, 1)),
            "declared as float but holds int");
  check_has(with(Message().text(f::kName, "a")), "declares no kind and holds 0 values");
  check_has(with(Message().text(f::kName, "a").integer(f::kKind, 77)), "unknown attribute kind 77");
  check_has(with(Message().text(f::kName, "a").integer(f::kKind, 5)), "holds no graph");
  check_has(with(Message().integer(f::kInt, 3)), "an attribute without a name");
  check_has(with(Message().text(f::kName, "a").text(f::kInt, "x")),
            "graph: node[0]: (Op \"n\"): attribute[0]: \"a\": field 3 at byte");
  check_has(error_of(model(
                {.nodes = {node("Op", {}, {}, {attribute("a", 1), attribute("a", 2)})}, .inputs = {}, .outputs = {}})),
            "attribute \"a\" twice");
}

TEST_CASE("what is no ONNX model is named for what it looks like") {
  check_has(error_of(""), "the file is empty");
  check_has(error_of("<!DOCTYPE html><html></html>"), "HTML");
  check_has(error_of("  \n<html>"), "HTML");
  check_has(error_of("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "Git LFS pointer");
  check_has(error_of("PK\x03\x04"
                     "archive/data.pkl"),
            "ZIP archive");
  check_has(error_of("{\"a\": 1}"), "JSON");
  check_has(error_of("just some words\nin lines\n"), "plain text");
  check_has(error_of(std::string(100, '\0')), "zero bytes");
  check_has(error_of(Message().integer(1, 8).text(8, opset(17))), "it has no graph");
  check_has(error_of(Message().text(7, graph({}))), "it has no IR version");
  check_has(error_of(model(GraphParts{}, {.opsets = {}})), "imports no operator set");
  check_has(error_of(Message().integer(1, 8).text(7, "").text(7, "")), "a second graph");
}

TEST_CASE("nesting and node counts are bounded") {
  const auto nested = [](int levels) {
    Bytes g = graph({});
    for (int i = 0; i < levels; ++i)
      g = graph({.nodes = {node("If", {}, {}, {graph_attribute("then_branch", g)})}, .inputs = {}, .outputs = {}});
    return model_of(g);
  };
  CHECK(error_of(nested(60)) == "");
  check_has(error_of(nested(70)), "nested deeper than 64 levels");
  Bytes type = tensor_type(1, {});
  for (int i = 0; i < 200; ++i) type = Message().text(onnx::type_field::kOptional, Message().text(1, type).bytes());
  check_has(error_of(model({.nodes = {}, .inputs = {value("x", type)}, .outputs = {}})),
            "nested deeper than 64 levels");
  Message many;
  for (int i = 0; i < 1'000'001; ++i)
    many.text(1, std::string_view("\x22\x01"
                                  "A",
                                  3));
  check_has(error_of(model_of(many.bytes())), "more than 1000000 nodes");
}

TEST_CASE("a model cut at any byte is refused or complete, and never crashes") {
  const Bytes whole = rich_model();
  size_t accepted = 0;
  for (size_t n = 0; n < whole.size(); ++n) accepted += error_of(whole.substr(0, n)).empty();
  CHECK(accepted <= 3);  // cuts between the last top-level fields leave a smaller model
}

TEST_CASE("random flips and random bytes give an error or a model, and never crash") {
  const Bytes whole = rich_model();
  std::mt19937 random(1);
  for (int i = 0; i < 4000; ++i) {
    Bytes b = whole;
    for (unsigned k = 0; k <= random() % 3; ++k) b[random() % b.size()] = char(random());
    (void)error_of(b);
  }
  for (int i = 0; i < 2000; ++i) {
    Bytes b(random() % 200, '\0');
    for (char& c : b) c = char(random());
    (void)error_of(b);
  }
}
