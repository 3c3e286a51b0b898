#include "trtexec/accuracy.h"

#include <cmath>
#include <cstdio>
#include <stdexcept>

namespace trtexec {
namespace {

std::string number(double v) {
  char text[40];
  std::snprintf(text, sizeof text, "%.6g", v);
  return text;
}

/// The measure of --accuracyAlgorithm between an output and its reference.
double error(const Options& o, const Binding& got, const Binding& want) {
  const size_t n = count(got);
  double beyond = 0, d1 = 0, r1 = 0, d2 = 0, r2 = 0, g2 = 0, dot = 0, largest = 0;
  bool unequal_nan = false;
  for (size_t i = 0; i < n; ++i) {
    const double g = element(got, i), w = element(want, i);
    if (g == w || (std::isnan(g) && std::isnan(w))) {
      if (std::isfinite(w)) r1 += std::abs(w), r2 += w * w, g2 += w * w, dot += w * w;
      continue;
    }
    const double d = std::abs(g - w);
    if (!std::isfinite(d)) unequal_nan = true;
    if (!(d <= o.absolute_tolerance + o.relative_tolerance * std::abs(w))) beyond += 1;
    d1 += d, r1 += std::abs(w), d2 += d * d, r2 += w * w, g2 += g * g, dot += g * w;
    largest = std::max(largest, d);
  }
  const auto ratio = [](double d, double r) { return d == 0 ? 0 : r == 0 ? INFINITY : d / r; };
  if (o.accuracy_algorithm == "l0") return n ? beyond / double(n) : 0;
  if (unequal_nan) return INFINITY;
  if (o.accuracy_algorithm == "l1") return ratio(d1, r1);
  if (o.accuracy_algorithm == "lInf") return largest;
  if (o.accuracy_algorithm == "cos") return d2 == 0 ? 0 : r2 * g2 > 0 ? 1 - dot / std::sqrt(r2 * g2) : INFINITY;
  return ratio(std::sqrt(d2), std::sqrt(r2));
}

}  // namespace

void check_accuracy(const Options& o, const Results& r, Log& log) {
  bool passed = true;
  for (size_t p = 0; p < o.pairs.size(); ++p)
    for (const auto& [name, file] : o.pairs[p].outputs) {
      const Binding* got = nullptr;
      for (const Binding& b : r.pairs.at(p))
        if (!b.is_input && b.name == name) got = &b;
      if (!got) throw std::runtime_error("--loadRefOutputs: the engine has no output '" + name + "'");
      Binding want = *got;
      want.host = read_file(file);
      if (want.host.size() != got->host.size())
        throw std::runtime_error(file + " has " + std::to_string(want.host.size()) + " bytes, output " + name + " " +
                                 text(got->dims) + " has " + std::to_string(got->host.size()));
      const double e = error(o, *got, want);
      const bool ok = e <= o.accuracy_threshold;
      passed = passed && ok;
      log.info("Accuracy of pair " + std::to_string(p) + ", output " + name + ": " + o.accuracy_algorithm +
               " error = " + number(e) + ", threshold = " + number(o.accuracy_threshold) +
               (ok ? ", passed" : ", FAILED"));
    }
  if (!passed) throw std::runtime_error("an output is not as accurate as --accuracyThreshold asks");
}

}  // namespace trtexec
