#include "sketch.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/text.h"
#include "import/onnx/import.h"
#include "noise.h"

namespace tenon::random_graphs {
namespace {

constexpr int64_t kMaxCount = 1 << 13, kLargeCount = 1 << 15;  // elements of a value
constexpr double kMaxMagnitude = 500;
constexpr double kLeast = 1e-20;      // what f32 may round to 0
constexpr double kMove = 1e-5;        // of an operand, relative, in f32
constexpr double kMostMoved = 2e-3;   // of a result, relative to its largest
constexpr double kMostOfRough = 0.2;  // the same where f16 or bf16 come in
constexpr int kSamples = 3;
constexpr int64_t kSymbols = 3;

double largest(const Tensor& t) {
  double m = 0;
  for (int64_t i = 0; i < t.count(); ++i) m = std::fmax(m, std::fabs(t.get(i)));
  return m;
}

void check_range(const Tensor& t, int64_t most_elements) {
  if (t.count() > most_elements) throw Rejected{cat("has ", t.count(), " elements")};
  const double limit = ir::is_float(t.dtype()) ? kMaxMagnitude : 1e6;
  double most = 0;
  for (int64_t i = 0; i < t.count(); ++i) {
    const double v = t.get(i);
    if (!std::isfinite(v) || std::fabs(v) > limit) throw Rejected{cat("has the element ", v)};
    most = std::fmax(most, std::fabs(v));
    if (v != 0 && std::fabs(v) < kLeast) throw Rejected{cat("has the element ", v)};
  }
  if (ir::is_float(t.dtype()) && most > 0 && most < 1e-3) throw Rejected{"vanishes"};
}

void check_moved(const Tensor& t, const Tensor& moved, double most) {
  if (t.dims() != moved.dims()) throw Rejected{"has sizes that jump"};
  if (!ir::is_float(t.dtype())) {
    if (!(t == moved)) throw Rejected{"jumps"};
    return;
  }
  const double limit = most * largest(t);
  for (int64_t i = 0; i < t.count(); ++i)
    if (!(std::fabs(t.get(i) - moved.get(i)) <= limit)) throw Rejected{"is ill-conditioned"};
}

/// Nothing tells a dimension of -1 where another is 0, nor whether a computed 0 means a size or the operand's.
void check_reshape(const Value& shape, size_t binding, const Dims& dims) {
  const Tensor& wanted = shape.at[binding];
  for (int64_t i = 0; i < wanted.count(); ++i) {
    if (wanted.get_int(i) == 0 && !shape.constant) throw Rejected{"has a computed size of 0"};
    for (size_t d = 0; d < dims.size() && wanted.get_int(i) == -1; ++d)
      if (dims[d] == 0 && int64_t(d) != i) throw Rejected{"has a size that nothing tells"};
  }
}

}  // namespace

Sketch::Sketch(uint64_t seed) : draw(seed) {
  case_.seed = seed;
  opset = draw.pick(std::vector<int64_t>{13, 17, 18, 20, 21, 23, 23});
  case_.model.ir_version = opset >= 23 ? 11 : opset >= 21 ? 10 : opset >= 19 ? 9 : 8;
  case_.model.opset_imports = {{"", opset}};
  large_ = draw.one_in(12);
  draw_inputs();
}

// Symbol 0 is the batch, the others are further open sizes. The first binding is the profile's optimum.
void Sketch::draw_inputs() {
  const int64_t mode = draw.below(10);  // below 4 all fixed, below 7 the batch is open, else any size
  const size_t bindings = mode < 4 ? 1 : draw.one_in(4) ? 2 : 3;
  for (size_t b = 0; b < bindings; ++b) {
    Dims sizes;
    for (int64_t s = 0; s < kSymbols; ++s)
      sizes.push_back(b > 0 && s > 0 && mode < 7 ? sizes_[0][size_t(s)]
                                                 : draw.pick(std::vector<int64_t>{1, 2, 3, 4, 5, 7, 8, 9, 13, 16}));
    if (b == 0 || !draw.one_in(12)) {
      sizes[0] = b == 1 ? 1 : draw.pick(std::vector<int64_t>{1, 2, 3, 4, 5, 8});
    } else {
      sizes[0] = 0;
    }
    sizes_.push_back(sizes);
  }
  case_.inputs.resize(bindings);
  const DType usual = draw.one_in(12) ? draw.pick(std::vector<DType>{DType::kF16, DType::kBF16}) : DType::kF32;
  const auto open = [&](int symbol) { return mode < 4 || (mode < 7 && symbol > 0) ? -1 : symbol; };
  const auto c = [&] { return channels(); };
  const auto side = [&] { return draw.pick(std::vector<int64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 14}); };
  for (int64_t k = draw.between(1, 3); k > 0; --k) {
    const DType type = draw.one_in(12)
                           ? draw.pick(std::vector<DType>{DType::kF16, DType::kBF16, DType::kF64, DType::kI32,
                                                          DType::kI64, DType::kBool, DType::kU8, DType::kI8})
                           : usual;
    switch (draw.below(9)) {
      case 0:
      case 1:
      case 2:
        add_input(type, {open(0), -1, -1, -1}, {0, c(), side(), side()});
        break;
      case 3:
        add_input(type, {open(0), -1, open(1), open(2)}, {0, c(), side(), side()});
        break;
      case 4:
        add_input(type, {open(0), open(1), -1}, {0, side(), c()});
        break;
      case 5:
        add_input(type, {open(0), -1}, {0, c()});
        break;
      case 6:
        add_input(type, {open(0), -1, draw.between(0, 1) ? open(2) : -1}, {0, c(), side()});
        break;
      case 7:
        add_input(type, {open(0), -1, -1, -1, -1},
                  {0, draw.between(1, 4), draw.between(1, 5), draw.between(1, 6), draw.between(1, 6)});
        break;
      default:
        draw.one_in(2) ? add_input(type, {}, {}) : add_input(type, {-1, open(1)}, {side(), c()});
    }
  }
}

void Sketch::add_input(DType dtype, const std::vector<int>& symbols, const Dims& sizes) {
  Value v;
  v.name = fresh("x");
  v.dtype = dtype;
  std::vector<onnx::Dimension> declared;
  for (size_t d = 0; d < symbols.size(); ++d) {
    const int64_t fixed = sizes[d] > 0 ? sizes[d] : sizes_[0][0];
    declared.push_back(symbols[d] < 0 ? onnx::Dimension{fixed, ""}
                                      : onnx::Dimension{std::nullopt, std::string(1, "nst"[symbols[d]])});
  }
  const double scale = draw.pick(std::vector<double>{1, 1, 1, 0.3, 3});
  for (size_t b = 0; b < case_.inputs.size(); ++b) {
    Dims dims;
    for (size_t d = 0; d < symbols.size(); ++d)
      dims.push_back(symbols[d] < 0 ? *declared[d].value : sizes_[b][size_t(symbols[d])]);
    Tensor t(dtype, dims);
    for (int64_t i = 0; i < t.count(); ++i) {
      if (ir::is_float(dtype))
        t.set(i, scale * draw.normal());
      else
        t.set_int(i, dtype == DType::kBool ? draw.below(2) : draw.below(5));
    }
    v.at.push_back(ir::is_float(dtype) ? t.cast(DType::kF64) : t);
    case_.inputs[b].push_back(t);
  }
  v.moved.assign(kSamples, v.at);
  v.roughness = Noise::relative(dtype);
  case_.model.graph.inputs.push_back(declare(v.name, dtype, declared));
  index_[v.name] = values_.size();
  values_.push_back(std::move(v));
}

Dims Sketch::shape(const std::string& name) const {
  const Value& v = value(name);
  Dims dims = v.at[0].dims();
  for (const Tensor& t : v.at)
    for (size_t d = 0; d < dims.size(); ++d)
      if (t.dims()[d] != dims[d]) dims[d] = -1;
  return dims;
}

std::string Sketch::pick(const std::function<bool(const Value&)>& fits) {
  std::vector<size_t> found;
  for (size_t i = 0; i < values_.size(); ++i)
    if (!values_[i].constant && fits(values_[i])) found.push_back(i);
  if (found.empty()) throw Rejected{"no value fits"};
  const size_t late = found.size() > 4 && !draw.one_in(3) ? found.size() - 4 : 0;
  return values_[found[late + size_t(draw.below(int64_t(found.size() - late)))]].name;
}

std::string Sketch::pick_float(int64_t least_rank, int64_t most_rank) {
  return pick([&](const Value& v) {
    const int64_t r = int64_t(v.at[0].dims().size());
    return ir::is_float(v.dtype) && r >= least_rank && r <= most_rank;
  });
}

bool Sketch::broadcasts(const std::string& a, const std::string& b) const {
  const Value &x = value(a), &y = value(b);
  for (size_t k = 0; k < x.at.size(); ++k) {
    const Dims &p = x.at[k].dims(), &q = y.at[k].dims();
    for (size_t d = 1; d <= std::min(p.size(), q.size()); ++d) {
      const int64_t m = p[p.size() - d], n = q[q.size() - d];
      if (m != n && m != 1 && n != 1) return false;
    }
  }
  return true;
}

std::string Sketch::pick_partner(const std::string& x) {
  if (draw.below(5) < 3) try {
      return pick([&](const Value& v) { return v.dtype == dtype(x) && broadcasts(x, v.name); });
    } catch (const Rejected&) {
      // a constant fits always
    }
  return weights(dtype(x), broadcast_dims(shape(x)), draw.one_in(3) ? 0.1 : 1, draw.one_in(3) ? 1 : 0);
}

std::string Sketch::constant(Tensor t) {
  const std::string name = fresh("w");
  Value v;
  v.name = name;
  v.dtype = t.dtype();
  v.constant = true;
  v.at.assign(case_.inputs.size(), ir::is_float(t.dtype()) ? t.cast(DType::kF64) : t);
  v.moved.assign(kSamples, v.at);
  constants_[name] = std::move(t);
  index_[name] = values_.size();
  values_.push_back(std::move(v));
  return name;
}

std::string Sketch::number(DType type, double value) {
  Tensor t(type, {});
  ir::is_float(type) ? t.set(0, value) : t.set_int(0, int64_t(value));
  return constant(std::move(t));
}

std::string Sketch::weights(DType type, Dims dims, double scale, double shift) {
  Tensor t(type, std::move(dims));
  for (int64_t i = 0; i < t.count(); ++i) {
    const double v = draw.normal() * scale + shift;
    if (ir::is_float(type))
      t.set(i, v);
    else
      t.set_int(i, type == DType::kBool ? v > 0 : int64_t(std::fabs(std::round(v))));
  }
  return constant(std::move(t));
}

Dims Sketch::broadcast_dims(const Dims& shape) {
  const size_t from = draw.one_in(2) ? 0 : size_t(draw.below(int64_t(shape.size()) + 1));
  const bool plain = draw.one_in(3);
  Dims dims;
  for (size_t d = from; d < shape.size(); ++d) {
    const bool grows = shape[d] == 1 && draw.one_in(8);
    dims.push_back(grows ? draw.between(2, 3) : shape[d] < 0 || (!plain && draw.one_in(2)) ? 1 : shape[d]);
  }
  return dims;
}

int64_t Sketch::channels() {
  if (large_ && draw.one_in(2)) return draw.pick(std::vector<int64_t>{31, 32, 33, 48, 64, 65, 96});
  return draw.pick(std::vector<int64_t>{1, 2, 3, 3, 4, 4, 5, 6, 8, 8, 9, 12, 16, 16, 17, 24, 32});
}

std::vector<std::string> Sketch::add_n(const std::string& op, std::vector<std::string> inputs,
                                       std::vector<onnx::Attribute> attributes, size_t outputs, std::string domain) {
  std::vector<std::string> names;
  for (size_t i = 0; i < outputs; ++i) names.push_back(fresh("v"));
  const onnx::Node node = make_node(op, std::move(inputs), names, std::move(attributes), std::move(domain));
  std::vector<Value> results(outputs);
  try {
    evaluate(node, results);
  } catch (const Error& e) {
    throw Rejected{e.what()};
  }
  take(node, std::move(results));
  return names;
}

/// Runs the node alone, in double precision, for every binding; then with operands moved.
void Sketch::evaluate(const onnx::Node& node, std::vector<Value>& results) {
  for (size_t i = 0; i < results.size(); ++i) {
    results[i].name = node.outputs[i];
    results[i].moved.resize(kSamples);
    for (const std::string& name : reads(node))
      results[i].roughness = std::max(results[i].roughness, value(name).roughness);
  }
  for (size_t b = 0; b < case_.inputs.size(); ++b) {
    onnx::Model model;
    model.ir_version = case_.model.ir_version;
    model.opset_imports = case_.model.opset_imports;
    if (!node.domain.empty()) model.opset_imports.push_back({node.domain, 1});
    std::vector<std::string> given;
    for (const std::string& name : reads(node)) {
      const Value& v = value(name);
      const bool sizes = v.dtype == DType::kI64 && v.at[b].dims().size() <= 1 && v.at[b].count() <= 8;
      if (v.constant || sizes) {
        model.graph.initializers.push_back({name, v.constant ? constants_.at(name) : v.at[b]});
        continue;
      }
      std::vector<onnx::Dimension> dims;
      for (int64_t d : v.at[b].dims()) dims.push_back({d, ""});
      model.graph.inputs.push_back(declare(name, v.dtype, dims));
      given.push_back(name);
    }
    model.graph.nodes = {node};
    for (const std::string& name : node.outputs) model.graph.outputs.push_back(declare(name, DType::kF32));
    for (auto& v : model.graph.outputs) v.type = {};
    const ir::Graph graph = importer::import_onnx(model);
    const auto run = [&](int sample) {
      std::vector<Tensor> inputs;
      for (const std::string& name : given)
        inputs.push_back(sample < 0 ? value(name).at[b] : value(name).moved[size_t(sample)][b]);
      if (sample < 0) return evaluate_graph(graph, inputs);
      Noise noise(case_.seed + node_count() * 16 + uint64_t(sample) * 4 + b, kMove);
      return evaluate_graph(graph, inputs, &noise);
    };
    const auto exact = run(-1);
    if (node.op_type == "Reshape") check_reshape(value(node.inputs[1]), b, exact[0].dims());
    for (size_t i = 0; i < results.size(); ++i) {
      check_range(exact[i], large_ ? kLargeCount : kMaxCount);
      results[i].dtype = graph.value(graph.outputs[i]).dtype;
      results[i].at.push_back(exact[i]);
      results[i].roughness = std::max(results[i].roughness, Noise::relative(results[i].dtype));
    }
    for (int s = 0; s < kSamples; ++s) {
      auto moved = run(s);
      for (size_t i = 0; i < results.size(); ++i) {
        check_moved(exact[i], moved[i], std::min(kMostMoved * results[i].roughness, kMostOfRough));
        results[i].moved[size_t(s)].push_back(std::move(moved[i]));
      }
    }
  }
}

void Sketch::take(const onnx::Node& node, std::vector<Value> results) {
  for (const std::string& name : reads(node)) {
    auto found = constants_.find(name);
    if (found == constants_.end()) continue;
    auto& list = case_.model.graph.initializers;
    if (std::none_of(list.begin(), list.end(), [&](const auto& t) { return t.name == name; }))
      list.push_back({name, found->second});
  }
  if (!node.domain.empty() && case_.model.opset_imports.size() == 1)
    case_.model.opset_imports.push_back({node.domain, 1});
  case_.model.graph.nodes.push_back(node);
  for (Value& v : results) {
    index_[v.name] = values_.size();
    values_.push_back(std::move(v));
  }
}

/// Whether sizes that differ among bindings do so on the first axis alone, with the batch's size.
bool Sketch::row_wise() const {
  bool open = false;
  for (const Value& v : values_)
    for (size_t b = 0; b < v.at.size(); ++b)
      for (size_t d = 0; d < v.at[b].dims().size(); ++d) {
        if (v.at[b].dims()[d] == v.at[0].dims()[d]) continue;
        if (d > 0 || v.at[b].dims()[0] != sizes_[b][0]) return false;
        open = true;
      }
  return open && sizes_.size() > 1;
}

/// Outputs are what nobody reads, but for some dead branches, some inner values, and now and then an input.
Case Sketch::finish() {
  std::set<std::string> read, made;
  auto& g = case_.model.graph;
  for (const auto& n : g.nodes)
    for (const std::string& name : reads(n)) read.insert(name);
  std::vector<std::string> leaves;
  for (const auto& n : g.nodes)
    for (const std::string& name : n.outputs) {
      const bool leaf = !read.contains(name) && !draw.one_in(8);
      if (leaf || draw.one_in(10)) leaves.push_back(name);
    }
  if (draw.one_in(16)) leaves.push_back(g.inputs[0].name);
  if (leaves.empty()) leaves.push_back(g.nodes.empty() ? g.inputs[0].name : g.nodes.back().outputs[0]);
  for (const std::string& name : leaves) g.outputs.push_back(declare(name, dtype(name)));
  case_.rows = row_wise();
  return std::move(case_);
}

Case generate(uint64_t seed, const std::string& only, Tally* tally) {
  static const std::vector<Operator> all = [] {
    std::vector<Operator> list;
    for (const auto& family :
         {pointwise_operators(), compute_operators(), reduce_operators(), movement_operators(), indexing_operators(),
          quantized_operators(), control_operators(), rare_operators(), structures(), blocks_of_layers()})
      list.insert(list.end(), family.begin(), family.end());
    return list;
  }();
  int64_t total = 0;
  for (const Operator& op : all) total += op.weight;
  Sketch sketch(seed);
  const int64_t wanted =
      only.empty() ? sketch.draw.between(2, sketch.draw.pick(std::vector<int64_t>{10, 10, 10, 10, 24, 60})) : 1;
  for (int64_t tries = 0, taken = 0; tries < 6 * wanted && taken < wanted; ++tries) {
    const Operator* op = all.data();
    for (int64_t ticket = sketch.draw.below(total); ticket >= op->weight; ++op) ticket -= op->weight;
    if (!only.empty())
      for (const Operator& o : all)
        if (o.name == only) op = &o;
    const size_t before = sketch.node_count();
    Tally::Row unused;
    Tally::Row& row = tally ? tally->rows[op->name] : unused;
    ++row.asked;
    try {
      op->add(sketch);
    } catch (const Rejected& r) {
      row.why = r.why;
    }
    if (sketch.node_count() > before) ++taken, ++row.taken;
  }
  return sketch.finish();
}

}  // namespace tenon::random_graphs
