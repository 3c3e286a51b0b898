// The vector loops of the CPU backend: plain structs in, nothing out. Each instruction set has its own compilation of
// them and hands over one table of functions; the processor's best is picked at run time.
//
// Tensors are dense rows of channels (N, spatial..., C) with a pitch between rows, in elements. bf16 is its 16 bits.
#pragma once
#include <cstddef>
#include <cstdint>

namespace tenon::isa {

enum class Isa : int32_t { kBase, kAvx2, kAvx512, kAvx512Bf16, kAmx };
inline constexpr int kIsaCount = 5;

enum class Type : int32_t { kF32, kBf16 };

/// Activation functions that kernels apply as they store.
enum class Act : int32_t {
  kNone,
  kClip,   ///< min(max(x, a), b); ReLU is a = 0, b = infinity
  kLeaky,  ///< x >= 0 ? x : a x
  kSigmoid,
  kSilu,  ///< x sigmoid(a x); a = 1 is SiLU
  kTanh,
  kGeluErf,
  kGeluTanh,
  kHardSigmoid,  ///< min(max(a x + b, 0), 1)
  kHardSwish,    ///< x min(max(a x + b, 0), 1)
  kElu,          ///< x >= 0 ? x : a (exp(x) - 1)
  kMish,         ///< x tanh(log(1 + exp(x)))
  kSoftplus,     ///< log(1 + exp(x))
};

/// What happens to a sum before it is stored: y = act(x + bias + residual), or act(x + bias) + residual.
struct Post {
  const float* bias = nullptr;     ///< one a column, or null
  const void* residual = nullptr;  ///< the shape and type of y, or null
  int64_t residual_pitch = 0;
  Act act = Act::kNone;
  float a = 0, b = 0;
  bool add_after = false;  ///< the residual is added after the activation
  /// Or, instead of residual and act, a function: changes sums, the bias in them, in place before they are stored.
  /// Row r of the `rows` rows, `pitch` floats apart, is row m + r * step of y, and `columns` values from column n on.
  void (*apply)(void* user, float* sums, int64_t pitch, int64_t m, int64_t step, int64_t rows, int64_t n,
                int64_t columns) = nullptr;
  void* user = nullptr;
  int64_t row = 0, column = 0;  ///< what `apply` calls the first row and column of y
  int64_t step = 1;             ///< and how far apart it takes neighbouring rows to be
};

/// y[M][N] = post(A[M][K] B[K][N]): B packed by `pack`, A rows `lda` apart.
struct Gemm {
  const void* a = nullptr;
  int64_t lda = 0;
  const void* b = nullptr;
  void* y = nullptr;
  int64_t ldy = 0;
  int64_t m = 0, n = 0, k = 0;
  Type type = Type::kF32;    ///< of A and of the packed B
  Type y_type = Type::kF32;  ///< of y and the residual
  Post post;
};

/// Convolution by implicit GEMM: row m of y is an output position (n, d, h, w), a column an output channel. B is
/// packed with one tap a kernel position. A grouped convolution is one call a group, with x, y and post moved along.
struct Conv {
  const void* x = nullptr;
  int64_t ldx = 0;  ///< elements between neighbours along w; rows, planes and images follow densely
  const void* b = nullptr;
  void* y = nullptr;
  int64_t ldy = 0;
  int64_t batch = 1;
  int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1};  ///< depth, height, width
  int64_t kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1}, pad[3] = {0, 0, 0};
  int64_t c = 0, n = 0;  ///< channels in and out, of this group
  Type type = Type::kF32, y_type = Type::kF32;
  /// The taps along w are one run of kernel[2] * c inputs: needs ldx == c and dilation[2] == 1. For few channels.
  bool merge_w = false;
  Post post;
};

/// Where the elements of a B matrix to be packed are: element (tap, k, n) at tap * st + (k / inner) * so +
/// (k % inner) * sk + n * sn.
struct Pack {
  const void* source = nullptr;
  bool source_bf16 = false;
  int64_t taps = 1, k = 0, n = 0;
  int64_t inner = 0;  ///< 0 means k
  int64_t st = 0, so = 0, sk = 0, sn = 0;
  Type type = Type::kF32;  ///< the packed type
  float scale = 1;         ///< of every element
};

/// Depthwise convolution: y[n,h,w,c] = post(sum over taps x[...] w[tap][c]), in 1 to 3 dimensions.
struct Depthwise {
  const void* x = nullptr;
  int64_t ldx = 0;
  const float* w = nullptr;  ///< [taps][c]
  void* y = nullptr;
  int64_t ldy = 0;
  int64_t batch = 1;
  int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1};
  int64_t kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1}, pad[3] = {0, 0, 0};
  int64_t c = 0;
  Type type = Type::kF32, y_type = Type::kF32;
  /// In each whole run of 2 * lanes channels, the weights of the even ones lie before those of the odd ones. Only where
  /// depthwise_pairs() says so, and with neither `residual` nor `apply`.
  bool paired = false;
  Post post;
};

/// Stride-1 convolution by Winograd's minimal filtering on 6 x 6 tiles of height and width: F(4x4, 3x3), F(2x2, 5x5).
/// Planes along depth are taps of the products. Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks".
struct Winograd {
  const void* x = nullptr;
  int64_t ldx = 0;
  const float* u = nullptr;  ///< from winograd_weights
  void* y = nullptr;
  int64_t ldy = 0;
  int64_t batch = 1;
  int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1};
  int64_t kernel_d = 1, stride_d = 1, dilation_d = 1;
  int64_t r = 3;         ///< kernel height and width: 3 or 5
  int64_t dilation = 1;  ///< of height and width
  int64_t pad[3] = {0, 0, 0};
  int64_t c = 0, n = 0;
  Type type = Type::kF32;  ///< of x and y; the arithmetic is f32
  Post post;
};

struct IsaTable {
  Isa isa;
  const char* name;
  int32_t lanes;   ///< f32 values in a vector
  int32_t rows;    ///< rows of a full register tile
  int32_t panel;   ///< columns of a full packed panel
  bool fast_bf16;  ///< bf16 products are instructions, not conversions

  /// Bytes of a packed B. Panels follow each other, so the part of columns [n0, n1), n0 a multiple of `panel`, begins
  /// at packed_bytes of n0 columns.
  int64_t (*packed_bytes)(Type type, int64_t taps, int64_t k, int64_t n);
  /// Packs panels [p0, p1).
  void (*pack)(const Pack&, void* packed, int64_t p0, int64_t p1);

  /// Dense rows of x, whose rows lie ldx apart, each times scale[k].
  void (*scale_rows)(Type type, const void* x, int64_t ldx, int64_t rows, int64_t k, const float* scale, void* to);

  int64_t (*gemm_scratch)(const Gemm&);
  /// Rows [m0, m1) of panels [p0, p1).
  void (*gemm)(const Gemm&, int64_t m0, int64_t m1, int64_t p0, int64_t p1, void* scratch);
  int64_t (*conv_scratch)(const Conv&);
  void (*conv)(const Conv&, int64_t m0, int64_t m1, int64_t p0, int64_t p1, void* scratch);

  /// Rows [r0, r1) of y, a row being one (n, d, h); all widths and the channels [c0, c1).
  void (*depthwise)(const Depthwise&, int64_t r0, int64_t r1, int64_t c0, int64_t c1);
  /// Whether there are loops for `paired` weights and these sizes; c0 and c1 are multiples of 2 * lanes then, or c.
  bool (*depthwise_pairs)(const Depthwise&);

  /// Floats in the transformed weights of panels [0, p).
  int64_t (*winograd_weight_count)(const Winograd&, int64_t p);
  /// Transforms panels [p0, p1) of w[n][c][kernel_d][r][r]; u is the start of all transformed weights.
  void (*winograd_weights)(const Winograd&, const float* w, float* u, int64_t p0, int64_t p1);
  /// Tiles that cover one plane of y; tile q is tile q % plane of image q / plane.
  int64_t (*winograd_plane_tiles)(const Winograd&);
  /// Scratch for so many tiles of a plane, planes and panels in one call.
  int64_t (*winograd_scratch)(const Winograd&, int64_t tiles, int64_t planes, int64_t panels);
  /// Tiles [q0, q1) of planes [d0, d1) for the channels of panels [p0, p1).
  void (*winograd)(const Winograd&, int64_t q0, int64_t q1, int64_t d0, int64_t d1, int64_t p0, int64_t p1,
                   void* scratch);

  /// y[i] = act(x[i]).
  void (*activate)(Act act, float a, float b, const float* x, float* y, int64_t count);
  void (*to_bf16)(const float* x, uint16_t* y, int64_t count);
  void (*from_bf16)(const uint16_t* x, float* y, int64_t count);
};

/// The table for this processor, no higher than TENON_CPU_ISA (sse2, avx2, avx512, avx512_bf16, amx) says. Reads the
/// environment: for prepare(), not for run().
const IsaTable& isa_table();
/// The table of one level, or null where the processor or the build lacks it.
const IsaTable* isa_table(Isa isa);
const char* isa_name(Isa isa);

}  // namespace tenon::isa
