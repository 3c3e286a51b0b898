// Sequences and optionals exist only while a model is imported: a sequence is a list of values, so its length is known.
#pragma once
#include <vector>

#include "ops/import.h"

namespace tenon::ops {

/// What an import rule sees of a node's sequences. ImportContext::input throws for an input that is one.
class SequenceContext {
 public:
  virtual ~SequenceContext() = default;
  /// The elements of input `i`, or null if it is no sequence.
  virtual const std::vector<ir::ValueId>* sequence(size_t i) const = 0;
  virtual void output_sequence(size_t i, std::vector<ir::ValueId> elements) = 0;
  /// Binds output `i` to an empty optional: readers see their input as left out.
  virtual void output_absent(size_t i) = 0;
};

/// The sequences of the node behind `c`, or null where nodes have none, e.g. while a dialect is lowered.
inline SequenceContext* sequences_of(ImportContext& c) { return dynamic_cast<SequenceContext*>(&c); }

}  // namespace tenon::ops
