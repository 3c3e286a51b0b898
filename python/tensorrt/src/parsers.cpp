// OnnxParser, OnnxParserRefitter and their errors.
#include "buffer.h"
#include "parts.h"

namespace tenon::py {
namespace {

using namespace nvonnxparser;
using nvinfer1::ILogger;
using nvinfer1::INetworkDefinition;

std::string describe(const IParserError& e) {
  std::string text = "In node " + std::to_string(e.node());
  if (e.nodeName() != nullptr && *e.nodeName() != '\0') text += std::string(" with name: ") + e.nodeName();
  if (e.nodeOperator() != nullptr && *e.nodeOperator() != '\0')
    text += std::string(" and operator: ") + e.nodeOperator();
  const nb::object code = nb::cast(e.code());
  return text + " (" + e.func() + "): " + nb::cast<std::string>(code.attr("name")) + ": " + e.desc();
}

const char* path_of(const std::string& path) { return path.empty() ? nullptr : path.c_str(); }

/// A path argument: a string, an os.PathLike or None.
std::string path_text(nb::handle path) {
  if (path.is_none()) return {};
  return nb::cast<std::string>(nb::module_::import_("os").attr("fspath")(path));
}

void bind_error(nb::module_& m) {
  nb::class_<IParserError> c(m, "ParserError");
  c.def("code", &IParserError::code);
  c.def("desc", &IParserError::desc);
  c.def("file", &IParserError::file);
  c.def("line", &IParserError::line);
  c.def("func", &IParserError::func);
  c.def("node", &IParserError::node);
  c.def("node_name", &IParserError::nodeName);
  c.def("node_operator", &IParserError::nodeOperator);
  c.def("local_function_stack", [](const IParserError& e) {
    nb::list names;
    for (int32_t i = 0; i < e.localFunctionStackSize(); ++i) names.append(e.localFunctionStack()[i]);
    return names;
  });
  c.def("local_function_stack_size", &IParserError::localFunctionStackSize);
  c.def("__str__", &describe);
  c.def("__repr__", &describe);
}

/// What the parser and the refitter share.
template <class Type>
void add_errors(nb::class_<Type>& c) {
  c.def_prop_ro("num_errors", [](Type& self) { return self.getNbErrors(); });
  c.def(
      "get_error", [](Type& self, int32_t index) { return self.getError(index); }, nb::arg("index"),
      nb::rv_policy::reference_internal);
  c.def("clear_errors", [](Type& self) { self.clearErrors(); });
  c.def(
      "load_model_proto",
      [](Type& self, Buffer model, nb::object path) {
        return done(self.loadModelProto(model.data(), model.size(), path_of(path_text(path))), "load_model_proto");
      },
      nb::arg("model"), nb::arg("path").none() = nb::none());
  c.def(
      "load_initializer",
      [](Type& self, const char* name, Address data, size_t size) {
        return done(self.loadInitializer(name, data.as<const void*>(), size), "load_initializer");
      },
      nb::arg("name"), nb::arg("data"), nb::arg("size"));
}

nb::tuple supports_model(IParser& parser, const Buffer& model, nb::handle path) {
  SubGraphCollection_t parts;
  const std::string file = path_text(path);
  const bool whole = unlocked([&] { return parser.supportsModel(model.data(), model.size(), parts, path_of(file)); });
  nb::list list;
  for (const SubGraph_t& part : parts) list.append(nb::make_tuple(nb::cast(part.first), part.second));
  return nb::make_tuple(whole, list);
}

void add_subgraphs(nb::class_<IParser>& c) {
  c.def("supports_model", &supports_model, nb::arg("model"), nb::arg("path").none() = nb::none());
  c.def(
      "supports_model_v2",
      [](IParser& self, Buffer model, nb::object path) {
        const std::string file = path_text(path);
        return unlocked([&] { return self.supportsModelV2(model.data(), model.size(), path_of(file)); });
      },
      nb::arg("model"), nb::arg("path").none() = nb::none());
  c.def_prop_ro("num_subgraphs", [](IParser& self) { return self.getNbSubgraphs(); });
  c.def(
      "is_subgraph_supported", [](IParser& self, int64_t index) { return self.isSubgraphSupported(index); },
      nb::arg("index"));
  c.def(
      "get_subgraph_nodes",
      [](IParser& self, int64_t index) {
        int64_t count = 0;
        const int64_t* nodes = self.getSubgraphNodes(index, count);
        return nodes == nullptr ? std::vector<int64_t>{} : std::vector<int64_t>(nodes, nodes + count);
      },
      nb::arg("index"));
  c.def("get_used_vc_plugin_libraries", [](IParser& self) {
    int64_t count = 0;
    const char* const* names = self.getUsedVCPluginLibraries(count);
    nb::list list;
    for (int64_t i = 0; names != nullptr && i < count; ++i) list.append(names[i]);
    return list;
  });
}

void add_flags(nb::class_<IParser>& c) {
  constexpr int kFlag = EnumIndex<OnnxParserFlag>::value;
  c.def_prop_rw(
      "flags", [](IParser& self) { return mask_to_python(kFlag, self.getFlags()); },
      [](IParser& self, uint64_t mask) { self.setFlags(mask_to_cpp(kFlag, mask)); });
  c.def(
      "set_flag", [](IParser& self, OnnxParserFlag flag) { self.setFlag(flag); }, nb::arg("flag"));
  c.def(
      "clear_flag", [](IParser& self, OnnxParserFlag flag) { self.clearFlag(flag); }, nb::arg("flag"));
  c.def(
      "get_flag", [](IParser& self, OnnxParserFlag flag) { return self.getFlag(flag); }, nb::arg("flag"));
}

void bind_parser(nb::module_& m) {
  nb::class_<IParser> c(m, "OnnxParser");
  c.def(nb::new_([](INetworkDefinition& network, ILogger& logger) {
          return made(createParser(network, logger), "OnnxParser");
        }),
        nb::arg("network"), nb::arg("logger"), nb::keep_alive<0, 2>(), nb::keep_alive<0, 3>());
  c.def(
      "parse",
      [](IParser& self, Buffer model, nb::object path) {
        const std::string file = path_text(path);
        return done(unlocked([&] { return self.parse(model.data(), model.size(), path_of(file)); }),
                    "OnnxParser.parse");
      },
      nb::arg("model"), nb::arg("path").none() = nb::none());
  c.def(
      "parse_with_weight_descriptors",
      [](IParser& self, Buffer model) {
        return done(unlocked([&] { return self.parseWithWeightDescriptors(model.data(), model.size()); }),
                    "OnnxParser.parse_with_weight_descriptors");
      },
      nb::arg("model"));
  c.def(
      "parse_from_file",
      [](IParser& self, nb::object model) {
        const std::string file = path_text(model);
        return done(unlocked([&] { return self.parseFromFile(file.c_str(), 0); }), "OnnxParser.parse_from_file");
      },
      nb::arg("model"));
  c.def("parse_model_proto", [](IParser& self) {
    return done(unlocked([&] { return self.parseModelProto(); }), "OnnxParser.parse_model_proto");
  });
  c.def(
      "supports_operator", [](IParser& self, const char* name) { return self.supportsOperator(name); },
      nb::arg("op_name"));
  c.def(
      "get_layer_output_tensor",
      [](IParser& self, const char* name, int64_t i) { return self.getLayerOutputTensor(name, i); }, nb::arg("name"),
      nb::arg("i"), nb::rv_policy::reference_internal);
  c.def(
      "set_builder_config",
      [](IParser& self, nvinfer1::IBuilderConfig& config) { return self.setBuilderConfig(&config); },
      nb::arg("builder_config"), nb::keep_alive<1, 2>());
  add_errors(c);
  add_subgraphs(c);
  add_flags(c);
  add_context_manager(c);
}

}  // namespace

void bind_parsers(nb::module_& m) {
  bind_error(m);
  bind_parser(m);
  nb::class_<IParserRefitter> c(m, "OnnxParserRefitter");
  c.def(nb::new_([](nvinfer1::IRefitter& refitter, ILogger& logger) {
          return made(createParserRefitter(refitter, logger), "OnnxParserRefitter");
        }),
        nb::arg("refitter"), nb::arg("logger"), nb::keep_alive<0, 2>(), nb::keep_alive<0, 3>());
  add_errors(c);
  c.def(
      "refit_from_bytes",
      [](IParserRefitter& self, Buffer model, nb::object path) {
        const std::string file = path_text(path);
        return done(unlocked([&] { return self.refitFromBytes(model.data(), model.size(), path_of(file)); }),
                    "OnnxParserRefitter.refit_from_bytes");
      },
      nb::arg("model"), nb::arg("path").none() = nb::none());
  c.def(
      "refit_from_file",
      [](IParserRefitter& self, nb::object model) {
        const std::string file = path_text(model);
        return done(unlocked([&] { return self.refitFromFile(file.c_str()); }), "OnnxParserRefitter.refit_from_file");
      },
      nb::arg("model"));
  c.def("refit_model_proto", [](IParserRefitter& self) {
    return done(unlocked([&] { return self.refitModelProto(); }), "OnnxParserRefitter.refit_model_proto");
  });
  m.def("get_nv_onnx_parser_version", &getNvOnnxParserVersion);
}

}  // namespace tenon::py
