// From a file to a graph: whatever the file holds, there is a graph or an Error, and never a crash.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <random>

#include "base/atomic_file.h"
#include "base/mmap.h"
#include "import/onnx/import.h"
#include "ir/verify.h"
#include "onnx/testing.h"

namespace fs = std::filesystem;
using namespace tenon;
using namespace tenon::onnx::testing;

namespace {

struct TempDir {
  fs::path path;
  TempDir() {
    std::string name = (fs::temp_directory_path() / "tenon_bad_XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~TempDir() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

/// "" when the file becomes a graph that holds together; the error's text when it is refused.
std::string outcome(const fs::path& path) {
  try {
    ir::verify(importer::import_onnx(onnx::load(path)), false);
  } catch (const Error& e) {
    CHECK(e.code() != ErrorCode::kInternal);
    CHECK(std::string(e.what()).size() > 10);
    return e.what();
  }
  return "";
}
std::string outcome(const TempDir& dir, const Bytes& bytes) {
  write_file_atomically(dir.path / "m.onnx", bytes);
  return outcome(dir.path / "m.onnx");
}
std::string outcome_in_memory(const Bytes& bytes) {
  try {
    ir::verify(importer::import_onnx(onnx::load_bytes(span_of(bytes))), false);
  } catch (const Error& e) {
    INFO(e.what());
    CHECK(e.code() != ErrorCode::kInternal);
    return e.what();
  }
  return "";
}

Bytes digits() {
  const auto file = MappedFile::open(TENON_SOURCE_DIR "/samples/digits/digits.onnx");
  return {reinterpret_cast<const char*>(file->bytes().data()), file->size()};
}

GraphParts one_node(const Bytes& n) {
  return {.nodes = {n}, .inputs = {float_value("x", {2})}, .outputs = {float_value("y", {2})}};
}

void check_has(const std::string& text, std::string_view part) {
  INFO("\"", text, "\" lacks \"", std::string(part), "\"");
  CHECK(text.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("files that are no usable model say why, with their path") {
  const TempDir dir;
  check_has(outcome(dir.path / "absent.onnx"), "absent.onnx: No such file");
  check_has(outcome(dir.path), "a directory");
  check_has(outcome(dir, ""), "m.onnx: not an ONNX model: the file is empty");
  check_has(outcome(dir, "hello\n"), "m.onnx: not an ONNX model but plain text");
  check_has(outcome(dir, model(one_node(node("Foo", {"x"}, {"y"}, {}, {.name = "f"})))),
            "node 0 \"f\" (Foo): unknown operator Foo of domain ai.onnx at opset 17");
  check_has(outcome(dir, model(one_node(node("Relu", {"y"}, {"y"})))), "the graph has a cycle: node 0 (Relu)");
  const auto external = [](const char* location) {
    GraphParts p = one_node(node("Relu", {"x"}, {"y"}));
    p.initializers = {external_tensor("w", 1, {2}, {{"location", location}})};
    return model(p);
  };
  check_has(outcome(dir, external("w.bin")), "cannot open external data \"w.bin\": No such file");
  check_has(outcome(dir, external("../w.bin")), "leaves its folder");
  write_file_atomically(dir.path / "w.bin", "12345678");
  CHECK(outcome(dir, external("w.bin")) == "");
}

TEST_CASE("a real model cut at any point is refused") {
  const Bytes whole = digits();
  std::mt19937 random(3);
  for (int i = 0; i < 300; ++i) {
    const size_t n = random() % whole.size();
    const std::string text = outcome_in_memory(whole.substr(0, n));
    INFO("cut at ", n);
    CHECK((!text.empty() || n + 64 > whole.size()));
  }
}

TEST_CASE("a real model with bytes changed becomes a graph or an error") {
  const Bytes whole = digits();
  std::mt19937 random(4);
  for (int i = 0; i < 1500; ++i) {
    Bytes b = whole;
    // Most of the file is weights; half of the changes go to its structure, which lies around them.
    const size_t window = i % 2 ? b.size() : std::min<size_t>(b.size(), 4096);
    for (unsigned k = 0; k <= random() % 3; ++k) {
      const size_t at = random() % window;
      b[random() % 2 ? at : b.size() - 1 - at] = char(random());
    }
    (void)outcome_in_memory(b);
  }
}

TEST_CASE("random bytes are refused") {
  std::mt19937 random(5);
  for (int i = 0; i < 1000; ++i) {
    Bytes b(1 + random() % 300, '\0');
    for (char& c : b) c = char(random());
    CHECK(!outcome_in_memory(b).empty());
  }
}
