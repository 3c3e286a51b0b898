// The file: header, section table, sections. See FORMAT.md.
#include <algorithm>
#include <unordered_map>

#include "base/atomic_file.h"
#include "base/checked.h"
#include "base/crc32c.h"
#include "base/mmap.h"
#include "ir/verify.h"
#include "ops/op.h"
#include "plan/graph_io.h"
#include "plan/plan.h"

namespace tenon::plan {
namespace {

constexpr char kMagic[8] = {'T', 'E', 'N', 'O', 'N', 'P', 'L', '\n'};
constexpr uint32_t kFormat = 1;
constexpr size_t kAlign = 64;

struct Header {
  char magic[8];
  uint32_t format, section_count;
  uint64_t file_size;
  uint32_t table_crc, header_crc;  // header_crc covers the header up to itself
};
static_assert(sizeof(Header) == 32);

enum class SectionId : uint32_t { kInfo = 1, kGraph = 2, kProfiles = 3, kChoices = 4, kWeights = 5, kSource = 6 };
struct Section {
  SectionId id;
  uint32_t crc;
  uint64_t offset, size;
};
static_assert(sizeof(Section) == 24);

std::string_view name(SectionId id) {
  switch (id) {
    case SectionId::kInfo:
      return "info";
    case SectionId::kGraph:
      return "graph";
    case SectionId::kProfiles:
      return "profiles";
    case SectionId::kChoices:
      return "choices";
    case SectionId::kWeights:
      return "weights";
    case SectionId::kSource:
      return "source";
  }
  return "unknown";
}

/// Lays constants out once each, 64-byte aligned; equal bytes share a place.
class WeightPlacer {
 public:
  uint64_t place(const ir::Tensor& t) {
    Hasher h;
    h.add_bytes(t.data());
    for (auto [it, end] = by_hash_.equal_range(h.value()); it != end; ++it) {
      const auto& other = placed_[it->second];
      if (other.bytes() == t.bytes() && std::equal(t.data().begin(), t.data().end(), other.data().begin()))
        return offsets_[it->second];
    }
    const uint64_t offset = size_;
    by_hash_.emplace(h.value(), placed_.size());
    placed_.push_back(t);
    offsets_.push_back(offset);
    size_ = (size_ + uint64_t(t.bytes()) + kAlign - 1) / kAlign * kAlign;
    return offset;
  }
  uint64_t size() const { return size_; }
  void write(Writer& out) const {
    for (const auto& t : placed_) {
      out.raw(t.data());
      out.align(kAlign);
    }
  }

 private:
  std::vector<ir::Tensor> placed_;
  std::vector<uint64_t> offsets_;
  std::unordered_multimap<uint64_t, size_t> by_hash_;
  uint64_t size_ = 0;
};

void write_text_map(Writer& out, const std::map<std::string, std::string>& map) {
  out.put(uint32_t(map.size()));
  for (const auto& [key, value] : map) {
    out.text(key);
    out.text(value);
  }
}

void write_range(Writer& out, const Range& r) {
  for (const auto* d : {&r.min, &r.opt, &r.max}) out.list(*d);
}

Range read_range(Reader& in) {
  Range r;
  for (auto* d : {&r.min, &r.opt, &r.max}) *d = in.list<int64_t>();
  return r;
}

/// Throws unless the graph holds together: what runs it relies on that.
void check_graph(const Reader& in, const ir::Graph& g) {
  try {
    ir::verify(g, false);
  } catch (const Error& e) {
    in.corrupt(e.what());
  }
  for (ir::ValueId v : g.inputs)
    if (g.value(v).dtype == ir::DType::kUndefined || !g.value(v).ranked)
      in.corrupt("input '", g.value(v).name, "' has no type");
}

/// Reads the profiles of the plan whose graph has been read.
void read_profiles(Reader profiles, Plan& plan) {
  for (size_t n = profiles.count(8); n > 0; --n) {
    Profile p;
    for (size_t i = profiles.count(12); i > 0; --i) p.inputs.push_back(read_range(profiles));
    for (size_t i = profiles.count(16); i > 0; --i) {
      std::string key = profiles.text();
      p.values[key] = read_range(profiles);
    }
    if (p.inputs.size() != plan.graph.inputs.size()) profiles.corrupt("a profile does not match the inputs");
    for (size_t i = 0; i < p.inputs.size(); ++i) {
      const size_t rank = plan.graph.value(plan.graph.inputs[i]).shape.size();
      const Range& r = p.inputs[i];
      if (r.min.size() != rank || r.opt.size() != rank || r.max.size() != rank)
        profiles.corrupt("a profile has a wrong rank");
    }
    plan.profiles.push_back(std::move(p));
  }
  if (plan.profiles.empty()) profiles.corrupt("the plan has no profile");
}

Plan read_sections(const std::map<SectionId, Reader>& readers, const FindWeights& find) {
  auto at = [&](SectionId id) {
    auto it = readers.find(id);
    require(it != readers.end(), ErrorCode::kCorruptFile, "the plan has no section '", name(id), "'");
    return it->second;
  };
  Plan plan;
  Reader info = at(SectionId::kInfo);
  plan.device = info.text();
  for (size_t n = info.count(8); n > 0; --n) {
    std::string key = info.text();
    plan.info[key] = info.text();
  }
  Reader graph = at(SectionId::kGraph);
  auto schema = [](const std::string& op) -> const ir::AttrSchema* {
    const ops::OpDef* def = ops::find_op_or_null(op);
    return def ? def->attrs : nullptr;
  };
  plan.graph = read_graph(graph, find, schema, std::make_shared<ir::SymbolTable>());
  check_graph(graph, plan.graph);
  for (ir::NodeId n = 0; n < plan.graph.node_count(); ++n)
    if (const std::string& op = plan.graph.node(n).op; op.starts_with("trt."))
      graph.corrupt("operator ", op, " is one of networks, not of plans");
  if (auto it = readers.find(SectionId::kSource); it != readers.end()) {
    Reader source = it->second;
    plan.source = std::make_shared<ir::Graph>(read_graph(source, find, schema, std::make_shared<ir::SymbolTable>()));
    check_graph(source, *plan.source);
    if (plan.source->inputs.size() != plan.graph.inputs.size()) source.corrupt("its inputs are not those of the graph");
  }
  read_profiles(at(SectionId::kProfiles), plan);
  Reader choices = at(SectionId::kChoices);
  for (size_t n = choices.count(4); n > 0; --n) {
    std::vector<Choice> list;
    for (size_t i = choices.count(8); i > 0; --i) {
      Choice c;
      c.kernel = choices.text();
      c.time_us = choices.get<float>();
      list.push_back(std::move(c));
    }
    if (list.size() != plan.graph.node_count()) choices.corrupt("the choices do not match the nodes");
    plan.choices.push_back(std::move(list));
  }
  if (plan.choices.size() != plan.profiles.size()) choices.corrupt("the choices do not match the profiles");
  return plan;
}

constexpr std::string_view kHeaderPlace = "plan header at offset 0";
[[noreturn]] void corrupt_header(std::string text) {
  throw Error(ErrorCode::kCorruptFile, std::move(text), std::string(kHeaderPlace));
}

/// The header by itself.
Header read_header(std::span<const std::byte> bytes) {
  const auto corrupt = corrupt_header;
  Header h{};
  if (bytes.size() >= 4 && std::memcmp(bytes.data(), "ftrt", 4) == 0)
    throw Error(ErrorCode::kUnsupported,
                "this is a plan of NVIDIA TensorRT, which only its own version and GPU can read; build from the model",
                std::string(kHeaderPlace));
  if (bytes.size() < sizeof h) corrupt(cat("the file has ", bytes.size(), " bytes, a plan has at least ", sizeof h));
  std::memcpy(&h, bytes.data(), sizeof h);
  if (std::memcmp(h.magic, kMagic, sizeof kMagic) != 0) corrupt("this is not a Tenon plan");
  if (crc32c(bytes.first(offsetof(Header, header_crc))) != h.header_crc) corrupt("the checksum does not match");
  if (h.format > kFormat)
    throw Error(ErrorCode::kVersionMismatch,
                cat("the plan has format ", h.format, ", this version reads up to ", kFormat),
                std::string(kHeaderPlace));
  return h;
}

Header check_header(std::span<const std::byte> bytes) {
  const auto corrupt = corrupt_header;
  const Header h = read_header(bytes);
  if (h.file_size != bytes.size())
    corrupt(cat("the plan is ", h.file_size, " bytes long, the file has ", bytes.size()));
  if (h.section_count > 64 || sizeof h + h.section_count * sizeof(Section) > bytes.size())
    corrupt("bad number of sections");
  if (crc32c(bytes.subspan(sizeof h, h.section_count * sizeof(Section))) != h.table_crc)
    corrupt("the section table's checksum does not match");
  return h;
}

}  // namespace

int64_t length_in_header(std::span<const std::byte> header) {
  static_assert(kHeaderBytes == sizeof(Header));
  const Header h = read_header(header);
  if (h.file_size < sizeof h || h.file_size > uint64_t(INT64_MAX)) corrupt_header(cat("the length is ", h.file_size));
  return int64_t(h.file_size);
}

std::vector<std::byte> serialize(const Plan& plan) {
  WeightPlacer weights;
  std::map<SectionId, Writer> parts;
  Writer& info = parts[SectionId::kInfo];
  info.text(plan.device);
  write_text_map(info, plan.info);
  const auto place = [&](const ir::Tensor& t) { return weights.place(t); };
  write_graph(parts[SectionId::kGraph], plan.graph, place);
  if (plan.source) write_graph(parts[SectionId::kSource], *plan.source, place);
  Writer& profiles = parts[SectionId::kProfiles];
  profiles.put(uint32_t(plan.profiles.size()));
  for (const Profile& p : plan.profiles) {
    profiles.put(uint32_t(p.inputs.size()));
    for (const Range& r : p.inputs) write_range(profiles, r);
    profiles.put(uint32_t(p.values.size()));
    for (const auto& [key, r] : p.values) {
      profiles.text(key);
      write_range(profiles, r);
    }
  }
  Writer& choices = parts[SectionId::kChoices];
  choices.put(uint32_t(plan.choices.size()));
  for (const auto& list : plan.choices) {
    choices.put(uint32_t(list.size()));
    for (const Choice& c : list) {
      choices.text(c.kernel);
      choices.put(c.time_us);
    }
  }
  Writer out;
  std::vector<Section> table;
  const size_t table_end = sizeof(Header) + (parts.size() + 1) * sizeof(Section);
  out.bytes().reserve(table_end + weights.size() + (1 << 20));
  out.bytes().resize(table_end);
  out.align(kAlign);
  for (auto& [id, part] : parts) {
    part.align(kAlign);
    table.push_back({id, crc32c(part.bytes()), out.size(), part.size()});
    out.raw(part.bytes());
  }
  const size_t weights_at = out.size();
  weights.write(out);
  table.push_back(
      {SectionId::kWeights, crc32c(std::span(out.bytes()).subspan(weights_at)), weights_at, out.size() - weights_at});
  Header h{};
  std::memcpy(h.magic, kMagic, sizeof kMagic);
  h.format = kFormat;
  h.section_count = uint32_t(table.size());
  h.file_size = out.size();
  h.table_crc = crc32c(std::as_bytes(std::span(table)));
  h.header_crc = crc32c(std::as_bytes(std::span(&h, 1)).first(offsetof(Header, header_crc)));
  std::memcpy(out.bytes().data(), &h, sizeof h);
  std::memcpy(out.bytes().data() + sizeof h, table.data(), table.size() * sizeof(Section));
  return std::move(out.bytes());
}

Plan deserialize(std::shared_ptr<const void> owner, std::span<const std::byte> bytes) {
  const Header h = check_header(bytes);
  std::map<SectionId, Reader> readers;
  std::span<const std::byte> weights;
  size_t expected = (sizeof h + h.section_count * sizeof(Section) + kAlign - 1) / kAlign * kAlign;
  for (size_t i = sizeof h + h.section_count * sizeof(Section); i < std::min(expected, bytes.size()); ++i)
    if (bytes[i] != std::byte{0})
      throw Error(ErrorCode::kCorruptFile, "padding is not zero", cat("plan header at offset ", i));
  for (size_t i = 0; i < h.section_count; ++i) {
    Section s;
    std::memcpy(&s, bytes.data() + sizeof h + i * sizeof s, sizeof s);
    const std::string place = cat("plan section '", name(s.id), "' at offset ", s.offset);
    auto corrupt = [&](std::string_view text) { throw Error(ErrorCode::kCorruptFile, std::string(text), place); };
    if (s.offset != expected || s.size > bytes.size() - s.offset) corrupt("the section does not lie in the file");
    expected = s.offset + s.size;
    const auto body = bytes.subspan(s.offset, s.size);
    if (crc32c(body) != s.crc) corrupt("the checksum does not match");
    if (s.id == SectionId::kWeights) weights = body;
    if (!readers.emplace(s.id, Reader(body, std::string(name(s.id)), s.offset)).second)
      corrupt("the section occurs twice");
  }
  require(expected == bytes.size(), ErrorCode::kCorruptFile, "plan: ", bytes.size() - expected,
          " bytes after the last section");
  auto find = [&](ir::DType dtype, ir::Dims dims, uint64_t offset) {
    const uint64_t size = uint64_t(ir::storage_bytes(dtype, checked_product(dims)));
    if (offset % kAlign != 0 || offset > weights.size() || size > weights.size() - offset)
      throw Error(ErrorCode::kCorruptFile,
                  cat("a constant of ", size, " bytes at ", offset, " lies outside or is not aligned"),
                  "plan section 'weights'");
    return ir::Tensor(dtype, std::move(dims), owner, weights.subspan(offset, size));
  };
  try {
    return read_sections(readers, find);
  } catch (const Error& e) {
    if (e.code() == ErrorCode::kInvalidModel || e.code() == ErrorCode::kInvalidArgument)
      throw Error(ErrorCode::kCorruptFile, e.message(), e.place().empty() ? "plan" : e.place());
    throw;
  }
}

void save(const Plan& plan, const std::string& path) { write_file_atomically(path, serialize(plan)); }

Plan load(const std::string& path) {
  auto file = MappedFile::open(path);
  try {
    return deserialize(file, file->bytes());
  } catch (const Error& e) {
    throw e.at(path);
  }
}

}  // namespace tenon::plan
