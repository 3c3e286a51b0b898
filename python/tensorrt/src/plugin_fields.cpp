// The fields that creators exchange.
#include "plugin_adapters.h"

namespace tenon::py {

using namespace nvinfer1;

void Fields::read(nb::handle collection) {
  fields_.clear();
  names_.clear();
  nb::list owners;
  names_.reserve(nb::len(collection));
  for (nb::handle field : nb::borrow(collection)) {
    names_.push_back(nb::cast<std::string>(field.attr("name")));
    nb::object array = field.attr("_array")();
    const auto address = nb::cast<uintptr_t>(array.attr("__array_interface__")["data"][0]);
    fields_.emplace_back(names_.back().c_str(), reinterpret_cast<const void*>(address),
                         nb::cast<PluginFieldType>(field.attr("type")), nb::cast<int32_t>(field.attr("size")));
    owners.append(array);
  }
  owners_ = std::make_unique<Held>(std::move(owners));
  collection_ = {static_cast<int32_t>(fields_.size()), fields_.data()};
}

nb::object fields_object(const PluginFieldCollection* fields) {
  nb::list list;
  const nb::object make = nb::module_::import_("tensorrt._plugins").attr("_field");
  for (int32_t i = 0; fields != nullptr && i < fields->nbFields; ++i) {
    const PluginField& f = fields->fields[i];
    list.append(make(f.name != nullptr ? f.name : "", reinterpret_cast<uintptr_t>(f.data), f.type, f.length));
  }
  return nb::module_::import_("tensorrt._plugins").attr("PluginFieldCollection")(list);
}

}  // namespace tenon::py
