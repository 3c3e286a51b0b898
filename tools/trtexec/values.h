// Values of tensors as bytes.
#pragma once
#include <NvInferRuntime.h>

#include <string>
#include <vector>

#include "trtexec/options.h"

namespace trtexec {

/// One input or output of a context at its current shape.
struct Binding {
  std::string name;
  bool is_input = false;
  nvinfer1::DataType type = nvinfer1::DataType::kFLOAT;
  Dims dims;
  std::vector<char> host;
};

Dims from_dims(const nvinfer1::Dims& dims);
nvinfer1::Dims to_dims(const Dims& dims);

/// Random values in the range a type is used for: [-1, 1) for reals, [0, 1] for integers.
void fill_random(std::vector<char>& bytes, nvinfer1::DataType type, uint32_t seed);
/// Bytes of a dense tensor; elements of 4 bits count as halves.
size_t bytes_of(nvinfer1::DataType type, const Dims& dims);
/// Elements that the dims say.
size_t count(const Binding& binding);
/// Element `i` of a dense tensor.
double element(const Binding& binding, size_t i);

}  // namespace trtexec
