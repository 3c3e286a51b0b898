#include "nvinfer/build_io.h"

#include <algorithm>

#include "nvinfer/engine.h"

namespace tenon::nvinfer {

void set_debug_tensors(const Network& network, const Reports& reports, ir::Graph& graph,
                       builder::BuildOptions& options) {
  options.output_unfused = network.unfused_are_debug();
  const std::vector<std::string> names = network.debug_names();
  if (names.empty() && !options.output_unfused) return;
  options.info[kOutputs] = cat(graph.outputs.size());
  std::string marked;
  for (const std::string& name : names) {
    const ir::ValueId v = graph.find(name);
    if (v == ir::kNone || graph.constant(v)) {
      reports.log(ILogger::Severity::kWARNING,
                  cat("INetworkDefinition::markDebug: '", name, "' is a constant or stands for another tensor"));
      continue;
    }
    if (!graph.is_input(v) && !graph.is_output(v)) graph.outputs.push_back(v);
    marked += name + "\n";
  }
  options.info[kDebugTensors] = marked;
}

IoFormats set_formats(const Network& network, const Reports& reports, ir::Graph& graph,
                      builder::BuildOptions& options) {
  const AllowedFormats allowed = network.allowed_formats();
  for (const auto& [name, formats] : allowed) {
    const ir::ValueId v = graph.find(name);
    if (formats & 1U || (v != ir::kNone && (graph.is_input(v) || graph.is_output(v)))) continue;
    reports.log(ILogger::Severity::kWARNING, cat("ITensor::setAllowedFormats has no effect: '", name,
                                                 "' is neither an input nor an output of the network"));
  }
  for (const std::string& name : network.debug_names())
    require(!allowed.count(name) || allowed.at(name) & 1U, ErrorCode::kUnsupported, "debug tensor '", name,
            "' is seen in kLINEAR, which setAllowedFormats does not allow");
  const IoFormats formats = apply_formats(graph, allowed, options.profiles, options.passes.scales);
  if (!formats.empty()) options.info[kIoFormats] = formats.text();
  return formats;
}

DirectIo::DirectIo(const BuilderConfig& config, const ir::Graph& network) {
#if NV_TENSORRT_MAJOR >= 8
  asked_ = config.has(BuilderFlag::kDIRECT_IO);
#else
  (void)config;
#endif
  if (asked_) moved_ = moved_tensors(network);
}

void DirectIo::check(const ir::Graph& built) const {
  if (!asked_) return;
  for (const std::string& name : moved_tensors(built))
    require(std::find(moved_.begin(), moved_.end(), name) != moved_.end(), ErrorCode::kUnsupported,
            "kDIRECT_IO is set, but no kernel takes '", name,
            "' in the format that setAllowedFormats gives; allow another, or conversions");
}

}  // namespace tenon::nvinfer
