#include "backends/cuda/cuda.h"

#include <array>
#include <map>
#include <mutex>
#include <vector>

#include "backends/cuda/device.h"
#include "backends/device_weights.h"
#include "build_identity_text.h"

namespace tenon::cuda {
#define TENON_KERNELS(name) std::vector<KernelDef> name();
#include "backends/cuda/kernels/kernels.inc"
#undef TENON_KERNELS

namespace {

std::vector<KernelDef> all_kernels() {
  std::vector<KernelDef> all;
  auto add = [&](std::vector<KernelDef> defs) { all.insert(all.end(), defs.begin(), defs.end()); };
#define TENON_KERNELS(name) add(name());
#include "backends/cuda/kernels/kernels.inc"
#undef TENON_KERNELS
  return all;
}

class Gpu final : public CudaBackend {
 public:
  Gpu(DeviceInfo info, int ordinal, bool present)
      : info_(std::move(info)), ordinal_(ordinal), device_(ordinal, present), kernels_(all_kernels()) {}
  std::string_view name() const override { return "cuda"; }
  std::string fingerprint() const override {
    return cat("cuda ", info_.name, " sm_", info_.sm, " ", info_.multiprocessors, " SMs",
               info_.driver.empty() ? "" : " driver ", info_.driver);
  }
  std::span<const KernelDef> kernels() const override { return kernels_; }
  const Device* device() const override { return &device_; }
  ir::DType preferred_narrow() const override { return ir::DType::kF16; }
  const DeviceInfo& info() const override { return info_; }
  int ordinal() const override { return ordinal_; }

 private:
  DeviceInfo info_;
  int ordinal_;
  CudaDevice device_;
  std::vector<KernelDef> kernels_;
};

/// Never destroyed: engines and contexts in variables of the application may outlive every variable here.
struct Gpus {
  std::mutex mutex;
  std::map<int, std::unique_ptr<Gpu>> by_number;
};

/// Dense tensor-core and vector rates a multiprocessor and clock: FLOPs of f16 with f32 sums, and of f32.
std::array<int, 2> flops_a_clock(int sm) {
  if (sm >= 120) return {1024, 256};
  if (sm >= 100) return {8192, 256};
  if (sm >= 90) return {4096, 256};
  if (sm == 80) return {2048, 128};
  if (sm >= 86) return {1024, 256};
  return {1024, 128};
}

DeviceInfo describe(int ordinal) {
  cudaDeviceProp p{};
  TENON_CUDA(cudaGetDeviceProperties(&p, ordinal));
  int clock_khz = 0, memory_khz = 0, driver = 0;
  TENON_CUDA(cudaDeviceGetAttribute(&clock_khz, cudaDevAttrClockRate, ordinal));
  TENON_CUDA(cudaDeviceGetAttribute(&memory_khz, cudaDevAttrMemoryClockRate, ordinal));
  TENON_CUDA(cudaDriverGetVersion(&driver));
  DeviceInfo d;
  d.name = p.name;
  d.sm = p.major * 10 + p.minor;
  d.multiprocessors = p.multiProcessorCount;
  d.shared_bytes = int64_t(p.sharedMemPerBlockOptin);
  d.l2_bytes = p.l2CacheSize;
  d.memory_bytes = int64_t(p.totalGlobalMem);
  const auto [f16, f32] = flops_a_clock(d.sm);
  // Some virtual and integrated GPUs do not tell their clocks.
  constexpr int kClockKhz = 1'000'000;
  constexpr double kGigabytesASecond = 100;
  const double clocks = double(d.multiprocessors) * (clock_khz > 0 ? clock_khz : kClockKhz) * 1e3 * 1e-12;
  d.tflops_f16 = clocks * f16;
  d.tflops_f32 = clocks * f32;
  d.gigabytes_a_second = 2.0 * memory_khz * 1e3 * p.memoryBusWidth / 8 * 1e-9;
  if (!(d.gigabytes_a_second > 0)) d.gigabytes_a_second = kGigabytesASecond;
  d.driver = cat(driver / 1000, ".", driver % 1000 / 10);
  return d;
}

/// Typical members of each generation, for planning without a GPU.
DeviceInfo typical(int sm) {
  switch (sm) {
    case 75:
      return {"Tesla T4", 75, 40, 64 << 10, 4 << 20, int64_t(15) << 30, 8.1, 65, 320, ""};
    case 80:
      return {"NVIDIA A100-SXM4-80GB", 80, 108, 163 << 10, 40 << 20, int64_t(80) << 30, 19.5, 312, 2039, ""};
    case 86:
      return {"NVIDIA A10", 86, 72, 99 << 10, 6 << 20, int64_t(23) << 30, 31.2, 125, 600, ""};
    case 89:
      return {"NVIDIA L4", 89, 58, 99 << 10, 48 << 20, int64_t(23) << 30, 30.3, 121, 300, ""};
    case 90:
      return {"NVIDIA H200", 90, 132, 227 << 10, 50 << 20, int64_t(141) << 30, 67, 989, 4800, ""};
    default:
      fail(ErrorCode::kInvalidArgument, "there is no description of a GPU of compute capability ", sm,
           "; described are 75, 80, 86, 89, 90");
  }
}

}  // namespace

std::shared_ptr<const void> upload(const Problem& p, const void* data, size_t bytes) {
  const Device& device = *p.backend->device();
  auto memory = weight_memory(p.weights, device, bytes);
  device.copy(memory.get(), data, bytes, device.own_stream());
  device.synchronize(device.own_stream());
  return memory;
}

std::shared_ptr<const void> packed_constant(const Problem& p, size_t input, const std::string& format,
                                            const std::function<std::vector<std::byte>(const ir::Tensor&)>& make) {
  const ir::Tensor& source = *p.constants.at(input);
  auto build = [&]() -> std::shared_ptr<const void> {
    const std::vector<std::byte> bytes = make(source);
    return upload(p, bytes.data(), bytes.size());
  };
  return p.weights ? p.weights->get(source, cat("cuda/", backend_of(p).ordinal(), "/", format), build) : build();
}

std::string refuse_tf32(const Problem& p) {
  if (p.inputs[0].dtype != ir::DType::kF32) return cat("operands are ", p.inputs[0].dtype, ", accepted is f32");
  constexpr int kAmpere = 80;
  return info_of(p).sm < kAmpere ? cat("compute capability ", info_of(p).sm, ", needed is ", kAmpere) : "";
}

double tf32_gain(const Problem& p) { return info_of(p).tflops_f16 / 2 / info_of(p).tflops_f32; }

double operand_bytes(const Problem& p) {
  double bytes = 0;
  for (const auto* list : {&p.inputs, &p.outputs})
    for (const TensorDesc& d : *list)
      if (d.dtype != ir::DType::kUndefined) bytes += double(d.count()) * ir::bits(d.dtype) / 8;
  return bytes;
}

double estimate_us(const Problem& p, double flops, double efficiency) {
  const DeviceInfo& d = info_of(p);
  const bool wide = p.inputs.empty() || p.inputs[0].dtype == ir::DType::kF32;
  const double compute = flops / ((wide ? d.tflops_f32 : d.tflops_f16) * 1e6 * efficiency);
  const double memory = operand_bytes(p) / (d.gigabytes_a_second * 1e3);
  return 2 + std::max(compute, memory);
}

}  // namespace tenon::cuda

#define TENON_EXPORT extern "C" __attribute__((visibility("default")))

/// The identity of the build, see base/build_identity.h.
TENON_EXPORT const char* tenon_cuda_build() { return TENON_BUILD_IDENTITY; }

/// GPU `ordinal`, or null and the reason.
TENON_EXPORT const tenon::Backend* tenon_cuda_backend(int ordinal, std::string* why) {
  using namespace tenon;
  static auto& gpus = *new cuda::Gpus;
  std::lock_guard lock(gpus.mutex);
  try {
    int count = 0;
    TENON_CUDA(cudaGetDeviceCount(&count));
    require(ordinal >= 0 && ordinal < count, ErrorCode::kInvalidArgument, "GPU ", ordinal,
            " does not exist, there are ", count);
    auto& gpu = gpus.by_number[ordinal];
    if (!gpu) gpu = std::make_unique<cuda::Gpu>(cuda::describe(ordinal), ordinal, true);
    return gpu.get();
  } catch (const Error& e) {
    *why = e.message();
    return nullptr;
  }
}

/// The description of a typical GPU of compute capability `sm`, which kernels can be chosen for but not run on.
TENON_EXPORT const tenon::Backend* tenon_cuda_description(int sm, std::string* why) {
  using namespace tenon;
  static auto& gpus = *new cuda::Gpus;
  std::lock_guard lock(gpus.mutex);
  try {
    auto& gpu = gpus.by_number[sm];
    if (!gpu) gpu = std::make_unique<cuda::Gpu>(cuda::typical(sm), 0, false);
    return gpu.get();
  } catch (const Error& e) {
    *why = e.message();
    return nullptr;
  }
}

/// The GPU that is current in the calling thread.
TENON_EXPORT int tenon_cuda_current() {
  int ordinal = 0;
  return cudaGetDevice(&ordinal) == cudaSuccess ? ordinal : 0;
}
