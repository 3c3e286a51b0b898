#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/atomic_file.h"
#include "base/checked.h"
#include "base/mmap.h"
#include "ir/sample.h"
#include "tenon/command.h"

namespace tenon::cli {
namespace {

struct NpyType {
  std::string_view code;
  ir::DType dtype;
};
constexpr NpyType kNpyTypes[] = {{"f4", ir::DType::kF32}, {"f2", ir::DType::kF16}, {"f8", ir::DType::kF64},
                                 {"i1", ir::DType::kI8},  {"u1", ir::DType::kU8},  {"i2", ir::DType::kI16},
                                 {"u2", ir::DType::kU16}, {"i4", ir::DType::kI32}, {"u4", ir::DType::kU32},
                                 {"i8", ir::DType::kI64}, {"u8", ir::DType::kU64}, {"b1", ir::DType::kBool}};

/// The text after `key` in a .npy header.
std::string_view after(std::string_view header, std::string_view key, const std::string& path) {
  const size_t at = header.find(key);
  require(at != std::string_view::npos, ErrorCode::kInvalidArgument, path, ": the .npy header has no ", key);
  return header.substr(at + key.size());
}

}  // namespace

ir::Tensor read_npy(const std::string& path) {
  auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  require(bytes.size() >= 12 && std::memcmp(bytes.data(), "\x93NUMPY", 6) == 0, ErrorCode::kInvalidArgument, path,
          ": not a .npy file");
  const bool wide = uint8_t(bytes[6]) >= 2;
  const size_t begin = wide ? 12 : 10;
  uint32_t length = 0;
  std::memcpy(&length, bytes.data() + 8, wide ? 4 : 2);
  require(length <= bytes.size() - begin, ErrorCode::kInvalidArgument, path, ": the .npy header is cut off");
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + begin, length);
  require(after(header, "'fortran_order':", path).starts_with(" False"), ErrorCode::kUnsupported, path,
          ": Fortran order is not accepted");
  std::string_view descr = after(header, "'descr': '", path);
  require(descr.size() > 3 && (descr[0] == '<' || descr[0] == '|'), ErrorCode::kUnsupported, path,
          ": little-endian numbers are accepted");
  ir::DType dtype = ir::DType::kUndefined;
  for (const NpyType& t : kNpyTypes)
    if (descr.substr(1, 2) == t.code) dtype = t.dtype;
  require(dtype != ir::DType::kUndefined, ErrorCode::kUnsupported, path, ": data type ", descr.substr(0, 3),
          " is not accepted");
  std::string_view shape = after(header, "'shape': (", path);
  ir::Dims dims;
  for (const char *p = shape.data(), *end = p + shape.size(); p < end && *p != ')';) {
    int64_t d = 0;
    auto [next, error] = std::from_chars(p, end, d);
    if (error == std::errc())
      dims.push_back(d), p = next;
    else
      ++p;
  }
  const size_t size = size_t(ir::storage_bytes(dtype, checked_product(dims)));
  require(bytes.size() - begin - length >= size, ErrorCode::kInvalidArgument, path, ": the data is cut off");
  return {dtype, std::move(dims), file, bytes.subspan(begin + length, size)};
}

void write_npy(const std::string& path, const ir::Tensor& source) {
  ir::Tensor t = source.dtype() == ir::DType::kBF16 ? source.cast(ir::DType::kF32) : source;
  std::string_view code;
  for (const NpyType& type : kNpyTypes)
    if (type.dtype == t.dtype()) code = type.code;
  require(!code.empty(), ErrorCode::kUnsupported, path, ": .npy has no data type for ", ir::name(t.dtype()));
  std::string shape;
  for (int64_t d : t.dims()) shape += cat(d, ",");
  std::string header =
      cat("{'descr': '", code[1] == '1' ? '|' : '<', code, "', 'fortran_order': False, 'shape': (", shape, "), }");
  header.resize((header.size() + 1 + 10 + 63) / 64 * 64 - 11, ' ');
  header += '\n';
  AtomicFile out(path);
  const uint16_t length = uint16_t(header.size());
  out.write(std::string_view("\x93NUMPY\x01\x00", 8));
  out.write(std::as_bytes(std::span(&length, 1)));
  out.write(header);
  out.write(t.data());
  out.commit();
}

namespace {

/// Throws unless each of `files` is "name:file" with the name of an input.
void check_names(const ir::Graph& network, const std::vector<std::string>& files) {
  std::vector<std::string> names;
  for (ir::ValueId v : network.inputs) names.push_back(network.value(v).name);
  for (const std::string& item : files) {
    const size_t colon = item.rfind(':');
    const bool known =
        colon != std::string::npos && std::find(names.begin(), names.end(), item.substr(0, colon)) != names.end();
    require(known, ErrorCode::kInvalidArgument, "--input ", item, ": accepted is name:file, names are ",
            join(names, ", "));
  }
}

}  // namespace

std::vector<ir::Tensor> make_inputs(const ir::Graph& network, const plan::Profile& profile,
                                    const std::vector<std::string>& files, uint64_t seed) {
  check_names(network, files);
  std::vector<ir::Tensor> inputs;
  Xorshift random(seed);
  for (size_t i = 0; i < network.inputs.size(); ++i) {
    const ir::Value& v = network.value(network.inputs[i]);
    ir::Tensor t;
    for (const std::string& item : files) {
      const size_t colon = item.rfind(':');
      if (item.substr(0, colon) != v.name) continue;
      const std::string path = item.substr(colon + 1);
      if (path.ends_with(".npy")) {
        t = read_npy(path);
      } else {
        auto raw = MappedFile::open(path);
        t = ir::Tensor(v.dtype, profile.inputs[i].opt, raw, raw->bytes());
      }
    }
    if (!t.defined()) t = ir::random_tensor(v.dtype, profile.inputs[i].opt, random);
    inputs.push_back(std::move(t));
  }
  return inputs;
}

}  // namespace tenon::cli
