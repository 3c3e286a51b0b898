// Weights beside the model, described as in ONNXIFI: level 7.
#include "nvinfer/onnx/parser.h"

#if TRT_UNTIL(7)
#include "base/checked.h"
#include "onnx/load.h"

/// ONNXIFI's description of a tensor, which the parser's header only names.
struct onnxTensorDescriptorV1 {
  int32_t tag;
  const char* name;
  uint64_t data_type;    ///< ONNX's number
  uint64_t memory_type;  ///< 0: host
  uint32_t dimensions;
  const uint64_t* shape;
  uint64_t buffer;  ///< a pointer
};

namespace tenon::nvinfer {
namespace {

constexpr int32_t kTag = 0x43DFBF69;

ir::DType type_of(uint64_t number) {
  static constexpr std::pair<uint64_t, ir::DType> kTypes[] = {
      {1, ir::DType::kF32}, {2, ir::DType::kU8},  {3, ir::DType::kI8},   {4, ir::DType::kU16}, {5, ir::DType::kI16},
      {6, ir::DType::kI32}, {7, ir::DType::kI64}, {10, ir::DType::kF16}, {11, ir::DType::kF64}};
  for (const auto& [known, type] : kTypes)
    if (known == number) return type;
  fail(ErrorCode::kUnsupported, "data type ", number, "; accepted are the integers and floats of ONNX");
}

/// The described tensor, over the caller's memory.
onnx::NamedTensor named_tensor(const onnxTensorDescriptorV1& d) {
  require(d.tag == kTag, ErrorCode::kInvalidArgument, "the tag is ", d.tag, ", version 1 of descriptors has ", kTag);
  require(d.memory_type == 0, ErrorCode::kUnsupported, "memory type ", d.memory_type, "; host memory is accepted");
  need(d.name, "name");
  ir::Dims dims;
  for (uint32_t i = 0; i < d.dimensions; ++i) dims.push_back(static_cast<int64_t>(need(d.shape, "shape")[i]));
  const ir::DType type = type_of(d.data_type);
  const auto bytes = static_cast<size_t>(checked_mul(checked_product(dims), int64_t{ir::bits(type) / 8}));
  const auto* data =
      reinterpret_cast<const std::byte*>(static_cast<uintptr_t>(d.buffer));  // NOLINT: a pointer as number
  require(data || bytes == 0, ErrorCode::kInvalidArgument, "there is no buffer");
  return {d.name, ir::Tensor(type, std::move(dims), std::shared_ptr<const void>(), {data, bytes})};
}

}  // namespace

bool Parser::parseWithWeightDescriptors(const void* bytes, size_t size, uint32_t count,
                                        const onnxTensorDescriptorV1* weights) {
  return attempt(nvonnxparser::ErrorCode::kINVALID_VALUE, [&] {
    onnx::Model model = onnx_model(bytes, size, nullptr, true);
    for (uint32_t i = 0; i < count; ++i) {
      try {
        onnx::NamedTensor given = named_tensor(need(weights, "weight_descriptors")[i]);
        model.awaited.erase(given.name);
        std::erase_if(model.graph.initializers, [&](const onnx::NamedTensor& t) { return t.name == given.name; });
        model.graph.initializers.push_back(std::move(given));
      } catch (const Error& e) {
        throw e.at(cat("weight descriptor ", i));
      }
    }
    return take(model);
  });
}

}  // namespace tenon::nvinfer
#endif
