// Operators of a model that registered plugins implement.
#pragma once
#include "import/onnx/import.h"
#include "nvinfer/graph_owner.h"

namespace tenon::nvinfer {

/// Import options that ask `owner` for a plugin of each operator that is not known otherwise. The operator's type is
/// the plugin's name; its attributes plugin_version ("1") and plugin_namespace ("", then the operator's domain) tell
/// which.
importer::OnnxOptions with_plugins(GraphOwner& owner);

}  // namespace tenon::nvinfer
