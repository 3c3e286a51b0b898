// Runs every testdata/<pass>.tn: cases of a graph before and after the pass, as text.
//
//   === name of the case
//   allow_bf16                      options, one a line
//   graph { … }                     before; types of results may be left out
//   ---
//   graph { … }                     after, exactly
//
// Both are also evaluated in double precision on the same random inputs and must agree. With TENON_UPDATE_GOLDEN set
// in the environment the texts after are written anew.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "ir/text.h"
#include "ops/op.h"
#include "ops/parse.h"
#include "passes/passes.h"
#include "passes/verify.h"

using namespace tenon;
namespace fs = std::filesystem;

namespace {

struct Case {
  std::string name, before, after;
  std::vector<std::string> options;
};

std::vector<Case> read_cases(const fs::path& path) {
  std::ifstream file(path);
  std::vector<Case> cases;
  bool after = false;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("=== ", 0) == 0) {
      cases.push_back({line.substr(4), {}, {}, {}});
      after = false;
    } else if (cases.empty()) {
      continue;
    } else if (line == "---") {
      after = true;
    } else if (after) {
      if (!line.empty() || !cases.back().after.empty()) cases.back().after += line + "\n";
    } else if (cases.back().before.empty() && line.rfind("graph", 0) != 0) {
      if (!line.empty()) cases.back().options.push_back(line);
    } else {
      cases.back().before += line + "\n";
    }
  }
  for (Case& c : cases)
    while (c.after.size() >= 2 && c.after.substr(c.after.size() - 2) == "\n\n") c.after.pop_back();
  return cases;
}

void write_cases(const fs::path& path, const std::vector<Case>& cases) {
  std::ofstream file(path);
  for (const Case& c : cases) {
    file << "=== " << c.name << "\n";
    for (const auto& o : c.options) file << o << "\n";
    file << c.before << "---\n" << c.after << (&c == &cases.back() ? "" : "\n");
  }
}

passes::PassOptions options_of(const Case& c) {
  passes::PassOptions options;
  for (const std::string& o : c.options) {
    if (o == "allow_bf16")
      options.allow_bf16 = true;
    else if (o == "allow_fp16")
      options.allow_fp16 = true;
    else if (o == "squeeze_excite")
      options.squeeze_excite = true;
    else if (o.rfind("scaled_channels ", 0) == 0)
      options.scaled_channels = std::stoll(o.substr(16));
    else if (o.rfind("expanded_bytes ", 0) == 0)
      options.expanded_bytes = std::stoll(o.substr(15));
    else if (o == "sums_in_place")
      options.sums_in_place = true;
    else if (o.rfind("scaled_type ", 0) == 0)
      options.scaled_types = {ir::parse_dtype(o.substr(12)).value()};
    else if (o == "images_in_place")
      options.images_in_place = true;
    else if (o.rfind("type ", 0) == 0)  // type <type> <node>
      options.types[o.substr(o.find(' ', 5) + 1)] = ir::parse_dtype(o.substr(5, o.find(' ', 5) - 5)).value();
    else if (o.rfind("scale ", 0) == 0)  // scale <number> <value>
      options.scales[o.substr(o.find(' ', 6) + 1)] = std::stof(o.substr(6));
    else
      fail(ErrorCode::kInvalidArgument, "option '", o, "' is not known");
  }
  return options;
}

ir::Graph parse(const std::string& text) { return ir::parse(text, ops::parse_options()); }

/// Every free symbol becomes a small number; elements lie in [-1, 1), integers in {0, 1}.
std::vector<ir::Tensor> random_inputs(const ir::Graph& graph) {
  std::unordered_map<int32_t, int64_t> bindings;
  for (size_t i = 0; i < graph.symbols->size(); ++i)
    if (graph.symbols->expr(int32_t(i)).op == ir::DimOp::kSymbol) bindings[int32_t(i)] = 2 + int64_t(i % 3);
  std::vector<ir::Tensor> inputs;
  uint64_t state = 99;
  for (ir::ValueId v : graph.inputs) {
    ir::Dims dims;
    for (ir::Dim d : graph.value(v).shape) dims.push_back(graph.symbols->evaluate(d, bindings).value());
    ir::Tensor t(graph.value(v).dtype, dims);
    for (int64_t k = 0; k < t.count(); ++k) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      const double u = double(state >> 40) / double(1 << 24);
      ir::is_float(t.dtype()) ? t.set(k, 2 * u - 1) : t.set_int(k, u > 0.5);
    }
    inputs.push_back(std::move(t));
  }
  return inputs;
}

void check_same_results(const ir::Graph& before, const ir::Graph& after, const std::vector<ir::Tensor>& inputs,
                        double tolerance) {
  const auto a = ops::eval_graph(before, inputs, true), b = ops::eval_graph(after, inputs, true);
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    REQUIRE(a[i].dims() == b[i].dims());
    double difference = 0, norm = 1e-9;
    for (int64_t k = 0; k < a[i].count(); ++k) {
      const double x = a[i].get(k), y = b[i].get(k);
      if (x == y || (std::isnan(x) && std::isnan(y))) continue;
      difference += (x - y) * (x - y);
      norm += x * x;
    }
    CHECK(std::sqrt(difference / norm) < tolerance);
  }
}

void run_file(const fs::path& path) {
  std::vector<Case> cases = read_cases(path);
  REQUIRE(!cases.empty());
  const passes::Pass& pass = passes::find_pass(path.stem().string());
  for (Case& c : cases) {
    CAPTURE(path.filename().string());
    CAPTURE(c.name);
    ir::Graph before = parse(c.before);
    ops::infer(before);
    ir::Graph after = before.clone();
    const auto report = passes::run_pass(after, pass, options_of(c));
    CHECK(int(report.details.size()) >= (report.changes > 0));
    passes::verify(after);
    const std::string text = ir::print(after);
    const bool narrow = options_of(c).allow_bf16 || options_of(c).allow_fp16 || !options_of(c).scales.empty();
    check_same_results(before, after, random_inputs(before), narrow ? 2e-2 : 2e-6);
    ir::Graph again = parse(ir::print(after, {.max_listed = 1 << 30}));
    CHECK(again.hash() == after.hash());
    if (std::getenv("TENON_UPDATE_GOLDEN")) c.after = text;
    CHECK(text == c.after);
  }
  if (std::getenv("TENON_UPDATE_GOLDEN")) write_cases(path, cases);
}

}  // namespace

TEST_CASE("passes: golden text") {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(fs::path(TENON_SOURCE_DIR) / "src/passes/testdata"))
    if (entry.path().extension() == ".tn") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const auto& f : files) {
    SUBCASE(f.filename().string().c_str()) {
      try {
        run_file(f);
      } catch (const Error& e) {
        FAIL(f.filename().string() << ": " << std::string(e.what()));
      }
    }
  }
}
