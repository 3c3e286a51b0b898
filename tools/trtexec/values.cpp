#include "trtexec/values.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <stdexcept>

namespace trtexec {

using nvinfer1::DataType;

Dims from_dims(const nvinfer1::Dims& d) { return {d.d, d.d + std::max(d.nbDims, 0)}; }

nvinfer1::Dims to_dims(const Dims& d) {
  nvinfer1::Dims out{};
  if (d.size() > size_t(nvinfer1::Dims::MAX_DIMS)) throw std::runtime_error("a shape has more than 8 dimensions");
  out.nbDims = int32_t(d.size());
  for (size_t i = 0; i < d.size(); ++i) out.d[i] = d[i];
  return out;
}

void fill_random(std::vector<char>& bytes, DataType type, uint32_t seed) {
  std::mt19937 random(seed);
  auto unit = [&] { return float(random() >> 8) * 0x1p-23f - 1; };
  char* p = bytes.data();
  const size_t n = bytes.size();
  switch (type) {
    case DataType::kFLOAT:
      for (size_t i = 0; i + 4 <= n; i += 4) {
        const float v = unit();
        std::memcpy(p + i, &v, 4);
      }
      break;
    case DataType::kBF16:
    case DataType::kHALF:
      for (size_t i = 0; i + 2 <= n; i += 2) {  // ±0.5 … ±1: the exponent's code is the type's own
        const uint16_t bits =
            uint16_t((type == DataType::kBF16 ? 0x3f00 : 0x3800) | (random() & 0x7f) | (random() & 1) << 15);
        std::memcpy(p + i, &bits, 2);
      }
      break;
    case DataType::kINT32:
      for (size_t i = 0; i + 4 <= n; i += 4) {
        const int32_t v = int32_t(random() & 1);
        std::memcpy(p + i, &v, 4);
      }
      break;
    case DataType::kINT64:
      for (size_t i = 0; i + 8 <= n; i += 8) {
        const int64_t v = int64_t(random() & 1);
        std::memcpy(p + i, &v, 8);
      }
      break;
    default:
      for (size_t i = 0; i < n; ++i) p[i] = char(random() & 1);
  }
}

size_t bytes_of(DataType type, const Dims& dims) {
  size_t n = 1;
  for (int64_t d : dims) n *= size_t(std::max<int64_t>(d, 0));
  switch (type) {
    case DataType::kINT64:
      return n * 8;
    case DataType::kFLOAT:
    case DataType::kINT32:
      return n * 4;
    case DataType::kHALF:
    case DataType::kBF16:
      return n * 2;
    case DataType::kINT4:
    case DataType::kFP4:
      return (n + 1) / 2;
    default:
      return n;
  }
}

double element(const Binding& b, size_t i) {
  auto read = [&](auto v) {
    std::memcpy(&v, b.host.data() + i * sizeof v, sizeof v);
    return double(v);
  };
  auto from_bits = [](uint32_t bits) {
    float f;
    std::memcpy(&f, &bits, 4);
    return double(f);
  };
  switch (b.type) {
    case DataType::kFLOAT:
      return read(float());
    case DataType::kINT32:
      return read(int32_t());
    case DataType::kINT64:
      return read(int64_t());
    case DataType::kINT8:
      return read(int8_t());
    case DataType::kBF16:
      return from_bits(uint32_t(read(uint16_t())) << 16);
    case DataType::kHALF: {
      const uint32_t h = uint32_t(read(uint16_t())), sign = (h & 0x8000) << 16, e = h >> 10 & 31, m = h & 1023;
      if (e == 0) return (sign ? -1 : 1) * std::ldexp(double(m), -24);
      return from_bits(sign | (e == 31 ? 0x7f800000 : (e + 112) << 23) | m << 13);
    }
    default:
      return read(uint8_t());
  }
}

size_t count(const Binding& b) {
  size_t n = 1;
  for (int64_t d : b.dims) n *= size_t(d);
  return n;
}

}  // namespace trtexec
