#include "trtexec/debug.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <stdexcept>

#include "trtexec/engine.h"
#include "trtexec/values.h"

namespace trtexec {
namespace {

using namespace nvinfer1;

std::string number(double v) {
  char text[40];
  std::snprintf(text, sizeof text, "%.9g", v);
  return text;
}

/// The type of NumPy's .npy files; bf16 as the bits that it is.
const char* numpy_type(DataType type) {
  switch (type) {
    case DataType::kFLOAT:
      return "<f4";
    case DataType::kHALF:
      return "<f2";
    case DataType::kBF16:
      return "<u2";
    case DataType::kINT32:
      return "<i4";
    case DataType::kINT64:
      return "<i8";
    case DataType::kINT8:
      return "|i1";
    case DataType::kBOOL:
      return "|b1";
    default:
      return "|u1";
  }
}

void write_npy(const std::string& path, const Binding& b) {
  std::string shape;
  for (int64_t d : b.dims) shape += std::to_string(d) + ",";
  std::string header =
      std::string("{'descr': '") + numpy_type(b.type) + "', 'fortran_order': False, 'shape': (" + shape + "), }";
  while ((10 + header.size() + 1) % 64) header += ' ';
  header += '\n';
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += char(header.size() & 255);
  bytes += char(header.size() >> 8);
  bytes += header + std::string(b.host.begin(), b.host.end());
  write_file(path, bytes.data(), bytes.size());
}

void write_text(const std::string& path, const Binding& b) {
  std::string text = b.name + " (" + trtexec::text(b.dims) + ")\n";
  for (size_t i = 0; i < count(b); ++i) text += number(element(b, i)) + "\n";
  write_file(path, text.data(), text.size());
}

std::string summary(const Binding& b) {
  double low = INFINITY, high = -INFINITY, sum = 0;
  const size_t n = count(b);
  for (size_t i = 0; i < n; ++i) {
    const double v = element(b, i);
    low = std::min(low, v), high = std::max(high, v), sum += v;
  }
  return "Debug tensor " + b.name + " (" + text(b.dims) + ")" +
         (n ? ": min = " + number(low) + ", max = " + number(high) + ", mean = " + number(sum / double(n)) : ": empty");
}

class Writer final : public IDebugListener {
 public:
  Writer(const Options& o, Device& device, Log& log) : options_(o), device_(device), log_(log) {}
  bool processDebugTensor(const void* memory, TensorLocation location, DataType type, const nvinfer1::Dims& dims,
                          const char* name, cudaStream_t stream) override {
    try {
      Binding b{name, false, type, from_dims(dims), {}};
      b.host.resize(bytes_of(type, b.dims));
      if (location == TensorLocation::kDEVICE && !b.host.empty()) {
        device_.to_host(b.host.data(), memory, b.host.size(), stream);
        device_.synchronize(stream);
      } else {
        std::copy_n(static_cast<const char*>(memory), b.host.size(), b.host.begin());
      }
      write(b);
      return true;
    } catch (const std::exception& e) {
      log_.error(e.what());
      return false;
    }
  }

 private:
  void write(const Binding& b) {
    if (const auto it = options_.save_debug.find(b.name); it != options_.save_debug.end())
      write_file(it->second, b.host.data(), b.host.size());
    std::string file = b.name;
    std::replace(file.begin(), file.end(), '/', '_');
    const auto wanted = [&](const char* form) { return options_.save_all_debug.find(form) != std::string::npos; };
    if (wanted("summary")) log_.info(summary(b));
    if (wanted("numpy")) write_npy(file + ".npy", b);
    if (wanted("string")) write_text(file + ".txt", b);
    if (wanted("raw")) write_file(file + ".raw", b.host.data(), b.host.size());
  }

  const Options& options_;
  Device& device_;
  Log& log_;
};

}  // namespace

std::unique_ptr<IDebugListener> watch_tensors(const Options& o, IExecutionContext& context, Device& device, Log& log) {
  if (o.save_debug.empty() && o.save_all_debug.empty()) return nullptr;
  auto writer = std::make_unique<Writer>(o, device, log);
  if (!context.setDebugListener(writer.get())) throw std::runtime_error("the listener of debug tensors was refused");
  if (!o.save_all_debug.empty()) {
    context.setAllTensorsDebugState(true);
    context.setUnfusedTensorsDebugState(true);
  }
  for (const auto& [name, file] : o.save_debug)
    if (!context.setTensorDebugState(name.c_str(), true))
      throw std::runtime_error("--saveDebugTensors: '" + name + "' was not marked by --markDebug at the build");
  return writer;
}

}  // namespace trtexec
