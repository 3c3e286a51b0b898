#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/atomic_file.h"
#include "onnx/external_data.h"
#include "onnx/load.h"
#include "onnx/sha1.h"
#include "onnx/testing.h"

namespace fs = std::filesystem;
using namespace tenon;
using namespace tenon::onnx::testing;

namespace {

/// A folder "in" with weights, beside a file "secret" that models in it must not reach.
struct Folder {
  fs::path root, in;
  Folder() {
    std::string name = (fs::temp_directory_path() / "tenon_external_XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    root = name;
    in = root / "in";
    fs::create_directories(in / "sub");
    write_file_atomically(root / "secret", std::string("\0\0\x80\x3f", 4));
    write_file_atomically(in / "w.bin", std::string("\0\0\0\0\0\0\x80\x3f\0\0\0\x40", 12));
    fs::copy(in / "w.bin", in / "sub" / "w.bin");
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(root, ignored);
  }
};

Bytes model_with(const Entries& keys, int64_t type = 1, const std::vector<int64_t>& dims = {2}) {
  return model({.nodes = {}, .inputs = {}, .outputs = {}, .initializers = {external_tensor("w", type, dims, keys)}});
}

/// "" on success.
std::string error_of(const Folder& f, const Entries& keys, bool allow_hard_links = false) {
  onnx::LoadOptions options;
  options.external.allow_hard_links = allow_hard_links;
  try {
    onnx::load_bytes(span_of(model_with(keys)), f.in, options);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

constexpr const char* kSha1 = "checksum";

void check_has(const std::string& text, std::string_view part) {
  INFO("\"", text, "\" lacks \"", std::string(part), "\"");
  CHECK(text.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("sha1 gives the published digests") {
  CHECK(onnx::sha1_hex({}) == "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  CHECK(onnx::sha1_hex(span_of("abc")) == "a9993e364706816aba3e25717850c26c9cd0d89d");
  CHECK(onnx::sha1_hex(span_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
        "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  CHECK(onnx::sha1_hex(span_of(std::string(1000000, 'a'))) == "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

TEST_CASE("external data is found below the model's folder") {
  const Folder f;
  write_file_atomically(f.in / "m.onnx", model_with({{"location", "sub/w.bin"}, {"offset", "4"}, {"length", "8"}}));
  const ir::Tensor t = onnx::load(f.in / "m.onnx").graph.initializers.at(0).tensor;
  CHECK(t.to_doubles() == std::vector<double>{1, 2});
  CHECK(error_of(f, {{"location", "./sub//w.bin"}}) == "");
  CHECK(error_of(f, {{"location", "w.bin"}, {"offset", "4"}}) == "");
  CHECK(error_of(f, {{"location", "w.bin"}, {kSha1, onnx::sha1_hex(MappedFile::open(f.in / "w.bin")->bytes())}}) == "");
}

TEST_CASE("initializers whose data the caller has are awaited where no file has it") {
  const Folder f;
  const Bytes b = model({.nodes = {},
                         .inputs = {},
                         .outputs = {},
                         .initializers = {external_tensor("here", 1, {1}, {{"location", "w.bin"}, {"offset", "4"}}),
                                          external_tensor("away", 1, {2, 3}, {{"location", "of_the_caller"}})}});
  onnx::LoadOptions options;
  options.later = true;
  const onnx::Model m = onnx::load_bytes(span_of(b), f.in, options);
  CHECK(m.graph.initializers[0].tensor.get(0) == 1);
  CHECK(m.graph.initializers[1].tensor.dims() == ir::Dims{2, 3});
  REQUIRE(m.awaited.size() == 1);
  check_has(m.awaited.at("away"), "of_the_caller");
  CHECK(onnx::load_bytes(span_of(b), {}, options).awaited.size() == 2);
  CHECK_THROWS_AS(onnx::load_bytes(span_of(b), f.in), Error);
}

TEST_CASE("two tensors share one mapping") {
  const Folder f;
  const Bytes b = model({.nodes = {},
                         .inputs = {},
                         .outputs = {},
                         .initializers = {external_tensor("a", 1, {1}, {{"location", "w.bin"}}),
                                          external_tensor("b", 1, {1}, {{"location", "./w.bin"}, {"offset", "8"}})}});
  const onnx::Model m = onnx::load_bytes(span_of(b), f.in);
  CHECK(m.graph.initializers[1].tensor.data().data() - m.graph.initializers[0].tensor.data().data() == 8);
}

TEST_CASE("a location that leaves the folder is refused") {
  const Folder f;
  fs::create_symlink(f.root / "secret", f.in / "link");
  fs::create_symlink("w.bin", f.in / "inner_link");
  fs::create_symlink(f.root, f.in / "up");
  fs::create_hard_link(f.root / "secret", f.in / "hard");
  REQUIRE(::mkfifo((f.in / "fifo").c_str(), 0600) == 0);
  const auto at = [&](std::string location) { return error_of(f, {{"location", std::move(location)}}); };
  check_has(at("../secret"), "leaves its folder");
  check_has(at("sub/../../secret"), "leaves its folder");
  check_has(at("sub/../w.bin"), "leaves its folder");
  check_has(at((f.root / "secret").string()), "is absolute");
  check_has(at("link"), "symbolic link");
  check_has(at("inner_link"), "symbolic link");
  check_has(at("up/secret"), "symbolic link");
  check_has(at("/proc/self/cwd/secret"), "is absolute");
  check_has(at("hard"), "hard links");
  check_has(error_of(f, {{"location", "hard"}}, true), "has 4 bytes, the tensor needs 8");
  check_has(at("fifo"), "not a regular file");
  check_has(at("sub"), "not a regular file");
  check_has(at("sub/"), "names no file");
  check_has(at(""), "is empty");
  check_has(at(std::string("w.bin\0.txt", 10)), "NUL");
  check_has(at("missing"), "No such file");
  check_has(at("w.bin/x"), "Not a directory");
}

TEST_CASE("keys, sizes and checksums are verified") {
  const Folder f;
  check_has(error_of(f, {}), "location \"\" is empty");
  check_has(error_of(f, {{"location", "w.bin"}, {"location", "w.bin"}}), "appears twice");
  check_has(error_of(f, {{"location", "w.bin"}, {"basepath", "/"}}), "key \"basepath\" is unknown");
  check_has(error_of(f, {{"location", "w.bin"}, {"offset", "-4"}}), "not a whole number of bytes");
  check_has(error_of(f, {{"location", "w.bin"}, {"offset", "0x4"}}), "not a whole number of bytes");
  check_has(error_of(f, {{"location", "w.bin"}, {"offset", "99999999999999999999"}}), "not a whole number of bytes");
  check_has(error_of(f, {{"location", "w.bin"}, {"offset", "8"}}), "has 12 bytes, the tensor needs 8 at offset 8");
  check_has(error_of(f, {{"location", "w.bin"}, {"offset", "9223372036854775807"}}), "size overflow");
  check_has(error_of(f, {{"location", "w.bin"}, {"length", "12"}}), "length 12, the tensor needs 8");
  check_has(error_of(f, {{"location", "w.bin"}, {kSha1, "abc"}}), "not a SHA-1 digest");
  check_has(error_of(f, {{"location", "w.bin"}, {kSha1, std::string(40, '0')}}), "the model says 0000");
  CHECK_THROWS_WITH_AS(onnx::load_bytes(span_of(model_with({{"location", "w.bin"}}))),
                       doctest::Contains("needs a base directory"), Error);
  CHECK_THROWS_WITH_AS(onnx::load_bytes(span_of(model_with({{"location", "w.bin"}}, 8)), f.in),
                       doctest::Contains("strings cannot be"), Error);
}

TEST_CASE("the walk without openat2 refuses the same paths") {
  const Folder f;
  fs::create_symlink(f.root / "secret", f.in / "link");
  fs::create_symlink(f.root, f.in / "up");
  const Descriptor dir(::open(f.in.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (const bool walk : {false, true}) {
    CHECK(onnx::open_beneath(dir.get(), "sub/w.bin", walk));
    for (const char* bad : {"link", "up/secret", "../secret", "missing", "w.bin/x"})
      CHECK_THROWS_AS(onnx::open_beneath(dir.get(), bad, walk), Error);
  }
}
