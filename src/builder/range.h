// Which values of a network are too large for f16, from a run in f32.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "builder/builder.h"

namespace tenon {
class ThreadPool;
}
namespace tenon::select {
class TimingCache;
}

namespace tenon::builder {

/// Names of the f16 values of a graph that passes made narrow, as they are called in f32.
std::set<std::string> half_values(const ir::Graph& narrow);

/// Runs `graph`, optimised for f32, once at `dims` and returns the largest magnitude of each f32 value that `names`
/// has. The sample is options.sample or, without one, standard normal numbers and whole numbers 0 and 1. Values that
/// are not finite in f32 are left out. A GPU that is only described is replaced by the CPU. Throws where the graph does
/// not run on the sample.
std::map<std::string, double> magnitudes(const ir::Graph& graph, const std::set<std::string>& names,
                                         const std::vector<ir::Dims>& dims, const BuildOptions& options,
                                         const Backend& backend, ThreadPool& pool);

/// Stands for what magnitudes() gives: the network with its weights, the types that layers were asked for, the values'
/// names, the sizes and the sample.
uint64_t range_signature(const ir::Graph& network, const passes::PassOptions& asked, const std::set<std::string>& names,
                         const std::vector<ir::Dims>& dims, const BuildOptions& options);

/// Keeps in a timing cache which values reach more than f16 may, so that a later build need not run the network.
void keep_magnitudes(select::TimingCache& cache, uint64_t signature, const std::set<std::string>& names,
                     const std::map<std::string, double>& reached);
/// What keep_magnitudes() kept for the signature; the other values are left out.
std::optional<std::map<std::string, double>> kept_magnitudes(const select::TimingCache& cache, uint64_t signature,
                                                             const std::set<std::string>& names);

/// Layers of a graph that passes made narrow which f16 would spoil: they write or read an f16 value that reaches an
/// eighth of its largest number, 65504, or a constant that it does not hold. Layers whose type the user chose are left
/// out.
std::vector<WideLayer> find_overflows(const ir::Graph& narrow, const std::map<std::string, double>& reached,
                                      const passes::PassOptions& asked);

}  // namespace tenon::builder
