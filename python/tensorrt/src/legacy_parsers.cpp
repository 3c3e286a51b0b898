// The Caffe and UFF parsers of releases up to 8.
#include <NvCaffeParser.h>

#include "buffer.h"
#include "parts.h"

namespace tenon::py {
namespace {

using nvinfer1::DataType;
using nvinfer1::IErrorRecorder;
using nvinfer1::INetworkDefinition;

template <class Type>
void add_recorder(nb::class_<Type>& c) {
  c.def_prop_rw(
      "error_recorder", [](Type& self) { return self.getErrorRecorder(); },
      [](Type& self, IErrorRecorder* recorder) { self.setErrorRecorder(recorder); }, nb::rv_policy::reference_internal,
      nb::for_setter(nb::arg().none()), nb::for_setter(nb::keep_alive<1, 2>()),
      "The IErrorRecorder that is told errors, or None.");
  c.def_prop_rw(
      "plugin_namespace", [](Type&) { return nb::none(); },
      [](Type& self, const char* space) { self.setPluginNamespace(space); },
      "The namespace that plugins are looked up in. Reading gives None.");
  add_context_manager(c);
}

void bind_caffe(nb::module_& m) {
  using namespace nvcaffeparser1;
  nb::class_<IBlobNameToTensor> blobs(m, "IBlobNameToTensor", "The tensors of a Caffe model by name.");
  blobs.def(
      "find", [](const IBlobNameToTensor& self, const char* name) { return self.find(name); }, nb::arg("name"),
      nb::rv_policy::reference, "The tensor of a name, or None.");
  nb::class_<ICaffeParser> c(
      m, "CaffeParser",
      "The Caffe parser of releases until 8. It reads no models: parse() logs an error that tells another way.");
  c.def(nb::new_([] { return made(createCaffeParser(), "CaffeParser"); }));
  c.def(
      "parse",
      [](ICaffeParser& self, const char* deploy, const char* model, INetworkDefinition& network, DataType type) {
        return made(unlocked([&] { return self.parse(deploy, model, network, type); }), "CaffeParser.parse");
      },
      nb::arg("deploy"), nb::arg("model"), nb::arg("network"), nb::arg("dtype"), nb::rv_policy::reference_internal,
      "Logs an error and returns None: Caffe models are converted to ONNX first.");
  c.def(
      "parse_buffer",
      [](ICaffeParser& self, Buffer deploy, Buffer model, INetworkDefinition& network, DataType type) {
        const auto bytes = [](const Buffer& b) { return static_cast<const uint8_t*>(b.data()); };
        return made(self.parseBuffers(bytes(deploy), deploy.size(), bytes(model), model.size(), network, type),
                    "CaffeParser.parse_buffer");
      },
      nb::arg("deploy_buffer"), nb::arg("model_buffer"), nb::arg("network"), nb::arg("dtype"),
      nb::rv_policy::reference_internal, "The same of files in memory.");
  c.def(
      "parse_binary_proto",
      [](ICaffeParser& self, const char* file) {
        made(self.parseBinaryProto(file), "CaffeParser.parse_binary_proto");
        return nb::none();
      },
      nb::arg("filename"), "Logs an error and returns None.");
  c.def_prop_rw(
      "protobuf_buffer_size", [](ICaffeParser&) { return nb::none(); },
      [](ICaffeParser& self, size_t size) { self.setProtobufBufferSize(size); },
      "Taken for the sake of programs that set it.");
  c.def_prop_rw(
      "plugin_factory_v2", [](ICaffeParser&) { return nb::none(); }, [](ICaffeParser&, nb::object) {},
      "Taken for the sake of programs that set it; parse() fails, with the reason in the log, before it would be "
      "asked.");
  add_recorder(c);
  m.def(
      "shutdown_protobuf_library", [] {},
      "Does nothing; until release 8 it freed what the Caffe parser had allocated.");
}

void bind_uff(nb::module_& m) {
  using namespace nvuffparser;
  nb::class_<FieldMap> field(m, "FieldMap", "A field of a UFF plugin.");
  field.def_ro("name", &FieldMap::name, "The field's name.")
      .def_ro("type", &FieldMap::type, "The FieldType.")
      .def_ro("length", &FieldMap::length, "The number of values.");
  field.def_prop_ro(
      "data", [](const FieldMap& f) { return Address{reinterpret_cast<uintptr_t>(f.data)}; }, "The values' address.");
  nb::class_<FieldCollection> fields(m, "FieldCollection", "The fields of a UFF plugin.");
  fields.def_ro("num_fields", &FieldCollection::nbFields, "The number of fields.");
  fields.def_prop_ro(
      "fields", [](const FieldCollection& f) { return f.fields; }, "The first FieldMap.");
  nb::class_<IUffParser> c(
      m, "UffParser",
      "The UFF parser of releases until 8. It reads no models: parse() logs an error that tells another way.");
  c.def(nb::new_([] { return made(createUffParser(), "UffParser"); }));
  c.def(
      "register_input",
      [](IUffParser& self, const char* name, const nvinfer1::Dims& shape, UffInputOrder order) {
        return self.registerInput(name, shape, order);
      },
      nb::arg("name"), nb::arg("shape"), nb::arg("order") = UffInputOrder::kNCHW, "Names an input and its dimensions.");
  c.def(
      "register_output", [](IUffParser& self, const char* name) { return self.registerOutput(name); }, nb::arg("name"),
      "Names an output.");
  c.def(
      "parse",
      [](IUffParser& self, const char* file, INetworkDefinition& network, DataType type) {
        return done(unlocked([&] { return self.parse(file, network, type); }), "UffParser.parse");
      },
      nb::arg("file"), nb::arg("network"), nb::arg("weights_type") = DataType::kFLOAT,
      "Logs an error and returns False: UFF models are converted to ONNX first.");
  c.def(
      "parse_buffer",
      [](IUffParser& self, Buffer data, INetworkDefinition& network, DataType type) {
        return done(self.parseBuffer(static_cast<const char*>(data.data()), data.size(), network, type),
                    "UffParser.parse_buffer");
      },
      nb::arg("buffer"), nb::arg("network"), nb::arg("weights_type") = DataType::kFLOAT,
      "The same of a file in memory.");
  c.def_prop_ro(
      "uff_required_version_major", [](IUffParser& self) { return self.getUffRequiredVersionMajor(); },
      "The first part of the UFF release that files have: 0.");
  c.def_prop_ro(
      "uff_required_version_minor", [](IUffParser& self) { return self.getUffRequiredVersionMinor(); },
      "The second part of the UFF release that files have: 6.");
  c.def_prop_ro(
      "uff_required_version_patch", [](IUffParser& self) { return self.getUffRequiredVersionPatch(); },
      "The third part of the UFF release that files have: 9.");
  add_recorder(c);
}

}  // namespace

void bind_legacy_parsers(nb::module_& m) {
  bind_caffe(m);
  bind_uff(m);
}

}  // namespace tenon::py
