#include "nvinfer/registry.h"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <vector>

#include "nvinfer/guard.h"
#include "nvinfer/level.h"
#if NV_TENSORRT_MAJOR >= 10
#include <impl/NvInferPythonPlugin.h>
#endif

namespace tenon::nvinfer {
using namespace nvinfer1;  // NOLINT: signatures as in the description
namespace {

struct Entry {
  std::string key;  ///< namespace, name and version
  IPluginCreator* creator = nullptr;
#if NV_TENSORRT_MAJOR >= 10
  IPluginCreatorInterface* any = nullptr;
  const void* object() const { return any; }
#else
  const void* object() const { return creator; }
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
    return listed(lists_, &Entry::creator, count);
  }
  IPluginCreator* getPluginCreator(const char* name, const char* version, const char* space) noexcept {
    return find(key_of(space, name, version)).creator;
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
      if (kind == "PLUGIN CREATOR_V3QUICK") return add_v3(static_cast<IPluginCreatorV3Quick&>(creator), space);
      require(kind == "PLUGIN CREATOR_V3ONE", ErrorCode::kUnsupported, "plugin creators of kind '", kind,
              "' are not known");
      return add_v3(static_cast<IPluginCreatorV3One&>(creator), space);
    });
  }
  template <class Creator>
  bool add_v3(Creator& creator, const char* space) {
    need(creator.getPluginName(), "getPluginName()"), need(creator.getPluginVersion(), "getPluginVersion()");
    const char* own_space = creator.getPluginNamespace();
    const char* used = own_space && *own_space ? own_space : space;
    return add(Entry{key_of(used, creator.getPluginName(), creator.getPluginVersion()), nullptr, &creator});
  }
  bool deregisterCreator(const IPluginCreatorInterface& creator) noexcept {
    return remove([&](const Entry& e) { return e.any == &creator; });
  }
  IPluginCreatorInterface* const* getAllCreators(int32_t* count) const noexcept {
    return listed(all_, &Entry::any, count);
  }
  IPluginCreatorInterface* const* getAllCreatorsRecursive(int32_t* count) noexcept { return getAllCreators(count); }
  IPluginCreatorInterface* getCreator(const char* name, const char* version, const char* space) noexcept {
    return find(key_of(space, name, version)).any;
  }
  IPluginResource* acquirePluginResource(const char* key, IPluginResource* resource) noexcept {
    return guard(reports(), "IPluginRegistry::acquirePluginResource", [&]() -> IPluginResource* {
      std::lock_guard lock(mutex_);
      auto it = resources_.find(need(key, "key"));
      if (it == resources_.end()) {
        IPluginResource* own = need(need(resource, "resource")->clone(), "resource.clone()");
        it = resources_.emplace(key, std::pair(own, 0)).first;
      }
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
#if NV_TENSORRT_MAJOR >= 8
  /// Creators that are objects of a library.
  bool any_inside(void* library) const;
  void drop_inside(void* library);
#endif
  /// The registry has no logger of its own.
  Reports reports() const {
    Reports made(first_logger());
    made.set_recorder(reports_.recorder());
    return made;
  }
  bool add(Entry entry) {
    {
      std::lock_guard lock(mutex_);
      const bool known =
          std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.key == entry.key; });
      if (!known) return entries_.push_back(std::move(entry)), true;
    }
    reports().log(ILogger::Severity::kWARNING,
                  cat("IPluginRegistry::registerCreator: '", entry.key, "' is registered already"));
    return false;
  }
  template <class Match>
  bool remove(Match match) {
    std::lock_guard lock(mutex_);
    auto it = std::find_if(entries_.begin(), entries_.end(), match);
    if (it == entries_.end()) return false;
    entries_.erase(it);
    return true;
  }
  /// A copy: another thread may register meanwhile.
  Entry find(const std::string& key) const {
    std::lock_guard lock(mutex_);
    for (const Entry& e : entries_) {
      if (e.key == key) return e;
    }
    return {};
  }
  /// The creators there are. A list that was given out stays as it is.
  template <class Creator>
  Creator* const* listed(std::deque<std::vector<Creator*>>& lists, Creator* Entry::*of, int32_t* count) const {
    std::lock_guard lock(mutex_);
    std::vector<Creator*> now;
    for (const Entry& e : entries_)
      if (e.*of) now.push_back(e.*of);
    if (lists.empty() || lists.back() != now) lists.push_back(std::move(now));
    if (count) *count = static_cast<int32_t>(lists.back().size());
    return lists.back().data();
  }

  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
  mutable std::deque<std::vector<IPluginCreator*>> lists_;
  Reports reports_;
  bool parent_search_ = true;
#if NV_TENSORRT_MAJOR >= 8
  std::vector<void*> libraries_;  ///< once for each time that one was loaded
#endif
#if NV_TENSORRT_MAJOR >= 10
  mutable std::deque<std::vector<IPluginCreatorInterface*>> all_;
  std::map<std::string, std::pair<IPluginResource*, int32_t>> resources_;
#endif
};

#if NV_TENSORRT_MAJOR >= 8
class LoggerFinder final : public ILoggerFinder {
 public:
  ILogger* findLogger() override { return first_logger(); }
};

/// Tells a plugin library where loggers are, or that there are none any more.
void set_finder(void* library, bool there) {
  static LoggerFinder finder;
  if (auto set = reinterpret_cast<void (*)(ILoggerFinder*)>(dlsym(library, "setLoggerFinder")))
    set(there ? &finder : nullptr);
}

/// Gives `take` the creators of a plugin library; false if it has no list of them.
template <class Take>
bool each_creator(void* library, Take take) {
  int32_t count = 0;
#if NV_TENSORRT_MAJOR >= 10
  using List = IPluginCreatorInterface* const* (*)(int32_t&);
  if (auto all = reinterpret_cast<List>(dlsym(library, "getCreators"))) {
    IPluginCreatorInterface* const* creators = all(count);
    for (int32_t i = 0; creators && i < count; ++i)
      if (creators[i]) take(*creators[i]);
    return true;
  }
#endif
  using OldList = IPluginCreator* const* (*)(int32_t&);
  auto list = reinterpret_cast<OldList>(dlsym(library, "getPluginCreators"));
  if (!list) return false;
  IPluginCreator* const* creators = list(count);
  for (int32_t i = 0; creators && i < count; ++i)
    if (creators[i]) take(*creators[i]);
  return true;
}

/// Whether an object lies in a loaded library.
bool lies_in(const void* object, void* library) {
  Dl_info info;
  link_map* map = nullptr;
  return object && dladdr(object, &info) != 0 && dlinfo(library, RTLD_DI_LINKMAP, &map) == 0 &&
         info.dli_fbase == reinterpret_cast<void*>(map->l_addr);
}

bool Registry::any_inside(void* library) const {
  std::lock_guard lock(mutex_);
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) { return lies_in(e.object(), library); });
}

void Registry::drop_inside(void* library) {
  std::lock_guard lock(mutex_);
  std::erase_if(entries_, [&](const Entry& e) { return lies_in(e.object(), library); });
}

Registry::Handle Registry::loadLibrary(const char* path) noexcept {
  return guard(reports(), "IPluginRegistry::loadLibrary", [&]() -> Handle {
    std::unique_ptr<void, int (*)(void*)> library(dlopen(need(path, "pluginPath"), RTLD_NOW | RTLD_LOCAL), dlclose);
    require(library != nullptr, ErrorCode::kIo, "cannot load '", path, "': ", dlerror());
    set_finder(library.get(), true);
    const bool listed = each_creator(library.get(), [&](auto& creator) {
      if constexpr (std::is_same_v<decltype(creator), IPluginCreator&>)
        registerCreator(creator, creator.getPluginNamespace());
      else
        registerCreator(creator, "");
    });
    // Creators that registered themselves when the library was loaded are as good as a list of them.
    require(listed || any_inside(library.get()), ErrorCode::kInvalidArgument, "'", path,
            "' has neither getCreators nor getPluginCreators, and registers no creator itself");
    std::lock_guard lock(mutex_);
    libraries_.push_back(library.get());
    return library.release();
  });
}

void Registry::deregisterLibrary(Handle handle) noexcept {
  guard(reports(), "IPluginRegistry::deregisterLibrary", [&] {
    bool last = false;
    {
      std::lock_guard lock(mutex_);
      const auto known = std::find(libraries_.begin(), libraries_.end(), need(handle, "handle"));
      require(known != libraries_.end(), ErrorCode::kInvalidArgument,
              "the handle is not of loadLibrary, or its library has gone");
      libraries_.erase(known);
      last = std::find(libraries_.begin(), libraries_.end(), handle) == libraries_.end();
    }
    if (!each_creator(handle, [&](auto& creator) { deregisterCreator(creator); }) && last) drop_inside(handle);
    set_finder(handle, false);
    dlclose(handle);
  });
}
#endif

}  // namespace
}  // namespace tenon::nvinfer

extern "C" TENSORRTAPI nvinfer1::IPluginRegistry* getPluginRegistry() TRT_ENTRY_NOEXCEPT {
  static auto* registry = new tenon::nvinfer::Registry;  // outlives the registrars of every library
  return registry;
}

extern "C" TENSORRTAPI nvinfer1::ILogger* getLogger() TRT_ENTRY_NOEXCEPT { return tenon::nvinfer::first_logger(); }

#if NV_TENSORRT_MAJOR >= 8
namespace nvinfer1 {
extern "C" TENSORRTAPI IPluginRegistry* getBuilderPluginRegistry(EngineCapability capability) noexcept {
  return capability == EngineCapability::kSTANDARD ? getPluginRegistry() : nullptr;
}
}  // namespace nvinfer1
#endif
