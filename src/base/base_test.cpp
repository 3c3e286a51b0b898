#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "base/crc32c.h"
#include "base/error.h"
#include "base/knobs.h"
#include "base/log.h"

using namespace tenon;

namespace {

std::span<const std::byte> as_span(const std::string& s) { return std::as_bytes(std::span(s.data(), s.size())); }

struct Recorder final : LogSink {
  std::vector<std::string> lines;
  void log(Severity severity, std::string_view message) noexcept override {
    lines.push_back(cat(name(severity), ": ", message));
  }
};

}  // namespace

TEST_CASE("crc32c gives the published check values") {
  CHECK(crc32c(as_span("123456789")) == 0xe3069283u);
  CHECK(crc32c({}) == 0u);
  CHECK(crc32c(as_span(std::string(32, '\0'))) == 0x8a9136aau);  // RFC 3720, appendix B.4
  CHECK(crc32c(as_span(std::string(32, '\xff'))) == 0x62a8ab43u);
}

TEST_CASE("crc32c is the same by table, by instruction and over pieces") {
  std::string text;
  for (int i = 0; i < 300; ++i) text += char(i * 37 + (i >> 3));
  for (size_t start = 0; start < 9; ++start)
    for (size_t n = 0; n + start <= text.size(); n += 7) {
      const auto s = as_span(text).subspan(start, n);
      CHECK(crc32c(s) == crc32c_portable(s));
      CHECK(crc32c(s.subspan(n / 3), crc32c(s.first(n / 3))) == crc32c(s));
    }
}

TEST_CASE("a logger drops what lies below its threshold") {
  Recorder sink;
  const Logger log(sink, Severity::kWarning);
  log.info("quiet");
  log.warning("node ", 3, " is slow");
  log.error("no");
  CHECK(sink.lines == std::vector<std::string>{"warning: node 3 is slow", "error: no"});
  CHECK(parse_severity("verbose") == Severity::kVerbose);
  CHECK(!parse_severity("loud"));
}

TEST_CASE("knobs read the environment, fall back, and refuse nonsense") {
  CHECK(info(Knob::kThreads).name == "TENON_THREADS");
  for (const KnobInfo& k : knobs()) CHECK(k.name.substr(0, 6) == "TENON_");
  ::unsetenv("TENON_THREADS");
  CHECK(knob_int(Knob::kThreads, 0, 1024) == 0);
  ::setenv("TENON_THREADS", "3", 1);
  CHECK(knob_int(Knob::kThreads, 0, 1024) == 3);
  for (const char* bad : {"three", "-1", "1025", "3x", "99999999999999999999"}) {
    ::setenv("TENON_THREADS", bad, 1);
    CHECK_THROWS_WITH_AS(knob_int(Knob::kThreads, 0, 1024), doctest::Contains("TENON_THREADS="), Error);
  }
  ::unsetenv("TENON_THREADS");
}
