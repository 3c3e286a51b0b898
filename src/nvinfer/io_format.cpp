#include "nvinfer/io_format.h"

#include <algorithm>
#include <sstream>

#include "base/checked.h"
#include "ops/op.h"

namespace tenon::nvinfer {

using nvinfer1::TensorFormat;

namespace {

int64_t groups_of(int64_t channels, int64_t vector) { return channels < 0 ? -1 : (channels + vector - 1) / vector; }

size_t channel_axis(const Packing& p, size_t rank) { return rank - p.spatial - 1; }

/// [outer…, C, spatial…] as its format holds it; a Dim or a number each.
template <class D>
std::vector<D> memory_dims(const Packing& p, const std::vector<D>& dims, D groups, D padded) {
  const auto axis = static_cast<std::ptrdiff_t>(channel_axis(p, dims.size()));
  std::vector<D> memory(dims.begin(), dims.begin() + axis);
  if (!p.channels_last) memory.push_back(groups);
  memory.insert(memory.end(), dims.begin() + axis + 1, dims.end());
  memory.push_back(p.channels_last ? padded : D(p.vector));
  return memory;
}

/// Adds nodes that move elements, each typed at once.
class Mover {
 public:
  Mover(ir::Graph& graph, std::string name) : graph_(graph), name_(std::move(name)) {}

  ir::ValueId add(const char* op, std::vector<ir::ValueId> inputs) { return add(op, std::move(inputs), attrs_of(op)); }
  ir::ValueId numbers(ir::Dims values) { return graph_.add_constant(ir::Tensor::vector_i64(std::move(values))); }

  ir::ValueId transpose(ir::ValueId v, std::vector<int64_t> perm) {
    ir::Attrs attrs = attrs_of("Transpose");
    attrs.find("perm")->of<std::vector<int64_t>>(attrs.edit_data()) = std::move(perm);
    return add("Transpose", {v}, std::move(attrs));
  }
  /// Replaces the axes [from, to) of v by ones of these sizes.
  ir::ValueId reshape(ir::ValueId v, size_t from, size_t to, const ir::Dims& sizes) {
    const ir::Shape shape = graph_.value(v).shape;
    std::vector<ir::ValueId> parts;
    auto keep = [&](size_t begin, size_t end) {
      if (begin == end) return;
      ir::Attrs attrs = attrs_of("Shape");
      attrs.find("start")->of<int64_t>(attrs.edit_data()) = static_cast<int64_t>(begin);
      attrs.find("end")->of<int64_t>(attrs.edit_data()) = static_cast<int64_t>(end);
      parts.push_back(add("Shape", {v}, std::move(attrs)));
    };
    keep(0, from);
    parts.push_back(numbers(sizes));
    keep(to, shape.size());
    return add("Reshape", {v, parts.size() == 1 ? parts[0] : add("Concat", parts)});
  }
  ir::ValueId slice(ir::ValueId v, size_t axis, int64_t count) {
    return add("Slice", {v, numbers({0}), numbers({count}), numbers({static_cast<int64_t>(axis)})});
  }
  ir::ValueId pad(ir::ValueId v, size_t axis, int64_t count) {
    ir::Dims pads(2 * graph_.value(v).shape.size(), 0);
    pads[pads.size() / 2 + axis] = count;
    return add("Pad", {v, numbers(pads)});
  }

 private:
  // By name, because the operators' own structs are another library's.
  static ir::Attrs attrs_of(const char* op) { return ir::Attrs(ops::find_op(op).attrs); }

  ir::ValueId add(const char* op, std::vector<ir::ValueId> inputs, ir::Attrs attrs) {
    const ir::NodeId n = graph_.add_node(op, std::move(inputs), std::move(attrs), 1, name_);
    ops::infer_node(graph_, n);
    return graph_.node(n).outputs[0];
  }

  ir::Graph& graph_;
  std::string name_;
};

/// 0, 1, … with the entry at `from` moved to `to`.
std::vector<int64_t> moved(size_t rank, size_t from, size_t to) {
  std::vector<int64_t> perm;
  for (size_t i = 0; i < rank; ++i) perm.push_back(static_cast<int64_t>(i));
  perm.erase(perm.begin() + static_cast<std::ptrdiff_t>(from));
  perm.insert(perm.begin() + static_cast<std::ptrdiff_t>(to), static_cast<int64_t>(from));
  return perm;
}

ir::ValueId to_row_major(Mover& mover, ir::ValueId memory, const Packing& p, size_t rank, int64_t channels) {
  const size_t axis = channel_axis(p, rank);
  ir::ValueId v = memory;
  if (p.channels_last) {
    v = mover.transpose(v, moved(rank, rank - 1, axis));
  } else {
    v = mover.transpose(v, moved(rank + 1, rank, axis + 1));
    v = mover.reshape(v, axis, axis + 2, {groups_of(channels, p.vector) * p.vector});
  }
  return channels >= 0 && channels % p.vector != 0 ? mover.slice(v, axis, channels) : v;
}

ir::ValueId to_memory(Mover& mover, ir::ValueId tensor, const Packing& p, size_t rank, int64_t channels) {
  const size_t axis = channel_axis(p, rank);
  const int64_t groups = groups_of(channels, p.vector);
  ir::ValueId v = tensor;
  if (channels >= 0 && channels % p.vector != 0) v = mover.pad(v, axis, groups * p.vector - channels);
  if (p.channels_last) return mover.transpose(v, moved(rank, axis, rank - 1));
  v = mover.reshape(v, axis, axis + 1, {groups, p.vector});
  return mover.transpose(v, moved(rank + 1, axis + 1, rank));
}

/// The first of the allowed formats that the tensor can have.
TensorFormat choose(const ir::Value& value, uint32_t allowed) {
  if (allowed == 0 || allowed & 1U) return TensorFormat::kLINEAR;
  std::string names;
  for (uint32_t bit = 0; bit < 32; ++bit)
    if ((allowed >> bit) & 1U) names += cat(names.empty() ? "" : ", ", format_name(static_cast<TensorFormat>(bit)));
  require(value.ranked, ErrorCode::kUnsupported, "tensor '", value.name, "' has no known rank and cannot be ", names);
  for (TensorFormat format : device_formats()) {
    if (!((allowed >> static_cast<uint32_t>(format)) & 1U)) continue;
    if (!fits(format, value.shape.size(), value.dtype)) continue;
    const auto packing = packing_of(format);
    if (packing->vector == 1 || value.shape[channel_axis(*packing, value.shape.size())].is_const()) return format;
  }
  fail(ErrorCode::kUnsupported, "tensor '", value.name, "' of type ", value.dtype, " and dims ", dims_of(value.shape),
       " can have none of the formats that setAllowedFormats gives: ", names,
       "; kLINEAR is always accepted, groups of channels need a fixed number of channels before the spatial "
       "dimensions and a type of 8 bits or more, and kDLA formats a DLA");
}

class Applier {
 public:
  Applier(ir::Graph& graph, const AllowedFormats& allowed, std::vector<plan::Profile>& profiles,
          std::map<std::string, float>& scales)
      : graph_(graph), allowed_(allowed), profiles_(profiles), scales_(scales) {}

  IoFormats run() {
    for (size_t i = 0; i < graph_.inputs.size(); ++i) input(i);
    for (size_t i = 0; i < graph_.outputs.size(); ++i) output(i);
    return std::move(formats_);
  }

 private:
  /// Whether the tensor leaves row-major order; then it is known under `io`.
  bool chosen(ir::ValueId v, size_t io) {
    const ir::Value& value = graph_.value(v);
    const auto wish = allowed_.find(value.name);
    const TensorFormat format = wish == allowed_.end() ? TensorFormat::kLINEAR : choose(value, wish->second);
    if (format == TensorFormat::kLINEAR) return false;
    require(!graph_.is_input(v) || !graph_.is_output(v), ErrorCode::kUnsupported, "tensor '", value.name,
            "' is an input and an output at once and cannot be ", format_name(format));
    const ir::Dim channels = value.shape[channel_axis(*packing_of(format), value.shape.size())];
    formats_.set(io, {format, channels.is_const() ? channels.constant() : -1});
    return true;
  }

  /// The tensor gives its name away, to its form in memory.
  std::string rename(ir::ValueId v) {
    const std::string name = graph_.value(v).name, row_major = graph_.unique_name(name + "_row_major");
    graph_.rename(v, row_major);
    if (auto scale = scales_.extract(name)) {
      scale.key() = row_major;
      scales_.insert(std::move(scale));
    }
    return name;
  }

  ir::Shape memory_shape(const ir::Shape& shape, const IoFormat& f) const {
    const Packing p = *packing_of(f.format);
    const int64_t groups = groups_of(f.channels, p.vector);
    const ir::Dim padded = f.channels < 0 ? shape[channel_axis(p, shape.size())] : ir::Dim(groups * p.vector);
    return memory_dims<ir::Dim>(p, shape, ir::Dim(groups), padded);
  }

  void input(size_t i) {
    const ir::ValueId v = graph_.inputs[i];
    if (!chosen(v, i)) return;
    const IoFormat f = formats_.at(i);
    const ir::Shape shape = graph_.value(v).shape;
    const std::string name = rename(v), row_major = graph_.value(v).name;
    const ir::ValueId memory = graph_.add_input(name, graph_.value(v).dtype, memory_shape(shape, f));
    graph_.value(memory).ranked = true;
    graph_.inputs.pop_back();
    graph_.inputs[i] = memory;
    Mover mover(graph_, name + "_format");
    const ir::ValueId tensor = to_row_major(mover, memory, *packing_of(f.format), shape.size(), f.channels);
    graph_.replace_uses(v, tensor);
    graph_.rename(v, graph_.unique_name(name + "_unused"));
    graph_.rename(tensor, row_major);
    for (plan::Profile& profile : profiles_) {
      plan::Range& range = profile.inputs.at(i);
      for (ir::Dims* dims : {&range.min, &range.opt, &range.max}) *dims = formats_.in_memory(i, *dims);
    }
  }

  void output(size_t i) {
    const ir::ValueId v = graph_.outputs[i];
    const size_t io = graph_.inputs.size() + i;
    if (!chosen(v, io)) return;
    const IoFormat f = formats_.at(io);
    const size_t rank = graph_.value(v).shape.size();
    const std::string name = rename(v);
    Mover mover(graph_, name + "_format");
    const ir::ValueId memory = to_memory(mover, v, *packing_of(f.format), rank, f.channels);
    graph_.outputs[i] = memory;
    graph_.rename(memory, name);
  }

  ir::Graph& graph_;
  const AllowedFormats& allowed_;
  std::vector<plan::Profile>& profiles_;
  std::map<std::string, float>& scales_;
  IoFormats formats_;
};

}  // namespace

IoFormats::IoFormats(const std::string& text) {
  std::istringstream in(text);
  size_t io = 0;
  int format = 0;
  IoFormat known;
  while (in >> io >> format >> known.channels) {
    known.format = static_cast<TensorFormat>(format);
    require(packing_of(known.format).has_value(), ErrorCode::kCorruptFile,
            "the plan's list of formats has a linear one");
    known_[io] = known;
  }
  require(in.eof(), ErrorCode::kCorruptFile, "the plan's list of formats is damaged: '", text, "'");
}

std::string IoFormats::text() const {
  std::string out;
  for (const auto& [io, known] : known_) out += cat(io, " ", static_cast<int>(known.format), " ", known.channels, "\n");
  return out;
}

IoFormat IoFormats::at(size_t io) const {
  const auto it = known_.find(io);
  return it == known_.end() ? IoFormat{} : it->second;
}

bool IoFormats::any_channels_last() const {
  return std::any_of(known_.begin(), known_.end(),
                     [](const auto& entry) { return packing_of(entry.second.format)->channels_last; });
}

ir::Dims IoFormats::in_memory(size_t io, const ir::Dims& dims) const {
  const IoFormat f = at(io);
  const auto packing = packing_of(f.format);
  if (!packing) return dims;
  require(dims.size() > packing->spatial, ErrorCode::kShapeMismatch, "dims ", dims, " have no channels before ",
          packing->spatial, " spatial dimensions");
  const int64_t channels = dims[channel_axis(*packing, dims.size())];
  require(f.channels < 0 || channels == f.channels, ErrorCode::kShapeMismatch, "dims ", dims, " have ", channels,
          " channels, ", f.channels, " are accepted");
  const int64_t groups = groups_of(channels, packing->vector);
  return memory_dims<int64_t>(*packing, dims, groups, groups < 0 ? -1 : checked_mul(groups, packing->vector));
}

ir::Dims IoFormats::of_tensor(size_t io, const ir::Dims& memory) const {
  const IoFormat f = at(io);
  const auto packing = packing_of(f.format);
  if (!packing) return memory;
  const size_t rank = packing->channels_last ? memory.size() : memory.size() - 1;
  require(memory.size() > packing->spatial + (packing->channels_last ? 0 : 1), ErrorCode::kCorruptFile, "a tensor in ",
          format_name(f.format), " has dims ", memory, " in memory");
  const auto axis = static_cast<std::ptrdiff_t>(channel_axis(*packing, rank));
  const auto spatial = memory.begin() + axis + (packing->channels_last ? 0 : 1);
  const int64_t groups = packing->channels_last ? memory.back() / packing->vector : memory[static_cast<size_t>(axis)];
  require(f.channels < 0 || groups < 0 || memory.back() < 0 || groups == groups_of(f.channels, packing->vector),
          ErrorCode::kCorruptFile, "a tensor of ", f.channels, " channels in ", format_name(f.format), " has dims ",
          memory, " in memory");
  ir::Dims dims(memory.begin(), memory.begin() + axis);
  dims.push_back(f.channels < 0 ? memory.back() : f.channels);
  dims.insert(dims.end(), spatial, spatial + static_cast<std::ptrdiff_t>(packing->spatial));
  return dims;
}

ir::Dims IoFormats::strides(size_t io, const ir::Dims& dims) const {
  const auto packing = packing_of(at(io).format);
  const size_t rank = dims.size(), axis = packing ? channel_axis(*packing, rank) : rank;
  ir::Dims strides(rank, 1);
  int64_t step = 1;
  auto place = [&](size_t i) {
    strides[i] = step;
    const int64_t size = i == axis ? groups_of(dims[i], packing->vector) : dims[i];
    step = step < 0 || size < 0 ? -1 : checked_mul(step, size);
  };
  const bool last = packing && packing->channels_last;
  if (last) place(axis);
  for (size_t i = rank; i-- > 0;)
    if (i != axis || !last) place(i);
  return strides;
}

int32_t IoFormats::vectorized_axis(size_t io, size_t rank) const {
  const auto packing = packing_of(at(io).format);
  return packing && packing->vector > 1 ? static_cast<int32_t>(channel_axis(*packing, rank)) : -1;
}

int32_t IoFormats::vector(size_t io) const {
  const auto packing = packing_of(at(io).format);
  return packing && packing->vector > 1 ? static_cast<int32_t>(packing->vector) : -1;
}

IoFormats apply_formats(ir::Graph& graph, const AllowedFormats& allowed, std::vector<plan::Profile>& profiles,
                        std::map<std::string, float>& scales) {
  return Applier(graph, allowed, profiles, scales).run();
}

std::vector<std::string> moved_tensors(const ir::Graph& graph) {
  auto moves = [](const ir::Node* node) {
    return node && (node->op == "Transpose" || node->op == "Reshape" || node->op == "Slice" || node->op == "Pad");
  };
  std::vector<std::string> names;
  for (ir::ValueId v : graph.inputs) {
    const auto& users = graph.users(v);
    if (std::any_of(users.begin(), users.end(), [&](ir::NodeId n) { return moves(&graph.node(n)); }))
      names.push_back(graph.value(v).name);
  }
  for (ir::ValueId v : graph.outputs)
    if (moves(graph.producer(v))) names.push_back(graph.value(v).name);
  return names;
}

}  // namespace tenon::nvinfer
