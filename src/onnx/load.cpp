#include "onnx/load.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <limits>

#include "base/error.h"
#include "base/mmap.h"

namespace tenon::onnx {
namespace {

struct Magic {
  std::string_view bytes, what;
};
using namespace std::string_view_literals;
constexpr std::array kMagics{
    Magic{"version https://git-lfs"sv, "a Git LFS pointer; the model itself was not fetched (git lfs pull)"},
    Magic{"<"sv, "an HTML or XML page (a failed download?)"},
    Magic{"{"sv, "JSON text"},
    Magic{"PK\x03\x04"sv, "a ZIP archive (a PyTorch checkpoint is one); export the model to ONNX"},
    Magic{"\x80\x02"sv, "a Python pickle; export the model to ONNX"},
    Magic{"\x80\x04"sv, "a Python pickle; export the model to ONNX"},
    Magic{"\x89HDF"sv, "an HDF5 file; export the model to ONNX"},
    Magic{"\x1f\x8b"sv, "gzip-compressed; unpack it first"},
    Magic{"\x28\xb5\x2f\xfd"sv, "zstd-compressed; unpack it first"},
    Magic{"\x7f"
          "ELF"sv,
          "an ELF program or library"},
    Magic{"\x89PNG"sv, "a PNG image"},
    Magic{"\xff\xd8\xff"sv, "a JPEG image"},
    Magic{"%PDF"sv, "a PDF document"},
    Magic{"GGUF"sv, "a GGUF file"},
    Magic{"ftrt"sv, "an engine plan"},
};

bool is_text(std::string_view head) {
  return std::all_of(head.begin(), head.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u >= 0x20 ? u != 0x7f : c == '\n' || c == '\r' || c == '\t';
  });
}

/// What bytes that failed to parse look like, or "" when nothing is known.
std::string_view recognize(std::string_view bytes) {
  std::string_view trimmed = bytes;
  if (trimmed.substr(0, 3) == "\xef\xbb\xbf") trimmed.remove_prefix(3);
  while (!trimmed.empty() && std::isspace(static_cast<unsigned char>(trimmed.front()))) trimmed.remove_prefix(1);
  for (const Magic& m : kMagics)
    if (bytes.substr(0, m.bytes.size()) == m.bytes || trimmed.substr(0, m.bytes.size()) == m.bytes) return m.what;
  if (is_text(bytes.substr(0, 256))) return "plain text";
  if (std::all_of(bytes.begin(), bytes.begin() + std::min<size_t>(bytes.size(), 256), [](char c) { return c == 0; }))
    return "zero bytes";
  return {};
}

/// parse(), with a guess at what the bytes are when they are no model.
Model parse_or_explain(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, ExternalData* external,
                       bool later) {
  require(!bytes.empty(), ErrorCode::kInvalidModel, "not an ONNX model: the file is empty");
  require(bytes.size() <= size_t(std::numeric_limits<int32_t>::max()), ErrorCode::kInvalidModel, "the model has ",
          bytes.size(), " bytes; a protobuf file has at most 2 GiB, larger weights go into external data");
  try {
    return parse(bytes, std::move(owner), external, later);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kInvalidModel) throw;
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const std::string_view guess = recognize(text);
    if (guess.empty()) throw;
    fail(ErrorCode::kInvalidModel, "not an ONNX model but ", guess);
  }
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Model load(const std::string& path, const LoadOptions& options) {
  const auto file = MappedFile::open(path);
  try {
    ExternalData external(folder_of(path), options.external);
    return parse_or_explain(file->bytes(), file, &external, options.later);
  } catch (const Error& e) {
    throw e.at(path);
  }
}

Model load_bytes(std::span<const std::byte> bytes, const std::string& base_directory, const LoadOptions& options) {
  const auto copy = std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end());
  if (base_directory.empty()) return parse_or_explain(*copy, copy, nullptr, options.later);
  ExternalData external(base_directory, options.external);
  return parse_or_explain(*copy, copy, &external, options.later);
}

}  // namespace tenon::onnx
