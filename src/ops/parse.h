// Graphs of these operators in text form.
#pragma once
#include "ir/text.h"

namespace tenon::ops {

/// Attribute schemas of every operator.
ir::ParseOptions parse_options();
/// The graph that `text` writes, with types inferred. Throws what ir::parse() and infer() throw.
ir::Graph parse_graph(std::string_view text);

}  // namespace tenon::ops
