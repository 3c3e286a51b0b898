// A loaded plan and the contexts that run it.
//
// An Engine is immutable and shared between threads. A Context belongs to one thread at a time; contexts are
// independent of each other. Preparing happens when shapes change; running at a prepared shape takes no lock and
// allocates nothing, data-dependent outputs excepted.
#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "plan/plan.h"
#include "runtime/failures.h"
#include "runtime/program.h"

namespace tenon {
class Device;
class DeviceWeights;
class Recording;
class ThreadPool;
}  // namespace tenon

namespace tenon::runtime {

/// Memory of `bytes`, given back by its deleter.
using MemoryAllocator = std::function<std::shared_ptr<void>(size_t bytes)>;

struct EngineOptions {
  const Backend* backend = nullptr;    ///< null: the CPU
  int threads = 0;                     ///< 0: TENON_THREADS, else one a processor
  MemoryAllocator weight_memory = {};  ///< of a device, for weights; thread-safe; empty: the device's own
};

/// One input or output of the engine. Symbolic dims are -1 in `dims`, their text is in `dim_names`.
struct IoInfo {
  std::string name;
  bool is_input = false;
  ir::DType dtype = ir::DType::kUndefined;
  ir::Dims dims;
  std::vector<std::string> dim_names;
};

class Context;
class StepDevice;
struct Held;
struct Rest;

class Engine : public std::enable_shared_from_this<Engine> {
 public:
  static std::shared_ptr<Engine> create(plan::Plan plan, const EngineOptions& options = {});
  ~Engine();

  const plan::Plan& plan() const { return plan_; }
  const Backend& backend() const { return *backend_; }
  /// Inputs in the graph's order, then outputs.
  const std::vector<IoInfo>& io() const { return io_; }
  size_t input_count() const { return plan_.graph.inputs.size(); }
  size_t output_count() const { return plan_.graph.outputs.size(); }
  std::optional<size_t> find_io(std::string_view name) const;
  int threads() const;
  /// Bytes of device memory that weights take now, in every form that kernels read; 0 on the host.
  int64_t weight_bytes() const;
  /// The most streams that a profile's runs use on a device beside the one they are put on.
  int auxiliary_streams(int profile) const;
  ThreadPool& pool() const { return *pool_; }

  std::unique_ptr<Context> create_context(int profile = 0);
  /// The program for these sizes: prepared once, kept for the last few shapes. Where weights are streamed each context
  /// has programs of its own; without `owner` it is not kept. Thread-safe.
  std::shared_ptr<const Program> program(int profile, const std::vector<ir::Dims>& input_dims,
                                         const std::map<ir::ValueId, ir::Tensor>& values = {},
                                         const Context* owner = nullptr);
  /// Inputs whose elements decide shapes; their values are read when a context prepares.
  const std::vector<size_t>& shape_inputs() const { return shape_inputs_; }
  /// Inputs of few integers, those among them. Their memory may be the host's or the device's.
  const std::vector<size_t>& small_inputs() const { return small_inputs_; }
  WeightCache& weights() const;
  /// Takes a plan of the same inputs, outputs and profiles, e.g. with other weights. Contexts prepare again at their
  /// next run; none may be preparing or running now.
  void replace_plan(plan::Plan plan);
  /// Bytes of weights that may lie on the device between runs, of streamable_bytes(); what is beyond stays in the
  /// host's memory and is copied there ahead of each use. Without effect on the host. No context may exist.
  void set_weight_budget(int64_t bytes);
  int64_t streamable_bytes() const;
  /// Of device memory that each context has for weights on their way; 0 if all of them stay.
  int64_t streaming_scratch_bytes() const;
  bool streams() const { return streamed_ != nullptr; }
  uint64_t generation() const { return generation_; }  ///< grows with every replace_plan

  /// Where shapes depend on data, the part of the graph whose shapes do not.
  struct KnownPart {
    std::shared_ptr<Engine> engine;   ///< has the same inputs; its outputs are `values`
    std::vector<ir::ValueId> values;  ///< what the rest reads
  };
  /// The known part of this engine's graph, which has the same value ids as `concrete`; null if there is none.
  /// Thread-safe.
  std::shared_ptr<const KnownPart> known_part(const ConcreteGraph& concrete);

 private:
  friend class Context;
  Engine(plan::Plan plan, const EngineOptions& options);
  void reset_weights();
  void forget(const Context* owner);  ///< drops its programs
  void find_shape_inputs();
  plan::Plan plan_;
  const Backend* backend_;
  std::unique_ptr<ThreadPool> own_pool_;
  ThreadPool* pool_;
  std::vector<IoInfo> io_;
  std::vector<size_t> shape_inputs_, small_inputs_;
  std::shared_ptr<std::atomic<int64_t>> weight_bytes_ = std::make_shared<std::atomic<int64_t>>(0);
  std::unique_ptr<DeviceWeights> weights_;
  std::unique_ptr<StreamedWeights> streamed_;  ///< null: all weights stay where they are
  int64_t weight_budget_ = -1;                 ///< -1: none is set
  std::mutex mutex_;
  struct Cached {
    int profile;
    std::vector<ir::Dims> dims;
    std::map<ir::ValueId, ir::Tensor> values;
    std::shared_ptr<const Program> program;
    uint64_t used;
    const Context* owner = nullptr;
  };
  std::vector<Cached> cache_;
  MemoryAllocator weight_memory_;
  bool split_ = false;  // known_part_ has been looked for
  std::shared_ptr<const KnownPart> known_part_;
  uint64_t clock_ = 0, generation_ = 0;
};

/// Called after each layer that ran: its name, kernel and time in milliseconds.
using LayerProfiler = std::function<void(const std::string& name, const std::string& kernel, double ms)>;
/// Called for an output whose address is not set, once its dims are known; returns memory for it.
using OutputAllocator = std::function<void*(const ir::Dims& dims, int64_t bytes)>;

class Context {
 public:
  ~Context();
  const Engine& engine() const { return *engine_; }
  int profile() const { return profile_; }
  void set_profile(int profile);

  /// Throws kShapeMismatch naming the input and the accepted range if `dims` lie outside the profile.
  void set_input_dims(size_t input, const ir::Dims& dims);
  const std::optional<ir::Dims>& input_dims(size_t input) const { return dims_.at(input); }
  bool all_dims_set() const;
  /// Prepares for the current dims (see Engine::program). Throws where inputs are missing or shapes disagree.
  const Program& prepare();
  /// Dims of an output at the current input dims; a dimension known only while running is -1.
  ir::Dims output_dims(size_t output);

  /// Index as in Engine::io(). The memory must hold the tensor's bytes for the dims in force. Throws kInvalidArgument
  /// for memory that the device, or without one the host, cannot reach; small inputs may lie in either.
  void set_address(size_t io, void* address);
  void* address(size_t io) const { return addresses_.at(io); }
  void set_output_allocator(size_t output, OutputAllocator allocator) { allocators_.at(output) = std::move(allocator); }
  /// Streams to use as auxiliary ones from the next run on; further ones are the context's own.
  void set_auxiliary_streams(std::vector<void*> streams) { given_lanes_ = std::move(streams); }
  void set_profiler(LayerProfiler profiler) { profiler_ = std::move(profiler); }
  /// Runs, on a device by `stream` or, where that is null, by its own, and returns when the outputs are written. Throws
  /// kInvalidArgument naming an input or output without memory.
  void run(void* stream = nullptr);
  /// Puts a run on a stream of the device and returns; on the host the run is then over. Shapes and addresses seen
  /// before are replayed as one recording, unless the caller records the stream or a profiler is set. An operator that
  /// works on the host for the device may fail after that: its outputs are then NaN or -1, the listener is told, and
  /// the next enqueue() or run() throws the failure instead of running; the one after that runs.
  void enqueue(void* stream);
  void set_failure_listener(FailureListener listener) { failures_->set_listener(std::move(listener)); }
  /// Convenience: sets dims and addresses, runs, and returns new tensors. String tensors are allowed here only.
  std::vector<ir::Tensor> run(const std::vector<ir::Tensor>& inputs);
  /// Activations and workspace live in the caller's memory from now on; null: none is given, and a run that needs some
  /// throws kInvalidArgument, as it does where `bytes` do not suffice. It begins at a multiple of buffer_alignment().
  void use_memory(void* memory, int64_t bytes);
  /// Where the context's own memory comes from; empty: the heap or the device. Ends use_memory.
  void set_memory_allocator(MemoryAllocator allocator);
  /// Bytes this context holds for activations and workspace.
  int64_t memory_bytes() const { return arena_bytes_; }
  /// Bytes of page-locked host memory that operators without a kernel on the device use.
  int64_t host_memory_bytes() const { return host_workspace_bytes_; }

 private:
  friend class Engine;
  Context(std::shared_ptr<Engine> engine, int profile);
  void bind(const Program& program);
  void bind_check();
  void reserve(const Program& program);
  /// Waits for what has been put on streams: it refers to what this context and its program own.
  void settle() noexcept;
  void resolve_io(const Program& program, void* stream);
  void run_static(const Program& program, void* stream);
  /// Throws kInvalidArgument where kernels cannot reach memory that is meant for `what`; null is well.
  void require_reach(const void* memory, const char* what, const std::string& name) const;
  void remember_address(size_t io, void* address);
  const void* kernel_address(size_t io, void* stream);
  void run_on_host(const Program& program);
  void run_on_device(const Program& program, void* stream);
  void launch_steps(const Program& program, const Stretch& steps, void* stream, bool profile);
  void launch_all(const Program& program, void* stream, bool profile);
  void launch(const Program& program, void* stream);
  void* lane_stream(int lane, void* stream);
  std::vector<ir::Tensor> run_through_device(const Program& program, const std::vector<ir::Tensor>& inputs);
  ir::Tensor read(size_t io, const ir::Dims& dims) const;
  void write(void* to, const ir::Tensor& tensor) const;
  void* output_memory(const Program& program, size_t output);
  std::vector<Held> run_stepwise(const Program& program, const Rest& rest, std::map<ir::ValueId, Held> given,
                                 void* stream);
  std::vector<ir::Tensor> run_stepwise(const Program& program, const std::vector<ir::Tensor>& inputs);
  StepDevice* step_device();
  void await_shapes(void* stream);
  void enqueue_stepwise(const Program& program, void* stream);
  Context* part_context(const Engine::KnownPart& part);
  std::map<ir::ValueId, Held> run_part(const Engine::KnownPart& part, void* stream);
  Held read_held(size_t io, const ir::Dims& dims) const;
  std::map<ir::ValueId, ir::Tensor> shape_values() const;
  struct Prepared;
  /// Whether the inputs are what `p` is for. False where the host cannot tell.
  bool same_dims(const Prepared& p) const;
  bool same_shape_values(const Prepared& p) const;
  const Program& use(Prepared& p);

  std::shared_ptr<Engine> engine_;
  int profile_;
  std::vector<std::optional<ir::Dims>> dims_;
  std::vector<void*> addresses_;
  /// Of addresses_: small inputs may lie where only the host or only the device reaches them.
  std::vector<bool> host_only_, device_only_;
  std::map<size_t, std::shared_ptr<void>>
      staged_;  ///< what kernels read of inputs in memory that only the host reaches
  std::vector<OutputAllocator> allocators_;
  LayerProfiler profiler_;
  /// A program, and what of the inputs it is for.
  struct Prepared {
    int profile;
    std::shared_ptr<const Program> program;
    std::map<ir::ValueId, ir::Tensor> shape_values;
    uint64_t used = 0;
  };
  std::vector<std::unique_ptr<Prepared>> prepared_;  ///< for the last shapes: they are found without a lock
  const Prepared* current_ = nullptr;                ///< what program_ came from
  std::shared_ptr<const Program> program_;
  bool stale_ = true;
  uint64_t generation_ = 0;
  const Device* device_;   // null: the host
  bool launched_ = false;  // since the device has been waited for
  std::shared_ptr<void> arena_, host_workspace_;
  MemoryAllocator allocate_;
  bool memory_is_given_ = false;
  int64_t arena_bytes_ = 0, host_workspace_bytes_ = 0;
  struct Recorded {
    std::shared_ptr<const Program> program;
    std::vector<void*> addresses;
    std::vector<std::unique_ptr<Recording>> recordings;  // of each stretch; none after the first run at these addresses
    uint64_t used = 0;
  };
  std::vector<Recorded> recorded_;
  std::vector<void*> given_lanes_;
  std::vector<std::shared_ptr<void>> own_lanes_;
  uint64_t clock_ = 0;
  struct Checked {
    std::shared_ptr<const Program> program;
    std::unique_ptr<HostCheck> check;
  };
  std::vector<Checked> checks_;  ///< of the programs bound last: what is on a stream refers to them
  HostCheck* check_ = nullptr;   ///< of the program that is bound; null: no operator works on the host
  std::shared_ptr<Failures> failures_ = std::make_shared<Failures>();
  struct Fixup {
    size_t slot;
    size_t io;
    int64_t offset;
  };
  std::vector<const void*> pointers_;  ///< all operands of all steps, in order
  std::vector<size_t> first_pointer_;  ///< of each step
  std::vector<Fixup> fixups_;
  const Program* bound_ = nullptr;
  std::unique_ptr<Context> part_;  // runs the engine's known part
  struct PartOutput {
    std::shared_ptr<void> memory;
    int64_t bytes = 0;
    ir::Dims dims;
  };
  std::vector<PartOutput> part_outputs_;
  std::unique_ptr<StepDevice> step_device_;  // runs what is left where shapes depend on data
};

}  // namespace tenon::runtime
