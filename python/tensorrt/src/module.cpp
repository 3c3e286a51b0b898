// The extension module tensorrt._trt.
#include <NvInferPlugin.h>

#include "parts.h"

namespace tenon::py {
namespace {

using namespace nvinfer1;

void bind_functions(nb::module_& m) {
  m.def(
      "init_libnvinfer_plugins",
      [](ILogger* logger, const char* space) { return initLibNvInferPlugins(logger, space); }, nb::arg("logger").none(),
      nb::arg("namespace"), "Registers the plugins that come with the library, in a namespace. True.");
  m.def("get_plugin_registry", &getPluginRegistry, nb::rv_policy::reference,
        "The process's registry of plugin creators.");
  m.def("get_builder_plugin_registry", &nvinfer1::getBuilderPluginRegistry, nb::arg("capability"),
        nb::rv_policy::reference, "The registry that builders of an engine capability use.");
  m.def(
      "nptype",
      [](DataType type) {
        nb::object found = numpy_dtype(type);
        if (found.is_none()) nb::raise_type_error("numpy has no data type for %s", nb::repr(nb::cast(type)).c_str());
        return found;
      },
      nb::arg("trt_type"), "numpy's type for a DataType. TypeError if it has none.");
  m.def("_version", &getInferLibVersion);
  m.def("_release", &release);
}

}  // namespace
}  // namespace tenon::py

NB_MODULE(_trt, m) {
  using namespace tenon::py;
  // Loggers and registered plugins may live until the interpreter ends.
  nb::set_leak_warnings(false);
  bind_enums(m, nb::module_::import_("tensorrt._enum").attr("Number"));
  bind_values(m);
  bind_logger(m);
  bind_callbacks(m);
  bind_allocators(m);
  bind_calibrators(m);
  bind_plugins(m);
  bind_units(m);
  bind_parsers(m);
  bind_legacy_parsers(m);
  bind_functions(m);
}
