// Plugins and creators written in Python, as the interface's objects; and those of libraries, as Python's.
#pragma once
#include <memory>

#include "common.h"

namespace tenon::py {

/// Holds a Python object for C++ code of any thread.
class Held {
 public:
  explicit Held(nb::object object) : object_(std::move(object)) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() {
    if (Py_IsInitialized() == 0) {
      object_.release();
      return;
    }
    nb::gil_scoped_acquire lock;
    object_.reset();
  }
  const nb::object& get() const { return object_; }

 private:
  nb::object object_;
};

/// A plugin as C++ sees it: a library's own, or an adapter of a Python object, which the caller then owns.
/// Throws TypeError for an object that is no plugin.
nvinfer1::IPluginV2* plugin_v2_of(nb::handle object, bool& owned);
nvinfer1::IPluginV3* plugin_v3_of(nb::handle object, bool& owned);
nvinfer1::IPluginCreatorInterface* creator_of(nb::handle object);
/// The Python object of a plugin or creator: the one that was adapted, else a wrapper of C++'s.
nb::object plugin_object(nvinfer1::IPluginV2* plugin);
nb::object plugin_object(nvinfer1::IPluginV3* plugin);
nb::object creator_object(nvinfer1::IPluginCreatorInterface* creator);

/// A resource of plugins; the adapter lives as long as the process.
nvinfer1::IPluginResource* resource_of(nb::handle object);
nb::object resource_object(nvinfer1::IPluginResource* resource);

/// Plugin fields made from Python's PluginFieldCollection; the arrays live as long as this.
class Fields {
 public:
  void read(nb::handle collection);
  const nvinfer1::PluginFieldCollection* get() const { return &collection_; }

 private:
  std::vector<nvinfer1::PluginField> fields_;
  std::vector<std::string> names_;
  std::unique_ptr<Held> owners_;
  nvinfer1::PluginFieldCollection collection_{0, nullptr};
};
/// A PluginFieldCollection with copies of the fields' data; None for null.
nb::object fields_object(const nvinfer1::PluginFieldCollection* fields);

}  // namespace tenon::py
