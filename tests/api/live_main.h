// Runs the steps of the program that live_calls.py writes. A call that logs an error counts as refused, not as bad: the
// arguments are made by type. A pair is bad where the getter answers something else than what was set. A step without
// an object is bad unless the library says that it does not support such objects; those are counted.
#include <cstdlib>

static int refused = 0, absent = 0;

static bool run(Step const& step) {
  World world;
  try {
    bool const good = step.run(world);
    refused += world.logger.errors > 0;
    if (std::getenv("LIVE_VERBOSE") && world.logger.errors > 0) {
      std::printf("%s refused: %s\n", step.name, world.logger.last.c_str());
    }
    if (!good) {
      std::printf("%s: the getter answers another value%s%s\n", step.name, world.logger.errors ? ", " : "",
                  world.logger.last.c_str());
    }
    return good;
  } catch (Absent const& missing) {
    bool const unsupported = missing.why.find("Error Code 10") != std::string::npos;
    if (!unsupported || std::getenv("LIVE_VERBOSE")) {
      std::printf("%s: no object: %s\n", step.name, missing.why.c_str());
    }
    absent += unsupported;
    return unsupported;
  }
}

int main() {
  int bad = 0;
  std::setvbuf(stdout, nullptr, _IOLBF, 1024);
  for (Step const& step : kCalls) {
    if (std::getenv("LIVE_TRACE")) {
      std::printf("%s\n", step.name);
    }
    bad += !run(step);
  }
  int const refused_calls = refused;
  for (Step const& step : kPairs) {
    bad += !run(step);
  }
  std::printf("%zu calls, %d refused; %zu pairs of setter and getter; %d without an object; bad %d\n",
              sizeof(kCalls) / sizeof(Step), refused_calls, sizeof(kPairs) / sizeof(Step), absent, bad);
  return bad != 0;
}
