// What the kernels of convolutions and matrix products share: epilogues, packed weights, work in shares, estimates.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "backends/cpu/isa/isa.h"
#include "backends/cpu/isa/loops.h"
#include "backends/cpu/kernels/pointwise_steps.h"
#include "backends/kernel.h"
#include "base/thread_pool.h"
#include "ops/fused/pointwise_program.h"

namespace tenon::cpu {

inline constexpr int kMaxExtras = 16;

/// The vector loops' name of an element type. Only f32 and bf16 have one.
bool has_isa_type(ir::DType type);
isa::Type isa_type(ir::DType type);

/// Bias and epilogue of one product whose result is output 0, as rows of its last axis.
class Epilogue {
 public:
  /// `bias` and `first_extra` are inputs' numbers. Returns why not, or an empty string.
  std::string read(const Problem& p, const std::string& program, size_t bias, size_t first_extra);
  bool empty() const { return !has_program_ && bias_ < 0 && bias_values_.empty(); }
  /// Whether there is nothing beyond a bias and an activation that the vector loops know.
  bool alone() const { return (!has_program_ || matched_) && residual_ < 0; }

  /// The operands of one run; lives as long as the Post is used.
  struct Bound {
    const Epilogue* epilogue;
    const void* extras[kMaxExtras];
    isa::Post post;
  };
  void bind(const RunArgs& args, Bound& bound) const;

 private:
  enum class Form : uint8_t { kFull, kColumn, kScalar, kBroadcast };
  struct Extra {
    size_t input;
    ir::DType dtype;
    Form form;
    int64_t pitch = 0;
    ir::Dims strides;  ///< of each axis of y but the last, 0 where broadcast; for kBroadcast
    int64_t last = 0;  ///< the last axis's stride
    bool single() const { return form == Form::kScalar || (form == Form::kBroadcast && last == 0); }
  };
  bool match(const ops::PointwiseProgram& program);
  bool match_act(const ops::PointwiseInstr& instr);
  int64_t offset_of(const Extra& e, int64_t row) const;
  static void apply(void* user, float* sums, int64_t pitch, int64_t m, int64_t step, int64_t rows, int64_t n,
                    int64_t columns);

  int bias_ = -1;
  std::vector<float> bias_values_;
  bool has_program_ = false, matched_ = false;
  PwSteps steps_;  ///< where the program did not match
  const isa::PointwiseLoops* loops_ = nullptr;
  std::vector<Extra> extras_;
  ir::Dims rows_;  ///< dims of y but the last
  ir::DType y_type_ = ir::DType::kF32;
  int residual_ = -1;  ///< extra added, where the program matched
  int column_ = -1;    ///< extra that is the bias, where the program matched
  isa::Act act_ = isa::Act::kNone;
  float a_ = 0, b_ = 0;
  bool add_after_ = false;
};

/// 64-byte aligned memory for packed weights, on huge pages where the system gives them.
std::shared_ptr<void> packed_memory(int64_t bytes);
/// What `make` writes into `bytes` bytes, shared through the problem's cache under `format`, which must name everything
/// that the bytes depend on beside `source`.
std::shared_ptr<const void> packed(const Problem& p, const ir::Tensor& source, const std::string& format, int64_t bytes,
                                   const std::function<void(void*)>& make);
/// A constant as f32.
ir::Tensor as_f32(const ir::Tensor& t);

/// Calls fn(task, slot) for every task; slot < slots names scratch that no other task uses meanwhile.
void run_tasks(const RunArgs& args, int slots, int64_t tasks, FunctionRef<void(int64_t, int)> fn);

/// A product's tasks: a grid of row ranges and panel ranges.
struct Grid {
  int64_t rows, panels;  ///< what is divided
  int64_t row_cuts = 1, panel_cuts = 1;
  int64_t count() const { return row_cuts * panel_cuts; }
  int64_t row(int64_t cut) const { return rows * cut / row_cuts; }
  int64_t panel(int64_t cut) const { return panels * cut / panel_cuts; }
};
/// Cuts for `threads` threads; `share` products run beside this one. Rows are cut at multiples of nothing: a row's bits
/// do not depend on its neighbours.
Grid make_grid(const isa::IsaTable& t, int64_t rows, int64_t panels, int64_t a_bytes, int64_t b_bytes, int threads,
               int64_t share);

/// Estimated microseconds: multiply-adds at this level's rate, and bytes from memory.
double estimate_us(const isa::IsaTable& t, isa::Type type, double multiply_adds, double bytes, int threads);

inline int64_t round_up(int64_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace tenon::cpu
