// The operators that a GPU leaves to the host are those that docs/kernel.md names.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "backends/backend.h"
#include "ops/op.h"

using namespace tenon;

namespace {

/// Names in backquotes between the sentence that begins the list and the one behind it.
std::set<std::string> documented() {
  std::ifstream file(TENON_SOURCE_DIR "/docs/kernel.md");
  std::stringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  const size_t begin = all.find("results are copied back. These are"),
               end = all.find("`src/builder/gpu_operators_test");
  REQUIRE(begin < end);
  REQUIRE(end < all.size());
  std::set<std::string> names;
  std::istringstream list(all.substr(begin, end - begin));
  for (std::string word; std::getline(list, word, '`') && std::getline(list, word, '`');)
    if (word.find('/') == std::string::npos) names.insert(word);
  return names;
}

}  // namespace

TEST_CASE("operators without a kernel on the GPU are documented") {
  std::string why;
  const Backend* gpu = cuda_description(90, &why);
  if (!gpu) {
    MESSAGE("no CUDA backend: ", why);
    return;
  }
  std::set<std::string> host;
  for (const ops::OpDef& op : ops::all_ops()) {
    const auto kernels = kernels_for(*gpu, op.name);
    const bool own = std::any_of(kernels.begin(), kernels.end(), [](const KernelDef* k) { return k->op != "*"; });
    const bool network_form = op.name.substr(0, 4) == "trt.";  // becomes others before kernels are chosen
    if (!own && !network_form && op.form != ops::OpForm::kView) host.insert(std::string(op.name));
  }
  CHECK(host == documented());
}
