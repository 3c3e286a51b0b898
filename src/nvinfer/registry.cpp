#include "nvinfer/registry.h"

#include <dlfcn.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "nvinfer/guard.h"

namespace tenon::nvinfer {
using namespace nvinfer1;  // NOLINT: signatures as in the description
namespace {

struct Entry {
  std::string key;  ///< namespace, name and version
  IPluginCreator* creator = nullptr;
#if NV_TENSORRT_MAJOR >= 10
  IPluginCreatorInterface* any = nullptr;
#endif
};

std::string key_of(const char* space, const char* name, const char* version) {
  return cat(space ? space : "", "::", name ? name : "", "::", version ? version : "");
}

class Registry final : public IPluginRegistry {
 public:
  void setErrorRecorder(IErrorRecorder* recorder) noexcept { reports_.set_recorder(recorder); }
  IErrorRecorder* getErrorRecorder() const noexcept { return reports_.recorder(); }

  bool registerCreator(IPluginCreator& creator, const char* space) noexcept {
    return guard(reports(), "IPluginRegistry::registerCreator", [&] {
      need(creator.getPluginName(), "getPluginName()"), need(creator.getPluginVersion(), "getPluginVersion()");
      creator.setPluginNamespace(space ? space : "");
      Entry entry{key_of(space, creator.getPluginName(), creator.getPluginVersion()), &creator};
#if NV_TENSORRT_MAJOR >= 10
      entry.any = &creator;
#endif
      return add(std::move(entry));
    });
  }
  bool deregisterCreator(const IPluginCreator& creator) noexcept {
    return remove([&](const Entry& e) { return e.creator == &creator; });
  }
  IPluginCreator* const* getPluginCreatorList(int32_t* count) const noexcept {
    std::lock_guard lock(mutex_);
    list_.clear();
    for (const Entry& e : entries_) {
      if (e.creator) list_.push_back(e.creator);
    }
    if (count) *count = static_cast<int32_t>(list_.size());
    return list_.data();
  }
  IPluginCreator* getPluginCreator(const char* name, const char* version, const char* space) noexcept {
    const Entry* found = find(key_of(space, name, version));
    return found ? found->creator : nullptr;
  }

#if NV_TENSORRT_MAJOR >= 8
  bool isParentSearchEnabled() const { return parent_search_; }
  void setParentSearchEnabled(bool enabled) { parent_search_ = enabled; }
  using Handle = void*;
  Handle loadLibrary(const char* path) noexcept;
  void deregisterLibrary(Handle handle) noexcept;
#endif

#if NV_TENSORRT_MAJOR >= 10
  bool registerCreator(IPluginCreatorInterface& creator, const char* space) noexcept {
    return guard(reports(), "IPluginRegistry::registerCreator", [&] {
      const std::string kind = creator.getInterfaceInfo().kind;
      if (kind == "PLUGIN CREATOR_V1") return registerCreator(static_cast<IPluginCreator&>(creator), space);
      require(kind == "PLUGIN CREATOR_V3ONE", ErrorCode::kUnsupported, "plugin creators of kind '", kind,
              "' are not known");
      auto& v3 = static_cast<IPluginCreatorV3One&>(creator);
      need(v3.getPluginName(), "getPluginName()"), need(v3.getPluginVersion(), "getPluginVersion()");
      const char* own_space = v3.getPluginNamespace();
      const char* used = own_space && *own_space ? own_space : space;
      return add(Entry{key_of(used, v3.getPluginName(), v3.getPluginVersion()), nullptr, &creator});
    });
  }
  bool deregisterCreator(const IPluginCreatorInterface& creator) noexcept {
    return remove([&](const Entry& e) { return e.any == &creator; });
  }
  IPluginCreatorInterface* const* getAllCreators(int32_t* count) const noexcept {
    std::lock_guard lock(mutex_);
    all_.clear();
    for (const Entry& e : entries_) all_.push_back(e.any);
    if (count) *count = static_cast<int32_t>(all_.size());
    return all_.data();
  }
  IPluginCreatorInterface* const* getAllCreatorsRecursive(int32_t* count) noexcept { return getAllCreators(count); }
  IPluginCreatorInterface* getCreator(const char* name, const char* version, const char* space) noexcept {
    const Entry* found = find(key_of(space, name, version));
    return found ? found->any : nullptr;
  }
  IPluginResource* acquirePluginResource(const char* key, IPluginResource* resource) noexcept {
    return guard(reports(), "IPluginRegistry::acquirePluginResource", [&]() -> IPluginResource* {
      std::lock_guard lock(mutex_);
      auto [it, made] = resources_.try_emplace(need(key, "key"));
      if (made) it->second.first = need(resource, "resource")->clone();
      ++it->second.second;
      return it->second.first;
    });
  }
  int32_t releasePluginResource(const char* key) noexcept {
    return guard(
        reports(), "IPluginRegistry::releasePluginResource",
        [&] {
          std::lock_guard lock(mutex_);
          auto it = resources_.find(need(key, "key"));
          require(it != resources_.end(), ErrorCode::kInvalidArgument, "plugin resource '", key, "' was not acquired");
          if (--it->second.second > 0) return 0;
          const int32_t status = it->second.first->release();
          resources_.erase(it);
          return status;
        },
        -1);
  }
#endif

 private:
  /// The registry has no logger of its own.
  Reports reports() const {
    Reports made(first_logger());
    made.set_recorder(reports_.recorder());
    return made;
  }
  bool add(Entry entry) {
    std::lock_guard lock(mutex_);
    for (const Entry& e : entries_) {
      if (e.key != entry.key) continue;
      reports().log(ILogger::Severity::kWARNING,
                    cat("IPluginRegistry::registerCreator: '", entry.key, "' is registered already"));
      return false;
    }
    entries_.push_back(std::move(entry));
    return true;
  }
  template <class Match>
  bool remove(Match match) {
    std::lock_guard lock(mutex_);
    auto it = std::find_if(entries_.begin(), entries_.end(), match);
    if (it == entries_.end()) return false;
    entries_.erase(it);
    return true;
  }
  const Entry* find(const std::string& key) const {
    std::lock_guard lock(mutex_);
    for (const Entry& e : entries_) {
      if (e.key == key) return &e;
    }
    return nullptr;
  }

  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
  mutable std::vector<IPluginCreator*> list_;
  Reports reports_;
  bool parent_search_ = true;
#if NV_TENSORRT_MAJOR >= 10
  mutable std::vector<IPluginCreatorInterface*> all_;
  std::map<std::string, std::pair<IPluginResource*, int32_t>> resources_;
#endif
};

#if NV_TENSORRT_MAJOR >= 8
Registry::Handle Registry::loadLibrary(const char* path) noexcept {
  return guard(reports(), "IPluginRegistry::loadLibrary", [&]() -> Handle {
    void* library = dlopen(need(path, "pluginPath"), RTLD_NOW | RTLD_LOCAL);
    require(library != nullptr, ErrorCode::kIo, "cannot load '", path, "': ", dlerror());
    int32_t count = 0;
#if NV_TENSORRT_MAJOR >= 10
    using List = IPluginCreatorInterface* const* (*)(int32_t&);
    if (auto all = reinterpret_cast<List>(dlsym(library, "getCreators"))) {
      IPluginCreatorInterface* const* creators = all(count);
      for (int32_t i = 0; i < count; ++i) registerCreator(*creators[i], "");
      return library;
    }
#endif
    using OldList = IPluginCreator* const* (*)(int32_t&);
    auto list = reinterpret_cast<OldList>(dlsym(library, "getPluginCreators"));
    require(list != nullptr, ErrorCode::kInvalidArgument, "'", path, "' has neither getCreators nor getPluginCreators");
    IPluginCreator* const* creators = list(count);
    for (int32_t i = 0; i < count; ++i) registerCreator(*creators[i], creators[i]->getPluginNamespace());
    return library;
  });
}

void Registry::deregisterLibrary(Handle handle) noexcept {
  guard(reports(), "IPluginRegistry::deregisterLibrary", [&] {
    int32_t count = 0;
    using OldList = IPluginCreator* const* (*)(int32_t&);
    need(handle, "handle");
#if NV_TENSORRT_MAJOR >= 10
    using List = IPluginCreatorInterface* const* (*)(int32_t&);
    if (auto all = reinterpret_cast<List>(dlsym(handle, "getCreators"))) {
      IPluginCreatorInterface* const* creators = all(count);
      for (int32_t i = 0; i < count; ++i) deregisterCreator(*creators[i]);
    } else
#endif
        if (auto list = reinterpret_cast<OldList>(dlsym(handle, "getPluginCreators"))) {
      IPluginCreator* const* creators = list(count);
      for (int32_t i = 0; i < count; ++i) deregisterCreator(*creators[i]);
    }
    dlclose(handle);
  });
}
#endif

}  // namespace
}  // namespace tenon::nvinfer

extern "C" TENSORRTAPI nvinfer1::IPluginRegistry* getPluginRegistry() {
  static auto* registry = new tenon::nvinfer::Registry;  // outlives the registrars of every library
  return registry;
}

extern "C" TENSORRTAPI nvinfer1::ILogger* getLogger() { return tenon::nvinfer::first_logger(); }

#if NV_TENSORRT_MAJOR >= 8
extern "C" TENSORRTAPI nvinfer1::IPluginRegistry* getBuilderPluginRegistry(nvinfer1::EngineCapability capability) {
  return capability == nvinfer1::EngineCapability::kSTANDARD ? getPluginRegistry() : nullptr;
}
#endif
