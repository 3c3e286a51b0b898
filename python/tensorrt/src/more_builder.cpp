// Builder, its configuration, profiles and the timing cache.
#include "buffer.h"
#include "more.h"

namespace tenon::py {
namespace {

using namespace nvinfer1;

INetworkDefinition* create_network(IBuilder& builder, uint64_t flags) {
  const uint32_t mask = mask_to_cpp(EnumIndex<NetworkDefinitionCreationFlag>::value, flags);
  return made(builder.createNetworkV2(mask), "Builder.create_network");
}

std::vector<nb::object> profile_shapes(const IOptimizationProfile& profile, const char* input) {
  std::vector<nb::object> shapes;
  for (const OptProfileSelector s : {OptProfileSelector::kMIN, OptProfileSelector::kOPT, OptProfileSelector::kMAX}) {
    shapes.push_back(dims_object(profile.getDimensions(input, s)));
  }
  return shapes;
}

bool set_shape(IOptimizationProfile& profile, const char* input, const Dims& min, const Dims& opt, const Dims& max) {
  return profile.setDimensions(input, OptProfileSelector::kMIN, min) &&
         profile.setDimensions(input, OptProfileSelector::kOPT, opt) &&
         profile.setDimensions(input, OptProfileSelector::kMAX, max);
}

bool set_values(IOptimizationProfile& profile, const char* input, const std::vector<int64_t>& min,
                const std::vector<int64_t>& opt, const std::vector<int64_t>& max) {
  const auto set = [&](OptProfileSelector select, const std::vector<int64_t>& values) {
    return profile.setShapeValuesV2(input, select, values.data(), static_cast<int32_t>(values.size()));
  };
  return set(OptProfileSelector::kMIN, min) && set(OptProfileSelector::kOPT, opt) && set(OptProfileSelector::kMAX, max);
}

std::vector<std::vector<int64_t>> profile_values(const IOptimizationProfile& profile, const char* input) {
  std::vector<std::vector<int64_t>> all;
  const auto count = static_cast<size_t>(std::max(profile.getNbShapeValues(input), 0));
  for (const OptProfileSelector s : {OptProfileSelector::kMIN, OptProfileSelector::kOPT, OptProfileSelector::kMAX}) {
    const int64_t* values = profile.getShapeValuesV2(input, s);
    if (values != nullptr) all.emplace_back(values, values + count);
  }
  return all;
}

std::vector<std::string> plugins_to_serialize(const IBuilderConfig& config) {
  std::vector<std::string> paths;
  for (int32_t i = 0; i < config.getNbPluginsToSerialize(); ++i) paths.emplace_back(config.getPluginToSerialize(i));
  return paths;
}

void set_plugins_to_serialize(IBuilderConfig& config, const std::vector<std::string>& paths) {
  std::vector<const char*> pointers;
  for (const std::string& path : paths) pointers.push_back(path.c_str());
  config.setPluginsToSerialize(pointers.data(), static_cast<int32_t>(pointers.size()));
}

void add_devices(nb::class_<IBuilder>& c) {
  c.def(
      "set_device_type", [](IBuilder& self, ILayer& layer, DeviceType type) { self.setDeviceType(&layer, type); },
      nb::arg("layer"), nb::arg("device_type"), "Where a layer runs: GPU or DLA; until release 7.");
  c.def(
      "get_device_type", [](IBuilder& self, ILayer& layer) { return self.getDeviceType(&layer); }, nb::arg("layer"),
      "Where a layer runs; until release 7.");
  c.def(
      "is_device_type_set", [](IBuilder& self, ILayer& layer) { return self.isDeviceTypeSet(&layer); },
      nb::arg("layer"), "Whether a layer's device was set; until release 7.");
  c.def(
      "reset_device_type", [](IBuilder& self, ILayer& layer) { self.resetDeviceType(&layer); }, nb::arg("layer"),
      "Leaves a layer's device to the default again; until release 7.");
  c.def(
      "can_run_on_DLA", [](IBuilder& self, ILayer& layer) { return self.canRunOnDLA(&layer); }, nb::arg("layer"),
      "Whether a layer could run on DLA, of which there is none: False.");
}

}  // namespace

void more(nb::class_<IBuilder>& c) {
  c.def(nb::new_([](ILogger& logger) {
          IBuilder* builder = made(createInferBuilder(logger), "Builder");
          keep_first_logger();
          return builder;
        }),
        nb::arg("logger"), nb::keep_alive<0, 2>());
  c.def("create_network", &create_network, nb::arg("flags") = 0, nb::rv_policy::take_ownership, nb::keep_alive<0, 1>(),
        "An empty network. `flags` is a mask, 1 << int(NetworkDefinitionCreationFlag.X); without EXPLICIT_BATCH, "
        "releases until 9 leave the batch out of the tensors' dimensions.");
  const auto build = [](IBuilder& self, INetworkDefinition& network, IBuilderConfig& config) {
    return made(unlocked([&] { return self.buildSerializedNetwork(network, config); }),
                "Builder.build_serialized_network");
  };
  c.def("build_serialized_network", build, nb::arg("network"), nb::arg("config"), nb::rv_policy::take_ownership,
        "The plan of a network, an IHostMemory; None if building fails. The interpreter's lock is released meanwhile.");
  const auto build_engine = [](IBuilder& self, INetworkDefinition& network, IBuilderConfig& config) {
    return made(unlocked([&] { return self.buildEngineWithConfig(network, config); }), "Builder.build_engine");
  };
  c.def("build_engine", build_engine, nb::arg("network"), nb::arg("config"), nb::rv_policy::take_ownership,
        nb::keep_alive<0, 1>(), "Builds an engine; it needs no deserialization. None if it fails.");
  c.def(
      "reset", [](IBuilder& self) { self.reset(); }, "Sets everything to its default.");
  c.def(
      "reset", [](IBuilder& self, INetworkDefinition& network) { self.reset(network); }, nb::arg("network"),
      "Sets everything to its default.");
  c.def_prop_rw(
      "gpu_allocator", [](IBuilder&) { return nb::none(); },
      [](IBuilder& self, IGpuAllocator* allocator) { self.setGpuAllocator(allocator); },
      nb::for_setter(nb::arg().none()), nb::for_setter(nb::keep_alive<1, 2>()),
      "An IGpuAllocator for device memory; None for the default. Reading gives None.");
  c.def(
      "get_plugin_registry", [](IBuilder& self) { return &self.getPluginRegistry(); }, nb::rv_policy::reference,
      "The registry of this builder's plugins.");
  c.def_prop_rw(
      "int8_calibrator", [](IBuilder&) { return nb::none(); },
      [](IBuilder& self, IInt8Calibrator* calibrator) { self.setInt8Calibrator(calibrator); },
      nb::for_setter(nb::arg().none()), nb::for_setter(nb::keep_alive<1, 2>()),
      "What INT8 scales are measured with; until release 7. Reading gives None.");
  add_devices(c);
}

void more(nb::class_<IBuilderConfig>& c) {
  c.def(
      "set_memory_pool_limit",
      [](IBuilderConfig& self, MemoryPoolType pool, size_t size) { self.setMemoryPoolLimit(pool, size); },
      nb::arg("pool"), nb::arg("pool_size"), "Limits a kind of memory, in bytes.");
  c.def(
      "get_memory_pool_limit", [](IBuilderConfig& self, MemoryPoolType pool) { return self.getMemoryPoolLimit(pool); },
      nb::arg("pool"), "The limit of a kind of memory, in bytes.");
  c.def_prop_rw("plugins_to_serialize", &plugins_to_serialize, &set_plugins_to_serialize,
                "Paths of plugin libraries that plans bring along.");
  c.def(
      "create_timing_cache",
      [](IBuilderConfig& self, Buffer data) {
        return made(self.createTimingCache(data.data(), data.size()), "IBuilderConfig.create_timing_cache");
      },
      nb::arg("serialized_timing_cache"), nb::rv_policy::take_ownership, nb::keep_alive<0, 1>(),
      "A timing cache of serialized data; empty data make an empty one. None if the data are damaged.");
  c.def(
      "set_timing_cache",
      [](IBuilderConfig& self, ITimingCache& cache, bool ignore) {
        return done(self.setTimingCache(cache, ignore), "IBuilderConfig.set_timing_cache");
      },
      nb::arg("cache"), nb::arg("ignore_mismatch"), nb::keep_alive<1, 2>(),
      "Lets builds use a cache. False if it was made on another device and `ignore_mismatch` is false.");
  c.def(
      "get_timing_cache", [](IBuilderConfig& self) { return self.getTimingCache(); }, nb::rv_policy::reference_internal,
      "The cache that builds use, or None.");
  c.def(
      "add_optimization_profile",
      [](IBuilderConfig& self, IOptimizationProfile& profile) {
        const int32_t index = self.addOptimizationProfile(&profile);
        done(index >= 0, "IBuilderConfig.add_optimization_profile");
        return index;
      },
      nb::arg("profile"), "Adds a profile and returns its index; -1 if its ranges are not in order.");
  c.def(
      "set_calibration_profile",
      [](IBuilderConfig& self, IOptimizationProfile& profile) {
        return done(self.setCalibrationProfile(&profile), "IBuilderConfig.set_calibration_profile");
      },
      nb::arg("profile"), "The profile that calibration runs at.");
  constexpr int kSource = EnumIndex<TacticSource>::value;
  c.def(
      "set_tactic_sources",
      [](IBuilderConfig& self, uint64_t sources) {
        return done(self.setTacticSources(mask_to_cpp(kSource, sources)), "IBuilderConfig.set_tactic_sources");
      },
      nb::arg("tactic_sources"),
      "Where kernels may come from, a mask of 1 << int(TacticSource.X). False for an unknown source.");
  c.def(
      "get_tactic_sources", [](IBuilderConfig& self) { return mask_to_python(kSource, self.getTacticSources()); },
      "Where kernels may come from, a mask of 1 << int(TacticSource.X).");
}

void more(nb::class_<IOptimizationProfile>& c) {
  c.def(
      "set_shape",
      [](IOptimizationProfile& self, const char* input, const Dims& min, const Dims& opt, const Dims& max) {
        if (!set_shape(self, input, min, opt, max)) {
          nb::raise("the shapes of input '%s' are refused: minimum, optimum and maximum have one rank and are ordered",
                    input);
        }
      },
      nb::arg("input"), nb::arg("min"), nb::arg("opt"), nb::arg("max"),
      "Sets smallest, best and largest dimensions of an input.");
  c.def("get_shape", &profile_shapes, nb::arg("input"), "Smallest, best and largest dimensions of an input.");
  c.def(
      "set_shape_input",
      [](IOptimizationProfile& self, const char* input, const std::vector<int64_t>& min,
         const std::vector<int64_t>& opt, const std::vector<int64_t>& max) {
        if (!set_values(self, input, min, opt, max)) nb::raise("the values of shape input '%s' are refused", input);
      },
      nb::arg("input"), nb::arg("min"), nb::arg("opt"), nb::arg("max"),
      "Sets smallest, best and largest values of an input that decides shapes.");
  c.def("get_shape_input", &profile_values, nb::arg("input"),
        "Smallest, best and largest values of an input that decides shapes; empty if none were set.");
  c.def_prop_rw(
      "extra_memory_target", [](IOptimizationProfile& self) { return self.getExtraMemoryTarget(); },
      [](IOptimizationProfile& self, float target) { self.setExtraMemoryTarget(target); },
      "0 to 1: how much memory kernels that fit other shapes too may take.");
  c.def("__bool__", [](IOptimizationProfile& self) { return self.isValid(); });
  c.def("__nonzero__", [](IOptimizationProfile& self) { return self.isValid(); });
}

void more(nb::class_<ITimingCache>& c) {
  c.def(
      "serialize", [](ITimingCache& self) { return made(self.serialize(), "ITimingCache.serialize"); },
      nb::rv_policy::take_ownership, "The cache as an IHostMemory.");
  c.def(
      "combine",
      [](ITimingCache& self, ITimingCache& other, bool ignore) {
        return done(self.combine(other, ignore), "ITimingCache.combine");
      },
      nb::arg("input_cache"), nb::arg("ignore_mismatch"),
      "Takes over another cache's entries. False if it was made on another device and `ignore_mismatch` is false.");
  c.def(
      "reset", [](ITimingCache& self) { return self.reset(); }, "Drops every entry. False if it fails.");
  c.def(
      "queryKeys",
      [](ITimingCache& self) {
        std::vector<TimingCacheKey> keys(static_cast<size_t>(std::max<int64_t>(self.queryKeys(nullptr, 0), 0)));
        self.queryKeys(keys.data(), static_cast<int64_t>(keys.size()));
        return keys;
      },
      "The TimingCacheKeys that the cache has entries for.");
  c.def(
      "query", [](ITimingCache& self, const TimingCacheKey& key) { return self.query(key); }, nb::arg("key"),
      "The TimingCacheValue of a key.");
  c.def(
      "update",
      [](ITimingCache& self, const TimingCacheKey& key, const TimingCacheValue& value) {
        return self.update(key, value);
      },
      nb::arg("key"), nb::arg("value"), "Sets the entry of a key. False if the cache refuses it.");
}

void more(nb::class_<IAlgorithmContext>& c) {
  c.def(
      "get_shape",
      [](IAlgorithmContext& self, int32_t index) {
        std::vector<nb::object> shapes;
        for (const OptProfileSelector s :
             {OptProfileSelector::kMIN, OptProfileSelector::kOPT, OptProfileSelector::kMAX}) {
          shapes.push_back(dims_object(self.getDimensions(index, s)));
        }
        return shapes;
      },
      nb::arg("index"), "Smallest, best and largest dimensions of an input or output, inputs first.");
}

}  // namespace tenon::py
