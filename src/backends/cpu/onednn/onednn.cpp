#include "backends/cpu/onednn/onednn.h"

#include <algorithm>
#include <new>
#include <unordered_map>

#include "base/thread_pool.h"
#include "ops/fused/pointwise_program.h"

extern "C" {
int omp_get_max_threads();
void omp_set_num_threads(int);
}

namespace tenon::cpu::onednn {
namespace {

using ops::PointwiseArg;
using ops::PointwiseFn;
using A = dnnl::algorithm;

struct Eltwise {
  A algorithm;
  float alpha, beta;
};

std::optional<Eltwise> to_eltwise(const ops::PointwiseInstr& instr) {
  auto constant = [&](size_t i) { return instr.args.at(i).value; };
  switch (instr.fn) {
    case PointwiseFn::kRelu:
      return Eltwise{A::eltwise_relu, 0, 0};
    case PointwiseFn::kLeakyRelu:
      return Eltwise{A::eltwise_relu, constant(1), 0};
    case PointwiseFn::kSigmoid:
      return Eltwise{A::eltwise_logistic, 0, 0};
    case PointwiseFn::kTanh:
      return Eltwise{A::eltwise_tanh, 0, 0};
    case PointwiseFn::kSilu:
      return Eltwise{A::eltwise_swish, 1, 0};
    case PointwiseFn::kGeluErf:
      return Eltwise{A::eltwise_gelu_erf, 0, 0};
    case PointwiseFn::kGeluTanh:
      return Eltwise{A::eltwise_gelu_tanh, 0, 0};
    case PointwiseFn::kHardSwish:
      return Eltwise{A::eltwise_hardswish, 1.f / 6, 0.5f};
    case PointwiseFn::kHardSigmoid:
      return Eltwise{A::eltwise_hardsigmoid, constant(1), constant(2)};
    case PointwiseFn::kClip:
      return Eltwise{A::eltwise_clip, constant(1), constant(2)};
    case PointwiseFn::kElu:
      return Eltwise{A::eltwise_elu, constant(1), 0};
    case PointwiseFn::kMish:
      return Eltwise{A::eltwise_mish, 0, 0};
    default:
      return std::nullopt;
  }
}

std::optional<A> to_binary(PointwiseFn fn) {
  switch (fn) {
    case PointwiseFn::kAdd:
      return A::binary_add;
    case PointwiseFn::kMul:
      return A::binary_mul;
    default:
      return std::nullopt;
  }
}

}  // namespace

dnnl::engine& engine() {
  static dnnl::engine e(dnnl::engine::kind::cpu, 0);
  return e;
}

dnnl::stream& stream() {
  thread_local dnnl::stream s(engine());
  return s;
}

OneThread::OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
OneThread::~OneThread() { omp_set_num_threads(before_); }

std::optional<dnnl::memory::data_type> to_type(ir::DType type) {
  switch (type) {
    case ir::DType::kF32:
      return dnnl::memory::data_type::f32;
    case ir::DType::kBF16:
      return dnnl::memory::data_type::bf16;
    default:
      return std::nullopt;
  }
}

dnnl::memory::dims to_dims(const ir::Dims& dims) { return {dims.begin(), dims.end()}; }

std::optional<PostOps> to_post_ops(const std::string& program, const dnnl::memory::dims& slice,
                                   dnnl::memory::format_tag channels_last, const std::vector<TensorDesc>& extras,
                                   const TensorDesc& output) {
  PostOps out;
  if (program.empty()) return out;
  const auto parsed = ops::parse_pointwise(program);
  if (parsed.results.size() != 1) return std::nullopt;
  // A chain: each instruction takes the previous result (or i0) as exactly one operand.
  for (size_t k = 0; k < parsed.instrs.size(); ++k) {
    const auto& instr = parsed.instrs[k];
    auto is_chain = [&](const PointwiseArg& a) {
      return k == 0 ? a.kind == PointwiseArg::Kind::kInput && a.index == 0
                    : a.kind == PointwiseArg::Kind::kTemp && size_t(a.index) == k - 1;
    };
    if (auto eltwise = is_chain(instr.args[0]) ? to_eltwise(instr) : std::nullopt) {
      for (size_t i = 1; i < instr.args.size(); ++i)
        if (instr.args[i].kind != PointwiseArg::Kind::kConstant) return std::nullopt;
      out.ops.append_eltwise(eltwise->algorithm, eltwise->alpha, eltwise->beta);
      continue;
    }
    const auto binary = to_binary(instr.fn);
    if (!binary || is_chain(instr.args[0]) == is_chain(instr.args[1])) return std::nullopt;
    const PointwiseArg& other = is_chain(instr.args[0]) ? instr.args[1] : instr.args[0];
    if (other.kind != PointwiseArg::Kind::kInput || other.index == 0) return std::nullopt;
    const TensorDesc& d = extras.at(size_t(other.index) - 1);
    const auto type = to_type(d.dtype);
    const bool full = d.dims == output.dims,
               per_channel = d.count() == output.dims.back() && !d.dims.empty() && d.dims.back() == output.dims.back();
    if (!type || !d.dense() || (!full && !per_channel)) return std::nullopt;
    dnnl::memory::dims dims(slice.size(), 1);
    if (full)
      dims = slice;
    else
      dims[1] = output.dims.back();
    out.operands.push_back({out.ops.len(), other.index, full});
    out.ops.append_binary(*binary, dnnl::memory::desc(dims, *type, channels_last));
  }
  const PointwiseArg& result = parsed.results[0];
  if (result.kind != PointwiseArg::Kind::kTemp || size_t(result.index) + 1 != parsed.instrs.size()) return std::nullopt;
  return out;
}

dnnl::primitive_attr attributes(const dnnl::post_ops& ops) {
  dnnl::primitive_attr attr;
  attr.set_post_ops(ops);
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

std::shared_ptr<const void> pack(const Problem& p, size_t input, const dnnl::memory::desc& given,
                                 const dnnl::memory::desc& wanted, const std::string& format) {
  const ir::Tensor& source = *p.constants.at(input);
  auto make = [&]() -> std::shared_ptr<const void> {
    void* bytes = ::operator new(std::max<size_t>(wanted.get_size(), 64), std::align_val_t(64));
    std::shared_ptr<void> packed(bytes, [](void* q) { ::operator delete(q, std::align_val_t(64)); });
    dnnl::memory from(given, engine(), const_cast<std::byte*>(source.data().data())), to(wanted, engine(), bytes);
    dnnl::reorder(from, to).execute(stream(), from, to);
    stream().wait();
    return packed;
  };
  return p.weights ? p.weights->get(source, format, make) : make();
}

RowSlice slice_rows(int64_t first, int64_t end, int64_t in, int64_t window, int64_t stride, int64_t pad) {
  const int64_t from = first * stride - pad, to = (end - 1) * stride - pad + window;
  RowSlice s;
  s.in_first = std::clamp<int64_t>(from, 0, in);
  s.in_end = std::clamp<int64_t>(to, s.in_first, in);
  s.before = s.in_first - from;
  return s;
}

int64_t padding_after(int64_t out, int64_t in, int64_t window, int64_t stride, int64_t before) {
  return std::max<int64_t>((out - 1) * stride + window - in - before, 0);
}

std::vector<TensorDesc> extras_of(const Problem& p) {
  return {p.inputs.begin() + std::min<int64_t>(3, int64_t(p.inputs.size())), p.inputs.end()};
}

SliceKernel::SliceKernel(const Problem& p, int64_t images)
    : images_(images), has_bias_(p.has_input(2)), out_bytes_(ir::bits(p.outputs[0].dtype) / 8) {
  const TensorDesc &x = p.inputs[0], &y = p.outputs[0];
  image_in_ = ir::storage_bytes(x.dtype, x.count() / std::max<int64_t>(images, 1));
  image_out_ = ir::storage_bytes(y.dtype, y.count() / std::max<int64_t>(images, 1));
  for (const TensorDesc& e : extras_of(p)) extra_bytes_.push_back(ir::bits(e.dtype) / 8);
}

void SliceKernel::add(int64_t input_offset, int64_t output_offset, dnnl::primitive_desc_base desc,
                      dnnl::primitive primitive) {
  const auto scratchpad = desc.query_md(dnnl::query::exec_arg_md, DNNL_ARG_SCRATCHPAD);
  scratch_ = std::max<int64_t>(scratch_, int64_t(scratchpad.get_size() + 63) / 64 * 64);
  slices_.push_back({input_offset, output_offset, std::move(desc), std::move(primitive)});
}

void SliceKernel::set_weights(const Problem& p, const dnnl::memory::desc& given, const dnnl::memory::desc& wanted,
                              const std::string& format) {
  if (weights_) {
    require(wanted == weights_desc_, ErrorCode::kUnsupported, "slices want different weights");
    return;
  }
  weights_desc_ = wanted;
  weights_ =
      pack(p, 1, given, wanted, cat(format, wanted.get_strides(), wanted.get_inner_blks(), wanted.get_inner_idxs()));
}

dnnl::primitive_attr SliceKernel::read_epilogue(const Problem& p, const std::string& epilogue,
                                                const dnnl::memory::dims& slice,
                                                dnnl::memory::format_tag channels_last) {
  auto post = to_post_ops(epilogue, slice, channels_last, extras_of(p), p.outputs[0]);
  require(post.has_value(), ErrorCode::kInternal, "the epilogue is not a chain of post-ops");
  post_ = std::move(*post);
  return attributes(post_.ops);
}

void SliceKernel::run(const RunArgs& args) const {
  const auto pieces = int64_t(slices_.size());
  args.pool.parallel_for(images_ * pieces, [&](int64_t task, int) {
    const OneThread alone;
    const int64_t n = task / pieces;
    const Slice& s = slices_[size_t(task % pieces)];
    std::unordered_map<int, dnnl::memory> operands;
    const auto give = [&](int arg, const void* base, int64_t offset) {
      operands.emplace(arg, dnnl::memory(s.desc.query_md(dnnl::query::exec_arg_md, arg), engine(),
                                         const_cast<char*>(static_cast<const char*>(base)) + offset));
    };
    const int64_t out = n * image_out_ + s.output_offset;
    give(DNNL_ARG_SRC, args.inputs[0], n * image_in_ + s.input_offset);
    give(DNNL_ARG_DST, args.outputs[0], out);
    give(DNNL_ARG_SCRATCHPAD, args.workspace, scratch_ * task);
    if (weights_) give(DNNL_ARG_WEIGHTS, weights_.get(), 0);
    if (has_bias_) give(DNNL_ARG_BIAS, args.inputs[2], 0);
    for (const auto& o : post_.operands)
      give(DNNL_ARG_ATTR_MULTIPLE_POST_OP(o.post_op) | DNNL_ARG_SRC_1, args.inputs[2 + o.k],
           o.full ? out / out_bytes_ * extra_bytes_[size_t(o.k - 1)] : 0);
    s.primitive.execute(stream(), operands);
    stream().wait();
  });
}

}  // namespace tenon::cpu::onednn
