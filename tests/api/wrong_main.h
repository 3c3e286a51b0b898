#include <unistd.h>

#include <algorithm>

#include "limited_memory.h"

// Runs the steps of the program that wrong_calls.py writes: every slip of every call on live objects, then uses the
// objects on. A slip is told if the call or the use after it logs what the right call does not, refused if the call
// answers no, silent otherwise.
//   PROGRAM FROM EVERY: slips from number FROM on, each EVERYth; the last line holds the counts.

/// Builds what the world holds, and runs it: what a wrong call left behind must not break later ones.
static void use_on(Careless& w) {
  if (w.has_network()) {
    INetworkDefinition& network = w.network();
    for (int32_t i = 0; i < network.getNbLayers(); ++i) {
      ILayer* layer = network.getLayer(i);
      for (int32_t o = 0; layer && o < layer->getNbOutputs(); ++o) {
        if (ITensor* tensor = layer->getOutput(o)) {
          tensor->getDimensions();
          tensor->getType();
          network.markOutput(*tensor);
        }
      }
    }
    w.build_and_run(network);
  }
  if (w.has_config()) {
    w.build_and_run(w.whole());
  }
  if (w.has_engine()) {
    w.run(w.engine());
  }
}

/// What a call and the use after it log: one with a slip, or with none (parameter -1).
struct Outcome {
  bool refused = false, absent = false;
  std::set<std::string> told;
};

static Outcome outcome_of(Step const& step, Slip const& slip) {
  Outcome outcome;
  Careless world;
  try {
    outcome.refused = step.run(world, slip);
    use_on(world);
    outcome.told = world.logger.told;
  } catch (Absent const& missing) {
    std::printf("no object: %s ", missing.why.c_str());
    outcome.absent = true;
  }
  return outcome;
}

static char const* judge(Outcome const& outcome, Outcome const& right) {
  bool const told = !std::includes(right.told.begin(), right.told.end(), outcome.told.begin(), outcome.told.end());
  if (std::getenv("WRONG_VERBOSE")) {
    for (std::string const& text : outcome.told) {
      std::printf("\n  %s%s\n", text.substr(0, 300).c_str(), right.told.count(text) ? " (without a slip too)" : "");
    }
  }
  return outcome.absent ? "absent" : told ? "told" : outcome.refused ? "refused" : "silent";
}

int main(int argc, char** argv) {
  long const from = argc > 1 ? std::atol(argv[1]) : 0, every = argc > 2 ? std::atol(argv[2]) : 1;
  std::setvbuf(stdout, nullptr, _IOLBF, 1024);
  long number = 0;
  for (Step const& step : kSteps) {
    Outcome right;
    bool known = false;
    for (int parameter = 0; parameter < step.parameters; ++parameter) {
      for (int value = 0; value < step.wrongs[parameter].many; ++value, ++number) {
        if (number < from || number % every != 0) {
          continue;
        }
        std::printf("%ld %s %d %d ", number, step.name, parameter, value);
        std::fflush(stdout);
        alarm(20);
        if (!known) {
          right = outcome_of(step, Slip{-1, 0, false});
          known = true;
        }
        Outcome const slipped = outcome_of(step, Slip{parameter, value, step.wrongs[parameter].counts_memory});
        bool const must = (step.wrongs[parameter].must >> value) & 1U;
        std::printf("%s%s\n", judge(slipped, right), must ? " must" : "");
      }
    }
  }
  std::printf("%ld slips\n", number);
}
