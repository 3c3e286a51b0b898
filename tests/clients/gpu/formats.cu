// A plugin with a CUDA kernel that takes its tensors in one format and type only: the engine converts around it, on the
// device. Compiled at 8 and 10.
#include <cmath>
#include <cstring>

#include "gpu/leaky.h"
#include "gpu/same_shape.h"
#include "named/common.h"

using namespace nvinfer1;

namespace {

KeepingLogger logger;

struct Layout {
  TensorFormat format;
  int spatial, vector;
  bool channels_last;
};

/// Where element (n, c, s) of [., channels, inner] lies.
__device__ int64_t place(Layout const& layout, int64_t channels, int64_t inner, int64_t n, int64_t c, int64_t s) {
  int64_t const groups = (channels + layout.vector - 1) / layout.vector;
  if (layout.channels_last) {
    return (n * inner + s) * groups * layout.vector + c;
  }
  return ((n * groups + c / layout.vector) * inner + s) * layout.vector + c % layout.vector;
}

/// y's channels are those of x in reverse order; counts elements beyond the last channel that are not 0.
template <class T>
__global__ void reverse_kernel(T const* x, T* y, Layout layout, int64_t channels, int64_t inner, int* wrong) {
  int64_t const n = blockIdx.x;
  int64_t const padded = (channels + layout.vector - 1) / layout.vector * layout.vector;
  for (int64_t i = threadIdx.x; i < padded * inner; i += blockDim.x) {
    int64_t const c = i / inner, s = i % inner;
    T const value = x[place(layout, channels, inner, n, c, s)];
    if (c < channels) {
      y[place(layout, channels, inner, n, channels - 1 - c, s)] = value;
    } else if (static_cast<float>(value) != 0.0F) {
      atomicAdd(wrong, 1);
    }
  }
}

class Reverse : public SameShapeV2<Reverse> {
 public:
  Reverse(Layout const& layout, DataType type) : SameShapeV2("Reverse"), layout_(layout), type_(type) {}
  bool supportsFormatCombination(int32_t pos, PluginTensorDesc const* all, int32_t, int32_t) noexcept override {
    return all[pos].type == type_ && all[pos].format == layout_.format;
  }
  size_t getWorkspaceSize(PluginTensorDesc const*, int32_t, PluginTensorDesc const*, int32_t) const noexcept override {
    return sizeof(int);
  }
  int32_t enqueue(PluginTensorDesc const* in, PluginTensorDesc const* out, void const* const* inputs,
                  void* const* outputs, void* workspace, cudaStream_t stream) noexcept override {
    if (in[0].format != layout_.format || out[0].format != layout_.format || in[0].type != type_) {
      return 1;
    }
    look(inputs[0], outputs[0], workspace, stream);
    int64_t inner = 1;
    for (int i = 2; i < in[0].dims.nbDims; ++i) {
      inner *= in[0].dims.d[i];
    }
    cudaMemsetAsync(workspace, 0, sizeof(int), stream);
    auto run = [&](auto const* x) {
      using T = typename std::remove_const<typename std::remove_pointer<decltype(x)>::type>::type;
      reverse_kernel<T><<<static_cast<unsigned>(in[0].dims.d[0]), 128, 0, stream>>>(
          x, static_cast<T*>(outputs[0]), layout_, in[0].dims.d[1], inner, static_cast<int*>(workspace));
    };
    if (type_ == DataType::kFLOAT) {
      run(static_cast<float const*>(inputs[0]));
    } else if (type_ == DataType::kHALF) {
      run(static_cast<__half const*>(inputs[0]));
    } else {
      run(static_cast<int8_t const*>(inputs[0]));
    }
    int wrong = -1;
    cudaMemcpyAsync(&wrong, workspace, sizeof(wrong), cudaMemcpyDeviceToHost, stream);
    cudaStreamSynchronize(stream);  // as plugins may: they are not recorded
    EXPECT(wrong == 0);
    return cudaGetLastError() == cudaSuccess ? 0 : 1;
  }

 private:
  Layout layout_;
  DataType type_;
};

void check(Layout const& layout, DataType type) {
  Dims dims{};
  dims.nbDims = layout.spatial + 2;
  constexpr int kBatch = 2, kChannels = 37;
  size_t inner = 1;
  for (int i = 0; i < dims.nbDims; ++i) {
    dims.d[i] = i == 0 ? kBatch : i == 1 ? kChannels : 3 * i + 1;
    inner *= i < 2 ? 1 : static_cast<size_t>(dims.d[i]);
  }
  Owned<IBuilder> builder(createInferBuilder(logger));
  Owned<INetworkDefinition> network(
      builder->createNetworkV2(1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH)));
  ITensor* x = network->addInput("x", DataType::kFLOAT, dims);
  Reverse plugin(layout, type);
  ITensor* y = network->addPluginV2(&x, 1, plugin)->getOutput(0);
  y->setName("y");
  network->markOutput(*y);
  Owned<IBuilderConfig> config(builder->createBuilderConfig());
  if (type == DataType::kINT8) {
    config->setFlag(BuilderFlag::kINT8);
    EXPECT(x->setDynamicRange(-254.0F, 254.0F) && y->setDynamicRange(-254.0F, 254.0F));
  }
  Owned<ICudaEngine> engine(builder->buildEngineWithConfig(*network, *config));
  EXPECT(engine != nullptr);
  if (!engine) {
    return;
  }
  Session session(*engine);
  std::vector<float> values(kBatch * kChannels * inner);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = 2.0F * static_cast<float>(static_cast<int>(i * 7 % 101) - 50);  // exact in every type
  }
  session.set("x", values);
  session.expect("y", values.size() * sizeof(float));
  for (int turn = 0; turn < 3; ++turn) {
    EXPECT(session.run());
    std::vector<float> const found = session.get<float>("y", values.size());
    size_t wrong = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      size_t const s = i % inner, c = i / inner % kChannels, n = i / inner / kChannels;
      wrong += found[i] != values[(n * kChannels + kChannels - 1 - c) * inner + s];
    }
    if (wrong != 0) {
      std::fprintf(stderr, "format %d type %d: %zu wrong\n", static_cast<int>(layout.format), static_cast<int>(type),
                   wrong);
    }
    EXPECT(wrong == 0);
  }
}

}  // namespace

int main() {
  Layout const layouts[] = {
      {TensorFormat::kLINEAR, 2, 1, false}, {TensorFormat::kCHW2, 2, 2, false},   {TensorFormat::kCHW4, 2, 4, false},
      {TensorFormat::kCHW16, 2, 16, false}, {TensorFormat::kCHW32, 2, 32, false}, {TensorFormat::kHWC, 2, 1, true},
      {TensorFormat::kHWC8, 2, 8, true},    {TensorFormat::kHWC16, 2, 16, true},  {TensorFormat::kDHWC, 3, 1, true},
      {TensorFormat::kDHWC8, 3, 8, true},   {TensorFormat::kCDHW32, 3, 32, false}};
  for (Layout const& layout : layouts) {
    for (DataType type : {DataType::kFLOAT, DataType::kHALF, DataType::kINT8}) {
      check(layout, type);
    }
  }
  EXPECT(seen().host_pointers == 0);
  for (std::string const& error : logger.errors) {
    std::fprintf(stderr, "%s\n", error.c_str());
  }
  EXPECT(logger.errors.empty());
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
