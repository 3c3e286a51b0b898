#include "onnx/external_data.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/checked.h"
#include "base/error.h"
#include "onnx/sha1.h"

namespace tenon::onnx {
namespace {

constexpr int kOpenFlags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

int64_t parse_size(const std::string& key, const std::string& text) {
  int64_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require(error == std::errc() && end == text.data() + text.size() && value >= 0, ErrorCode::kInvalidModel,
          "external data ", key, " \"", text, "\" is not a whole number of bytes");
  return value;
}

std::string parse_checksum(std::string text) {
  for (char& c : text) c = char(std::tolower(static_cast<unsigned char>(c)));
  const bool hex = text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
  require(hex, ErrorCode::kInvalidModel, "external data checksum \"", text,
          "\" is not a SHA-1 digest (40 hexadecimal digits)");
  return text;
}

/// The components of a location. Throws for locations that no folder may serve.
std::vector<std::string> components(const std::string& location) {
  const auto refuse = [&](std::string_view why) {
    fail(ErrorCode::kInvalidModel, "external data location \"", location.c_str(), "\" ", why,
         "; a path relative to the model's folder and inside it is accepted");
  };
  if (location.empty()) refuse("is empty");
  if (location.find('\0') != std::string::npos) refuse("contains a NUL byte");
  if (location.front() == '/') refuse("is absolute");
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= location.size();) {
    const size_t end = std::min(location.find('/', begin), location.size());
    std::string part = location.substr(begin, end - begin);
    if (part == "..") refuse("leaves its folder");
    if (!part.empty() && part != ".") parts.push_back(std::move(part));
    begin = end + 1;
  }
  if (parts.empty() || location.back() == '/') refuse("names no file");
  return parts;
}

[[noreturn]] void fail_open(const std::string& location, int error) {
  if (error == ELOOP)
    fail(ErrorCode::kInvalidModel, "external data location \"", location,
         "\" leads through a symbolic link, which is not followed");
  if (error == EXDEV)
    fail(ErrorCode::kInvalidModel, "external data location \"", location, "\" leaves the model's folder");
  fail(ErrorCode::kIo, "cannot open external data \"", location, "\": ", errno_text(error));
}

/// -1 with errno, or a descriptor. ENOSYS where the kernel or a sandbox does not offer openat2.
int open_by_kernel(int directory, const std::string& path) {
  open_how how{};
  how.flags = kOpenFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS;
  long fd = -1;
  for (int attempt = 0; attempt < 16; ++attempt) {  // EAGAIN: a rename elsewhere raced with the check
    fd = ::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how);
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) break;
  }
  return int(fd);
}

int open_by_walk(int directory, const std::vector<std::string>& parts) {
  Descriptor at;
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    Descriptor next(::openat(at ? at.get() : directory, parts[i].c_str(), O_PATH | O_CLOEXEC | O_NOFOLLOW));
    if (!next) return -1;
    struct stat info;
    if (::fstat(next.get(), &info) != 0) return -1;
    if (!S_ISDIR(info.st_mode)) {
      errno = S_ISLNK(info.st_mode) ? ELOOP : ENOTDIR;
      return -1;
    }
    at = std::move(next);
  }
  return retry_interrupted([&] { return ::openat(at ? at.get() : directory, parts.back().c_str(), kOpenFlags); });
}

}  // namespace

ExternalReference parse_external_reference(const std::vector<std::pair<std::string, std::string>>& entries) {
  ExternalReference r;
  std::vector<std::string_view> seen;
  for (const auto& [key, value] : entries) {
    require(std::find(seen.begin(), seen.end(), key) == seen.end(), ErrorCode::kInvalidModel, "external data key \"",
            key, "\" appears twice");
    seen.push_back(key);
    if (key == "location")
      r.location = value;
    else if (key == "offset")
      r.offset = parse_size(key, value);
    else if (key == "length")
      r.length = parse_size(key, value);
    else if (key == "checksum")
      r.checksum = parse_checksum(value);
    else
      fail(ErrorCode::kInvalidModel, "external data key \"", key,
           "\" is unknown; location, offset, length and checksum are accepted");
  }
  components(r.location);
  return r;
}

Descriptor open_beneath(int directory, const std::string& location, bool walk) {
  const std::vector<std::string> parts = components(location);
  if (!walk) {
    Descriptor fd(open_by_kernel(directory, join(parts, "/")));
    if (fd) return fd;
    // A container's filter may answer EPERM for a system call that it does not know.
    if (errno != ENOSYS && errno != EPERM && errno != E2BIG && errno != EINVAL && errno != EAGAIN)
      fail_open(location, errno);
  }
  Descriptor fd(open_by_walk(directory, parts));
  if (!fd) fail_open(location, errno);
  return fd;
}

ExternalData::ExternalData(const std::string& directory, Options options)
    : directory_(directory.empty() ? "." : directory),
      options_(options),
      descriptor_(::open(directory_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
  require(bool(descriptor_), ErrorCode::kIo, "cannot open the model's folder ", directory_, ": ", errno_text(errno));
}

ExternalData::File& ExternalData::file(const std::string& location) {
  const std::string key = join(components(location), "/");
  if (auto it = files_.find(key); it != files_.end()) return it->second;
  const Descriptor fd = open_beneath(descriptor_.get(), location);
  struct stat info;
  require(::fstat(fd.get(), &info) == 0, ErrorCode::kIo, "cannot examine external data \"", location,
          "\": ", errno_text(errno));
  require(S_ISREG(info.st_mode), ErrorCode::kInvalidModel, "external data \"", location, "\" is not a regular file");
  require(options_.allow_hard_links || info.st_nlink <= 1, ErrorCode::kInvalidModel, "external data \"", location,
          "\" has ", info.st_nlink,
          " names (hard links) and could belong to another folder; copy it, or allow hard links");
  return files_[key] = {MappedFile::from_descriptor(fd.get(), directory_ + "/" + key), {}};
}

ExternalData::Bytes ExternalData::get(const ExternalReference& reference, int64_t size) {
  require(!reference.length || *reference.length == size, ErrorCode::kInvalidModel, "external data \"",
          reference.location, "\": length ", reference.length.value_or(0), ", the tensor needs ", size, " bytes");
  File& f = file(reference.location);
  const int64_t available = int64_t(f.mapped->size());
  require(checked_add(reference.offset, size) <= available, ErrorCode::kInvalidModel, "external data \"",
          reference.location, "\" has ", available, " bytes, the tensor needs ", size, " at offset ", reference.offset);
  if (!reference.checksum.empty()) {
    if (f.sha1.empty()) f.sha1 = sha1_hex(f.mapped->bytes());
    require(f.sha1 == reference.checksum, ErrorCode::kInvalidModel, "external data \"", reference.location,
            "\" has SHA-1 ", f.sha1, ", the model says ", reference.checksum);
  }
  return {f.mapped->bytes().subspan(size_t(reference.offset), size_t(size)), f.mapped};
}

}  // namespace tenon::onnx
