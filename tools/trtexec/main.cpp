// trtexec: builds engines, times them, and reports, by TensorRT's command line.
#include <cstdio>
#include <exception>

#include "trtexec/accuracy.h"
#include "trtexec/refit.h"
#include "trtexec/report.h"

namespace {

using namespace trtexec;

void run(const Options& o, Log& log) {
  for (const std::string& line : describe(o)) log.info(line);
  for (const std::string& note : o.notes) log.warning(note);
  if (o.dla_core >= 0) throw std::runtime_error("Cannot create DLA engine, 0 not available");
  if (o.get_plan_version_only) {
    log.info(plan_version(o.load_engine));
    return;
  }
  auto device = Device::open(o.device);
  log.info("=== Device Information ===");
  for (const std::string& line : device->describe()) log.info(line);
  log.info("");
  log.info("TensorRT version: " + std::to_string(getInferLibMajorVersion()) + "." +
           std::to_string(getInferLibMinorVersion()) + "." + std::to_string(getInferLibPatchVersion()));
  Loaded loaded = make_engine(o, log);
  if (o.time_deserialize) return;
  if (!loaded.engine) {
    log.info("Skipped inference phase since --skipInference is added.");
    return;
  }
  refit(o, *loaded.engine, log);
  report_profiles(o, *loaded.engine, log);
  report_layers(o, *loaded.engine, log);
  if (o.skip_inference) {
    log.info("Skipped inference phase since --skipInference is added.");
    return;
  }
  const Results results = run_inference(o, *loaded.engine, *device, log);
  report(o, *loaded.engine, results, log);
  check_accuracy(o, results, log);
}

void banner(const char* what, int argc, char** argv) {
  std::printf("&&&& %s TensorRT.trtexec [TensorRT v%d] [b%d] #", what, int(getInferLibVersion()),
              int(getInferLibBuildVersion()));
  for (int i = 0; i < argc; ++i) std::printf(" %s", argv[i]);
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  bool ok = false;
  banner("RUNNING", argc, argv);
  Log quiet(false);
  try {
    const Options o = parse(arguments);
    if (o.help || arguments.empty()) {
      std::printf("%s", usage().c_str());
      return 0;
    }
    Log log(o.verbose);
    run(o, log);
    ok = true;
  } catch (const std::exception& e) {
    quiet.error(e.what());
  }
  banner(ok ? "PASSED" : "FAILED", argc, argv);
  return ok ? 0 : 1;
}
