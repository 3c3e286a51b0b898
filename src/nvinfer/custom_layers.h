// Layers whose settings are more than fields of one value.
#pragma once
#include "layers.h"

namespace tenon::nvinfer {

class ShuffleLayer final : public ShuffleLayerFields {
 public:
  ShuffleLayer(Network& network, ir::NodeId node, LayerType type)
      : ShuffleLayerFields(network, node, type),
        first_(order_of("first_transpose")),
        second_(order_of("second_transpose")) {}
  void setFirstTranspose(const Permutation& permutation) noexcept;
  const Permutation& getFirstTranspose() const noexcept { return first_; }
  void setSecondTranspose(const Permutation& permutation) noexcept;
  const Permutation& getSecondTranspose() const noexcept { return second_; }
  void setReshapeDimensions(DimsArg dims) noexcept;
  Dims getReshapeDimensions() const noexcept;

 private:
  Permutation order_of(const char* field) const;  ///< as the node has it; of axes beyond that, the identity

  Permutation first_, second_;
  ir::Dims core_order(const Permutation& permutation) const;
};

class ScaleLayer : public ScaleLayerFields {
 public:
  using ScaleLayerFields::ScaleLayerFields;
  void setChannelAxis(int32_t axis) noexcept { set("channel_axis", axis); }
  int32_t getChannelAxis() const noexcept { return get<int32_t>("channel_axis"); }
};

#if NV_TENSORRT_MAJOR >= 8
class NormalizationLayer final : public NormalizationLayerFields {
 public:
  using NormalizationLayerFields::NormalizationLayerFields;
  bool isV2() const noexcept { return second_; }
  void mark_second() noexcept { second_ = true; }

 private:
  bool second_ = false;
};
#endif

class ShapeLayer final : public ShapeLayerFields {
 public:
  using ShapeLayerFields::ShapeLayerFields;
  void make_narrow() noexcept { set("narrow", true); }
};

class ResizeLayer final : public ResizeLayerFields {
 public:
  using ResizeLayerFields::ResizeLayerFields;
  void setScales(const float* scales, int32_t count) noexcept;
  int32_t getScales(int32_t size, float* scales) const noexcept;
  void setOutputDimensions(DimsArg dims) noexcept;
  // Up to level 9.
  void setAlignCorners(bool align) noexcept { set("coordinate_transformation", align ? 0 : 1); }
  bool getAlignCorners() const noexcept { return get<int32_t>("coordinate_transformation") == 0; }
};

class MatrixMultiplyLayer final : public MatrixMultiplyLayerFields {
 public:
  using MatrixMultiplyLayerFields::MatrixMultiplyLayerFields;
  void setOperation(int32_t index, MatrixOperation op) noexcept {
    if (has_index("IMatrixMultiplyLayer::setOperation", index, 2)) set(index == 0 ? "operation0" : "operation1", op);
  }
  MatrixOperation getOperation(int32_t index) const noexcept {
    if (!has_index("IMatrixMultiplyLayer::getOperation", index, 2)) return MatrixOperation::kNONE;
    return get<MatrixOperation>(index == 0 ? "operation0" : "operation1");
  }
  // Level 7.
  void setTranspose(int32_t index, bool value) noexcept {
    setOperation(index, value ? MatrixOperation::kTRANSPOSE : MatrixOperation::kNONE);
  }
  bool getTranspose(int32_t index) const noexcept { return getOperation(index) == MatrixOperation::kTRANSPOSE; }
};

class FillLayer final : public FillLayerFields {
 public:
  using FillLayerFields::FillLayerFields;
  void setAlphaInt64(int64_t alpha) noexcept { set("alpha_int64", alpha), set("in_int64", true); }
  void setBetaInt64(int64_t beta) noexcept { set("beta_int64", beta), set("in_int64", true); }
  bool isAlphaBetaInt64() const noexcept { return get<bool>("in_int64"); }
};

}  // namespace tenon::nvinfer
