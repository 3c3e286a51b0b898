// Binary form of graphs inside a plan.
#pragma once
#include <functional>

#include "ir/graph.h"
#include "plan/bytes.h"

namespace tenon::plan {

/// Places a constant's bytes among the weights and returns where they are.
using PlaceWeights = std::function<uint64_t(const ir::Tensor&)>;
/// The bytes placed at `offset`; throws if they do not lie among the weights.
using FindWeights = std::function<ir::Tensor(ir::DType, ir::Dims, uint64_t offset)>;
/// The attribute schema of an operator, null if it is unknown here.
using FindSchema = std::function<const ir::AttrSchema*(const std::string& op)>;

void write_graph(Writer& out, const ir::Graph& graph, const PlaceWeights& place);
ir::Graph read_graph(Reader& in, const FindWeights& find, const FindSchema& schema,
                     std::shared_ptr<ir::SymbolTable> symbols, int depth = 0);

}  // namespace tenon::plan
