#include "nvinfer/onnx/plugins.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <limits>
#include <type_traits>

#include "nvinfer/convert.h"
#include "onnx/model.h"

namespace tenon::nvinfer {
namespace {

using nvinfer1::PluginField;
using nvinfer1::PluginFieldType;

/// Attributes as plugin fields; owns what the fields point to.
class Fields {
 public:
  explicit Fields(const onnx::Node& node) : node_(node) {}

  bool operator()(const char* name, PluginFieldType type, PluginField& out) {
    const onnx::Attribute* attribute = node_.find(name);
    if (!attribute) return false;
    const auto& v = attribute->value;
    if (const auto* f = std::get_if<float>(&v))
      return numbers(std::vector<double>{*f}, PluginFieldType::kFLOAT32, type, out);
    if (const auto* i = std::get_if<int64_t>(&v)) return integers({*i}, type, out);
    if (const auto* s = std::get_if<std::string>(&v))
      return put(s->data(), s->size(), s->size(), PluginFieldType::kCHAR, out);
    if (const auto* t = std::get_if<ir::Tensor>(&v)) return tensor(*t, out);
    if (const auto* fs = std::get_if<std::vector<float>>(&v))
      return numbers(std::vector<double>(fs->begin(), fs->end()), PluginFieldType::kFLOAT32, type, out);
    if (const auto* is = std::get_if<std::vector<int64_t>>(&v)) return integers(*is, type, out);
    fail(ErrorCode::kUnsupported, "attribute '", name, "' is of a kind that no plugin field has");
  }

 private:
  bool put(const void* data, size_t bytes, size_t count, PluginFieldType type, PluginField& out) {
    auto& kept = kept_.emplace_back(bytes + 1);  // one more: texts end in zero
    if (bytes) std::memcpy(kept.data(), data, bytes);
    out.data = kept.data();
    out.type = type;
    out.length = static_cast<int32_t>(count);
    return true;
  }
  template <class T>
  bool put_as(const std::vector<double>& values, PluginFieldType type, PluginField& out) {
    std::vector<T> converted;
    for (double v : values) {
      if constexpr (std::is_integral_v<T>)
        require(v >= double(std::numeric_limits<T>::lowest()) && v <= double(std::numeric_limits<T>::max()),
                ErrorCode::kInvalidModel, "an attribute has the value ", v, ", the plugin's field of ", 8 * sizeof(T),
                " bits does not hold it");
      converted.push_back(static_cast<T>(v));
    }
    return put(converted.data(), converted.size() * sizeof(T), converted.size(), type, out);
  }
  bool integers(const std::vector<int64_t>& values, PluginFieldType wanted, PluginField& out) {
    if (wanted == PluginFieldType::kDIMS) {
      const nvinfer1::Dims dims = to_api(ir::Dims(values));
      return put(&dims, sizeof(dims), 1, wanted, out);
    }
#if NV_TENSORRT_MAJOR >= 8
    if (wanted == PluginFieldType::kINT64) return put(values.data(), values.size() * 8, values.size(), wanted, out);
#endif
    return numbers(std::vector<double>(values.begin(), values.end()), PluginFieldType::kINT32, wanted, out);
  }
  bool numbers(const std::vector<double>& values, PluginFieldType own, PluginFieldType wanted, PluginField& out) {
    switch (wanted) {
      case PluginFieldType::kFLOAT64:
        return put_as<double>(values, wanted, out);
      case PluginFieldType::kFLOAT32:
        return put_as<float>(values, wanted, out);
      case PluginFieldType::kINT8:
        return put_as<int8_t>(values, wanted, out);
      case PluginFieldType::kINT16:
        return put_as<int16_t>(values, wanted, out);
      case PluginFieldType::kINT32:
        return put_as<int32_t>(values, wanted, out);
      case PluginFieldType::kFLOAT16: {
        ir::Tensor t = ir::Tensor::of<double>(ir::DType::kF16, {int64_t(values.size())}, values);
        return put(t.data().data(), t.data().size(), values.size(), wanted, out);
      }
      default:
        return own == PluginFieldType::kFLOAT32 ? put_as<float>(values, own, out) : put_as<int32_t>(values, own, out);
    }
  }
  bool tensor(const ir::Tensor& t, PluginField& out) {
    PluginFieldType type = PluginFieldType::kUNKNOWN;
    switch (t.dtype()) {
      case ir::DType::kF32:
        type = PluginFieldType::kFLOAT32;
        break;
      case ir::DType::kF64:
        type = PluginFieldType::kFLOAT64;
        break;
      case ir::DType::kF16:
        type = PluginFieldType::kFLOAT16;
        break;
      case ir::DType::kI32:
        type = PluginFieldType::kINT32;
        break;
      case ir::DType::kI8:
        type = PluginFieldType::kINT8;
        break;
      case ir::DType::kI16:
        type = PluginFieldType::kINT16;
        break;
#if NV_TENSORRT_MAJOR >= 8
      case ir::DType::kI64:
        type = PluginFieldType::kINT64;
        break;
      case ir::DType::kBF16:
        type = PluginFieldType::kBF16;
        break;
#endif
      default:
        break;
    }
    return put(t.data().data(), t.data().size(), size_t(t.count()), type, out);
  }

  const onnx::Node& node_;
  std::deque<std::vector<std::byte>> kept_;
};

bool import_plugin(GraphOwner& owner, ops::ImportContext& c) {
  const onnx::Node& node = c.node();
  Fields fields(node);
  PluginRequest request;
  request.layer = node.name;
  request.name = node.op_type;
  request.version = c.attr_string("plugin_version", "1");
  request.space = c.attr_string("plugin_namespace", "");
  request.value = std::ref(fields);
  auto source = owner.make_plugin(request);
  if (!source && request.space.empty() && !node.domain.empty()) {
    request.space = node.domain;
    source = owner.make_plugin(request);
  }
  if (!source) return false;
  ops::trt::PluginAttrs attrs;
  std::vector<ir::ValueId> inputs, shapes;
  const std::vector<int64_t> deciding = c.attr_ints("tensorrt_plugin_shape_input_indices");
  for (size_t i = 0; i < c.input_count(); ++i) {
    const bool decides = std::find(deciding.begin(), deciding.end(), int64_t(i)) != deciding.end();
    (decides ? shapes : inputs).push_back(c.input(i));
  }
  inputs.insert(inputs.end(), shapes.begin(), shapes.end());
  attrs.shape_inputs = int64_t(shapes.size());
  const size_t outputs = source->output_count();
  require(c.output_count() <= outputs, ErrorCode::kInvalidModel, "the node has ", c.output_count(),
          " outputs, its plugin ", outputs);
  attrs.source = std::move(source);
  const auto made = c.add_n("trt.Plugin", std::move(inputs), to_attrs(std::move(attrs)), outputs);
  for (size_t i = 0; i < c.output_count(); ++i) c.output(i, made[i]);
  return true;
}

}  // namespace

importer::OnnxOptions with_plugins(GraphOwner& owner) {
  importer::OnnxOptions options;
  options.unknown_operator = [&owner](ops::ImportContext& c) { return import_plugin(owner, c); };
  return options;
}

}  // namespace tenon::nvinfer
