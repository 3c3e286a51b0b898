// Weights that can be set anew in a built engine. Such a plan keeps the graph that was optimised, with all weights; a
// refit puts the new ones in and optimises again, keeping the kernels where the result has the same nodes.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "builder/builder.h"
#include "nvinfer/engine.h"

namespace tenon::nvinfer {

/// One set of weights, under both of its names.
struct RefitEntry {
  std::string layer;
  WeightsRole role = WeightsRole::kCONSTANT;
  std::string name;   ///< the user's, else made of the layer's and the role
  std::string value;  ///< of the constant in the source graph
  ir::DType type = ir::DType::kUndefined;
  ir::Dims dims;
  bool stripped = false;  ///< the source graph has no data for it
  int64_t count() const;
};

/// Puts the source graph and what is needed to optimise it again into a plan.
void make_refittable(plan::Plan& plan, const ir::Graph& source, std::vector<RefitEntry> entries,
                     const builder::BuildOptions& options);
std::vector<RefitEntry> refit_entries(const plan::Plan& plan);
/// The plan without the data of its refittable weights. It cannot run before it is refitted.
plan::Plan stripped(const plan::Plan& plan);
bool is_stripped(const plan::Plan& plan);
/// What 8-bit values stand for, by the name of the tensor that is rounded: ranges that may be set anew.
std::map<std::string, float> refit_scales(const plan::Plan& plan);

/// What a refit changes.
struct RefitChanges {
  std::map<std::string, ir::Tensor> weights;  ///< by the values of the entries; they own their bytes
  std::map<std::string, float> scales;        ///< as refit_scales()
};
/// A plan with these changes. Throws kInvalidArgument naming weights that neither the plan nor `changes` has.
plan::Plan refitted(const plan::Plan& plan, const RefitChanges& changes, const Backend& backend, int threads);

class Refitter final : public RefitterState {
 public:
  Refitter(CudaEngine& engine, ILogger* logger);
  IRefitter* getPImpl() noexcept { return this; }
  void setErrorRecorder(IErrorRecorder* recorder) noexcept { reports_.set_recorder(recorder); }
  IErrorRecorder* getErrorRecorder() const noexcept { return reports_.recorder(); }
  ILogger* getLogger() const noexcept { return reports_.logger(); }
  const Lifetime& lifetime() const { return lifetime_; }

  bool setWeights(const char* layer, WeightsRole role, Weights weights) noexcept;
  bool refitCudaEngine() noexcept;
  bool refitCudaEngineAsync(cudaStream_t stream) noexcept;
  int32_t getMissing(int32_t size, const char** layers, WeightsRole* roles) noexcept;
  int32_t getAll(int32_t size, const char** layers, WeightsRole* roles) noexcept;
  bool setNamedWeights(const char* name, Weights weights) noexcept;
  bool setNamedWeightsWithLocation(const char* name, Weights weights, TensorLocation location) noexcept;
  int32_t getMissingWeights(int32_t size, const char** names) noexcept;
  int32_t getAllWeights(int32_t size, const char** names) noexcept;
  Weights getNamedWeights(const char* name) const noexcept;
  Weights getWeightsPrototype(const char* name) const noexcept;
  TensorLocation getWeightsLocation(const char* name) const noexcept;
  bool unsetNamedWeights(const char* name) noexcept;
  /// Nothing is kept between two refits but what the engine itself holds.
  bool releaseRefitResources() noexcept { return true; }
  // INT8 ranges, up to level 10: of tensors that were given one, by hand or by a calibrator.
  bool setDynamicRange(const char* tensor, float min, float max) noexcept;
  float getDynamicRangeMin(const char* tensor) const noexcept;
  float getDynamicRangeMax(const char* tensor) const noexcept;
  int32_t getTensorsWithDynamicRange(int32_t size, const char** names) const noexcept;

 private:
  struct Slot {
    RefitEntry entry;
    std::optional<Weights> given;
    TensorLocation location = TensorLocation::kHOST;  ///< of what is given
    bool missing() const { return entry.stripped && !given; }
  };
  Slot& named(const char* name);
  const Slot& named(const char* name) const { return const_cast<Refitter*>(this)->named(name); }
  void give(Slot& slot, const Weights& weights, TensorLocation location = TensorLocation::kHOST) const;
  ir::Tensor copy_of(const Slot& slot) const;
  /// What was set, else what the engine has. Throws kInvalidArgument if the tensor has no range.
  float scale(const char* tensor) const;
  int threads() const;  ///< 0: as many as there are processors
  template <class Wanted, class Write>
  int32_t list(const char* where, Wanted wanted, int32_t size, Write write) const noexcept;

  Ref<CudaEngine> engine_;
  Lifetime lifetime_;
  Reports reports_;
  std::vector<Slot> slots_;
  std::map<std::string, float> scales_;  ///< as the engine has them
  std::map<std::string, float> given_scales_;
};

/// For other libraries, which do not have the class's type information that UBSan would look at.
[[gnu::no_sanitize("vptr")]] inline std::shared_ptr<const std::atomic<bool>> watch(IRefitter& refitter) {
  return static_cast<Refitter&>(refitter).lifetime().watch();
}

}  // namespace tenon::nvinfer
