// Whatever a model or a plan holds, there is a result or an Error, and never a crash or an endless build.
//
//   fuzz [--cases N] [--seconds S] [--seed FIRST] [--sm 90] FOLDER...
//
// Takes the .onnx files of the folders, changes some of their fields, imports, builds, runs; and changes plans built
// from them, loads and runs these. A case is determined by its seed and the folders. Workers run in processes of their
// own, so that one that dies is named by its seed and the rest goes on; `--cases 1 --seed N` runs it again in this
// process. With --sm plans are made for a GPU of that compute capability, which need not be there. Ends with 1 if a
// case failed.
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "builder/builder.h"
#include "import/onnx/import.h"
#include "message.h"
#include "onnx/load.h"
#include "ops/trt/expand.h"
#include "ops/trt/lower.h"
#include "ops/trt/raise.h"
#include "plan_change.h"
#include "runtime/engine.h"

namespace tenon::fuzz {
namespace {

constexpr int64_t kMaxElements = 1 << 16;  // of an input that is run
constexpr unsigned kCaseSeconds = 30;
constexpr rlim_t kMemory = rlim_t(4) << 30;  // bytes of address space, so that sizes out of a changed model are refused

struct Options {
  uint64_t cases = UINT64_MAX, seed = 1;
  double seconds = 1e9;
  int sm = 0;
  std::vector<std::string> folders;
};

struct Model {
  std::string name, bytes;
  std::vector<Field> fields;
};

/// What the parent reads of a worker.
struct Progress {
  uint64_t seed, finished, built, ran, failed;
  char phase[16], model[128];
};

class Fuzzer {
 public:
  Fuzzer(std::vector<Model> models, const Options& options, Progress* progress)
      : models_(std::move(models)), options_(options), progress_(progress) {}

  void run(uint64_t seed) {
    Random random(seed);
    const Model& model = random.pick(models_);
    progress_->seed = seed;
    std::snprintf(progress_->model, sizeof progress_->model, "%s", model.name.c_str());
    const bool of_plan = random.one_in(3);
    try {
      of_plan ? plan_case(model, random) : model_case(model, random);
    } catch (const Error& e) {
      // A plan is written by the builder: what only others could have put there may be called internal.
      if (e.code() == ErrorCode::kInternal && !of_plan) report(e.what());
    } catch (const std::exception& e) {
      report(std::string("not an Error: ") + e.what());
    }
    ++progress_->finished;
  }

 private:
  void report(const std::string& what) {
    std::printf("seed %llu (%s), %s: %s\n", static_cast<unsigned long long>(progress_->seed), progress_->model,
                progress_->phase, what.substr(0, 400).c_str());
    std::fflush(stdout);
    ++progress_->failed;
  }
  void phase(const char* name) { std::snprintf(progress_->phase, sizeof progress_->phase, "%s", name); }

  /// Makes layers of a parsed network's nodes and lowers them, as TensorRT's interface does where somebody looks.
  void show_layers(ir::Graph& graph, Random& random) {
    phase("layers");
    ops::trt::LayerSet there;
    there.level = random.pick(std::vector<int>{7, 8, 10, 11});
    int64_t regions = 0;
    for (ir::NodeId n = 0, end = ir::NodeId(graph.node_count()); n < end; ++n)
      if (!ops::trt::raise_node(graph, n)) ops::trt::expand_node(graph, n, there, regions);
    ops::trt::lower(graph);
  }

  plan::Plan build(const std::string& bytes, Random& random) {
    phase("import");
    ir::Graph graph = importer::import_onnx(onnx::load_bytes(std::as_bytes(std::span(bytes.data(), bytes.size()))));
    if (random.one_in(4)) show_layers(graph, random);
    phase("build");
    builder::BuildOptions options;
    options.level = 0;
    options.threads = 1;
    options.allow_fp16 = random.one_in(4);
    options.allow_bf16 = random.one_in(4);
    if (options_.sm != 0) options.backend = cuda_description(options_.sm);
    plan::Plan plan = builder::build(graph, options);
    ++progress_->built;
    return plan;
  }

  void execute(plan::Plan plan, Random& random) {
    phase("load");
    runtime::EngineOptions options;
    options.threads = 1;
    const auto engine = runtime::Engine::create(std::move(plan), options);
    const auto context = engine->create_context(0);
    phase("run");
    std::vector<ir::Tensor> inputs;
    const ir::Graph& g = engine->plan().graph;
    for (size_t i = 0; i < g.inputs.size(); ++i) {
      const ir::Dims& dims = engine->plan().profiles[0].inputs[i].opt;
      int64_t count = 1;
      for (int64_t d : dims)
        if (d < 0 || __builtin_mul_overflow(count, d, &count) || count > kMaxElements) return;
      inputs.emplace_back(g.value(g.inputs[i]).dtype, dims);
      ir::Tensor& t = inputs.back();
      const bool small = random.one_in(2);
      for (int64_t e = 0; e < t.count() && t.dtype() != ir::DType::kString && t.defined(); ++e)
        ir::is_float(t.dtype()) ? t.set(e, small ? 0.25 * double(e % 7) : double(random.odd_float()))
                                : t.set_int(e, small ? int64_t(random.below(3)) : random.odd_int());
    }
    context->run(inputs);
    ++progress_->ran;
  }

  void model_case(const Model& model, Random& random) {
    std::vector<Field> fields = model.fields;
    for (size_t n = 1 + random.below(3); n > 0; --n) mutate(fields, random.pick(models_).fields, random);
    execute(build(write_message(fields), random), random);
  }

  void plan_case(const Model& model, Random& random) {
    plan::Plan plan = build(model.bytes, random);
    phase("plan");
    if (random.one_in(2)) {
      for (size_t n = 1 + random.below(2); n > 0; --n) change_contents(plan, random);
    }
    auto bytes = plan::serialize(plan);
    if (random.one_in(2)) change_bytes(bytes, random);
    execute(plan::deserialize(nullptr, bytes), random);
  }

  std::vector<Model> models_;
  const Options& options_;
  Progress* progress_;
};

std::vector<Model> read_models(const std::vector<std::string>& folders) {
  std::vector<Model> models;
  for (const std::string& folder : folders)
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (entry.path().extension() != ".onnx" || name.find(".data.") != std::string::npos) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      std::string bytes{std::istreambuf_iterator<char>(file), {}};
      auto fields = read_message(bytes, MessageType::kModel);
      models.push_back({name, std::move(bytes), std::move(fields)});
    }
  std::sort(models.begin(), models.end(), [](const Model& a, const Model& b) { return a.name < b.name; });
  return models;
}

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Runs cases in child processes until there are enough; returns how many failed.
uint64_t supervise(Fuzzer& fuzzer, const Options& options, Progress* progress) {
  const double start = now();
  const uint64_t end = options.cases > UINT64_MAX - options.seed ? UINT64_MAX : options.seed + options.cases;
  uint64_t died = 0;
  for (uint64_t next = options.seed; next < end && now() - start < options.seconds;) {
    const pid_t child = ::fork();
    if (child == 0) {
      for (uint64_t seed = next; seed < end && now() - start < options.seconds; ++seed) {
        ::alarm(kCaseSeconds);
        fuzzer.run(seed);
      }
      ::_exit(0);
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child) return died + 1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) break;
    const bool slow = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
    const bool asked = slow && std::string_view(progress->phase) == "run";  // a loop may have any number of trips
    std::printf("seed %llu (%s), %s: %s\n", static_cast<unsigned long long>(progress->seed), progress->model,
                progress->phase, slow ? "takes too long" : cat("died with status ", status).c_str());
    std::fflush(stdout);
    died += !asked;
    next = progress->seed + 1;
  }
  return died + progress->failed;
}

Options read_options(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const auto value = [&] { return std::atof(++i < argc ? argv[i] : "0"); };
    if (arg == "--cases")
      o.cases = uint64_t(value());
    else if (arg == "--seconds")
      o.seconds = value();
    else if (arg == "--seed")
      o.seed = uint64_t(value());
    else if (arg == "--sm")
      o.sm = int(value());
    else
      o.folders.push_back(arg);
  }
  return o;
}

}  // namespace
}  // namespace tenon::fuzz

/// AddressSanitizer reads this: an allocation too large fails as it does elsewhere.
extern "C" const char* __asan_default_options() {
  return "allocator_may_return_null=1:max_allocation_size_mb=1000:detect_leaks=0";
}

int main(int argc, char** argv) {
  using namespace tenon::fuzz;
#if !defined(__SANITIZE_ADDRESS__)
  const rlimit memory{kMemory, kMemory};
  ::setrlimit(RLIMIT_AS, &memory);
#endif
  const Options options = read_options(argc, argv);
  void* shared = ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 1;
  auto* progress = new (shared) Progress{};
  auto models = read_models(options.folders);
  if (models.empty()) {
    std::fprintf(stderr, "fuzz: no .onnx files in the folders given\n");
    return 2;
  }
  if (std::string why; options.sm != 0 && !tenon::cuda_description(options.sm, &why)) {
    std::fprintf(stderr, "fuzz: --sm %d: %s\n", options.sm, why.c_str());
    return 2;
  }
  Fuzzer fuzzer(std::move(models), options, progress);
  uint64_t failed = 0;
  if (options.cases == 1) {
    fuzzer.run(options.seed);
    failed = progress->failed;
  } else {
    failed = supervise(fuzzer, options, progress);
  }
  std::printf("%llu cases, %llu built, %llu ran, %llu failed\n", static_cast<unsigned long long>(progress->finished),
              static_cast<unsigned long long>(progress->built), static_cast<unsigned long long>(progress->ran),
              static_cast<unsigned long long>(failed));
  return failed != 0;
}
