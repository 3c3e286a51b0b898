// Arguments that a careless user passes, by parameter type, for the program that wrong_calls.py writes.
#pragma once
#include <cmath>
#include <cstdlib>
#include <limits>

#include "live_objects.h"

/// Which argument of a call is wrong, and how.
struct Slip {
  int parameter;
  int value;
  bool counts_memory;  ///< the parameter says how large memory is that the caller also gives
};

/// A world whose objects can be used on after a wrong call.
class Careless : public World {
 public:
  float spoiled[128] = {};

  bool has_network() const { return network_ != nullptr; }
  bool has_config() const { return config_ != nullptr; }
  bool has_engine() const { return engine_ != nullptr; }
  /// A network of another builder.
  INetworkDefinition& stranger() {
    builder();
    once(other_builder_, [&] { return createInferBuilder(logger); });
    return once(stranger_, [&] { return network_of(*other_builder_, true); });
  }
  INetworkDefinition& empty() {
    return once(empty_, [&] { return network_of(builder(), false); });
  }
  INetworkDefinition& whole() {
    return once(whole_, [&] { return small(); });
  }

  void build_and_run(INetworkDefinition& network) {
    if (!has_config()) {
      add_profile(network);
    }
#if NV_TENSORRT_MAJOR >= 8
    std::unique_ptr<IHostMemory> plan(builder().buildSerializedNetwork(network, config()));
    std::unique_ptr<ICudaEngine> built(plan ? runtime().deserializeCudaEngine(plan->data(), plan->size()) : nullptr);
#else
    std::unique_ptr<ICudaEngine> built(builder().buildEngineWithConfig(network, config()));
#endif
    if (built) {
      run(*built);
    }
  }

  void run(ICudaEngine& built) {
    std::unique_ptr<IExecutionContext> context(built.createExecutionContext());
    if (context) {
      run(built, *context);
    }
  }

 private:
  static constexpr size_t kMost = size_t{1} << 16;  ///< bytes of an input or output that is run with

  static INetworkDefinition* network_of(IBuilder& builder, bool with_input) {
#if NV_TENSORRT_MAJOR < 11
    INetworkDefinition* made =
        builder.createNetworkV2(1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH));
#else
    INetworkDefinition* made = builder.createNetworkV2(0U);
#endif
    if (with_input) {
      made->addInput("x", DataType::kFLOAT, Dims4(1, 4, 8, 8));
    }
    return made;
  }

  void add_profile(INetworkDefinition& network) {
    IOptimizationProfile* profile = builder().createOptimizationProfile();
    for (int32_t i = 0; i < network.getNbInputs(); ++i) {
      Dims dims = network.getInput(i)->getDimensions();
      bool open = false;
      for (int32_t d = 0; d < dims.nbDims; ++d) {
        open = open || dims.d[d] < 0;
        dims.d[d] = dims.d[d] < 0 ? 2 : dims.d[d];
      }
      for (int select = 0; open && select < 3; ++select) {
        profile->setDimensions(network.getInput(i)->getName(), static_cast<OptProfileSelector>(select), dims);
      }
    }
    config().addOptimizationProfile(profile);
  }

  static bool fits(Dims const& dims) {
    size_t bytes = 8;
    for (int32_t d = 0; d < dims.nbDims; ++d) {
      if (dims.d[d] > 0 && bytes > kMost / static_cast<size_t>(dims.d[d])) {
        return false;
      }
      bytes *= dims.d[d] > 0 ? static_cast<size_t>(dims.d[d]) : 1;
    }
    return true;
  }

  void run(ICudaEngine& built, IExecutionContext& context) {
    std::vector<std::vector<char>> memory;
    std::vector<void*> bindings;
#if NV_TENSORRT_MAJOR >= 8
    int32_t const count = built.getNbIOTensors();
#else
    int32_t const count = built.getNbBindings();
#endif
    for (int32_t i = 0; i < count; ++i) {
#if NV_TENSORRT_MAJOR >= 8
      char const* name = built.getIOTensorName(i);
      bool const is_input = built.getTensorIOMode(name) == TensorIOMode::kINPUT;
      Dims const dims =
          is_input ? built.getProfileShape(name, 0, OptProfileSelector::kMAX) : context.getTensorShape(name);
#else
      bool const is_input = built.bindingIsInput(i);
      Dims const dims =
          is_input ? built.getProfileDimensions(i, 0, OptProfileSelector::kMAX) : context.getBindingDimensions(i);
#endif
      if (!fits(dims)) {
        return;
      }
      memory.emplace_back(kMost, char(0));
      bindings.push_back(memory.back().data());
#if NV_TENSORRT_MAJOR >= 8
      if (is_input) {
        context.setInputShape(name, dims);
      }
      context.setTensorAddress(name, memory.back().data());
    }
    context.enqueueV3(nullptr);
#else
      if (is_input) {
        context.setBindingDimensions(i, dims);
      }
    }
    context.executeV2(bindings.data());
#endif
  }

  std::unique_ptr<IBuilder> other_builder_;
  std::unique_ptr<INetworkDefinition> stranger_, empty_, whole_;
};

/// `many` wrong values of a type, made by of(w, number). Those whose bits `must` has are never right: a call has to
/// answer no, or the log to tell.
template <class T, class = void>
struct Wrong {
  static constexpr int many = 0;
  static constexpr unsigned must = 0U;
  static T of(Careless& w, Slip const&) { return Value<T>::of(w); }
};

template <class T>
struct Wrong<T, std::enable_if_t<std::is_enum<T>::value>> {
  static constexpr int many = 3;
  static constexpr unsigned must = 7U;
  static T of(Careless&, Slip const& slip) {
    long long const values[] = {-1, 99, 64};
    return static_cast<T>(values[slip.value]);
  }
};

template <class T>
struct Wrong<T, std::enable_if_t<std::is_integral<T>::value && !std::is_same<T, bool>::value>> {
  static constexpr int many = 5;
  static constexpr unsigned must = 0U;
  static T of(Careless&, Slip const& slip) {
    using Limits = std::numeric_limits<T>;
    T const sizes[] = {0, 1, 7, 0, 1};
    T const values[] = {0, static_cast<T>(-1), Limits::min(), Limits::max(), static_cast<T>(1 << 20)};
    T const counts[] = {0, static_cast<T>(-1), Limits::min(), 0, static_cast<T>(-7)};
    return !slip.counts_memory ? values[slip.value] : Limits::is_signed ? counts[slip.value] : sizes[slip.value];
  }
};

template <class T>
struct Wrong<T, std::enable_if_t<std::is_floating_point<T>::value>> {
  static constexpr int many = 6;
  static constexpr unsigned must = 0U;
  static T of(Careless&, Slip const& slip) {
    using Limits = std::numeric_limits<T>;
    T const values[] = {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity(), -1, 0, Limits::max()};
    return values[slip.value];
  }
};

template <class T>
struct Wrong<T*> {
  static constexpr int many = 1;
  static constexpr unsigned must = 1U;
  static T* of(Careless&, Slip const&) { return nullptr; }
};

template <>
struct Wrong<char const*> {
  static constexpr int many = 5;
  static constexpr unsigned must = 1U;
  static char const* of(Careless&, Slip const& slip) {
    static std::string const endless(5000, 'n');
    char const* const values[] = {nullptr, "", endless.c_str(), "%s%n\n\"{}", "\xff\xfe no name"};
    return values[slip.value];
  }
};

template <>
struct Wrong<void* const*> {
  static constexpr int many = 2;
  static constexpr unsigned must = 1U;
  static void* const* of(Careless&, Slip const& slip) {
    static void* const none[4] = {};
    return slip.value == 0 ? nullptr : none;
  }
};
template <>
struct Wrong<void**> {
  static constexpr int many = 2;
  static constexpr unsigned must = 1U;
  static void** of(Careless& w, Slip const& slip) { return const_cast<void**>(Wrong<void* const*>::of(w, slip)); }
};

template <>
struct Wrong<ITensor* const*> {
  static constexpr int many = 2;
  static constexpr unsigned must = 3U;
  static ITensor* const* of(Careless&, Slip const& slip) {
    static ITensor* const none[4] = {};
    return slip.value == 0 ? nullptr : none;
  }
};

/// Null would need a value that is none; kept apart where a stream or event stands for "none".
template <>
struct Wrong<cudaStream_t> {
  static constexpr int many = 0;
  static constexpr unsigned must = 0U;
  static cudaStream_t of(Careless&, Slip const&) { return nullptr; }
};
template <>
struct Wrong<cudaEvent_t> {
  static constexpr int many = 0;
  static constexpr unsigned must = 0U;
  static cudaEvent_t of(Careless&, Slip const&) { return nullptr; }
};

template <>
struct Wrong<Weights> {
  static constexpr int many = 8;
  static constexpr unsigned must = 15U;
  static Weights of(Careless& w, Slip const& slip) {
    for (float& number : w.spoiled) {
      number = std::numeric_limits<float>::quiet_NaN();
    }
    int64_t const most = std::numeric_limits<int64_t>::max();
    Weights const values[] = {{DataType::kFLOAT, nullptr, 5},    {static_cast<DataType>(99), w.numbers, 4},
                              {DataType::kFLOAT, w.numbers, -1}, {DataType::kFLOAT, nullptr, most},
                              {DataType::kFLOAT, nullptr, 0},    {DataType::kINT8, w.numbers, 1},
                              {DataType::kFLOAT, w.spoiled, 72}, {DataType::kHALF, w.numbers, 3}};
    return values[slip.value];
  }
};

template <>
struct Wrong<Dims> {
  static constexpr int many = 9;
  static constexpr unsigned must = 1U | 2U | 256U;
  static Dims of(Careless&, Slip const& slip) {
    using Width = std::remove_reference_t<decltype(Dims{}.d[0])>;
    Width const most = std::numeric_limits<Width>::max();
    int32_t const ranks[] = {-1, Dims::MAX_DIMS + 1, 0, 5, 2, 2, 2, 8, std::numeric_limits<int32_t>::max()};
    Width const sizes[] = {1, 1, 1, -1, 0, -5, most, 32768, 1};
    Dims dims{};
    dims.nbDims = ranks[slip.value];
    for (int32_t i = 0; i < Dims::MAX_DIMS; ++i) {
      dims.d[i] = sizes[slip.value];
    }
    return dims;
  }
};
template <>
struct Wrong<DimsHW> {
  static constexpr int many = 5;
  static constexpr unsigned must = 16U;
  static DimsHW of(Careless&, Slip const& slip) {
    int32_t const most = std::numeric_limits<int32_t>::max();
    int32_t const sizes[] = {0, -1, most, 1 << 16, 2};
    DimsHW dims(sizes[slip.value], sizes[slip.value]);
    dims.nbDims = slip.value == 4 ? -1 : 2;
    return dims;
  }
};

template <>
struct Wrong<Permutation> {
  static constexpr int many = 3;
  static constexpr unsigned must = 7U;
  static Permutation of(Careless&, Slip const& slip) {
    Permutation const values[] = {{{0, 0, 0, 0, 0, 0, 0, 0}}, {{-1, 9, 2, 3, 4, 5, 6, 7}}, {{3, 99, 0, 2147483647}}};
    return values[slip.value];
  }
};

/// Tensors that do not fit: another network's, the newest layer's own result, other types and ranks.
inline ITensor& wrong_tensor(Careless& w, int number) {
  INetworkDefinition& network = w.network();
  int32_t const layers = network.getNbLayers();
  switch (number) {
    case 0:
      return *w.stranger().getInput(0);
    case 1: {
      ILayer* newest = layers > 0 ? network.getLayer(layers - 1) : nullptr;
      return newest && newest->getNbOutputs() > 0 ? *newest->getOutput(0) : w.yes();
    }
    case 2:
      return w.input("whole", DataType::kINT32, {7, 5, 3});
    case 3:
      return w.yes();
    case 4:
      return w.input("nothing", DataType::kFLOAT, {0, 4});
    case 5:
      return w.input("wide", DataType::kFLOAT, {1, 1, 1, 1, 1, 1, 1, 3});
    default:
      return w.input("open", DataType::kFLOAT, {-1, -1, -1, -1});
  }
}

template <class T>
struct Wrong<T&, std::enable_if_t<!std::is_pointer<T>::value>> {
  using Plain = std::remove_const_t<T>;
  static constexpr bool by_value = !std::is_polymorphic<Plain>::value && std::is_const<T>::value;
  static constexpr int count() {
    if constexpr (std::is_same<Plain, ITensor>::value) {
      return 7;
    } else if constexpr (std::is_same<Plain, INetworkDefinition>::value) {
      return 2;
    } else if constexpr (by_value) {
      return Wrong<Plain>::many;
    } else {
      return 0;
    }
  }
  static constexpr int many = count();
  static constexpr unsigned masks() {
    if constexpr (std::is_same<Plain, ITensor>::value) {
      return 1U;
    } else if constexpr (by_value) {
      return Wrong<Plain>::must;
    } else {
      return 0U;
    }
  }
  static constexpr unsigned must = masks();
  static T& of(Careless& w, Slip const& slip) {
    if constexpr (std::is_same<Plain, ITensor>::value) {
      return wrong_tensor(w, slip.value);
    } else if constexpr (std::is_same<Plain, INetworkDefinition>::value) {
      return slip.value == 0 ? w.stranger() : w.empty();
    } else if constexpr (by_value) {
      static Plain kept;
      return kept = Wrong<Plain>::of(w, slip);
    } else {
      return Value<T&>::of(w);
    }
  }
};

/// Argument `parameter` of a call: wrong if the slip is there.
template <class T>
T given(Careless& w, Slip const& slip, int parameter) {
  if (slip.parameter == parameter) {
    return Wrong<T>::of(w, slip);
  }
  return Value<T>::of(w);
}

/// The same where a call that is right otherwise has `right`.
template <class T>
T given(Careless& w, Slip const& slip, int parameter, T right) {
  return slip.parameter == parameter ? Wrong<T>::of(w, slip) : right;
}

/// Whether an answer says no.
template <class T>
bool says_no(T const& value) {
  if constexpr (std::is_same<T, bool>::value) {
    return !value;
  } else if constexpr (std::is_pointer<T>::value) {
    return value == nullptr;
  } else if constexpr (std::is_integral<T>::value) {
    return value == 0 || value == static_cast<T>(-1);
  } else if constexpr (std::is_base_of<Dims, T>::value) {
    return value.nbDims <= 0;
  } else if constexpr (std::is_same<T, Weights>::value) {
    return value.count == 0;
  } else {
    return false;
  }
}
