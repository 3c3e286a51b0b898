// Networks, layers and tensors: what the rules of the generator leave.
#include <memory>

#include "more.h"
#include "plugin_adapters.h"

namespace tenon::py {
namespace {

using namespace nvinfer1;

struct LayerClass {
  LayerType type;
  const std::type_info* info;
};

/// The class of each layer type.
const std::vector<LayerClass>& layer_classes() {
  static const std::vector<LayerClass> classes = {
#define LAYER(type, name) {LayerType::k##type, &typeid(name)},
      LAYER(CONVOLUTION, IConvolutionLayer) LAYER(FULLY_CONNECTED, IFullyConnectedLayer) LAYER(
          ACTIVATION, IActivationLayer) LAYER(POOLING, IPoolingLayer) LAYER(LRN, ILRNLayer) LAYER(SCALE, IScaleLayer)
          LAYER(SOFTMAX, ISoftMaxLayer) LAYER(DECONVOLUTION, IDeconvolutionLayer) LAYER(
              CONCATENATION, IConcatenationLayer) LAYER(ELEMENTWISE, IElementWiseLayer) LAYER(UNARY, IUnaryLayer)
              LAYER(PADDING, IPaddingLayer) LAYER(SHUFFLE, IShuffleLayer) LAYER(REDUCE, IReduceLayer) LAYER(
                  TOPK, ITopKLayer) LAYER(GATHER, IGatherLayer) LAYER(MATRIX_MULTIPLY, IMatrixMultiplyLayer)
                  LAYER(RAGGED_SOFTMAX, IRaggedSoftMaxLayer) LAYER(CONSTANT, IConstantLayer)
                      LAYER(IDENTITY, IIdentityLayer) LAYER(RNN_V2, IRNNv2Layer) LAYER(PLUGIN_V2, IPluginV2Layer) LAYER(
                          SLICE, ISliceLayer) LAYER(SHAPE, IShapeLayer) LAYER(PARAMETRIC_RELU, IParametricReLULayer)
                          LAYER(RESIZE, IResizeLayer) LAYER(TRIP_LIMIT, ITripLimitLayer)
                              LAYER(RECURRENCE, IRecurrenceLayer) LAYER(ITERATOR, IIteratorLayer) LAYER(
                                  LOOP_OUTPUT, ILoopOutputLayer) LAYER(SELECT, ISelectLayer) LAYER(FILL, IFillLayer)
                                  LAYER(QUANTIZE, IQuantizeLayer) LAYER(DEQUANTIZE, IDequantizeLayer) LAYER(
                                      CONDITION, IConditionLayer) LAYER(CONDITIONAL_INPUT, IIfConditionalInputLayer)
                                      LAYER(CONDITIONAL_OUTPUT, IIfConditionalOutputLayer) LAYER(SCATTER, IScatterLayer)
                                          LAYER(EINSUM, IEinsumLayer) LAYER(ASSERTION, IAssertionLayer)
                                              LAYER(ONE_HOT, IOneHotLayer) LAYER(NON_ZERO, INonZeroLayer) LAYER(
                                                  GRID_SAMPLE, IGridSampleLayer) LAYER(NMS, INMSLayer)
                                                  LAYER(REVERSE_SEQUENCE, IReverseSequenceLayer) LAYER(
                                                      NORMALIZATION, INormalizationLayer)
                                                      LAYER(PLUGIN_V3, IPluginV3Layer) LAYER(CAST, ICastLayer) LAYER(
                                                          SQUEEZE, ISqueezeLayer) LAYER(UNSQUEEZE, IUnsqueezeLayer)
                                                          LAYER(CUMULATIVE, ICumulativeLayer)
                                                              LAYER(DYNAMIC_QUANTIZE, IDynamicQuantizeLayer)
                                                                  LAYER(ATTENTION_INPUT, IAttentionInputLayer) LAYER(
                                                                      ATTENTION_OUTPUT, IAttentionOutputLayer)
                                                                      LAYER(ROTARY_EMBEDDING, IRotaryEmbeddingLayer)
                                                                          LAYER(KVCACHE_UPDATE, IKVCacheUpdateLayer)
                                                                              LAYER(MOE, IMoELayer) LAYER(
                                                                                  DIST_COLLECTIVE, IDistCollectiveLayer)
#undef LAYER
  };
  return classes;
}

ILayer* layer_at(INetworkDefinition& network, int64_t index) {
  const int64_t count = network.getNbLayers();
  const int64_t i = index < 0 ? index + count : index;
  if (i < 0 || i >= count) throw nb::index_error("layer index out of range");
  return network.getLayer(static_cast<int32_t>(i));
}

nb::object dynamic_range(const ITensor& tensor) {
  if (!tensor.dynamicRangeIsSet()) return nb::none();
  return nb::make_tuple(tensor.getDynamicRangeMin(), tensor.getDynamicRangeMax());
}

void set_scales(IResizeLayer& layer, const std::vector<float>& scales) {
  layer.setScales(scales.data(), static_cast<int32_t>(scales.size()));
}

nb::object fill_value(const IFillLayer& layer, bool alpha) {
  if (layer.isAlphaBetaInt64()) return nb::int_(alpha ? layer.getAlphaInt64() : layer.getBetaInt64());
  return nb::float_(alpha ? layer.getAlpha() : layer.getBeta());
}

}  // namespace

void more(nb::class_<ITensor>& c) {
  c.def_prop_rw(
      "dynamic_range", &dynamic_range,
      [](ITensor& self, std::vector<float> range) {
        if (range.size() != 2) throw nb::value_error("a dynamic range is a pair: minimum and maximum");
        done(self.setDynamicRange(range[0], range[1]), "ITensor.dynamic_range");
      },
      "(minimum, maximum) that INT8 scales follow from, or None.");
  c.def(
      "set_dynamic_range", [](ITensor& self, float min, float max) { return self.setDynamicRange(min, max); },
      nb::arg("min"), nb::arg("max"), "Sets minimum and maximum that INT8 scales follow from.");
  c.def("get_dynamic_range", &dynamic_range,
        "(minimum, maximum) that INT8 scales follow from, or None; until release 7.");
  constexpr int kFormat = EnumIndex<TensorFormat>::value;
  c.def_prop_rw(
      "allowed_formats", [](ITensor& self) { return mask_to_python(kFormat, self.getAllowedFormats()); },
      [](ITensor& self, uint64_t mask) { self.setAllowedFormats(mask_to_cpp(kFormat, mask)); },
      "A mask of TensorFormat for an input or output, 1 << int(TensorFormat.X).");
}

void more(nb::class_<ILayer>& c) {
  c.def(
      "reset_precision", [](ILayer& self) { self.resetPrecision(); },
      "Leaves the type to compute in to the builder again.");
}

void more(nb::class_<IDimensionExpr>& c) {
  for (const char* name : {"is_constant", "isConstant"}) {
    c.def(
        name, [](const IDimensionExpr& self) { return self.isConstant(); }, "Whether its value is known.");
  }
  for (const char* name : {"get_constant_value", "getConstantValue"}) {
    c.def(
        name, [](const IDimensionExpr& self) { return self.getConstantValue(); }, "Its value, if that is known.");
  }
  c.def(
      "is_size_tensor", [](const IDimensionExpr& self) { return self.isSizeTensor(); },
      "Whether it is an output of its own, whose value a run tells.");
}

void more(nb::class_<IMatrixMultiplyLayer, ILayer>& c) {
  c.def_prop_rw(
      "op0", [](IMatrixMultiplyLayer& self) { return self.getOperation(0); },
      [](IMatrixMultiplyLayer& self, MatrixOperation op) { self.setOperation(0, op); },
      "How input 0 is taken: as it is, transposed, or as vectors.");
  c.def_prop_rw(
      "op1", [](IMatrixMultiplyLayer& self) { return self.getOperation(1); },
      [](IMatrixMultiplyLayer& self, MatrixOperation op) { self.setOperation(1, op); },
      "How input 1 is taken: as it is, transposed, or as vectors.");
  c.def_prop_rw(
      "transpose0", [](IMatrixMultiplyLayer& self) { return self.getTranspose(0); },
      [](IMatrixMultiplyLayer& self, bool value) { self.setTranspose(0, value); },
      "Whether input 0 is transposed; until release 7.");
  c.def_prop_rw(
      "transpose1", [](IMatrixMultiplyLayer& self) { return self.getTranspose(1); },
      [](IMatrixMultiplyLayer& self, bool value) { self.setTranspose(1, value); },
      "Whether input 1 is transposed; until release 7.");
}

void more(nb::class_<IResizeLayer, ILayer>& c) {
  c.def_prop_rw(
      "scales",
      [](IResizeLayer& self) {
        std::vector<float> scales(static_cast<size_t>(std::max(self.getScales(0, nullptr), 0)));
        self.getScales(static_cast<int32_t>(scales.size()), scales.data());
        return scales;
      },
      &set_scales, "The output's size over the input's, one number an axis; rounded down.");
}

void more(nb::class_<IFillLayer, ILayer>& c) {
  const auto property = [&c](const char* name, bool alpha, const char* text) {
    c.def_prop_rw(
        name, [alpha](IFillLayer& self) { return fill_value(self, alpha); },
        [alpha](IFillLayer& self, nb::object value) {
          if (PyLong_Check(value.ptr()) && !PyBool_Check(value.ptr()) &&
              (self.getToType() == DataType::kINT64 || self.getToType() == DataType::kINT32)) {
            const auto number = nb::cast<int64_t>(value);
            alpha ? self.setAlphaInt64(number) : self.setBetaInt64(number);
          } else {
            const auto number = nb::cast<double>(value);
            alpha ? self.setAlpha(number) : self.setBeta(number);
          }
        },
        text);
  };
  property("alpha", true, "LINSPACE: the first value. RANDOM_UNIFORM: the least. RANDOM_NORMAL: the mean.");
  property("beta", false, "LINSPACE: the step. RANDOM_UNIFORM: the greatest. RANDOM_NORMAL: the deviation.");
}

void more(nb::class_<IPluginV2Layer, ILayer>& c) {
  c.def_prop_ro(
      "plugin", [](IPluginV2Layer& self) { return plugin_object(&self.getPlugin()); },
      "The plugin; the network's own copy of what was added.");
}

void more(nb::class_<IPluginV3Layer, ILayer>& c) {
  c.def_prop_ro(
      "plugin", [](IPluginV3Layer& self) { return plugin_object(&self.getPlugin()); },
      "The plugin; the network's own copy of what was added.");
}

static void add_plugins(nb::class_<INetworkDefinition>& c) {
  // The network clones the plugin that it is given.
  const auto add_v2 = [](INetworkDefinition& self, const std::vector<ITensor*>& inputs, nb::handle object) {
    bool owned = false;
    IPluginV2* plugin = plugin_v2_of(object, owned);
    IPluginV2Layer* layer = self.addPluginV2(inputs.data(), static_cast<int32_t>(inputs.size()), *plugin);
    if (owned) delete plugin;
    return made(layer, "INetworkDefinition.add_plugin_v2");
  };
  const auto add_v3 = [](INetworkDefinition& self, const std::vector<ITensor*>& inputs,
                         const std::vector<ITensor*>& shapes, nb::handle object) {
    bool owned = false;
    IPluginV3* plugin = plugin_v3_of(object, owned);
    IPluginV3Layer* layer = self.addPluginV3(inputs.data(), static_cast<int32_t>(inputs.size()), shapes.data(),
                                             static_cast<int32_t>(shapes.size()), *plugin);
    if (owned) delete plugin;
    return made(layer, "INetworkDefinition.add_plugin_v3");
  };
  // What calling a plugin made of functions returns.
  const auto add = [add_v3](INetworkDefinition& self, nb::tuple call, nb::handle aot) {
    if (!aot.is_none()) call[2].attr("choose")(aot);
    return add_v3(self, nb::cast<std::vector<ITensor*>>(call[0]), nb::cast<std::vector<ITensor*>>(call[1]), call[2]);
  };
  c.def("add_plugin", add, nb::arg("tuple"), nb::arg("aot").none() = nb::none(), nb::rv_policy::reference_internal,
        "Adds what a call of tensorrt.plugin.op returned; `aot` chooses between its aot_impl and its impl where it has "
        "both. An IPluginV3Layer, or None if the plugin refuses its inputs.");
  c.def("add_plugin_v2", add_v2, nb::arg("inputs"), nb::arg("plugin"), nb::rv_policy::reference_internal,
        "Adds a plugin of an IPluginV2 interface; the network keeps a clone. None if the plugin refuses its inputs.");
  c.def("add_plugin_v3", add_v3, nb::arg("inputs"), nb::arg("shape_inputs"), nb::arg("plugin"),
        nb::rv_policy::reference_internal,
        "Adds an IPluginV3; `shape_inputs` are tensors whose values decide shapes. The network keeps a clone. None if "
        "the plugin refuses its inputs.");
}

void more(nb::class_<INetworkDefinition>& c) {
  add_plugins(c);
  c.def(
      "serialize",
      [](INetworkDefinition& self) {
        const char* reason = "a network has no file format; Builder.build_serialized_network() makes a plan";
        if (ILogger* logger = self.getBuilder().getLogger()) logger->log(ILogger::Severity::kERROR, reason);
        failed("INetworkDefinition.serialize");
      },
      "Logs an error and returns None: a network has no file format. Builder.build_serialized_network() makes a plan.");
  c.def("__len__", [](INetworkDefinition& self) { return static_cast<size_t>(self.getNbLayers()); });
  c.def("__getitem__", &layer_at, nb::arg("index"), nb::rv_policy::reference_internal);
  c.def(
      "add_matrix_multiply",
      [](INetworkDefinition& self, ITensor& a, MatrixOperation op_a, ITensor& b, MatrixOperation op_b) {
        return made(self.addMatrixMultiply(a, op_a, b, op_b), "INetworkDefinition.add_matrix_multiply");
      },
      nb::arg("input0"), nb::arg("op0"), nb::arg("input1"), nb::arg("op1"), nb::rv_policy::reference_internal,
      "The product of matrices in the last two axes; the others are repeated where they are 1.");
  c.def(
      "add_matrix_multiply",
      [](INetworkDefinition& self, ITensor& a, bool transpose_a, ITensor& b, bool transpose_b) {
        return made(self.addMatrixMultiply(a, transpose_a, b, transpose_b), "INetworkDefinition.add_matrix_multiply");
      },
      nb::arg("input0"), nb::arg("transpose0"), nb::arg("input1"), nb::arg("transpose1"),
      nb::rv_policy::reference_internal,
      "The product of matrices in the last two axes; the others are repeated where they are 1.");
  c.def(
      "add_dist_collective",
      [](INetworkDefinition& self, ITensor& input, CollectiveOperation operation, ReduceOperation reduce, int64_t root,
         std::vector<int64_t> groups) {
        return made(
            self.addDistCollective(input, operation, reduce, root, groups.data(), static_cast<int64_t>(groups.size())),
            "INetworkDefinition.add_dist_collective");
      },
      nb::arg("input"), nb::arg("dist_collective_op"), nb::arg("reduce_op"), nb::arg("root"), nb::arg("groups"),
      nb::rv_policy::reference_internal, "An exchange between devices; None, with an error: there is one device.");
}

}  // namespace tenon::py

const std::type_info* nanobind::detail::type_hook<nvinfer1::ILayer>::get(const nvinfer1::ILayer* layer) {
  if (layer != nullptr) {
    const nvinfer1::LayerType type = layer->getType();
    for (const auto& c : tenon::py::layer_classes()) {
      if (c.type == type) return c.info;
    }
  }
  return &typeid(nvinfer1::ILayer);
}
