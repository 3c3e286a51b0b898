#include "trtexec/log.h"

#include <cstdio>
#include <ctime>

namespace trtexec {

void Log::log(Severity severity, const char* message) noexcept {
  if (severity > Severity::kINFO && !verbose_) return;
  line(severity, std::string("[TRT] ") + message);
}

void Log::line(Severity severity, const std::string& text) {
  constexpr char kLetters[] = {'F', 'E', 'W', 'I', 'V'};
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  char stamp[32];
  std::strftime(stamp, sizeof stamp, "%m/%d/%Y-%H:%M:%S", &parts);
  std::FILE* out = severity <= Severity::kERROR ? stderr : stdout;
  std::fprintf(out, "[%s] [%c] %s\n", stamp, kLetters[int(severity)], text.c_str());
  std::fflush(out);
}

}  // namespace trtexec
