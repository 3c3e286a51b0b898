// Runs the steps of the program that live_calls.py writes. A call that logs an error counts as refused, not as bad: the
// arguments are made by type. A pair is bad where the getter answers something else than what was set, an effect where
// a call gives nothing, changes nothing that getters tell, and logs nothing. A step without an object is bad.
#include <cstdlib>

static int refused = 0;

static bool run(Step const& step, char const* wrong) {
  World world;
  try {
    bool const good = step.run(world);
    refused += world.logger.errors > 0;
    if (std::getenv("LIVE_VERBOSE") && world.logger.errors > 0) {
      std::printf("%s refused: %s\n", step.name, world.logger.last.c_str());
    }
    if (!good) {
      std::printf("%s: %s%s%s\n", step.name, wrong, world.logger.errors ? ", " : "", world.logger.last.c_str());
    }
    return good;
  } catch (Absent const& missing) {
    std::printf("%s: no object: %s\n", step.name, missing.why.c_str());
    return false;
  }
}

int main() {
  int bad = 0;
  std::setvbuf(stdout, nullptr, _IOLBF, 1024);
  for (Step const& step : kCalls) {
    if (std::getenv("LIVE_TRACE")) {
      std::printf("%s\n", step.name);
    }
    bad += !run(step, "no answer");
  }
  int const refused_calls = refused;
  for (Step const& step : kPairs) {
    bad += !run(step, "the getter answers another value");
  }
  for (Step const& step : kEffects) {
    bad += !run(step, "no effect, and nothing in the log");
  }
  std::printf("%zu calls, %d refused; %zu pairs of setter and getter; %zu effects; bad %d\n",
              sizeof(kCalls) / sizeof(Step), refused_calls, sizeof(kPairs) / sizeof(Step),
              sizeof(kEffects) / sizeof(Step), bad);
  return bad != 0;
}
