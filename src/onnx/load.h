// ONNX file or buffer → Model.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "onnx/external_data.h"
#include "onnx/model.h"

namespace tenon::onnx {

struct LoadOptions {
  ExternalData::Options external;
  /// The graph's initializers whose external data cannot be read are Model::awaited: the caller has their numbers.
  bool later = false;
};

/// Maps `path` and parses it; tensors refer to the mapping, external ones to files below the model's folder.
/// Throws kIo if the file cannot be read, kInvalidModel if it is not an ONNX model or breaks the format's rules.
Model load(const std::string& path, const LoadOptions& options = {});

/// Copies `bytes` and parses the copy. External data is looked for below `base_directory`; when that is empty, a model
/// that has external data is refused.
Model load_bytes(std::span<const std::byte> bytes, const std::string& base_directory = {},
                 const LoadOptions& options = {});

/// Parses `bytes`, which `owner` keeps alive and unchanged; tensors refer to them. `external` may be null, which
/// refuses external data; `later` as in LoadOptions.
Model parse(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, ExternalData* external,
            bool later = false);

}  // namespace tenon::onnx
