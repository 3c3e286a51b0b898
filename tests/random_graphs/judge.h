// Whether engines of a network compute what its plain evaluation in double precision does.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "case.h"

namespace tenon::random_graphs {

enum class Variant : uint8_t {
  kPlain,        ///< as a user builds it; memory poisoned and fenced, a second run, another context
  kSaved,        ///< saved, loaded: the same bits
  kThreads,      ///< on two threads: the same bits
  kKernels,      ///< kernels drawn at random of those that accept
  kUnoptimized,  ///< no passes
  kSomePasses,   ///< half of the passes
  kLayers,       ///< by way of TensorRT's layers
  kUnfused,      ///< inner values become outputs
  kRows,         ///< equal rows give equal bits, alone and together
  kHalf,         ///< f16 allowed
  kBrain,        ///< bf16 allowed
  kMixed,        ///< each node in f32 or f16 as drawn
  kProfiles,     ///< two profiles, of the first sizes and of all
  kConcurrent,   ///< contexts of one engine in several threads at once
  kTimed,        ///< kernels chosen by time
};
const char* name(Variant v);
std::optional<Variant> find_variant(const std::string& name);

/// Which variants a case is judged by.
std::vector<Variant> variants_of(const Case& c);

struct Verdict {
  std::string what;  ///< empty: as it should be
  bool skipped = false;
};

/// Builds and runs the case one way. `phase`, if given, receives what is being done.
Verdict judge(const Case& c, Variant variant, const Backend& backend, char* phase = nullptr);

}  // namespace tenon::random_graphs
