// Random networks: what an engine computes is what the network's plain evaluation in double precision computes.
//
//   random_graphs [--cases N] [--seconds S] [--seed FIRST] [--operator NAME] [--variant NAME] [--backend cpu]
//                 [--no-reduce] [--print] [--tally] [--write FOLDER]
//
// A case is determined by its seed (and --operator, which draws that operator alone). Workers run in processes of their
// own, so that one that dies is a finding too; the processor's instruction sets are capped for some of them. Each
// finding is reduced and printed with the command that repeats it. --write keeps networks, inputs and expected outputs
// as tests/onnx_cases reads them, without judging. Ends with 1 if a case failed.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "import/onnx/import.h"
#include "judge.h"
#include "noise.h"
#include "reduce.h"
#include "sketch.h"

namespace tenon::random_graphs {
namespace {

constexpr uint64_t kBlock = 40;  // seeds that one process judges, under one cap
constexpr unsigned kCaseSeconds = 60;
constexpr int kTrials = 300;

struct Options {
  uint64_t cases = UINT64_MAX, seed = 1;
  double seconds = 1e9;
  std::string only, variant, backend = "cpu", write;
  bool reduce = true, print = false, tally = false;
};

/// What the parent reads of a worker.
struct Progress {
  uint64_t seed, finished, built, failed;
  char phase[16], variant[16];
};

struct Cap {
  const char *ours, *onednn;
};

/// The first four blocks, of which `make test` takes its cases, judge the same kernels on every processor that has
/// them.
void set_cap(uint64_t seed) {
  static constexpr Cap kCaps[] = {{"avx512_bf16", "AVX512_CORE_BF16"},
                                  {"avx2", "AVX2"},
                                  {"avx512_vnni", "AVX512_CORE_VNNI"},
                                  {"sse2", "AVX2"},
                                  {"native", "DEFAULT"},
                                  {"avx512", "AVX512_CORE"},
                                  {"native", "DEFAULT"},
                                  {"native", "DEFAULT"}};
  const Cap& cap = kCaps[seed / kBlock % std::size(kCaps)];
  ::setenv("TENON_CPU_ISA", cap.ours, 0);
  ::setenv("ONEDNN_MAX_CPU_ISA", cap.onednn, 0);
}

/// What goes wrong if the case is judged in a process of its own.
std::string judge_apart(const Case& c, Variant v, const Backend& backend) {
  int pipe[2];
  if (::pipe(pipe) != 0) return {};
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(kCaseSeconds);
    const std::string what = judge(c, v, backend).what;
    const bool told = ::write(pipe[1], what.data(), what.size()) == ssize_t(what.size());
    ::_exit(told ? 0 : 1);
  }
  ::close(pipe[1]);
  std::string what(4096, 0);
  const ssize_t n = ::read(pipe[0], what.data(), what.size());
  what.resize(n > 0 ? size_t(n) : 0);
  ::close(pipe[0]);
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child) return {};
  return status == 0 ? what : cat("died with status ", status);
}

/// The kind of a finding: a reduced network may not turn into another one.
std::string kind_of(std::string what) {
  if (what.starts_with("sizes ")) what = what.substr(std::min(what.size(), size_t(9)));
  if (what.find(", bound ") != std::string::npos) return "value";
  if (what.find("nan") != std::string::npos) return "value";
  std::string kind;
  for (char ch : what.substr(0, 400))
    if ((ch >= 'a' && ch <= 'z') || ch == ' ') kind += ch;
  const size_t colon = what.rfind(": ");
  if (what.find("node '") != std::string::npos && colon != std::string::npos) {
    kind.clear();
    for (char ch : what.substr(colon))
      if ((ch >= 'a' && ch <= 'z') || ch == ' ') kind += ch;
  }
  return kind.substr(0, 40);
}

class Campaign {
 public:
  Campaign(const Options& options, Progress* progress) : options_(options), progress_(progress) {}

  void run(uint64_t seed) {
    progress_->seed = seed;
    std::snprintf(progress_->phase, sizeof progress_->phase, "generate");
    const Case c = generate(seed, options_.only);
    if (options_.print) std::printf("%s", text_of(c).c_str());
    for (const Variant v : variants(c)) {
      std::snprintf(progress_->variant, sizeof progress_->variant, "%s", name(v));
      const Verdict verdict = judge(c, v, find_backend(options_.backend), progress_->phase);
      progress_->built += !verdict.skipped;
      if (verdict.what.empty()) continue;
      report(c, v, verdict.what);
      break;
    }
    ++progress_->finished;
  }

  /// Of a case whose judging died.
  void report_death(uint64_t seed, const std::string& variant, const std::string& how) {
    const Case c = generate(seed, options_.only);
    if (const auto v = find_variant(variant)) report(c, *v, how);
  }

  void report(const Case& c, Variant v, const std::string& what) {
    ++progress_->failed;
    std::printf("seed %llu, %s: %s\n", static_cast<unsigned long long>(c.seed), name(v), what.substr(0, 1000).c_str());
    std::printf("  repeat: TENON_CPU_ISA=%s random_graphs --cases 1 --seed %llu --variant %s%s%s\n",
                std::getenv("TENON_CPU_ISA"), static_cast<unsigned long long>(c.seed), name(v),
                options_.only.empty() ? "" : " --operator ", options_.only.c_str());
    if (options_.reduce) {
      const Backend& backend = find_backend(options_.backend);
      const std::string kind = kind_of(what);
      ::alarm(600);
      const Case least = reduce(
          c, [&](const Case& t) { return kind_of(judge_apart(t, v, backend)) == kind; }, kTrials);
      std::printf("%s", text_of(least).c_str());
      std::printf("  as reduced: %s\n", judge_apart(least, v, backend).substr(0, 1000).c_str());
      if (!options_.write.empty()) {
        std::ofstream file(cat(options_.write, "/seed", c.seed, ".onnx"), std::ios::binary);
        file << bytes_of(least.model);
      }
    }
    std::fflush(stdout);
  }

 private:
  std::vector<Variant> variants(const Case& c) const {
    const auto v = find_variant(options_.variant);
    return v ? std::vector<Variant>{*v} : variants_of(c);
  }

  const Options& options_;
  Progress* progress_;
};

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Judges in child processes, a block of seeds each, until there are enough; returns how many failed.
uint64_t supervise(Campaign& campaign, const Options& options, Progress* progress) {
  const double start = now();
  const uint64_t end = options.cases > UINT64_MAX - options.seed ? UINT64_MAX : options.seed + options.cases;
  for (uint64_t next = options.seed; next < end && now() - start < options.seconds;) {
    const uint64_t stop = std::min(end, (next / kBlock + 1) * kBlock);
    const pid_t child = ::fork();
    if (child == 0) {
      set_cap(next);
      for (uint64_t seed = next; seed < stop && now() - start < options.seconds; ++seed) {
        ::alarm(kCaseSeconds);
        campaign.run(seed);
      }
      ::_exit(0);
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child) return progress->failed + 1;
    next = stop;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
    next = progress->seed + 1;
    const std::string how = cat("died with status ", status, " in ", progress->phase);
    const pid_t reporter = ::fork();
    if (reporter == 0) {
      set_cap(progress->seed);
      campaign.report_death(progress->seed, progress->variant, how);
      ::_exit(0);
    }
    ::waitpid(reporter, &status, 0);
  }
  return progress->failed;
}

void print_tally(const Options& options) {
  Tally tally;
  for (uint64_t seed = options.seed; seed < options.seed + std::min<uint64_t>(options.cases, 100000); ++seed)
    generate(seed, options.only, &tally);
  for (const auto& [name, row] : tally.rows)
    std::printf("%-24s %6llu of %6llu  %s\n", name.c_str(), static_cast<unsigned long long>(row.taken),
                static_cast<unsigned long long>(row.asked), row.why.substr(0, 160).c_str());
}

/// The network, inputs and expected outputs of the first sizes.
void write_case(const Options& options, uint64_t seed, const std::string& path) {
  const Case c = generate(seed, options.only);
  std::vector<onnx::NamedTensor> data;
  for (size_t i = 0; i < c.inputs[0].size(); ++i)
    data.push_back({cat("in_", c.model.graph.inputs[i].name), c.inputs[0][i]});
  const ir::Graph graph = importer::import_onnx(c.model);
  const auto outputs = evaluate_graph(graph, c.inputs[0]);
  for (size_t i = 0; i < outputs.size(); ++i) data.push_back({cat("out", i), outputs[i]});
  std::ofstream(path + ".onnx", std::ios::binary) << bytes_of(c.model);
  std::ofstream(path + ".data.onnx", std::ios::binary) << bytes_of(data);
}

void write_cases(const Options& options) {
  std::filesystem::create_directories(options.write);
  std::ofstream list(options.write + "/cases.txt");
  for (uint64_t seed = options.seed; seed < options.seed + options.cases; ++seed) try {
      const std::string name = cat("random_", seed);
      write_case(options, seed, cat(options.write, "/", name));
      list << name << " random 1e-3 1e-5\n";
    } catch (const Error& e) {
      std::printf("seed %llu is left out: %s\n", static_cast<unsigned long long>(seed), e.what());
    }
}

Options read_options(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const auto value = [&]() -> std::string { return ++i < argc ? argv[i] : "0"; };
    if (arg == "--cases")
      o.cases = uint64_t(std::atof(value().c_str()));
    else if (arg == "--seconds")
      o.seconds = std::atof(value().c_str());
    else if (arg == "--seed")
      o.seed = uint64_t(std::atof(value().c_str()));
    else if (arg == "--operator")
      o.only = value();
    else if (arg == "--variant")
      o.variant = value();
    else if (arg == "--backend")
      o.backend = value();
    else if (arg == "--write")
      o.write = value();
    else if (arg == "--no-reduce")
      o.reduce = false;
    else if (arg == "--print")
      o.print = true;
    else if (arg == "--tally")
      o.tally = true;
    else
      fail(ErrorCode::kInvalidArgument, "unknown option '", arg, "'");
  }
  require(o.variant.empty() || find_variant(o.variant), ErrorCode::kInvalidArgument, "there is no variant '", o.variant,
          "'");
  return o;
}

int run_main(int argc, char** argv) {
  const Options options = read_options(argc, argv);
  if (options.tally) return print_tally(options), 0;
  if (!options.write.empty() && options.variant.empty()) return write_cases(options), 0;
  void* shared = ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 1;
  auto* progress = new (shared) Progress{};
  Campaign campaign(options, progress);
  if (options.cases == 1) {
    set_cap(options.seed);
    campaign.run(options.seed);
  } else {
    supervise(campaign, options, progress);
  }
  std::printf("%llu networks, %llu engines judged, %llu failed\n", static_cast<unsigned long long>(progress->finished),
              static_cast<unsigned long long>(progress->built), static_cast<unsigned long long>(progress->failed));
  return progress->failed != 0;
}

}  // namespace
}  // namespace tenon::random_graphs

/// AddressSanitizer reads this.
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1:detect_leaks=0"; }

int main(int argc, char** argv) {
  try {
    return tenon::random_graphs::run_main(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "random_graphs: %s\n", e.what());
    return 2;
  }
}
