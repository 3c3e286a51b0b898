// Options about runs, their results and reports.
#include "trtexec/flag.h"

namespace trtexec {
namespace {

void set_percentiles(Options& o, const std::string& flag, const std::string& value) {
  o.percentiles.clear();
  for (const auto& p : split(value, ',')) {
    o.percentiles.push_back(number(flag, p));
    if (o.percentiles.back() < 0 || o.percentiles.back() > 100)
      bad("--percentile takes numbers from 0 to 100, found '" + p + "'");
  }
}

/// Files of the pair that --refPair named last.
template <auto Which>
Flag pair_files(std::string_view name, std::string_view help) {
  return {name, "name:file[,…]", help,
          [](Options& o, auto& f, auto& v) { o.pairs[o.described_pair].*Which = files(f, v); }};
}

}  // namespace

std::vector<Flag> inference_flags() {
  return {set_int<&Options::iterations>("iterations", "fewest inferences"),
          set_number<&Options::duration>("duration", "seconds to measure for"),
          set_number<&Options::warm_up_ms>("warmUp", "milliseconds before measuring"),
          set_number<&Options::sleep_ms>("sleepTime", "pause before the first inference, ms"),
          set_number<&Options::idle_ms>("idleTime", "pause between inferences, ms"),
          set_int<&Options::streams>("infStreams", "contexts that run side by side", 1),
          set_int<&Options::streams>("streams", "as --infStreams", 1),
          ignored("threads", "", "every stream has a thread"),
          pair_files<&ReferencePair::inputs>("loadInputs", "raw input files"),
          set_int<&Options::profile>("useProfile", "optimization profile to run"),
          on<&Options::data_transfers>("noDataTransfers", "leave out copies to and from the device", false),
          on<&Options::data_transfers>("includeDataTransfers", "count copies to and from the device"),
          ignored("useSpinWait", "", "the CUDA runtime chooses how to wait"),
          ignored("noSpinWait", "", "the CUDA runtime chooses how to wait"),
          ignored("useCudaGraph", "", "on a GPU an engine replays a graph of its own"),
          ignored("noCudaGraph", "", "on a GPU an engine replays a graph of its own"),
          ignored("separateProfileRun", "", "layers are always timed in runs of their own"),
          ignored("useManagedMemory", "", "buffers are plain"),
          ignored("exposeDMA", "", "copies run in order"),
          ignored("persistentCacheRatio", "N", "the cache is not partitioned"),
          set_word<&Options::allocation>("allocationStrategy", "static|profile|runtime",
                                         "what a context's memory is sized for"),
          on<&Options::time_deserialize>("timeDeserialize", "time loading the plan, and stop"),
          on<&Options::verbose>("verbose", "log everything"),
          set_int<&Options::average_runs>("avgRuns", "runs a printed average covers", 1)};
}

std::vector<Flag> accuracy_flags() {
  return {{"refPair", "N", "the pair that the following --loadInputs and --loadRefOutputs are about",
           [](Options& o, auto& f, auto& v) {
             o.described_pair = size_t(integer(f, v));
             if (o.described_pair > 9999) bad("--" + f + " takes 0 to 9999, found '" + v + "'");
             if (o.pairs.size() <= o.described_pair) o.pairs.resize(o.described_pair + 1);
           }},
          pair_files<&ReferencePair::outputs>("loadRefOutputs", "raw files of what the outputs should be"),
          set_word<&Options::accuracy_algorithm>(
              "accuracyAlgorithm", "l0|l1|l2|lInf|cos",
              "error: share of elements beyond the tolerances, |d|1/|r|1, |d|2/|r|2, max |d|, 1 - cosine"),
          set_number<&Options::absolute_tolerance>("atol", "l0: absolute tolerance"),
          set_number<&Options::relative_tolerance>("rtol", "l0: relative tolerance"),
          set_number<&Options::accuracy_threshold>("accuracyThreshold", "largest error that passes, 0.01 by default"),
          set_text<&Options::mark_debug>("markDebug", "tensors", "tensors that can be watched, by name"),
          on<&Options::mark_unfused_debug>("markUnfusedTensorsAsDebugTensors", "tensors that fusions leave, too"),
          {"saveDebugTensors", "name:file[,…]", "write watched tensors to raw files",
           [](Options& o, auto& f, auto& v) { o.save_debug = files(f, v); }},
          {"saveAllDebugTensors", "summary|numpy|string|raw[,…]", "write all watched tensors to NAME.npy, .txt, .raw",
           [](Options& o, auto& f, auto& v) {
             for (const auto& word : split(v, ',')) one_of(f, word, "summary|numpy|string|raw");
             o.save_all_debug = v;
           }}};
}

std::vector<Flag> report_flags() {
  return {{"percentile", "P[,…]", "latency percentiles", set_percentiles},
          on<&Options::dump_output>("dumpOutput", "print outputs"),
          on<&Options::dump_raw_bindings>("dumpRawBindingsToFile", "write inputs and outputs to raw files"),
          on<&Options::dump_profile>("dumpProfile", "print each layer's time"),
          on<&Options::dump_layer_info>("dumpLayerInfo", "print layers"),
          on<&Options::dump_optimization_profile>("dumpOptimizationProfile", "print profiles"),
          set_text<&Options::export_times>("exportTimes", "file", "times as JSON"),
          set_text<&Options::export_output>("exportOutput", "file", "outputs as JSON"),
          set_text<&Options::export_profile>("exportProfile", "file", "layer times as JSON"),
          set_text<&Options::export_layer_info>("exportLayerInfo", "file", "layers as JSON")};
}

std::vector<Flag> system_flags() {
  return {set_int<&Options::device>("device", "GPU to use"),
          set_int<&Options::dla_core>("useDLACore", "DLA core to use"),
          on<&Options::allow_gpu_fallback>("allowGPUFallback", "layers may leave the DLA"),
          set_text<&Options::tempdir>("tempdir", "folder", "where plugin libraries of plans may be unpacked"),
          {"tempfileControls", "in_memory|temporary:allow|deny[,…]", "how plugin libraries of plans may be unpacked",
           [](Options& o, auto& f, auto& v) {
             for (const auto& word : split(v, ','))
               one_of(f, word, "in_memory:allow|in_memory:deny|temporary:allow|temporary:deny");
             o.tempfile_controls = v;
           }},
          ignored("cpuOnly", "", "without a GPU engines run on the CPU"),
          on<&Options::help>("help", "print this"),
          on<&Options::help>("h", "print this")};
}

}  // namespace trtexec
