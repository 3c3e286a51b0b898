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
  nb::class_<IParserError> c(m, "ParserError", "What is wrong with a node of a model.");
  c.def("code", &IParserError::code, "The ErrorCode.");
  c.def("desc", &IParserError::desc, "The reason, in words.");
  c.def("file", &IParserError::file, "The source file of the check.");
  c.def("line", &IParserError::line, "The line of the check in that file.");
  c.def("func", &IParserError::func, "The function that the check is in.");
  c.def("node", &IParserError::node, "The node's index in the model; -1 if it is none of a node.");
  c.def("node_name", &IParserError::nodeName, "The name of the node that it is about; empty if it is none of a node.");
  c.def("node_operator", &IParserError::nodeOperator, "The ONNX operator of the node that it is about.");
  c.def(
      "local_function_stack",
      [](const IParserError& e) {
        nb::list names;
        for (int32_t i = 0; i < e.localFunctionStackSize(); ++i) names.append(e.localFunctionStack()[i]);
        return names;
      },
      "Names of the model's functions that the node is inside of, outermost first.");
  c.def("local_function_stack_size", &IParserError::localFunctionStackSize,
        "How many functions of the model the node is inside of; 0 in the main graph.");
  c.def("__str__", &describe);
  c.def("__repr__", &describe);
}

/// What the parser and the refitter share.
template <class Type>
void add_errors(nb::class_<Type>& c) {
  c.def_prop_ro(
      "num_errors", [](Type& self) { return self.getNbErrors(); },
      "Errors that were recorded; a method or a property.");
  c.def(
      "get_error", [](Type& self, int32_t index) { return self.getError(index); }, nb::arg("index"),
      nb::rv_policy::reference_internal, "The ParserError with an index from 0; None beyond num_errors.");
  c.def(
      "clear_errors", [](Type& self) { self.clearErrors(); }, "Forgets all errors; num_errors is 0 then.");
  c.def(
      "load_model_proto",
      [](Type& self, Buffer model, nb::object path) {
        return done(self.loadModelProto(model.data(), model.size(), path_of(path_text(path))), "load_model_proto");
      },
      nb::arg("model"), nb::arg("path").none() = nb::none(),
      "Reads a model's bytes, without its nodes; parse_model_proto() goes on. False if they are damaged.");
  c.def(
      "load_initializer",
      [](Type& self, const char* name, Address data, size_t size) {
        return done(self.loadInitializer(name, data.as<const void*>(), size), "load_initializer");
      },
      nb::arg("name"), nb::arg("data"), nb::arg("size"),
      "Weights by name, as an address and a number of bytes, for a model that was loaded without them.");
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
  c.def("supports_model", &supports_model, nb::arg("model"), nb::arg("path").none() = nb::none(),
        "(whether all of a model can be read, [(nodes, whether they can)…]).");
  c.def(
      "supports_model_v2",
      [](IParser& self, Buffer model, nb::object path) {
        const std::string file = path_text(path);
        return unlocked([&] { return self.supportsModelV2(model.data(), model.size(), path_of(file)); });
      },
      nb::arg("model"), nb::arg("path").none() = nb::none(),
      "Whether all of a model can be read; its parts follow by is_subgraph_supported().");
  c.def_prop_ro(
      "num_subgraphs", [](IParser& self) { return self.getNbSubgraphs(); }, "Parts that supports_model_v2() found.");
  c.def(
      "is_subgraph_supported", [](IParser& self, int64_t index) { return self.isSubgraphSupported(index); },
      nb::arg("index"), "Whether a part of the model can be read, by index.");
  c.def(
      "get_subgraph_nodes",
      [](IParser& self, int64_t index) {
        int64_t count = 0;
        const int64_t* nodes = self.getSubgraphNodes(index, count);
        return nodes == nullptr ? std::vector<int64_t>{} : std::vector<int64_t>(nodes, nodes + count);
      },
      nb::arg("index"), "The nodes of a part of the model, by index.");
  c.def(
      "get_used_vc_plugin_libraries",
      [](IParser& self) {
        int64_t count = 0;
        const char* const* names = self.getUsedVCPluginLibraries(count);
        nb::list list;
        for (int64_t i = 0; names != nullptr && i < count; ++i) list.append(names[i]);
        return list;
      },
      "Paths of plugin libraries that a version-compatible engine needs: none.");
}

void add_flags(nb::class_<IParser>& c) {
  constexpr int kFlag = EnumIndex<OnnxParserFlag>::value;
  c.def_prop_rw(
      "flags", [](IParser& self) { return mask_to_python(kFlag, self.getFlags()); },
      [](IParser& self, uint64_t mask) { self.setFlags(mask_to_cpp(kFlag, mask)); },
      "The OnnxParserFlags as a mask, 1 << int(OnnxParserFlag.X).");
  c.def(
      "set_flag", [](IParser& self, OnnxParserFlag flag) { self.setFlag(flag); }, nb::arg("flag"),
      "Turns an OnnxParserFlag on.");
  c.def(
      "clear_flag", [](IParser& self, OnnxParserFlag flag) { self.clearFlag(flag); }, nb::arg("flag"),
      "Turns an OnnxParserFlag off.");
  c.def(
      "get_flag", [](IParser& self, OnnxParserFlag flag) { return self.getFlag(flag); }, nb::arg("flag"),
      "Whether an OnnxParserFlag is on.");
}

void bind_parser(nb::module_& m) {
  nb::class_<IParser> c(m, "OnnxParser", "Reads ONNX models into a network. OnnxParser(network, logger).");
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
      nb::arg("model"), nb::arg("path").none() = nb::none(),
      "Reads a model's bytes into the network; `path` tells where its external data lie. False, with reasons in "
      "get_error(), if it fails.");
  c.def(
      "parse_with_weight_descriptors",
      [](IParser& self, Buffer model) {
        return done(unlocked([&] { return self.parseWithWeightDescriptors(model.data(), model.size()); }),
                    "OnnxParser.parse_with_weight_descriptors");
      },
      nb::arg("model"), "The same of a model whose weights are addresses.");
  c.def(
      "parse_from_file",
      [](IParser& self, nb::object model) {
        const std::string file = path_text(model);
        return done(unlocked([&] { return self.parseFromFile(file.c_str(), 0); }), "OnnxParser.parse_from_file");
      },
      nb::arg("model"), "Reads a model's file into the network. False, with reasons in get_error(), if it fails.");
  c.def(
      "parse_model_proto",
      [](IParser& self) {
        return done(unlocked([&] { return self.parseModelProto(); }), "OnnxParser.parse_model_proto");
      },
      "Reads the model of load_model_proto() into the network. False if it fails.");
  c.def(
      "supports_operator", [](IParser& self, const char* name) { return self.supportsOperator(name); },
      nb::arg("op_name"), "Whether models may have an operator.");
  c.def(
      "get_layer_output_tensor",
      [](IParser& self, const char* name, int64_t i) { return self.getLayerOutputTensor(name, i); }, nb::arg("name"),
      nb::arg("i"), nb::rv_policy::reference_internal, "Output `i` of the node with a name, or None.");
  c.def(
      "set_builder_config",
      [](IParser& self, nvinfer1::IBuilderConfig& config) { return self.setBuilderConfig(&config); },
      nb::arg("builder_config"), nb::keep_alive<1, 2>(), "Settings that parsing heeds. Whether they could be taken.");
  add_errors(c);
  add_subgraphs(c);
  add_flags(c);
  add_context_manager(c);
}

}  // namespace

void bind_parsers(nb::module_& m) {
  bind_error(m);
  bind_parser(m);
  nb::class_<IParserRefitter> c(m, "OnnxParserRefitter",
                                "Gives an engine the weights of an ONNX model. OnnxParserRefitter(refitter, logger).");
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
      nb::arg("model"), nb::arg("path").none() = nb::none(),
      "Sets the weights of a model's bytes. False, with reasons in get_error(), if they do not fit.");
  c.def(
      "refit_from_file",
      [](IParserRefitter& self, nb::object model) {
        const std::string file = path_text(model);
        return done(unlocked([&] { return self.refitFromFile(file.c_str()); }), "OnnxParserRefitter.refit_from_file");
      },
      nb::arg("model"), "Sets the weights of a model's file. False, with reasons in get_error(), if they do not fit.");
  c.def(
      "refit_model_proto",
      [](IParserRefitter& self) {
        return done(unlocked([&] { return self.refitModelProto(); }), "OnnxParserRefitter.refit_model_proto");
      },
      "Sets the weights of the model of load_model_proto(). False if they do not fit.");
  m.def("get_nv_onnx_parser_version", &getNvOnnxParserVersion,
        "The ONNX parser's release as a number: 10.13.3 is 101303.");
}

}  // namespace tenon::py
