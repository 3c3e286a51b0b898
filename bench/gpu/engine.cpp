// The core behind a C interface, for measuring from Python on memory and streams that another library owns.
// Functions that can fail return null or a negative number and write the reason to `error` (of kErrorBytes bytes).
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>

#include "backends/device.h"
#include "builder/builder.h"
#include "import/onnx/import.h"
#include "onnx/load.h"
#include "runtime/engine.h"

namespace {

using namespace tenon;
constexpr size_t kErrorBytes = 4096;

struct Session {
  std::shared_ptr<runtime::Engine> engine;
  std::unique_ptr<runtime::Context> context;
  builder::BuildReport report;
  double cached_seconds = 0;
  std::string text;
};

template <class Fn>
auto guarded(char* error, const Fn& fn) -> decltype(fn()) {
  try {
    return fn();
  } catch (const std::exception& e) {
    std::snprintf(error, kErrorBytes, "%s", e.what());
    return decltype(fn())(-1);
  }
}

}  // namespace

extern "C" {

/// Builds a model whose dynamic sizes are fixed to 1, and prepares a context. `precision`: fp32, tf32, fp16, bf16.
void* tenon_bench_open(const char* onnx, const char* precision, int level, const char* cache_path, char* error) {
  try {
    auto s = std::make_unique<Session>();
    const std::string wanted = precision;
    const Backend& backend = default_backend();
    select::TimingCache cache;
    if (*cache_path) cache.load(cache_path);
    builder::BuildOptions options;
    options.level = level;
    options.backend = &backend;
    options.allow_fp16 = wanted == "fp16";
    options.allow_tf32 = wanted == "tf32";
    options.allow_bf16 = wanted == "bf16";
    options.timing_cache = &cache;
    const ir::Graph network = importer::import_onnx(onnx::load(onnx));
    plan::Plan plan = builder::build(network, options, &s->report);
    builder::BuildReport again;
    builder::build(network, options, &again);
    s->cached_seconds = again.seconds;
    if (*cache_path) cache.save(cache_path);
    s->engine = runtime::Engine::create(std::move(plan), {&backend, 0});
    s->context = s->engine->create_context();
    return s.release();
  } catch (const std::exception& e) {
    std::snprintf(error, kErrorBytes, "%s", e.what());
    return nullptr;
  }
}
void tenon_bench_close(void* session) { delete static_cast<Session*>(session); }

/// Points input or output `io` (in the order of the model) at memory.
int tenon_bench_bind(void* session, int io, void* address, char* error) {
  return guarded(error, [&] {
    static_cast<Session*>(session)->context->set_address(size_t(io), address);
    return 0;
  });
}
int tenon_bench_enqueue(void* session, void* stream, char* error) {
  return guarded(error, [&] {
    static_cast<Session*>(session)->context->enqueue(stream);
    return 0;
  });
}
/// "name<TAB>dtype<TAB>d0xd1…" a line, inputs first.
const char* tenon_bench_io(void* session) {
  auto& s = *static_cast<Session*>(session);
  s.text.clear();
  for (const auto& io : s.engine->io()) {
    s.text += cat(io.name, "\t", ir::name(io.dtype), "\t");
    for (size_t i = 0; i < io.dims.size(); ++i) s.text += cat(i ? "x" : "", io.dims[i]);
    s.text += "\n";
  }
  return s.text.c_str();
}
/// Time of each layer, slowest last: "us<TAB>kernel<TAB>layer" a line. Addresses must be set.
const char* tenon_bench_profile(void* session, char* error) {
  auto& s = *static_cast<Session*>(session);
  s.text.clear();
  const int done = guarded(error, [&] {
    s.context->set_profiler([&](const std::string& name, const std::string& kernel, double ms) {
      char line[32];
      std::snprintf(line, sizeof line, "%.2f\t", ms * 1000);
      s.text += line + kernel + "\t" + name + "\n";
    });
    s.context->run();
    s.text.clear();
    s.context->run();
    s.context->set_profiler(nullptr);
    return 0;
  });
  return done == 0 ? s.text.c_str() : nullptr;
}
/// Seconds of the cold build and of a build with a full timing cache; bytes of the context and the most that is live.
void tenon_bench_facts(void* session, double* facts) {
  const auto& s = *static_cast<Session*>(session);
  facts[0] = s.report.seconds;
  facts[1] = s.cached_seconds;
  facts[2] = double(s.context->memory_bytes());
  facts[3] = double(s.context->prepare().memory.peak_live_bytes);
}
/// Every candidate of every node with its time or refusal.
const char* tenon_bench_report(void* session) {
  auto& s = *static_cast<Session*>(session);
  s.text = builder::print(s.report, true);
  return s.text.c_str();
}
}
