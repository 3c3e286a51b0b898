// Runs ONNX models with data through import and the reference. Usage: onnx_cases <folder> [<name part>]
//
// The folder holds cases.txt (a line a case: name, group, rtol, atol, and "symbolic" if shape inference must give the
// outputs' dims as expressions of the inputs') and for each case <name>.onnx and <name>.data.onnx, whose initializers
// in_<input name> and out0… are the inputs and the expected outputs. node_tests.py and torch_exports.py write them.
// Prints "pass|fail group name message" for each case.
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>

#include "import/onnx/import.h"
#include "onnx/load.h"
#include "ops/op.h"

namespace tenon {
namespace {

struct Case {
  std::string name, op;
  double rtol = 1e-3, atol = 1e-7;
  std::string symbolic;
};

std::map<std::string, ir::Tensor> read_data(const std::string& path) {
  std::map<std::string, ir::Tensor> data;
  for (const auto& t : onnx::load(path).graph.initializers) data[t.name] = t.tensor;
  return data;
}

/// Throws unless `y` is as expected.
void check(const Case& c, size_t output, const ir::Tensor& y, const ir::Tensor& expected) {
  require(y.dtype() == expected.dtype(), ErrorCode::kInternal, "output ", output, " is ", y.dtype(), ", expected ",
          expected.dtype());
  require(y.dims() == expected.dims(), ErrorCode::kInternal, "output ", output, " has dims ", y.dims(), ", expected ",
          expected.dims());
  if (y.dtype() == ir::DType::kString) {
    require(y == expected, ErrorCode::kInternal, "output ", output, " has other strings than expected");
    return;
  }
  double largest = 0;
  for (int64_t i = 0; i < y.count(); ++i)
    if (std::isfinite(expected.get(i))) largest = std::fmax(largest, std::fabs(expected.get(i)));
  const double noise = ir::is_float(y.dtype()) ? c.atol + 1e-7 * largest : 0;  // the expected values are rounded too
  for (int64_t i = 0; i < y.count(); ++i) {
    const double a = y.get(i), b = expected.get(i);
    const bool same = a == b || (std::isnan(a) && std::isnan(b)) || std::fabs(a - b) <= noise + c.rtol * std::fabs(b);
    require(same, ErrorCode::kInternal, "output ", output, " element ", i, " is ", a, ", expected ", b);
  }
}

/// Throws if a dimension of an output is not an expression of named symbols; shape inference calls the others u_….
void check_symbolic(const ir::Graph& graph) {
  for (ir::ValueId v : graph.outputs) {
    const ir::Value& value = graph.value(v);
    require(value.ranked, ErrorCode::kInternal, "the rank of output '", value.name, "' is not known");
    for (ir::Dim d : value.shape)
      require(graph.symbols->text(d).find("u_") == std::string::npos, ErrorCode::kInternal, "output '", value.name,
              "' has the dimension ", graph.symbols->text(d));
  }
}

void run(const std::string& folder, const Case& c) {
  const onnx::Model model = onnx::load(folder + "/" + c.name + ".onnx");
  const auto data = read_data(folder + "/" + c.name + ".data.onnx");
  const ir::Graph graph = importer::import_onnx(model);
  if (!c.symbolic.empty()) check_symbolic(graph);
  std::vector<ir::Tensor> inputs;
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    auto it = data.find(cat("in_", graph.value(graph.inputs[i]).name));
    require(it != data.end(), ErrorCode::kInternal, "the case has no input '", graph.value(graph.inputs[i]).name, "'");
    inputs.push_back(it->second);
  }
  const auto outputs = ops::eval_graph(graph, inputs, false);
  for (size_t i = 0; i < outputs.size(); ++i) {
    auto it = data.find(cat("out", i));
    if (it != data.end()) check(c, i, outputs[i], it->second);
  }
}

}  // namespace
}  // namespace tenon

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: onnx_cases <folder> [<name part>]\n"), 2;
  std::ifstream list(std::string(argv[1]) + "/cases.txt");
  int failed = 0;
  for (std::string line; std::getline(list, line);) {
    tenon::Case c;
    std::istringstream(line) >> c.name >> c.op >> c.rtol >> c.atol >> c.symbolic;
    if (argc > 2 && c.name.find(argv[2]) == std::string::npos) continue;
    std::string message;
    try {
      tenon::run(argv[1], c);
    } catch (const std::exception& e) {
      message = e.what();
    }
    for (char& ch : message)
      if (ch == '\n') ch = ' ';
    failed += !message.empty();
    std::printf("%s %s %s %s\n", message.empty() ? "pass" : "fail", c.op.c_str(), c.name.c_str(), message.c_str());
    std::fflush(stdout);
  }
  return failed > 0;
}
