#include <doctest/doctest.h>

#include <bit>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>

#include "backends/backend.h"
#include "backends/cpu/isa/isa.h"
#include "backends/cpu/kernels/kernel_test_util.h"
#include "backends/device.h"
#include "base/knobs.h"
#include "base/thread_pool.h"
#include "ops/op.h"

namespace tenon::cpu::testing {

using ir::Dims;
using ir::DType;
using ir::Tensor;

Operand f32(Dims dims, double low, double high) { return of_type(DType::kF32, std::move(dims), low, high); }
Operand of_type(DType dtype, Dims dims, double low, double high) {
  Operand o;
  o.dtype = dtype;
  o.dims = std::move(dims);
  o.low = low;
  o.high = high;
  return o;
}
Operand pitched(Operand operand, int64_t pitch) {
  operand.pitch = pitch;
  return operand;
}
Operand constant(Tensor value) {
  Operand o = of_type(value.dtype(), value.dims());
  o.value = std::move(value);
  o.constant = true;
  return o;
}
Operand constant(Operand operand) {
  operand.constant = true;
  return operand;
}
Operand absent() { return of_type(DType::kUndefined, {}); }

namespace {

constexpr size_t kGuard = 128;

class Packs final : public WeightCache {
 public:
  std::shared_ptr<const void> get(const Tensor& source, const std::string& format,
                                  const std::function<std::shared_ptr<const void>()>& make) override {
    auto& entry = made_[format + "/" + std::to_string(source.hash())];
    if (!entry) entry = make();
    return entry;
  }

 private:
  std::map<std::string, std::shared_ptr<const void>> made_;
};

Tensor filled(const Operand& o, uint32_t seed) {
  if (o.value) return *o.value;
  Tensor t(o.dtype, o.dims);
  uint64_t state = seed * 0x9E3779B97F4A7C15ull + 12345;
  for (int64_t i = 0; i < t.count(); ++i) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    const double v = o.low + (o.high - o.low) * double(state >> 40) / double(1 << 24);
    if (o.dtype == DType::kBool)
      t.set(i, (state >> 50) & 1 ? 1 : 0);
    else if (ir::is_float(o.dtype))
      t.set(i, v);
    else
      t.set_int(i, int64_t(std::floor(v)));
  }
  return t;
}

/// A block of memory with room for rows `pitch` apart, guards on both sides, all bytes 0xFF.
struct Buffer {
  std::vector<std::byte> bytes;
  std::byte* begin = nullptr;
  TensorDesc desc;
  size_t element = 0, size = 0;

  Buffer(const TensorDesc& d, bool shifted) : desc(d), element(size_t(ir::bits(d.dtype)) / 8) {
    const int64_t rows = d.dims.empty() || d.count() == 0 ? 1 : d.count() / d.dims.back();
    size = d.dense() ? size_t(ir::storage_bytes(d.dtype, d.count()))
                     : size_t((rows - 1) * d.pitch + d.dims.back()) * element;
    bytes.assign(size + 2 * kGuard + 128, std::byte{0xFF});
    auto at = reinterpret_cast<uintptr_t>(bytes.data()) + kGuard;
    at = (at + 63) / 64 * 64 + (shifted ? element : 0);
    begin = reinterpret_cast<std::byte*>(at);
  }
  int64_t row_length() const { return desc.dims.empty() ? 1 : desc.dims.back(); }
  template <class F>
  void each_row(F f) const {
    if (desc.count() == 0) return;
    const int64_t length = row_length(), rows = desc.count() / length;
    for (int64_t r = 0; r < rows; ++r)
      f(size_t(r * length) * element, size_t(desc.dense() ? r * length : r * desc.pitch) * element,
        size_t(length) * element);
  }
  void put(const Tensor& t) {
    if (desc.dense()) {
      if (t.bytes()) std::memcpy(begin, t.data().data(), size_t(t.bytes()));
    } else {
      each_row([&](size_t from, size_t to, size_t n) { std::memcpy(begin + to, t.data().data() + from, n); });
    }
  }
  Tensor get() const {
    Tensor t(desc.dtype, desc.dims);
    if (desc.dense()) {
      if (t.bytes()) std::memcpy(t.mutable_data(), begin, size_t(t.bytes()));
    } else {
      each_row([&](size_t to, size_t from, size_t n) { std::memcpy(t.mutable_data() + to, begin + from, n); });
    }
    return t;
  }
  /// Whether nothing outside the rows was written.
  bool intact() const {
    std::vector<bool> ours(bytes.size(), false);
    const size_t offset = size_t(begin - bytes.data());
    if (desc.dense())
      std::fill(ours.begin() + int64_t(offset), ours.begin() + int64_t(offset + size), true);
    else
      each_row([&](size_t, size_t at, size_t n) {
        std::fill(ours.begin() + int64_t(offset + at), ours.begin() + int64_t(offset + at + n), true);
      });
    for (size_t i = 0; i < bytes.size(); ++i)
      if (!ours[i] && bytes[i] != std::byte{0xFF}) return false;
    return true;
  }
};

/// The backend whose kernels are checked: the CPU, or with TENON_TEST_BACKEND=cuda the GPU.
const Backend& tested_backend() {
  const char* wanted = std::getenv("TENON_TEST_BACKEND");
  if (!wanted || std::string_view(wanted) != "cuda") return cpu_backend();
  std::string why;
  const Backend* gpu = cuda_backend(0, &why);
  require(gpu != nullptr, ErrorCode::kDevice, "TENON_TEST_BACKEND=cuda: ", why);
  return *gpu;
}

/// The tool of compute-sanitizer's that watches, under which launches take milliseconds: TENON_TEST_SANITIZER. Buffers
/// on the device then have no guards, so that bytes beyond them are found, and kernels run as Paths says.
std::string_view sanitizer() {
  static const char* const tool = std::getenv("TENON_TEST_SANITIZER");
  return tool ? tool : "";
}
bool sanitized() { return !sanitizer().empty(); }

/// Copies of host buffers, guards included, in the memory of the device under test.
class Mirror {
 public:
  explicit Mirror(const Device& device) : device_(device) {}
  /// `size` bytes from `begin` on, which lies in `all`.
  void* add(std::byte* begin, size_t size, std::vector<std::byte>& all) {
    std::byte* const from = sanitized() ? begin : all.data();
    // Copies of part of 16 bytes read that part, which memcheck takes for the whole.
    const size_t lead = size_t(begin - from), bytes = sanitized() ? (size + 15) / 16 * 16 : all.size();
    // Past an aligned start, so that the guard before `begin` is there and `begin` keeps its alignment.
    const size_t aligned = (lead + 255) / 256 * 256;
    auto memory = device_memory(device_, aligned - lead + bytes);
    auto* at = static_cast<std::byte*>(memory.get()) + aligned;
    device_.copy(at - lead, from, bytes, device_.own_stream());
    blocks_.push_back({std::move(memory), at - lead, from, bytes});
    return at;
  }
  void read_back() {
    for (const Block& b : blocks_) device_.copy(b.host, b.start, b.bytes, device_.own_stream());
    device_.synchronize(device_.own_stream());
  }

 private:
  struct Block {
    std::shared_ptr<void> memory;
    std::byte* start;
    std::byte* host;
    size_t bytes;
  };
  const Device& device_;
  std::vector<Block> blocks_;
};

class Sink final : public OutputSink {
 public:
  std::map<size_t, Tensor> made;
  void* allocate(size_t i, const Dims& dims) override {
    made[i] = Tensor(types.at(i), dims);
    return made[i].mutable_data();
  }
  std::vector<DType> types;
};

/// A case as a graph with one node, its values and its reference results.
struct Built {
  const KernelCase& c;
  ir::Graph graph;
  ir::NodeId node = 0;
  std::vector<Tensor> inputs, reference;
  std::vector<TensorDesc> output_descs;
  bool data_dependent = false;
  Packs packs;

  explicit Built(const KernelCase& kernel_case) : c(kernel_case) {
    std::vector<Tensor> values;
    for (size_t i = 0; i < c.inputs.size(); ++i)
      values.push_back(c.inputs[i].dtype == DType::kUndefined ? Tensor()
                                                              : filled(c.inputs[i], c.seed + uint32_t(i) * 977));
    build(std::move(values));
  }
  Built(const KernelCase& kernel_case, std::vector<Tensor> values) : c(kernel_case) { build(std::move(values)); }

  void build(std::vector<Tensor> values) {
    inputs = std::move(values);
    std::vector<ir::ValueId> ids;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Tensor& t = inputs[i];
      if (!t.defined())
        ids.push_back(ir::kNone);
      else if (c.inputs[i].constant)
        ids.push_back(graph.add_constant(t));
      else
        ids.push_back(graph.add_input(cat("x", i), t.dtype(), ir::to_shape(t.dims())));
    }
    while (!ids.empty() && ids.back() == ir::kNone) ids.pop_back();
    node = graph.add_node(c.op, ids, c.attrs, c.outputs, "node");
    ops::infer_node(graph, node);
    data_dependent = ops::find_op(c.op).data_dependent;
    std::vector<Tensor> wide;
    std::vector<DType> types;
    for (size_t i = 0; i < ids.size(); ++i)
      wide.push_back(inputs[i].defined() && ir::is_float(inputs[i].dtype()) ? inputs[i].cast(DType::kF64) : inputs[i]);
    std::vector<DType> narrow;
    for (size_t i = 0; i < c.outputs; ++i) {
      narrow.push_back(i < c.output_types.size() ? c.output_types[i] : graph.value(graph.node(node).outputs[i]).dtype);
      types.push_back(ir::is_float(narrow[i]) ? DType::kF64 : narrow[i]);
    }
    reference = ops::eval_node(graph.node(node), std::move(wide), types);
    for (size_t i = 0; i < reference.size(); ++i) {
      const Dims& dims = reference[i].dims();
      const int64_t dense = dims.empty() ? 0 : dims.back();
      const int64_t pitch = i < c.output_pitch.size() && c.output_pitch[i] ? c.output_pitch[i] : dense;
      output_descs.push_back({narrow[i], dims, pitch});
    }
  }
  Problem problem(int threads) {
    Problem p;
    p.node = &graph.node(node);
    for (size_t i = 0; i < inputs.size() && i < p.node->inputs.size(); ++i) {
      const Operand& o = c.inputs[i];
      const Tensor& t = inputs[i];
      p.inputs.push_back({t.dtype(), t.dims(), o.pitch ? o.pitch : t.dims().empty() ? 0 : t.dims().back()});
      p.constants.push_back(t.defined() && o.constant ? &t : nullptr);
    }
    p.outputs = output_descs;
    p.threads = threads;
    p.backend = &tested_backend();
    p.weights = &packs;
    return p;
  }
  bool pitched() const {
    for (const auto& o : c.inputs)
      if (o.pitch) return true;
    return !c.output_pitch.empty();
  }
  /// Whether the size of output `i` along `axis` is for the kernel to find.
  bool is_found(size_t i, size_t axis) const {
    return !graph.value(graph.node(node).outputs[i]).shape[axis].is_const();
  }
  /// The problem with `size` in the place of what a kernel finds.
  Problem with_size(Problem p, int64_t size) const {
    for (size_t i = 0; i < p.outputs.size(); ++i) {
      TensorDesc& d = p.outputs[i];
      for (size_t axis = 0; axis < d.dims.size(); ++axis)
        if (is_found(i, axis)) d.dims[axis] = size;
      d.pitch = d.dims.empty() ? 0 : d.dims.back();
    }
    return p;
  }
  /// The problem as `def` gets it. Nothing if the runtime would not ask it.
  std::optional<Problem> problem_for(const KernelDef& def, int threads) {
    Problem p = problem(threads);
    if (!def.most) return p;
    for (const TensorDesc& d : p.inputs)
      if (d.dtype != DType::kUndefined && d.count() == 0) return std::nullopt;
    const int64_t most = def.most(with_size(p, 0));
    if (most <= 0) return std::nullopt;
    return with_size(std::move(p), most);
  }
  /// The part of output `i` that a kernel wrote that found `size`.
  Tensor found_part(const Tensor& whole, size_t i, int64_t size) const {
    Dims dims = whole.dims();
    for (size_t axis = 0; axis < dims.size(); ++axis)
      if (is_found(i, axis)) dims[axis] = size;
    Tensor t(whole.dtype(), dims);
    REQUIRE(t.bytes() <= whole.bytes());
    if (t.bytes()) std::memcpy(t.mutable_data(), whole.data().data(), size_t(t.bytes()));
    return t;
  }
  static void run_on(const Device& device, const Kernel& kernel, const RunArgs& host, std::vector<Buffer>& in,
                     std::vector<Buffer>& out, std::vector<std::byte>& workspace, int64_t* found);
  std::vector<Tensor> run(const KernelDef& def, const Problem& p, ThreadPool& pool, bool shifted) {
    auto kernel = def.prepare(p);
    std::vector<Buffer> in, out;
    std::vector<const void*> in_ptr;
    std::vector<void*> out_ptr;
    for (size_t i = 0; i < p.inputs.size(); ++i) {
      in.emplace_back(p.inputs[i], shifted && !p.constants[i]);
      if (p.inputs[i].dtype != DType::kUndefined) in.back().put(inputs[i]);
    }
    for (const auto& d : p.outputs) out.emplace_back(d, shifted);
    for (size_t i = 0; i < in.size(); ++i)
      in_ptr.push_back(p.inputs[i].dtype == DType::kUndefined ? nullptr : in[i].begin);
    Sink sink;
    for (size_t i = 0; i < out.size(); ++i) {
      out_ptr.push_back(data_dependent ? nullptr : out[i].begin);
      sink.types.push_back(p.outputs[i].dtype);
    }
    const size_t workspace_bytes = size_t(kernel->workspace_bytes());
    std::vector<std::byte> workspace(workspace_bytes + 64 + kGuard, std::byte{0xFF});
    std::byte* aligned = workspace.data() + (64 - reinterpret_cast<uintptr_t>(workspace.data()) % 64) % 64;
    const RunArgs args{in_ptr.data(), out_ptr.data(), aligned, pool, data_dependent ? &sink : nullptr};
    int64_t found = -1;
    if (const Device* device = p.backend->device())
      run_on(*device, *kernel, args, in, out, workspace, def.most ? &found : nullptr);
    else
      kernel->run(args);
    bool guarded = true;
    for (std::byte* b = aligned + workspace_bytes; b < workspace.data() + workspace.size(); ++b)
      guarded &= *b == std::byte{0xFF};
    CHECK_MESSAGE(guarded, def.name, " writes past its workspace of ", workspace_bytes, " bytes");
    std::vector<Tensor> results;
    if (def.most) REQUIRE_MESSAGE(found >= 0, def.name, " refuses the operands");
    for (size_t i = 0; i < out.size(); ++i) {
      CHECK_MESSAGE(out[i].intact(), def.name, " writes outside output ", i);
      results.push_back(def.most         ? found_part(out[i].get(), i, found)
                        : data_dependent ? sink.made.at(i)
                                         : out[i].get());
    }
    return results;
  }
};

void Built::run_on(const Device& device, const Kernel& kernel, const RunArgs& host, std::vector<Buffer>& in,
                   std::vector<Buffer>& out, std::vector<std::byte>& workspace, int64_t* found) {
  Mirror mirror(device);
  std::vector<const void*> in_ptr;
  std::vector<void*> out_ptr;
  for (size_t i = 0; i < in.size(); ++i)
    in_ptr.push_back(host.inputs[i] ? mirror.add(in[i].begin, in[i].size, in[i].bytes) : nullptr);
  for (auto& b : out) out_ptr.push_back(mirror.add(b.begin, b.size, b.bytes));
  void* scratch = mirror.add(static_cast<std::byte*>(host.workspace), size_t(kernel.workspace_bytes()), workspace);
  RunArgs args{in_ptr.data(), out_ptr.data(), scratch, host.pool, nullptr};
  args.stream = device.own_stream();
  std::shared_ptr<void> page_locked;
  if (kernel.host_workspace_bytes() > 0)
    page_locked = page_locked_memory(device, size_t(kernel.host_workspace_bytes()));
  args.host_workspace = page_locked.get();
  const auto size = page_locked_memory(device, sizeof(int64_t));
  if (found) *(args.found = static_cast<int64_t*>(size.get())) = -1;
  kernel.run(args);
  mirror.read_back();
  if (found) *found = *args.found;
  kernel.check_ran(args.host_workspace);
}

double default_norm(DType t) { return t == DType::kBF16 ? 4e-3 : t == DType::kF16 ? 6e-4 : 1e-6; }

/// Equal, both NaN, or an infinity where the exact value is beyond the type's range.
bool same_value(DType type, double v, double exact) {
  if (v == exact || (std::isnan(v) && std::isnan(exact))) return true;
  const double largest = type == DType::kF16 ? 65504 : 3.38e38;
  return std::isinf(v) && std::fabs(exact) > largest && (v > 0) == (exact > 0);
}

/// The case with the error that a kernel's arithmetic brings.
KernelCase allowing(KernelCase c, const KernelDef& def) {
  constexpr double kTf32Norm = 2e-3;
  if (def.tf32) c.norm = std::max(c.norm, kTf32Norm);
  return c;
}

void compare(const KernelCase& c, const std::string& what, size_t index, const Tensor& y, const Tensor& ref) {
  REQUIRE_MESSAGE(y.dims() == ref.dims(), what, ": output ", index, " has dims ", cat(y.dims()), ", not ",
                  cat(ref.dims()));
  if (!ir::is_float(y.dtype())) {
    int64_t wrong = 0, first = -1;
    for (int64_t i = 0; i < y.count(); ++i)
      if (y.get_int(i) != ref.get_int(i) && wrong++ == 0) first = i;
    CHECK_MESSAGE(wrong == 0, what, ": output ", index, ": ", wrong, " of ", y.count(), " elements differ, first at ",
                  first);
    return;
  }
  double error = 0, size = 0;
  int64_t count = 0;
  for (int64_t i = 0; i < y.count(); ++i) {
    const double v = y.get(i), r = ref.get(i);
    if (!std::isfinite(r)) continue;
    if (!same_value(y.dtype(), v, r)) error += (v - r) * (v - r);
    size += r * r;
    ++count;
  }
  const double norm = c.norm ? c.norm : default_norm(y.dtype()), rms = count ? std::sqrt(size / double(count)) : 0;
  const double relative = size > 0 ? std::sqrt(error / size) : std::sqrt(error);
  CHECK_MESSAGE(relative <= norm, what, ": output ", index, ": relative error ", relative, " > ", norm);
  int64_t wrong = 0, first = -1;
  for (int64_t i = 0; i < y.count(); ++i) {
    const double v = y.get(i), r = ref.get(i);
    bool ok = same_value(y.dtype(), v, r);
    if (!ok && std::isfinite(r)) {
      ok = std::fabs(v - r) <= c.spread * norm * (rms + std::fabs(r));
      if (c.element > 0) ok = ok && std::fabs(v - r) <= c.element * std::fabs(r) + 1e-30;
    }
    if (!ok && wrong++ == 0) first = i;
  }
  CHECK_MESSAGE(wrong == 0, what, ": output ", index, ": ", wrong, " of ", y.count(), " elements are off, first at ",
                first, ": ", first < 0 ? 0 : y.get(first), " against ", first < 0 ? 0 : ref.get(first));
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.dims() == b.dims() &&
         (a.bytes() == 0 || std::memcmp(a.data().data(), b.data().data(), size_t(a.bytes())) == 0);
}

bool can_pitch(const KernelDef& def, const Problem& p) {
  for (size_t i = 0; i < p.inputs.size(); ++i)
    if (!p.inputs[i].dense() && !(def.pitched >> i & 1)) return false;
  for (size_t i = 0; i < p.outputs.size(); ++i)
    if (!p.outputs[i].dense() && !(i == 0 && def.pitched >> 16 & 1)) return false;
  return true;
}

Tensor row_of(const Tensor& t, int64_t row) {
  Dims dims = t.dims();
  const size_t bytes = size_t(t.bytes() / dims[0]);
  dims[0] = 1;
  Tensor r(t.dtype(), dims);
  if (bytes) std::memcpy(r.mutable_data(), t.data().data() + size_t(row) * bytes, bytes);
  return r;
}

/// Whether another library chooses the algorithm by the shape: rows of one batch are alike, those of two may differ.
bool of_library(std::string_view kernel) { return kernel.starts_with("cublaslt_") || kernel.starts_with("cudnn_"); }

/// Which tactics of libraries a case runs. cuDNN compiles most of its engines for each problem, so by default a case
/// takes one in four, and the next case others; TENON_TEST_LIBRARIES=all takes all of them, none leaves libraries out.
/// Under a sanitizer a case takes one in sixteen, of cuBLAS too.
bool runs_library_tactic(std::string_view kernel, uint32_t turn) {
  static const char* const wanted = std::getenv("TENON_TEST_LIBRARIES");
  static const std::string_view which = wanted ? wanted : "some";
  require(which == "some" || which == "all" || which == "none", ErrorCode::kInvalidArgument,
          "TENON_TEST_LIBRARIES=", which, ", accepted are some, all, none");
  if (which == "none") return false;
  if (which == "all" || !(kernel.starts_with("cudnn_") || sanitized())) return true;
  const uint32_t share = sanitized() ? 16 : 4;
  uint32_t rank = 0;
  const size_t digits = kernel.find_last_not_of("0123456789") + 1;
  std::from_chars(kernel.data() + digits, kernel.data() + kernel.size(), rank);
  return rank % share == turn % share;
}

/// Whether this process runs a kernel: with TENON_TEST_SHARE=i/n those whose place in the backend's list is i modulo n.
bool in_share(const KernelDef& def) {
  static const std::string wanted = [] {
    const char* text = std::getenv("TENON_TEST_SHARE");
    return std::string(text ? text : "0/1");
  }();
  static const auto [share, shares] = [] {
    unsigned i = 0, n = 0;
    const int read = std::sscanf(wanted.c_str(), "%u/%u", &i, &n);
    require(read == 2 && i < n, ErrorCode::kInvalidArgument, "TENON_TEST_SHARE=", wanted,
            ", accepted is i/n with i below n");
    return std::pair(i, n);
  }();
  return size_t(&def - tested_backend().kernels().data()) % shares == share;
}

const char* current_test() { return doctest::getContextOptions()->currentTest->m_name; }

/// Tells scripts/sanitize.py what runs next.
void say_run(const KernelDef& def) {
  std::printf("run: %s by %s\n", current_test(), std::string(def.name).c_str());
  std::fflush(stdout);
}

/// What a process has run under a sanitizer. A kernel runs each epilogue once, and once each set of sizes, attributes,
/// kinds of operands and values that a case gives. Sizes that ran in one of the 16-bit types do not run again in the
/// other, but for the first: both are instances of one text. Racecheck, under which a step of a tile takes
/// milliseconds, looks at what a block shares: epilogues and values make no difference to it, nor do sizes of one
/// order, and a table has two sizes a kernel.
class Paths {
 public:
  bool is_new(const KernelDef& def, const Problem& p, const KernelCase& c) {
    const bool races = sanitizer() == "racecheck";
    if (races && c.deep) return false;
    std::string types, forms, sizes;
    for (size_t i = 0; i < p.inputs.size() + p.outputs.size(); ++i) {
      const bool input = i < p.inputs.size();
      const TensorDesc& d = input ? p.inputs[i] : p.outputs[i - p.inputs.size()];
      const bool narrow = d.dtype == DType::kF16 || d.dtype == DType::kBF16;
      types += cat(d.dtype, ' ');
      if (!races)
        forms += cat(narrow ? "narrow" : ir::name(d.dtype), d.dense() ? "" : " pitched",
                     input && p.constants[i] ? "c" : "", ' ');
      else if (i == 0)
        forms += narrow ? "narrow" : ir::name(d.dtype);
      const bool other = races && input && i > 1;
      if (!other) sizes += races ? cat(std::bit_width(uint64_t(d.count())) / 4, ' ') : cat(d.dims, ' ');
      if (!races && input && c.inputs[i].value) sizes += cat(c.inputs[i].value->hash(), ' ');
    }
    ir::Attrs attrs = p.node->attrs;
    std::string epilogue;
    if (const ir::Field* f = attrs.find("epilogue"))
      std::swap(epilogue, *static_cast<std::string*>(f->get(attrs.edit_data())));
    Hasher hash;
    attrs.hash(hash);
    const bool new_instance = seen_.insert(cat(def.name, ' ', types, races ? "" : epilogue)).second;
    int& taken = taken_[cat(current_test(), ' ', def.name, ' ', forms)];
    const bool enough = races && taken == kMostSizes;
    const bool new_path = !enough && seen_.insert(cat(def.name, ' ', forms, sizes, hash.value())).second;
    taken += new_path;
    return new_instance || new_path;
  }

 private:
  static constexpr int kMostSizes = 2;  ///< of a table, under racecheck
  std::set<std::string> seen_;
  std::map<std::string, int> taken_;
};

/// The first row put in the place of the last gives the bits of the first: what a device promises, whose libraries
/// choose other algorithms for other batches.
void check_equal_rows(const KernelDef& def, Built& whole, const std::vector<Tensor>& results, ThreadPool& pool,
                      const std::string& what) {
  const int64_t batch = results[0].dims()[0];
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < whole.inputs.size(); ++i) {
    Tensor t = whole.inputs[i];
    if (t.defined() && !whole.c.inputs[i].constant && t.dims().size() == whole.inputs[0].dims().size() &&
        t.dims()[0] == batch) {
      const Tensor first = row_of(t, 0);
      Tensor changed(t.dtype(), t.dims());
      std::memcpy(changed.mutable_data(), t.data().data(), size_t(t.bytes()));
      std::memcpy(changed.mutable_data() + (batch - 1) * first.bytes(), first.data().data(), size_t(first.bytes()));
      t = std::move(changed);
    }
    inputs.push_back(std::move(t));
  }
  Built again(whole.c, std::move(inputs));
  const auto rows = again.run(def, again.problem(1), pool, false);
  for (size_t i = 0; i < rows.size(); ++i)
    CHECK_MESSAGE(same_bits(row_of(rows[i], 0), row_of(rows[i], batch - 1)), what, ": output ", i,
                  ": equal rows of a batch come out different");
}

/// The last row of the batch, computed alone, has the bits it has in the batch.
void check_row_alone(const KernelDef& def, Built& whole, const std::vector<Tensor>& results, ThreadPool& pool,
                     const std::string& what) {
  const Dims& out = results[0].dims();
  if (!whole.c.batched || whole.data_dependent || out.size() < 2 || out[0] < 2 || whole.pitched()) return;
  std::vector<Tensor> rows;
  for (size_t i = 0; i < whole.inputs.size(); ++i) {
    const Tensor& t = whole.inputs[i];
    const bool is_row = t.defined() && !whole.c.inputs[i].constant &&
                        t.dims().size() == whole.inputs[0].dims().size() && t.dims()[0] == out[0];
    rows.push_back(is_row ? row_of(t, out[0] - 1) : t);
  }
  for (const Tensor& r : results)
    if (r.dims().empty() || r.dims()[0] != out[0]) return;
  if (of_library(def.name)) return check_equal_rows(def, whole, results, pool, what);
  Built alone(whole.c, rows);
  Problem p = alone.problem(1);
  if (!def.supports(p).ok) return;
  auto single = alone.run(def, p, pool, false);
  for (size_t i = 0; i < results.size(); ++i)
    CHECK_MESSAGE(same_bits(single[i], row_of(results[i], out[0] - 1)), what, ": output ", i,
                  ": a row alone has other bits than in its batch");
}

}  // namespace

void for_each_isa(const std::function<void(const std::string&)>& fn) {
  if (tested_backend().device()) return fn(std::string(tested_backend().name()));
  const std::string variable(info(Knob::kCpuIsa).name);
  const char* old = std::getenv(variable.c_str());
  const std::string before = old ? old : "";
  for (int i = 0; i < isa::kIsaCount; ++i) {
    if (!isa::isa_table(isa::Isa(i))) continue;
    setenv(variable.c_str(), isa::isa_name(isa::Isa(i)), 1);
    fn(isa::isa_name(isa::Isa(i)));
  }
  if (old)
    setenv(variable.c_str(), before.c_str(), 1);
  else
    unsetenv(variable.c_str());
}

void check_kernel(const KernelCase& c) {
  static ThreadPool one(1), two(2);
  static uint32_t cases = 0;
  static Paths paths;
  const uint32_t turn = cases++;
  Built built(c);
  bool accepted = false;
  std::string reasons;
  for_each_isa([&](const std::string& level) {
    const bool on_host = !tested_backend().device();
    for (const KernelDef* def : kernels_for(tested_backend(), c.op)) {
      if (def->op == "*" || (on_host && !c.kernel.empty() && def->name != c.kernel)) continue;
      const auto problem = built.problem_for(*def, 1);
      if (!problem) continue;
      const Problem &p1 = *problem, p2 = *built.problem_for(*def, 2);
      if (!can_pitch(*def, p1)) continue;
      const Support s1 = def->supports(p1), s2 = def->supports(p2);
      if (!s1.ok) reasons += cat("; ", def->name, ": ", s1.reason);
      if (!s1.ok || !s2.ok) continue;
      accepted = true;
      if (c.own_only && (of_library(def->name) || def->tf32)) continue;
      if (of_library(def->name) && !runs_library_tactic(def->name, turn)) continue;
      if (!in_share(*def) || (sanitized() && !paths.is_new(*def, p1, c))) continue;
      const std::string what = cat(c.op, " by ", def->name, " at ", level);
      if (sanitized()) say_run(*def);
      std::vector<Tensor> single, twice;
      try {
        single = built.run(*def, p1, one, false);
        twice = sanitized() ? single : built.run(*def, p2, two, on_host);
      } catch (const Error& e) {
        if (on_host || e.code() != ErrorCode::kUnsupported) throw e.at(what);
        continue;  // a library's tactic that there are fewer of
      }
      for (size_t i = 0; i < single.size(); ++i) {
        compare(allowing(c, *def), what, i, single[i], built.reference[i]);
        CHECK_MESSAGE(same_bits(single[i], twice[i]), what, ": output ", i,
                      " depends on the number of threads or on alignment");
      }
      if (!sanitized()) check_row_alone(*def, built, single, one, what);
    }
  });
  CHECK_MESSAGE((accepted || !c.must_accept || tested_backend().device()), c.op, ": no kernel accepts the problem",
                reasons);
}

std::string refusal(const KernelCase& c, std::string_view kernel) {
  const KernelDef* def = find_kernel(cpu_backend(), kernel);
  REQUIRE(def != nullptr);
  Built built(c);
  Problem p = built.problem(1);
  p.backend = &cpu_backend();
  const Support s = def->supports(p);
  return s.ok ? "" : s.reason;
}

std::vector<Tensor> run_kernel(const KernelCase& c, std::string_view kernel, int threads) {
  const KernelDef* def = find_kernel(cpu_backend(), kernel);
  REQUIRE(def != nullptr);
  Built built(c);
  Problem p = built.problem(threads);
  p.backend = &cpu_backend();
  REQUIRE(def->supports(p).ok);
  ThreadPool pool(threads);
  return built.run(*def, p, pool, false);
}

double time_kernel(const KernelCase& c, std::string_view kernel, int threads, int repeats) {
  const KernelDef* def = find_kernel(cpu_backend(), kernel);
  REQUIRE(def != nullptr);
  Built built(c);
  Problem p = built.problem(threads);
  p.backend = &cpu_backend();
  REQUIRE(def->supports(p).ok);
  ThreadPool pool(threads);
  auto prepared = def->prepare(p);
  std::vector<Buffer> in, out;
  std::vector<const void*> in_ptr;
  std::vector<void*> out_ptr;
  for (size_t i = 0; i < p.inputs.size(); ++i) {
    in.emplace_back(p.inputs[i], false);
    if (p.inputs[i].dtype != DType::kUndefined) in.back().put(built.inputs[i]);
  }
  for (const auto& d : p.outputs) out.emplace_back(d, false);
  for (auto& b : in) in_ptr.push_back(b.begin);
  for (auto& b : out) out_ptr.push_back(b.begin);
  std::vector<std::byte> workspace(size_t(prepared->workspace_bytes()) + 64);
  std::byte* aligned = workspace.data() + (64 - reinterpret_cast<uintptr_t>(workspace.data()) % 64) % 64;
  double best = 1e30;
  for (int i = 0; i < repeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    prepared->run({in_ptr.data(), out_ptr.data(), aligned, pool});
    best = std::min(best, std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

TEST_CASE("kernel cases: the reference passes its own comparison") {
  KernelCase c{.op = "Relu", .inputs = {f32({3, 7})}, .kernel = "reference"};
  c.must_accept = false;
  check_kernel(c);
  CHECK(refusal(c, "reference").empty());
}

}  // namespace tenon::cpu::testing
