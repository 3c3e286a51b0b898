#include "nvinfer/plugin_embed.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "nvinfer/guard.h"
#include "nvinfer/plugin_op.h"
#include "nvinfer/registry.h"

namespace tenon::nvinfer {

using namespace nvinfer1;  // NOLINT: signatures as in the description

namespace {
constexpr std::string_view kKey = "plugin_library:";  // then a number and the file's name
}

void embed_libraries(const std::vector<std::string>& paths, std::map<std::string, std::string>& info) {
  for (size_t i = 0; i < paths.size(); ++i) {
    std::ifstream file(paths[i], std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    require(file.good() && !bytes.empty(), ErrorCode::kIo, "setPluginsToSerialize: cannot read '", paths[i], "'");
    info[cat(kKey, i, ":", std::filesystem::path(paths[i]).filename().string())] = std::move(bytes);
  }
}

#if NV_TENSORRT_MAJOR >= 8
namespace {

/// A path to an open file. The loader knows libraries by their paths and numbers of files come again, so each path is
/// spelt in a way of its own.
std::string path_of(int file) {
  static std::atomic<uint32_t> count{0};
  std::string path = "/proc/self/fd/";
  for (uint32_t n = ++count; n > 0; n >>= 1) path += n & 1U ? "./" : "/";
  return cat(path, file);
}

/// A file with these bytes, under a name that the loader takes; gone when it ends.
class TemporaryFile {
 public:
  TemporaryFile(const std::string& bytes, const HostCode& rules) {
    auto may = [&](TempfileControlFlag flag) { return (rules.files >> static_cast<uint32_t>(flag)) & 1U; };
    if (may(TempfileControlFlag::kALLOW_IN_MEMORY_FILES)) {
      file_ = memfd_create("plugin_library", MFD_CLOEXEC);
      path_ = path_of(file_);
    }
    if (file_ < 0 && may(TempfileControlFlag::kALLOW_TEMPORARY_FILES)) {
      const std::string folder = rules.temporary_directory.empty() ? std::filesystem::temp_directory_path().string()
                                                                   : rules.temporary_directory;
      path_ = folder + "/plugin_library_XXXXXX";
      file_ = mkstemp(path_.data());
      on_disk_ = file_ >= 0;
    }
    require(file_ >= 0, ErrorCode::kIo, "the plan's plugin libraries need a temporary file: setTempfileControlFlags ",
            "allows none, or the temporary directory takes none");
    for (size_t at = 0; at < bytes.size();) {
      const ssize_t wrote = write(file_, bytes.data() + at, bytes.size() - at);
      if (wrote <= 0) end();
      require(wrote > 0, ErrorCode::kIo, "cannot write a plugin library of ", bytes.size(), " bytes");
      at += static_cast<size_t>(wrote);
    }
  }
  ~TemporaryFile() { end(); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  void end() {
    if (file_ >= 0) close(file_);
    if (on_disk_) unlink(path_.c_str());
    file_ = -1;
    on_disk_ = false;
  }
  int file_ = -1;
  bool on_disk_ = false;
  std::string path_;
};

bool lacks_creator(ir::Graph& graph) {
  bool lacks = false;
  for_each_node(graph, "Custom", [&](ir::Graph& g, ir::NodeId n) {
    const ops::CustomAttrs& a = ops::custom_attrs(g.node(n).attrs);
#if NV_TENSORRT_MAJOR >= 10
    lacks = lacks || !getPluginRegistry()->getCreator(a.name.c_str(), a.version.c_str(), a.space.c_str());
#else
    lacks = lacks || !getPluginRegistry()->getPluginCreator(a.name.c_str(), a.version.c_str(), a.space.c_str());
#endif
  });
  return lacks;
}

}  // namespace

void load_embedded_libraries(const std::map<std::string, std::string>& info, ir::Graph& graph, const HostCode& rules) {
  auto is_library = [](const auto& entry) { return std::string_view(entry.first).substr(0, kKey.size()) == kKey; };
  if (std::none_of(info.begin(), info.end(), is_library)) return;
  require(rules.allowed, ErrorCode::kInvalidArgument,
          "the plan holds plugin libraries, which are machine code: IRuntime::setEngineHostCodeAllowed(true) loads it");
  if (!lacks_creator(graph)) return;
  for (const auto& entry : info) {
    if (!is_library(entry)) continue;
    const TemporaryFile file(entry.second, rules);
    require(getPluginRegistry()->loadLibrary(file.path().c_str()) != nullptr, ErrorCode::kIo, "plugin library '",
            entry.first.substr(kKey.size()), "' of the plan cannot be loaded");
  }
}
#endif

}  // namespace tenon::nvinfer
