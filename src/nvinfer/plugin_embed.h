// Plugin libraries that travel in plans: IBuilderConfig::setPluginsToSerialize.
#pragma once
#include <NvInfer.h>

#include <map>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace tenon::nvinfer {

/// Puts the files into a plan's info. Throws kIo naming a file that cannot be read.
void embed_libraries(const std::vector<std::string>& paths, std::map<std::string, std::string>& info);

#if NV_TENSORRT_MAJOR >= 8
/// What a runtime lets plans do.
struct HostCode {
  bool allowed;
  std::string temporary_directory;  ///< empty: the system's
  nvinfer1::TempfileControlFlags files;
};
/// Loads a plan's plugin libraries, if the registry lacks a creator that the graph needs. They stay for the process's
/// life. Throws kInvalidArgument where the runtime does not allow it.
void load_embedded_libraries(const std::map<std::string, std::string>& info, ir::Graph& graph, const HostCode& rules);
#endif

}  // namespace tenon::nvinfer
