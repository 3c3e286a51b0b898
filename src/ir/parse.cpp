#include <algorithm>
#include <bit>

#include "base/checked.h"
#include "ir/cursor.h"
#include "ir/text.h"

namespace tenon::ir {
namespace {

constexpr int kMaxDepth = 32;
constexpr int64_t kMaxGenerated = int64_t(1) << 30;  // elements of a fill or random constant

/// Uniform numbers in [0, 1) from a seed (splitmix64), the same on every machine.
class Uniform {
 public:
  explicit Uniform(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 0x1234567u) {}
  double operator()() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return double((z ^ (z >> 31)) >> 11) * 0x1p-53;
  }

 private:
  uint64_t state_;
};

struct Type {
  DType dtype = DType::kUndefined;
  bool ranked = false;
  Shape shape;
};

class Reader {
 public:
  Reader(std::string_view text, const ParseOptions& options) : c_(text), options_(options) {}

  Graph whole() {
    Graph g = graph(std::make_shared<SymbolTable>());
    if (!c_.at_end()) c_.bad("the end is expected after the graph");
    return g;
  }

 private:
  Graph graph(std::shared_ptr<SymbolTable> symbols) {
    if (++depth_ > kMaxDepth) c_.bad("graphs nest deeper than ", kMaxDepth);
    Graph g(std::move(symbols));
    if (!c_.eat_word("graph")) c_.bad("'graph' is expected");
    if (c_.peek() == '"') g.name = c_.string();
    c_.expect('{');
    for (;;) {
      if (c_.eat_word("meta")) {
        std::string key = c_.string();
        c_.expect('=');
        g.metadata[key] = c_.string();
      } else if (c_.eat_word("return")) {
        break;
      } else {
        statement(g);
      }
    }
    if (c_.peek() != '}') do
        g.outputs.push_back(operand(g));
      while (c_.eat(','));
    c_.expect('}');
    --depth_;
    return g;
  }

  void statement(Graph& g) {
    std::vector<std::pair<std::string, Type>> results;  // an empty name is an absent output
    const bool has_results = c_.peek() == '%' || c_.peek() == '_';
    if (has_results) {
      do {
        if (c_.eat_word("_")) {
          results.emplace_back();
          continue;
        }
        c_.expect('%');
        std::string value_name = c_.name();
        if (value_name.empty() || g.find(value_name) != kNone)
          c_.bad("value '", value_name, "' is empty or stands twice");
        results.emplace_back(std::move(value_name), c_.eat(':') ? type(*g.symbols) : Type());
      } while (c_.eat(','));
      c_.expect('=');
    }
    if (results.size() == 1 && c_.eat_word("input")) {
      auto& [value_name, t] = results[0];
      if (!t.ranked && t.dtype == DType::kUndefined) c_.bad("an input needs a type");
      g.value(g.add_input(value_name, t.dtype, t.shape)).ranked = t.ranked;
      return;
    }
    if (results.size() == 1) {
      const size_t start = c_.position();
      if (auto tensor = content(results[0].second)) {
        g.add_constant(std::move(*tensor), results[0].first);
        return;
      }
      c_.rewind(start);
    }
    node(g, results);
  }

  void node(Graph& g, const std::vector<std::pair<std::string, Type>>& results) {
    const size_t start = c_.position();
    const std::string op = c_.name();
    const AttrSchema* schema = options_.schema ? options_.schema(op) : nullptr;
    if (!schema) {
      c_.rewind(start);
      c_.skip();
      c_.bad("there is no operator called '", op, "'");
    }
    std::vector<ValueId> inputs;
    c_.expect('(');
    if (c_.peek() != ')') do
        inputs.push_back(operand(g));
      while (c_.eat(','));
    c_.expect(')');
    Attrs attrs(schema);
    if (c_.eat('{')) {
      do attribute(g, attrs);
      while (c_.eat(','));
      c_.expect('}');
    }
    std::string node_name = c_.peek() == '"' ? c_.string() : std::string();
    const NodeId id = g.add_node(op, std::move(inputs), std::move(attrs), results.size(), std::move(node_name));
    if (c_.eat_word("from")) g.node(id).origin = c_.string();
    if (c_.eat_word("meta")) g.node(id).metadata = c_.string();
    for (size_t i = 0; i < results.size(); ++i) {
      const auto& [value_name, t] = results[i];
      const ValueId v = g.node(id).outputs[i];
      if (value_name.empty()) {
        g.node(id).outputs[i] = kNone;
        g.value(v).producer = kNone;
        continue;
      }
      if (g.value(v).name != value_name) {
        if (ValueId taken = g.find(value_name); taken != kNone) g.rename(taken, g.unique_name(value_name + ".absent"));
        g.rename(v, value_name);
      }
      g.value(v).dtype = t.dtype;
      g.value(v).ranked = t.ranked;
      g.value(v).shape = t.shape;
    }
  }

  ValueId operand(const Graph& g) {
    if (c_.eat_word("_")) return kNone;
    c_.expect('%');
    const std::string value_name = c_.name();
    const ValueId v = g.find(value_name);
    if (v == kNone) c_.bad("value '", value_name, "' is not defined above");
    return v;
  }

  DType dtype() {
    const std::string_view w = c_.word();
    const auto t = parse_dtype(w);
    if (!t) c_.bad("'", w, "' is not an element type");
    return *t;
  }

  Type type(SymbolTable& symbols) {
    Type t;
    if (!c_.eat('?')) t.dtype = dtype();
    if (!c_.eat('[')) return t;
    t.ranked = true;
    if (c_.eat(']')) return t;
    do {
      const size_t start = c_.position();
      try {
        t.shape.push_back(symbols.parse(c_.dimension()));
      } catch (const Error& e) {
        c_.rewind(start);
        c_.skip();
        c_.bad(e.message());
      }
      if (t.shape.size() > 64) c_.bad("more than 64 dimensions");
    } while (c_.eat(','));
    c_.expect(']');
    return t;
  }

  std::optional<Tensor> content(const Type& t) {
    const char first = c_.peek();
    if (first == '{') return listed(t);
    for (std::string_view form : {"fill", "random", "hash"})
      if (c_.eat_word(form) && c_.eat('(')) return generated(form, t);
    return std::nullopt;
  }

  Dims constant_dims(const Type& t) {
    if (t.dtype == DType::kUndefined || (t.ranked && !is_static(t.shape)))
      c_.bad("a constant needs a type with constant dimensions");
    return static_dims(t.shape);
  }

  Tensor listed(const Type& t) {
    Dims dims = constant_dims(t);
    c_.expect('{');
    std::vector<std::string> strings;
    std::vector<double> reals;
    std::vector<int64_t> integers;
    if (c_.peek() != '}') do {
        if (t.dtype == DType::kString)
          strings.push_back(c_.string());
        else if (is_float(t.dtype))
          reals.push_back(c_.number<double>());
        else if (t.dtype == DType::kU64)
          integers.push_back(int64_t(c_.number<uint64_t>()));
        else
          integers.push_back(c_.number<int64_t>());
      } while (c_.eat(','));
    c_.expect('}');
    const int64_t count = checked_product(dims), given = int64_t(strings.size() + reals.size() + integers.size());
    if (count != given) c_.bad("the type has ", count, " elements, ", given, " are listed");
    if (t.dtype == DType::kString) return Tensor::of_strings(std::move(dims), std::move(strings));
    Tensor tensor(t.dtype, std::move(dims));
    for (int64_t i = 0; i < count; ++i)
      is_float(t.dtype) ? tensor.set(i, reals[size_t(i)]) : tensor.set_int(i, integers[size_t(i)]);
    return tensor;
  }

  Tensor generated(std::string_view form, const Type& t) {
    Dims dims = constant_dims(t);
    if (form == "hash") {
      c_.skip();
      if (!c_.eat('0') || !c_.eat('x')) c_.bad("0x and hexadecimal digits are expected");
      const uint64_t h = c_.number<uint64_t>(16);
      c_.expect(')');
      if (!options_.constant) c_.bad("the constant is named by its content hash only; its elements are not known here");
      return options_.constant(h, t.dtype, dims);
    }
    if (checked_product(dims) > kMaxGenerated) c_.bad("a generated constant has at most ", kMaxGenerated, " elements");
    double first = c_.number<double>(), low = -1, high = 1;
    if (form == "random" && c_.eat(',')) {
      low = c_.number<double>();
      c_.expect(',');
      high = c_.number<double>();
    }
    c_.expect(')');
    Tensor tensor(t.dtype, std::move(dims));
    Uniform uniform(std::bit_cast<uint64_t>(first));
    for (int64_t i = 0; i < tensor.count(); ++i) tensor.set(i, form == "fill" ? first : low + (high - low) * uniform());
    return tensor;
  }

  template <class Item>
  void list(Item item) {
    c_.expect('[');
    if (c_.eat(']')) return;
    do item();
    while (c_.eat(','));
    c_.expect(']');
  }

  void attribute(const Graph& g, Attrs& attrs) {
    const std::string_view key = c_.word();
    const Field* f = attrs.find(key);
    if (!f) c_.bad("there is no attribute called '", key, "'");
    c_.expect('=');
    void* a = attrs.edit_data();
    switch (f->kind) {
      case FieldKind::kInt:
        f->of<int64_t>(a) = c_.number<int64_t>();
        return;
      case FieldKind::kFloat:
        f->of<float>(a) = c_.number<float>();
        return;
      case FieldKind::kBool:
        if (c_.eat_word("true"))
          f->of<bool>(a) = true;
        else if (c_.eat_word("false"))
          f->of<bool>(a) = false;
        else
          c_.bad("true or false is expected");
        return;
      case FieldKind::kString:
        f->of<std::string>(a) = c_.string();
        return;
      case FieldKind::kDType:
        f->of<DType>(a) = dtype();
        return;
      case FieldKind::kEnum: {
        const std::string_view w = c_.word();
        const auto it = std::find(f->names.begin(), f->names.end(), w);
        if (it == f->names.end()) c_.bad("'", w, "' is not accepted, accepted are ", join(f->names, ", "));
        f->of<int64_t>(a) = it - f->names.begin();
        return;
      }
      case FieldKind::kInts:
        list([&] { f->of<std::vector<int64_t>>(a).push_back(c_.number<int64_t>()); });
        return;
      case FieldKind::kFloats:
        list([&] { f->of<std::vector<float>>(a).push_back(c_.number<float>()); });
        return;
      case FieldKind::kStrings:
        list([&] { f->of<std::vector<std::string>>(a).push_back(c_.string()); });
        return;
      case FieldKind::kGraph:
        if (!c_.eat_word("none")) f->of<std::shared_ptr<Graph>>(a) = std::make_shared<Graph>(graph(g.symbols));
        return;
      case FieldKind::kTensor: {
        if (c_.eat_word("none")) return;
        const Type t = type(*g.symbols);
        auto tensor = content(t);
        if (!tensor) c_.bad("the elements of a tensor are expected");
        f->of<Tensor>(a) = std::move(*tensor);
        return;
      }
    }
  }

  Cursor c_;
  const ParseOptions& options_;
  int depth_ = 0;
};

}  // namespace

Graph parse(std::string_view text, const ParseOptions& options) { return Reader(text, options).whole(); }

}  // namespace tenon::ir
