#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <map>

#include "base/mmap.h"
#include "import/onnx/import.h"
#include "onnx/load.h"
#include "ops/parse.h"
#include "tenon/command.h"

namespace tenon::cli {
namespace {

/// "a:1x3,b:8" → dims by name.
std::map<std::string, ir::Dims> parse_shapes(std::string_view text) {
  std::map<std::string, ir::Dims> shapes;
  while (!text.empty()) {
    std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    const size_t colon = item.rfind(':');
    require(colon != std::string_view::npos, ErrorCode::kInvalidArgument, "shape '", item,
            "' is not of the form name:1x2x3");
    ir::Dims dims;
    for (std::string_view rest = item.substr(colon + 1); !rest.empty();) {
      int64_t d = 0;
      auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), d);
      const bool more = end != rest.data() + rest.size();
      const bool separated = more && *end == 'x' && end + 1 != rest.data() + rest.size();
      require(error == std::errc() && d >= 0 && (!more || separated), ErrorCode::kInvalidArgument, "shape '", item,
              "' is not of the form name:1x2x3");
      dims.push_back(d);
      rest.remove_prefix(size_t(end - rest.data()) + more);
    }
    shapes[std::string(item.substr(0, colon))] = std::move(dims);
  }
  return shapes;
}

/// A bar on the terminal while a plan is built.
class Bar final : public builder::ProgressMonitor {
 public:
  void phase_start(const std::string& phase, const std::string&, int steps) override {
    draw(phase, 0, steps_ = std::max(steps, 1));
  }
  bool step_complete(const std::string& phase, int step) override {
    draw(phase, step + 1, steps_);
    return true;
  }
  void phase_finish(const std::string&) override { std::fprintf(stderr, "\r\033[K"); }

 private:
  static void draw(const std::string& phase, int done, int steps) {
    const int width = 30, filled = done * width / steps;
    std::fprintf(stderr, "\r%s [%.*s%*s] %d/%d", phase.c_str(), filled, "##############################",
                 width - filled, "", done, steps);
  }
  int steps_ = 1;
};

}  // namespace

void ModelOptions::add_to(CLI::App& command, bool building) {
  command.add_option("model", path, "ONNX file, plan, or graph in text form (.tn)")->required();
  command.add_option("--shapes", shapes, "dims of dynamic inputs, name:1x3x224x224,…");
  command.add_option("--min-shapes", min_shapes, "smallest dims of the profile");
  command.add_option("--opt-shapes", opt_shapes, "dims to optimise for");
  command.add_option("--max-shapes", max_shapes, "largest dims of the profile");
  command.add_option("--threads", threads, "threads to run with (default: TENON_THREADS, else all processors)");
  command.add_option("--device", device, "cpu, cuda or cuda:N; sm75 … sm90 choose kernels for a GPU that is absent");
  if (!building) return;
  command.add_option("--precision", precision, "types that layers may use")
      ->check(CLI::IsMember({"fp32", "tf32", "bf16", "fp16"}));
  command.add_option("--level", level, "0 no timing … 5 time every kernel")->check(CLI::Range(0, 5));
  command.add_option("--timing-cache", timing_cache, "file of measured times, read and updated");
  command.add_flag("--verbose,-v", verbose, "print every candidate");
}

bool is_plan(const std::string& path) {
  auto file = MappedFile::open(path);
  return file->size() >= 7 && std::memcmp(file->bytes().data(), "TENONPL", 7) == 0;
}

ir::Graph load_network(const std::string& path) {
  if (path.ends_with(".tn")) {
    auto file = MappedFile::open(path);
    return ops::parse_graph({reinterpret_cast<const char*>(file->bytes().data()), file->size()});
  }
  require(!is_plan(path), ErrorCode::kInvalidModel, path, ": a plan is built already; an ONNX file or a graph in text ",
          "form (.tn) is accepted here");
  return importer::import_onnx(onnx::load(path));
}

plan::Profile make_profile(const ir::Graph& network, const ModelOptions& o) {
  std::map<std::string, plan::Range> ranges;
  for (const std::string& fixed : {o.shapes, o.opt_shapes})
    for (const auto& [name, dims] : parse_shapes(fixed)) ranges[name] = {dims, dims, dims};
  for (const auto& [name, dims] : parse_shapes(o.min_shapes)) ranges[name].min = dims;
  for (const auto& [name, dims] : parse_shapes(o.max_shapes)) ranges[name].max = dims;
  return builder::default_profile(network, ranges);
}

plan::Plan build_plan(const ModelOptions& o, builder::BuildReport* report) {
  const ir::Graph network = load_network(o.path);
  builder::BuildOptions build;
  build.level = o.level;
  build.threads = o.threads;
  build.backend = &find_backend(o.device);
  build.allow_bf16 = o.precision == "bf16";
  build.allow_fp16 = o.precision == "fp16";
  build.allow_tf32 = o.precision == "tf32";
  build.profiles = {make_profile(network, o)};
  build.info["precision"] = o.precision;
  select::TimingCache cache;
  if (!o.timing_cache.empty()) cache.load(o.timing_cache);
  build.timing_cache = &cache;
  Bar bar;
  if (isatty(STDERR_FILENO)) build.progress = &bar;
  plan::Plan plan = builder::build(network, build, report);
  if (!o.timing_cache.empty()) cache.save(o.timing_cache);
  return plan;
}

std::shared_ptr<runtime::Engine> open_engine(const ModelOptions& o) {
  runtime::EngineOptions engine;
  engine.threads = o.threads;
  engine.backend = &find_backend(o.device);
  return runtime::Engine::create(is_plan(o.path) ? plan::load(o.path) : build_plan(o), engine);
}

}  // namespace tenon::cli
