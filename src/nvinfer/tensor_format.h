// Formats of memory other than row-major, for plugins and for network inputs and outputs: [outer…, C, spatial…] with
// its channels last or in groups.
#pragma once
#include <optional>
#include <string>

#include "nvinfer/convert.h"
#include "ops/custom/custom.h"

namespace tenon::nvinfer {

struct Packing {
  size_t spatial = 2;          ///< dimensions behind the channels
  int64_t vector = 1;          ///< channels are filled up to a multiple of it
  bool channels_last = false;  ///< else groups of `vector` channels follow each other
};

/// The formats that tensors can have here, row-major first.
std::span<const nvinfer1::TensorFormat> device_formats();
/// nullopt for kLINEAR. Throws kUnsupported for formats of a DLA.
std::optional<Packing> packing_of(nvinfer1::TensorFormat format);
/// The enumerator's name from level 8 on.
std::string format_name(nvinfer1::TensorFormat format);
/// Whether a tensor of this rank and type can have the format.
bool fits(nvinfer1::TensorFormat format, size_t rank, ir::DType type);
/// Where the elements of a tensor in the format lie; nullopt for kLINEAR.
std::optional<ops::CustomPacking> placement(nvinfer1::TensorFormat format, const ir::Dims& dims);
int64_t packed_bytes(nvinfer1::TensorFormat format, const ir::Dims& dims, ir::DType type);
/// From row-major to the format; channels beyond the last are 0.
void pack(nvinfer1::TensorFormat format, const ir::Dims& dims, ir::DType type, const void* from, void* to);
void unpack(nvinfer1::TensorFormat format, const ir::Dims& dims, ir::DType type, const void* from, void* to);

}  // namespace tenon::nvinfer
