#include "onnx/fields.h"
#include "onnx/parser.h"

namespace tenon::onnx {

ValueInfo Parser::value_info(WireReader r) {
  ValueInfo v;
  try {
    while (r.next()) switch (r.field()) {
        case value_info_field::kName:
          v.name = r.text();
          break;
        case value_info_field::kType:
          v.type = type(r.message());
          break;
        default:
          r.skip();
      }
  } catch (const Error& e) {
    throw v.name.empty() ? e : e.at(cat("\"", v.name, "\""));
  }
  require(!v.name.empty(), ErrorCode::kInvalidModel, "a value without a name");
  return v;
}

Type Parser::type(WireReader r) {
  namespace f = type_field;
  const Nesting level(nesting_);
  Type t;
  const auto set = [&](Type parsed) {
    require(t.kind == Type::Kind::kUndefined, ErrorCode::kInvalidModel, r.place(), ": a second type");
    t = std::move(parsed);
  };
  while (r.next()) switch (r.field()) {
      case f::kTensor:
        set(tensor_type(r.message(), Type::Kind::kTensor));
        break;
      case f::kSparseTensor:
        set(tensor_type(r.message(), Type::Kind::kSparseTensor));
        break;
      case f::kSequence:
        set({Type::Kind::kSequence, {}, {}, element_type(r.message(), 1)});
        break;
      case f::kOptional:
        set({Type::Kind::kOptional, {}, {}, element_type(r.message(), 1)});
        break;
      case f::kMap:
        set(map_type(r.message()));
        break;
      case f::kOpaque:
        r.skip();
        set({Type::Kind::kOpaque, {}, {}, nullptr});
        break;
      default:
        r.skip();
    }
  return t;
}

Type Parser::tensor_type(WireReader r, Type::Kind kind) {
  Type t;
  t.kind = kind;
  while (r.next()) switch (r.field()) {
      case tensor_type_field::kElement: {
        const int64_t code = r.int64();
        if (code != 0) t.dtype = dtype_of(code);
        break;
      }
      case tensor_type_field::kShape:
        t.shape = shape(r.message());
        break;
      default:
        r.skip();
    }
  return t;
}

std::shared_ptr<const Type> Parser::element_type(WireReader r, uint32_t field) {
  std::shared_ptr<const Type> element;
  while (r.next()) {
    if (r.field() == field)
      element = std::make_shared<const Type>(type(r.message()));
    else
      r.skip();
  }
  return element;
}

Type Parser::map_type(WireReader r) {
  Type t;
  t.kind = Type::Kind::kMap;
  while (r.next()) switch (r.field()) {
      case map_type_field::kKey:
        t.dtype = dtype_of(r.int64());
        break;
      case map_type_field::kValue:
        t.element = std::make_shared<const Type>(type(r.message()));
        break;
      default:
        r.skip();
    }
  return t;
}

std::vector<Dimension> Parser::shape(WireReader r) {
  std::vector<Dimension> dims;
  const auto read = [&](WireReader d) {
    Dimension dim;
    while (d.next()) switch (d.field()) {
        case dim_field::kValue:
          dim.value = d.int64();
          break;
        case dim_field::kParam:
          dim.param = d.text();
          break;
        default:
          d.skip();
      }
    // Exporters write -1, and 0 beside a name, for a dimension that they do not know.
    if (dim.value && (*dim.value == -1 || (*dim.value == 0 && !dim.param.empty()))) dim.value.reset();
    require(!dim.value || *dim.value >= 0, ErrorCode::kInvalidModel, "negative dimension ", dim.value.value_or(0));
    return dim;
  };
  while (r.next()) {
    if (r.field() == shape_field::kDim)
      append(dims, "dimension", [&] { return read(r.message()); });
    else
      r.skip();
  }
  return dims;
}

}  // namespace tenon::onnx
