// The part of cuDNN 9's graph interface that this backend calls, declared here because its headers need not be
// installed.
#pragma once
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace tenon::cuda::cudnn {

using Status = int;  ///< 0 is success
using Handle = void*;
using Descriptor = void*;

enum DataType : int { kFloat = 0, kHalf = 2, kInt32 = 4, kBFloat16 = 9, kInt64 = 10, kBoolean = 11 };

enum PointwiseMode : int {
  kAdd = 0,
  kMul = 1,
  kMin = 2,
  kMax = 3,
  kSqrt = 4,
  kDiv = 6,
  kPow = 8,
  kSub = 9,
  kAbs = 10,
  kCeil = 11,
  kCos = 12,
  kExp = 13,
  kFloor = 14,
  kLog = 15,
  kNeg = 16,
  kRsqrt = 17,
  kSin = 18,
  kErf = 20,
  kIdentity = 21,
  kReciprocal = 22,
  kRelu = 100,
  kTanh = 101,
  kSigmoid = 102,
  kElu = 103,
  kGeluErf = 104,
  kSoftplus = 105,
  kSwish = 106,
  kGeluTanh = 107,
};

enum ReductionMode : int { kSum = 0, kMaximum = 3 };

enum DescriptorType : int {
  kPointwise = 0,
  kConvolution = 1,
  kEngine = 2,
  kEngineConfig = 3,
  kHeuristics = 4,
  kExecutionPlan = 5,
  kKnobChoice = 7,
  kConvolutionForward = 10,
  kConvolutionBackwardData = 12,
  kPointwiseOperation = 13,
  kOperationGraph = 15,
  kVariantPack = 16,
  kTensor = 17,
  kMatMul = 18,
  kMatMulOperation = 19,
  kReduction = 21,
  kReductionOperation = 22,
};

/// What the elements of an attribute are.
enum ElementType : int {
  kTypeHandle = 0,
  kTypeDataType = 1,
  kTypeBoolean = 2,
  kTypeInt64 = 3,
  kTypeFloat = 4,
  kTypeDouble = 5,
  kTypePointer = 6,
  kTypeConvolutionMode = 7,
  kTypeHeuristicMode = 8,
  kTypeKnob = 9,
  kTypeNumericalNote = 11,
  kTypePointwiseMode = 14,
  kTypeDescriptor = 15,
  kTypeReduction = 18,
};

enum Attribute : int {
  kPointwiseModeIs = 0,
  kPointwisePrecision = 1,
  kReluLow = 3,
  kReluHigh = 4,
  kReluSlope = 5,
  kEluAlpha = 6,
  kSoftplusBeta = 7,
  kSwishBeta = 8,
  kConvolutionPrecision = 100,
  kConvolutionMode = 101,
  kDilations = 102,
  kStrides = 103,
  kPadsAfter = 104,
  kPadsBefore = 105,
  kSpatialAxes = 106,
  kHeuristicsMode = 200,
  kHeuristicsGraph = 201,
  kHeuristicsResults = 202,
  kConfigEngine = 300,
  kConfigKnobs = 302,
  kPlanHandle = 400,
  kPlanConfig = 401,
  kPlanWorkspace = 402,
  kKnobType = 600,
  kKnobValue = 601,
  kForwardAlpha = 700,
  kForwardBeta = 701,
  kForwardConvolution = 702,
  kForwardW = 703,
  kForwardX = 704,
  kForwardY = 705,
  kBackwardAlpha = 706,
  kBackwardBeta = 707,
  kBackwardConvolution = 708,
  kBackwardW = 709,
  kBackwardDx = 710,
  kBackwardDy = 711,
  kOperationPointwise = 750,
  kOperationX = 751,
  kOperationB = 752,
  kOperationY = 753,
  kGraphHandle = 800,
  kGraphOperations = 801,
  kTensorAlignment = 900,
  kTensorType = 901,
  kTensorDims = 902,
  kTensorStrides = 903,
  kTensorId = 906,
  kTensorVirtual = 907,
  kTensorByValue = 908,
  kPackIds = 1000,
  kPackPointers = 1001,
  kPackWorkspace = 1003,
  kEngineGraph = 1300,
  kEngineIndex = 1301,
  kEngineNotes = 1303,
  kMatMulPrecision = 1500,
  kMatMulA = 1520,
  kMatMulB = 1521,
  kMatMulC = 1522,
  kMatMulIs = 1523,
  kReductionIs = 1600,
  kReductionPrecision = 1601,
  kReductionX = 1610,
  kReductionY = 1611,
  kReductionFunction = 1612,
};

enum HeuristicMode : int { kHeuristicB = 1, kHeuristicFallback = 2, kHeuristicA = 3 };
/// What an engine says about its arithmetic.
enum NumericalNote : int {
  kTensorCores = 0,
  kDownConvertsInputs = 1,
  kReducedPrecisionSums = 2,
  kFft = 3,
  kNondeterministic = 4,
  kWinograd = 5,
  kStrictNan = 9,
};
inline constexpr int kCrossCorrelation = 1;

struct Api {
  size_t (*version)();
  Status (*create)(Handle*);
  Status (*set_stream)(Handle, cudaStream_t);
  Status (*create_descriptor)(int type, Descriptor*);
  Status (*destroy_descriptor)(Descriptor);
  Status (*finalize)(Descriptor);
  Status (*set)(Descriptor, int attribute, int type, int64_t count, const void* elements);
  Status (*get)(Descriptor, int attribute, int type, int64_t wanted, int64_t* count, void* elements);
  Status (*execute)(Handle, Descriptor plan, Descriptor variant_pack);
  const char* (*status_text)(Status);
  void (*last_error)(char* text, size_t size);
};

/// The library's functions; null and the reason where it is missing. Thread-safe.
const Api* api(std::string* why = nullptr);
/// Throws Error kUnsupported, which makes a build try another kernel, unless `status` is success.
void check(Status status, const char* what);

/// A handle of GPU `ordinal`, which must be current, for one thread at a time.
class HandleLease {
 public:
  explicit HandleLease(int ordinal);
  ~HandleLease();
  HandleLease(const HandleLease&) = delete;
  HandleLease& operator=(const HandleLease&) = delete;
  Handle get() const { return handle_; }

 private:
  int ordinal_;
  Handle handle_;
};

}  // namespace tenon::cuda::cudnn
