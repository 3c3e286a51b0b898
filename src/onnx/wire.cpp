#include "onnx/wire.h"

#include <bit>

namespace tenon::onnx {

static_assert(std::endian::native == std::endian::little, "packed numbers are copied as they lie in the file");

using protozero::pbf_wire_type;

std::string WireReader::place() const { return cat("field ", reader_.tag(), " at byte ", offset()); }

void WireReader::fail_malformed(std::string_view what) { fail(ErrorCode::kInvalidModel, place(), ": ", what); }

void WireReader::need(pbf_wire_type type) {
  if (reader_.wire_type() == type) return;
  fail(ErrorCode::kInvalidModel, place(), " has wire type ", int(reader_.wire_type()), ", ", int(type), " is accepted");
}

bool WireReader::next() {
  try {
    return reader_.next();
  } catch (const protozero::exception&) {
    fail(ErrorCode::kInvalidModel, "no field starts at byte ", offset());
  }
}

int64_t WireReader::int64() {
  need(pbf_wire_type::varint);
  try {
    return reader_.get_int64();
  } catch (const protozero::exception&) {
    fail_malformed("the message ends inside a number, or the number has more than 64 bits");
  }
}

float WireReader::float32() {
  need(pbf_wire_type::fixed32);
  try {
    return reader_.get_float();
  } catch (const protozero::exception&) {
    fail_malformed("the message ends inside a number");
  }
}

std::string_view WireReader::view() {
  need(pbf_wire_type::length_delimited);
  try {
    const protozero::data_view v = reader_.get_view();
    return {v.data(), v.size()};
  } catch (const protozero::exception&) {
    fail_malformed(
        cat("claims more bytes than the ", end_ - reader_.data().data(), " left in its message (truncated?)"));
  }
}

void WireReader::append_int64(std::vector<int64_t>& out) {
  if (reader_.wire_type() != pbf_wire_type::length_delimited) {
    out.push_back(int64());
    return;
  }
  const std::string_view bytes = view();
  const char* p = bytes.data();
  const char* const end = p + bytes.size();
  try {
    while (p != end) out.push_back(int64_t(protozero::decode_varint(&p, end)));
  } catch (const protozero::exception&) {
    fail_malformed("a packed list ends inside a number");
  }
}

void WireReader::skip() {
  try {
    reader_.skip();
  } catch (const protozero::exception&) {
    fail_malformed(
        cat("claims more bytes than the ", end_ - reader_.data().data(), " left in its message (truncated?)"));
  }
}

}  // namespace tenon::onnx
