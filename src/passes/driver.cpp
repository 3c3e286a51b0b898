#include <algorithm>
#include <chrono>

#include "ops/op.h"
#include "passes/fold.h"
#include "passes/passes.h"
#include "passes/verify.h"

namespace tenon::passes {
namespace {

int run_with_bodies(ir::Graph& graph, const Pass& pass, PassContext& context) {
  int changes = 0;
  for (ir::NodeId n = 0; n < graph.node_count(); ++n) {
    ir::Attrs& attrs = graph.node(n).attrs;
    if (!graph.node(n).alive) continue;
    for (const ir::Field& f : attrs.schema().fields) {
      if (f.kind != ir::FieldKind::kGraph) continue;
      if (const auto& body = f.of<std::shared_ptr<ir::Graph>>(attrs.data())) {
        const int inner = run_with_bodies(*body, pass, context);
        if (inner) body->compact();
        changes += inner;
      }
    }
  }
  return changes + pass.run(graph, context);
}

std::vector<ir::DType> types_of(const ir::Graph& graph, const std::vector<ir::ValueId>& values) {
  std::vector<ir::DType> types;
  for (ir::ValueId v : values) types.push_back(graph.value(v).dtype);
  return types;
}

bool selected(const PassOptions& options, std::string_view name) {
  auto in = [&](const std::vector<std::string>& list) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  return !in(options.disabled) && (options.only.empty() || in(options.only));
}

}  // namespace

const Pass& find_pass(std::string_view name) {
  std::string known;
  for (const Pass& pass : pipeline()) {
    if (pass.name == name) return pass;
    if (known.find(pass.name) == std::string::npos) known += cat(known.empty() ? "" : ", ", pass.name);
  }
  fail(ErrorCode::kInvalidArgument, "there is no pass called '", name, "', accepted are ", known);
}

PassReport run_pass(ir::Graph& graph, const Pass& pass, const PassOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  PassContext context(options);
  PassReport report;
  report.pass = pass.name;
  try {
    const auto types = types_of(graph, graph.outputs);
    report.changes = run_with_bodies(graph, pass, context);
    if (report.changes > 0) {
      graph.compact();
      prune_recipes(graph);
      ops::infer(graph);
      require(types == types_of(graph, graph.outputs), ErrorCode::kInternal,
              "the element type of an output has changed");
      if (options.verify) verify(graph);
    }
  } catch (const Error& e) {
    throw e.at(cat("pass ", pass.name));
  }
  report.details = std::move(context.changes);
  for (ir::NodeId n = 0; n < graph.node_count(); ++n)
    report.transposes += graph.node(n).alive && graph.node(n).op == "Transpose";
  report.microseconds = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
  return report;
}

std::vector<PassReport> run_passes(ir::Graph& graph, const PassOptions& options) {
  for (const auto& list : {options.disabled, options.only})
    for (const std::string& name : list) find_pass(name);
  size_t end = pipeline().size();
  if (!options.stop_after.empty()) {
    find_pass(options.stop_after);
    while (pipeline()[end - 1].name != options.stop_after) --end;
  }
  if (options.verify) verify(graph);
  std::vector<PassReport> reports;
  for (const Pass& pass : pipeline().first(end)) {
    if (!selected(options, pass.name)) continue;
    require(!options.cancelled || !options.cancelled(), ErrorCode::kCancelled, "cancelled before pass ", pass.name);
    reports.push_back(run_pass(graph, pass, options));
    if (options.observe) options.observe(pass.name, graph);
  }
  return reports;
}

std::string print(const std::vector<PassReport>& reports, bool details) {
  std::string out;
  for (const PassReport& r : reports) {
    if (r.changes == 0) continue;
    out += cat(r.pass, ": ", r.changes, r.changes == 1 ? " change, " : " changes, ", int64_t(r.microseconds), " us, ",
               r.transposes, " transpositions left\n");
    if (details)
      for (const Change& c : r.details) out += cat("  ", c.node, ": ", c.why, "\n");
  }
  return out;
}

}  // namespace tenon::passes
