// What a kernel is: it says which problems it can do, is prepared once for a problem, and then runs.
//
// A file src/backends/<device>/kernels/<name>.cpp defines one kernel, or a few of one form, as a free function that
// returns KernelDefs, named once in that device's kernels.inc. Kernels are tried in the order of the list; the last for
// an operator is its reference, which accepts everything.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "ir/graph.h"

namespace tenon {

class Backend;
class ThreadPool;

/// One operand: type and concrete dims. Elements are row-major; rows of the last axis start `pitch` elements apart
/// (pitch == dims.back() when dense), which lets a channel slice of a wider tensor be read or written in place.
struct TensorDesc {
  ir::DType dtype = ir::DType::kUndefined;
  ir::Dims dims;
  int64_t pitch = 0;
  bool dense() const { return dims.empty() || pitch == dims.back(); }
  int64_t count() const;
};

class WeightCache;

/// A node with concrete operand types. `constants[i]` is the value of a constant input, else null.
struct Problem {
  const ir::Node* node = nullptr;
  std::vector<TensorDesc> inputs, outputs;  ///< dtype kUndefined where an optional operand is absent
  std::vector<const ir::Tensor*> constants;
  int threads = 1;
  const Backend* backend = nullptr;  ///< the one that asks; kernels of a device find its properties through it
  WeightCache* weights = nullptr;    ///< keeps packed weights for all contexts and shapes of an engine

  template <class T>
  const T& attrs() const {
    return node->attrs.as<T>();
  }
  bool has_input(size_t i) const { return i < inputs.size() && inputs[i].dtype != ir::DType::kUndefined; }
  bool all_dense() const;
};

/// Packed forms of constants, made once and shared. Thread-safe.
class WeightCache {
 public:
  virtual ~WeightCache() = default;
  /// The packed form `format` of `source`, made by `make` on first use.
  virtual std::shared_ptr<const void> get(const ir::Tensor& source, const std::string& format,
                                          const std::function<std::shared_ptr<const void>()>& make) = 0;
};

/// Makes room for outputs whose size is known only while running; returns memory for output `i` of the given dims.
class OutputSink {
 public:
  virtual ~OutputSink() = default;
  virtual void* allocate(size_t i, const ir::Dims& dims) = 0;
};

struct RunArgs {
  const void* const* inputs;  ///< one an input, null where absent
  void* const* outputs;
  void* workspace;  ///< workspace_bytes(), aligned to 64 bytes, on a device to 256
  ThreadPool& pool;
  OutputSink* sink = nullptr;  ///< set for operators with data-dependent shapes; outputs[] is then null
  /// On a device: pointers are device memory, run() only enqueues on this stream, and may be recorded and replayed.
  void* stream = nullptr;
  void* host_workspace = nullptr;  ///< host_workspace_bytes() of page-locked memory, the same at every replay
  int64_t* found = nullptr;        ///< memory that device and host reach; see KernelDef::most
};

/// A prepared problem. Immutable: run() may be called from several threads at once, each with its own workspace.
class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual int64_t workspace_bytes() const { return 0; }
  virtual int64_t host_workspace_bytes() const { return 0; }
  /// Whether run() reads the constant operand `input` from args.inputs; false if prepare() kept a form of its own.
  virtual bool reads_constant(size_t /*input*/) const { return true; }
  virtual void run(const RunArgs& args) const = 0;
  /// Called with the host workspace once the stream has been waited for; throws if the work in it failed.
  virtual void check_ran(const void* /*host_workspace*/) const {}
};

/// Whether a kernel can do a problem, and its estimated time; or why not.
struct Support {
  bool ok = false;
  double cost_us = 0;
  std::string reason;
  static Support yes(double cost_us) { return {true, cost_us, {}}; }
  template <class... Parts>
  static Support no(const Parts&... parts) {
    return {false, 0, cat(parts...)};
  }
};

struct KernelDef {
  std::string_view name;  ///< the tactic id that plans and timing caches store, e.g. "conv_winograd_f43"
  std::string_view op;    ///< core operator, or "*" for the generic reference
  Support (*supports)(const Problem&);
  std::unique_ptr<Kernel> (*prepare)(const Problem&);
  /// Operands that may have pitch != dims.back(): bit i for input i, bit 16 for output 0. 0 if all must be dense.
  uint32_t pitched = 0;
  /// Rounds f32 operands to TF32 (10 bits of mantissa): chosen only where the builder allows it.
  bool tf32 = false;
  /// On a device, for operators that find a size of their outputs in the data: the most that it can be. It stands for
  /// the size in Problem::outputs, save for this function, which sees 0 there; outputs have room for as much. run()
  /// writes results as dense as the size found makes them, and leaves that in RunArgs::found; -1 where operands are not
  /// valid, and the reference says why. Null for kernels whose outputs' sizes are known before.
  int64_t (*most)(const Problem&) = nullptr;
};

}  // namespace tenon
