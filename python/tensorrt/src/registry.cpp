// The plugin registry.
#include <unordered_map>

#include "more.h"
#include "parts.h"
#include "plugin_adapters.h"

namespace tenon::py {
namespace {

using namespace nvinfer1;

/// The adapters of registered creators, by Python object. They live as long as the process.
std::unordered_map<PyObject*, IPluginCreatorInterface*>& registered() {
  static auto* all = new std::unordered_map<PyObject*, IPluginCreatorInterface*>;
  return *all;
}

nb::list creators(IPluginCreatorInterface* const* list, int32_t count) {
  nb::list objects;
  for (int32_t i = 0; i < count; ++i) objects.append(creator_object(list[i]));
  return objects;
}

void add_creators(nb::class_<IPluginRegistry>& c) {
  c.def_prop_ro(
      "plugin_creator_list",
      [](IPluginRegistry& self) {
        int32_t count = 0;
        IPluginCreator* const* list = self.getPluginCreatorList(&count);
        nb::list objects;
        for (int32_t i = 0; i < count; ++i) objects.append(creator_object(list[i]));
        return objects;
      },
      "The IPluginV2 creators.");
  c.def_prop_ro(
      "all_creators",
      [](IPluginRegistry& self) {
        int32_t count = 0;
        IPluginCreatorInterface* const* list = self.getAllCreators(&count);
        return creators(list, count);
      },
      "All creators of this registry.");
  c.def_prop_ro(
      "all_creators_recursive",
      [](IPluginRegistry& self) {
        int32_t count = 0;
        IPluginCreatorInterface* const* list = self.getAllCreatorsRecursive(&count);
        return creators(list, count);
      },
      "All creators of this registry and of those it asks.");
  c.def(
      "get_plugin_creator",
      [](IPluginRegistry& self, const char* type, const char* version, const char* space) {
        return creator_object(self.getPluginCreator(type, version, space));
      },
      nb::arg("type"), nb::arg("version"), nb::arg("plugin_namespace") = "",
      "The IPluginV2 creator of a name, version and namespace, or None.");
  c.def(
      "get_creator",
      [](IPluginRegistry& self, const char* type, const char* version, const char* space) {
        return creator_object(self.getCreator(type, version, space));
      },
      nb::arg("type"), nb::arg("version"), nb::arg("plugin_namespace") = "",
      "The creator with a name, version and namespace, or None.");
}

}  // namespace

void more(nb::class_<IPluginRegistry>& c) {
  add_creators(c);
  // A registered creator lives as long as the process: the registry may call it at any time.
  c.def(
      "register_creator",
      [](IPluginRegistry& self, nb::handle creator, const char* space) {
        IPluginCreatorInterface* native = creator_of(creator);
        const bool good = self.registerCreator(*native, space);
        if (good) registered()[creator.ptr()] = native;
        return done(good, "IPluginRegistry.register_creator");
      },
      nb::arg("creator"), nb::arg("plugin_namespace") = "",
      "Lets parsers and plans make a creator's plugins. False if name, version and namespace are taken.");
  c.def(
      "deregister_creator",
      [](IPluginRegistry& self, nb::handle creator) {
        const auto found = registered().find(creator.ptr());
        return self.deregisterCreator(found != registered().end() ? *found->second
                                                                  : *nb::cast<IPluginCreatorInterface*>(creator));
      },
      nb::arg("creator"), "Undoes register_creator().");
  c.def(
      "load_library",
      [](IPluginRegistry& self, const char* path) {
        void* handle = self.loadLibrary(path);
        if (handle == nullptr) failed("IPluginRegistry.load_library");
        return handle == nullptr ? nb::none() : nb::object(nb::capsule(handle));
      },
      nb::arg("plugin_path"),
      "Registers the creators of a shared library; what it returns is for deregister_library(). None if it can't be "
      "loaded.");
  c.def(
      "deregister_library", [](IPluginRegistry& self, nb::capsule handle) { self.deregisterLibrary(handle.data()); },
      nb::arg("handle"), "Lets a plugin library go that load_library() returned.");
  c.def(
      "acquire_plugin_resource",
      [](IPluginRegistry& self, const char* key, nb::handle resource) {
        return resource_object(self.acquirePluginResource(key, resource_of(resource)));
      },
      nb::arg("key"), nb::arg("resource"),
      "The IPluginResource of a key; the first call keeps a clone of what it is given.");
  c.def(
      "release_plugin_resource", [](IPluginRegistry& self, const char* key) { return self.releasePluginResource(key); },
      nb::arg("key"), "Lets a resource go; after the last user it is released.");
}

}  // namespace tenon::py
