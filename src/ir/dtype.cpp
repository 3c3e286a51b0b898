#include "ir/dtype.h"

#include <array>

#include "base/checked.h"

namespace tenon::ir {
namespace {

struct Info {
  std::string_view name;
  int bits;
  char kind;  // f: real, i: integer, -: neither
};
constexpr std::array<Info, kDTypeCount> kInfo{{
    {"undefined", 0, '-'}, {"f32", 32, 'f'},       {"f16", 16, 'f'},       {"bf16", 16, 'f'},  {"f64", 64, 'f'},
    {"i8", 8, 'i'},        {"u8", 8, 'i'},         {"i16", 16, 'i'},       {"u16", 16, 'i'},   {"i32", 32, 'i'},
    {"u32", 32, 'i'},      {"i64", 64, 'i'},       {"u64", 64, 'i'},       {"bool", 8, '-'},   {"f8e4m3fn", 8, 'f'},
    {"f8e5m2", 8, 'f'},    {"f8e4m3fnuz", 8, 'f'}, {"f8e5m2fnuz", 8, 'f'}, {"f8e8m0", 8, 'f'}, {"i4", 4, 'i'},
    {"u4", 4, 'i'},        {"f4e2m1", 4, 'f'},     {"i2", 2, 'i'},         {"u2", 2, 'i'},     {"c64", 64, '-'},
    {"c128", 128, '-'},    {"string", 0, '-'},
}};

}  // namespace

std::string_view name(DType type) { return size_t(type) < kInfo.size() ? kInfo[size_t(type)].name : "invalid"; }
std::optional<DType> parse_dtype(std::string_view text) {
  for (size_t i = 0; i < kInfo.size(); ++i)
    if (kInfo[i].name == text) return DType(i);
  return std::nullopt;
}
int bits(DType type) { return kInfo[size_t(type)].bits; }
bool is_float(DType type) { return kInfo[size_t(type)].kind == 'f'; }
bool is_integer(DType type) { return kInfo[size_t(type)].kind == 'i'; }
int64_t storage_bytes(DType type, int64_t count) { return checked_add(checked_mul(count, bits(type)), 7) / 8; }

}  // namespace tenon::ir
