#include "ir/attrs.h"

#include "ir/graph.h"

namespace tenon::ir {
namespace {

bool equal_field(const Field& f, const void* a, const void* b) {
  switch (f.kind) {
    case FieldKind::kInt:
    case FieldKind::kEnum:
      return f.of<int64_t>(a) == f.of<int64_t>(b);
    case FieldKind::kFloat:
      return std::bit_cast<uint32_t>(f.of<float>(a)) == std::bit_cast<uint32_t>(f.of<float>(b));
    case FieldKind::kBool:
      return f.of<bool>(a) == f.of<bool>(b);
    case FieldKind::kString:
      return f.of<std::string>(a) == f.of<std::string>(b);
    case FieldKind::kDType:
      return f.of<DType>(a) == f.of<DType>(b);
    case FieldKind::kInts:
      return f.of<std::vector<int64_t>>(a) == f.of<std::vector<int64_t>>(b);
    case FieldKind::kFloats:
      return f.of<std::vector<float>>(a) == f.of<std::vector<float>>(b);
    case FieldKind::kStrings:
      return f.of<std::vector<std::string>>(a) == f.of<std::vector<std::string>>(b);
    case FieldKind::kTensor:
      return f.of<Tensor>(a) == f.of<Tensor>(b);
    case FieldKind::kGraph: {
      const auto &x = f.of<std::shared_ptr<Graph>>(a), &y = f.of<std::shared_ptr<Graph>>(b);
      return x == y || (x && y && x->hash() == y->hash());
    }
  }
  return false;
}

void hash_field(const Field& f, const void* a, Hasher& h) {
  switch (f.kind) {
    case FieldKind::kInt:
    case FieldKind::kEnum:
      return h.add(uint64_t(f.of<int64_t>(a)));
    case FieldKind::kFloat:
      return h.add(std::bit_cast<uint32_t>(f.of<float>(a)));
    case FieldKind::kBool:
      return h.add(f.of<bool>(a));
    case FieldKind::kString:
      return h.add_text(f.of<std::string>(a));
    case FieldKind::kDType:
      return h.add(uint64_t(f.of<DType>(a)));
    case FieldKind::kInts:
      return h.add_bytes(std::as_bytes(std::span(f.of<std::vector<int64_t>>(a))));
    case FieldKind::kFloats:
      return h.add_bytes(std::as_bytes(std::span(f.of<std::vector<float>>(a))));
    case FieldKind::kStrings:
      h.add(f.of<std::vector<std::string>>(a).size());
      for (const auto& s : f.of<std::vector<std::string>>(a)) h.add_text(s);
      return;
    case FieldKind::kTensor:
      return h.add(f.of<Tensor>(a).hash());
    case FieldKind::kGraph: {
      const auto& g = f.of<std::shared_ptr<Graph>>(a);
      return h.add(g ? g->hash() : 0);
    }
  }
}

}  // namespace

const Field* Attrs::find(std::string_view name) const {
  for (const Field& f : schema_->fields)
    if (f.name == name) return &f;
  return nullptr;
}

void Attrs::hash(Hasher& hasher) const {
  for (const Field& f : schema_->fields) hash_field(f, data_.get(), hasher);
}

bool operator==(const Attrs& a, const Attrs& b) {
  if (a.schema_ != b.schema_) return false;
  for (const Field& f : a.schema_->fields)
    if (!equal_field(f, a.data(), b.data())) return false;
  return true;
}

}  // namespace tenon::ir
