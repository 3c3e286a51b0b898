// ILogger, which Python subclasses, and Logger, which prints.
#include <nanobind/trampoline.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "callback.h"
#include "parts.h"

namespace tenon::py {
namespace {

using nvinfer1::ILogger;
using Severity = nvinfer1::ILogger::Severity;

thread_local std::string last_error;   // that was logged
thread_local std::string last_reason;  // of the call that failed last
std::atomic<bool> interrupted{false};

/// Calls the override of `log`; its exceptions are shown as unraisable, since a logger can't fail.
void call_log(const nb::detail::trampoline& trampoline, Severity severity, const char* message) noexcept {
  if (severity <= Severity::kERROR) remember_error(message);
  nb::gil_scoped_acquire lock;
  try {
    nb::handle(trampoline.base()).attr("log")(severity, message);
  } catch (nb::python_error& error) {
    show_unraisable(error, "TensorRT logger");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "[TRT] logger: %s\n", error.what());
  }
}

struct PyILogger : ILogger {
  NB_TRAMPOLINE(ILogger);
  void log(Severity severity, const char* message) noexcept override { call_log(nb_trampoline, severity, message); }
};

/// Prints messages of at least a severity to standard error.
struct Logger : ILogger {
  explicit Logger(Severity severity) : min_severity(severity) {}
  void log(Severity severity, const char* message) noexcept override {
    if (severity <= Severity::kERROR) remember_error(message);
    if (severity > min_severity) return;
    char when[32] = "";
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    if (localtime_r(&now, &local) != nullptr) std::strftime(when, sizeof when, "%m/%d/%Y-%H:%M:%S", &local);
    std::fprintf(stderr, "[%s] [TRT] [%c] %s\n", when, "FEWIV"[static_cast<int>(severity)], message);
  }
  Severity min_severity;
};

struct PyLogger : Logger {
  NB_TRAMPOLINE(Logger);
  void log(Severity severity, const char* message) noexcept override {
    nb::gil_scoped_acquire lock;
    nb::object own = nb::handle(nb_trampoline.base()).type().attr("log");
    static const nb::object inherited = nb::type<Logger>().attr("log");
    if (own.is(inherited)) return Logger::log(severity, message);
    call_log(nb_trampoline, severity, message);
  }
};

}  // namespace

bool raises() {
  static const bool value = [] {
    const char* text = std::getenv("TENON_RAISE");
    return text != nullptr && *text != '\0' && std::string(text) != "0";
  }();
  return value;
}

int release() {
  static const int value = [] {
    const char* text = std::getenv("TENON_TRT_API");
    const std::string wanted = text != nullptr ? text : "";
    return wanted == "7" ? 7 : wanted == "8" ? 8 : wanted == "11" ? 11 : 10;
  }();
  return value;
}

void keep_first_logger() {
  static const nb::object* kept = nullptr;
  if (kept == nullptr && getLogger() != nullptr) kept = new nb::object(nb::find(getLogger()));
}

void remember_error(const char* message) { last_error = message; }

void keep_interrupt() { interrupted = true; }

void failed(const char* what) {
  if (interrupted.exchange(false)) {
    PyErr_SetNone(PyExc_KeyboardInterrupt);
    nb::raise_python_error();
  }
  last_reason = std::exchange(last_error, {});
  if (!raises()) return;
  nb::raise("%s failed: %s", what, last_reason.empty() ? "the log has no reason" : last_reason.c_str());
}

void bind_logger(nb::module_& m) {
  nb::class_<nvinfer1::IVersionedInterface> versioned(m, "IVersionedInterface",
                                                      "What interfaces that users implement have in common.");
  versioned.def_prop_ro(
      "api_language", [](const nvinfer1::IVersionedInterface& v) { return v.getAPILanguage(); },
      "The APILanguage that the object is implemented in.");
  versioned.def_prop_ro(
      "interface_info", [](const nvinfer1::IVersionedInterface& v) { return v.getInterfaceInfo(); },
      "The interface's name and version.");
  nb::class_<nvinfer1::InterfaceInfo> info(m, "InterfaceInfo", "An interface's name and version.");
  info.def_ro("kind", &nvinfer1::InterfaceInfo::kind, "The interface's name.");
  info.def_ro("major", &nvinfer1::InterfaceInfo::major, "The version's first part.");
  info.def_ro("minor", &nvinfer1::InterfaceInfo::minor, "The version's second part.");

  nb::class_<ILogger, nvinfer1::IVersionedInterface, PyILogger> interface(
      m, "ILogger", "Is told messages. A class has log(severity, msg).");
  interface.def(nb::init<>());
  interface.def(
      "log", [](ILogger&, Severity, const char*) {}, nb::arg("severity"), nb::arg("msg"),
      "Told a message and its severity. Exceptions are shown and go no further.");
  nb::class_<Logger, ILogger, PyLogger> logger(m, "Logger",
                                               "Prints messages of at least `min_severity` to standard error.");
  logger.def(nb::init<Severity>(), nb::arg("min_severity") = Severity::kWARNING);
  logger.def(
      "log", [](Logger& self, Severity severity, const char* message) { self.Logger::log(severity, message); },
      nb::arg("severity"), nb::arg("msg"), "Prints a message, if it is severe enough.");
  logger.def_rw("min_severity", &Logger::min_severity, "Messages that are less severe are not printed.");
  add_context_manager(logger);
  m.def(
      "_reason", [] { return last_reason; }, "The reason of this thread's last call that failed; empty if none did.");
  m.def(
      "log",
      [](Severity level, const char* message) {
        if (ILogger* first = getLogger()) first->log(level, message);
      },
      nb::arg("severity"), nb::arg("msg"),
      "Writes to the logger that the process's first builder or runtime was given.");
  nb::object severity = m.attr("Severity");
  for (nb::handle type : {nb::handle(interface), nb::handle(logger)}) {
    nb::setattr(type, "Severity", severity);
    for (const char* name : {"INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE"}) {
      nb::setattr(type, name, severity.attr(name));
    }
  }
}

}  // namespace tenon::py
