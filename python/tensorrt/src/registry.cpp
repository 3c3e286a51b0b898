// The plugin registry.
#include "more.h"
#include "parts.h"

namespace tenon::py {
namespace {

using namespace nvinfer1;

/// A creator as the class that its interface names.
nb::object creator_object(IPluginCreatorInterface* creator) {
  if (creator == nullptr) return nb::none();
  const std::string kind = creator->getInterfaceInfo().kind;
  if (kind == "PLUGIN CREATOR_V3ONE") {
    return nb::cast(static_cast<IPluginCreatorV3One*>(creator), nb::rv_policy::reference);
  }
  if (kind == "PLUGIN CREATOR_V3QUICK") {
    return nb::cast(static_cast<IPluginCreatorV3Quick*>(creator), nb::rv_policy::reference);
  }
  return nb::cast(static_cast<IPluginCreator*>(creator), nb::rv_policy::reference);
}

nb::list creators(IPluginCreatorInterface* const* list, int32_t count) {
  nb::list objects;
  for (int32_t i = 0; i < count; ++i) objects.append(creator_object(list[i]));
  return objects;
}

void add_creators(nb::class_<IPluginRegistry>& c) {
  c.def_prop_ro("plugin_creator_list", [](IPluginRegistry& self) {
    int32_t count = 0;
    IPluginCreator* const* list = self.getPluginCreatorList(&count);
    nb::list objects;
    for (int32_t i = 0; i < count; ++i) objects.append(nb::cast(list[i], nb::rv_policy::reference));
    return objects;
  });
  c.def_prop_ro("all_creators", [](IPluginRegistry& self) {
    int32_t count = 0;
    IPluginCreatorInterface* const* list = self.getAllCreators(&count);
    return creators(list, count);
  });
  c.def_prop_ro("all_creators_recursive", [](IPluginRegistry& self) {
    int32_t count = 0;
    IPluginCreatorInterface* const* list = self.getAllCreatorsRecursive(&count);
    return creators(list, count);
  });
  c.def(
      "get_plugin_creator",
      [](IPluginRegistry& self, const char* type, const char* version, const char* space) {
        return self.getPluginCreator(type, version, space);
      },
      nb::arg("type"), nb::arg("version"), nb::arg("plugin_namespace") = "", nb::rv_policy::reference);
  c.def(
      "get_creator",
      [](IPluginRegistry& self, const char* type, const char* version, const char* space) {
        return creator_object(self.getCreator(type, version, space));
      },
      nb::arg("type"), nb::arg("version"), nb::arg("plugin_namespace") = "");
}

}  // namespace

void more(nb::class_<IPluginRegistry>& c) {
  add_creators(c);
  // A registered creator lives as long as the process: the registry may call it at any time.
  c.def(
      "register_creator",
      [](IPluginRegistry& self, nb::handle creator, const char* space) {
        const bool good = self.registerCreator(*nb::cast<IPluginCreatorInterface*>(creator), space);
        if (good) nb::borrow(creator).release();
        return done(good, "IPluginRegistry.register_creator");
      },
      nb::arg("creator"), nb::arg("plugin_namespace") = "");
  c.def(
      "deregister_creator",
      [](IPluginRegistry& self, IPluginCreatorInterface& creator) { return self.deregisterCreator(creator); },
      nb::arg("creator"));
  c.def(
      "load_library",
      [](IPluginRegistry& self, const char* path) {
        void* handle = self.loadLibrary(path);
        if (handle == nullptr) failed("IPluginRegistry.load_library");
        return handle == nullptr ? nb::none() : nb::object(nb::capsule(handle));
      },
      nb::arg("plugin_path"));
  c.def(
      "deregister_library", [](IPluginRegistry& self, nb::capsule handle) { self.deregisterLibrary(handle.data()); },
      nb::arg("handle"));
  c.def(
      "acquire_plugin_resource",
      [](IPluginRegistry& self, const char* key, IPluginResource& resource) {
        return self.acquirePluginResource(key, &resource);
      },
      nb::arg("key"), nb::arg("resource"), nb::rv_policy::reference, nb::keep_alive<1, 3>());
  c.def(
      "release_plugin_resource", [](IPluginRegistry& self, const char* key) { return self.releasePluginResource(key); },
      nb::arg("key"));
}

}  // namespace tenon::py
