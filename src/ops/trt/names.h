// What layers number, and ONNX's names of it.
#pragma once
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace tenon::ops::trt {

inline constexpr const char* kUnaryOps[] = {
    "Exp",  "Log",   "Sqrt",  "Reciprocal", "Abs",  "Neg",   "Sin", "Cos", "Tan",  "Sinh",  "Cosh",  "Asin", "Acos",
    "Atan", "Asinh", "Acosh", "Atanh",      "Ceil", "Floor", "Erf", "Not", "Sign", "Round", "IsInf", "IsNaN"};
/// Number 7, the division that rounds down, has no operator of its own.
inline constexpr const char* kElementWiseOps[] = {"Add", "Mul", "Max", "Min", "Sub",   "Div",     "Pow",
                                                  "",    "And", "Or",  "Xor", "Equal", "Greater", "Less"};
inline constexpr const char* kResizeModes[] = {"nearest", "linear", "cubic"};
inline constexpr const char* kResizeCoordinates[] = {"align_corners", "asymmetric", "half_pixel"};
inline constexpr const char* kResizeRounding[] = {"round_prefer_ceil", "round_prefer_floor", "floor", "ceil"};
inline constexpr const char* kPadModes[] = {"", "wrap", "edge", "constant", "reflect"};  ///< by SampleMode
inline constexpr const char* kGridModes[] = {"nearest", "linear", "cubic"};
inline constexpr const char* kGridPadding[] = {"", "", "border", "zeros", "reflection"};  ///< by SampleMode

/// PaddingMode's numbers.
enum Padding : int64_t {
  kRoundDown = 0,
  kRoundUp = 1,
  kSameUpper = 2,
  kSameLower = 3,
  kCaffeRoundDown = 4,
  kCaffeRoundUp = 5
};

/// The number of `name` in a list above; its length if it is not there.
template <size_t N>
constexpr size_t number_of(const char* const (&names)[N], std::string_view name) {
  return static_cast<size_t>(std::find(names, names + N, name) - names);
}

}  // namespace tenon::ops::trt
