// A plan: the optimised graph, its weights, the kernel chosen for each node, and the shapes it was made for.
//
// A plan is data. It names kernels but holds no machine code, so it loads on any device: choices that the device at
// hand does not have, or that do not fit a shape, are made again. FORMAT.md describes the file.
#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace tenon::plan {

/// Bounds of one input's dims in one profile. Equal bounds are a fixed size.
struct Range {
  ir::Dims min, opt, max;
};

/// Which shapes an engine serves: for each graph input, in order, its range. Values of shape inputs likewise.
struct Profile {
  std::vector<Range> inputs;
  /// For integer inputs that shape inference reads: bounds of their elements; empty where unknown.
  std::map<std::string, Range> values;
};

/// The kernel of one node, as chosen by the builder.
struct Choice {
  std::string kernel;  ///< KernelDef::name; empty: the first that fits
  float time_us = 0;   ///< as measured at the optimum shape of the profile; 0 if not measured
};

struct Plan {
  ir::Graph graph;                           ///< compacted: node ids are 0… in execution order
  std::vector<Profile> profiles;             ///< at least one
  std::vector<std::vector<Choice>> choices;  ///< [profile][node]
  std::shared_ptr<ir::Graph> source;  ///< the graph that was optimised, in plans whose weights may change; or null
  std::string device;                 ///< fingerprint of the device that the choices were timed on
  std::map<std::string, std::string> info;  ///< builder version, options, model name: for the inspector
};

/// The bytes of a plan file.
std::vector<std::byte> serialize(const Plan& plan);
/// Reads a plan. Weights refer to `bytes`, which `owner` keeps alive. Throws kCorruptFile naming section and offset,
/// or kVersionMismatch naming both versions; anything but a plan (an ONNX file, an NVIDIA plan) is told apart.
Plan deserialize(std::shared_ptr<const void> owner, std::span<const std::byte> bytes);

/// Bytes at the beginning of a plan that tell how long it is.
inline constexpr int64_t kHeaderBytes = 32;
/// The length of the plan that begins with `header`. Throws kCorruptFile, as deserialize() does, if none begins there.
int64_t length_in_header(std::span<const std::byte> header);

void save(const Plan& plan, const std::string& path);
Plan load(const std::string& path);

}  // namespace tenon::plan
