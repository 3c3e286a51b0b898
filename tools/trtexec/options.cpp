#include "trtexec/options.h"

#include <cctype>
#include <charconv>
#include <stdexcept>

#include "trtexec/flag.h"

namespace trtexec {
namespace {

/// Removes one pair of quotes around a name, as in 'input:0'.
std::string unquoted(std::string s) {
  if (s.size() >= 2 && (s[0] == '\'' || s[0] == '"') && s.back() == s[0]) return s.substr(1, s.size() - 2);
  return s;
}

const std::vector<Flag>& flags() {
  static const std::vector<Flag> table = [] {
    std::vector<Flag> all;
    for (auto group : {model_flags, precision_flags, build_flags, plan_flags, inference_flags, accuracy_flags,
                       report_flags, system_flags})
      for (Flag& f : group()) all.push_back(std::move(f));
    return all;
  }();
  return table;
}

/// What only all options together show.
void check(const Options& o) {
  if (o.optimization_level > 5) bad("--builderOptimizationLevel takes 0 to 5");
  if (o.help) return;
  if (o.onnx.empty() == o.load_engine.empty()) bad("give one of --onnx=file and --loadEngine=file");
  for (size_t i = 0; i < o.profiles.size() && o.profiles.size() > 1; ++i)
    if (o.profiles[i].min.empty() && o.profiles[i].opt.empty() && o.profiles[i].max.empty())
      bad("--profile=" + std::to_string(i) + " has no shapes, but a later profile has");
  if (o.calibration_profile >= int(o.profiles.size()))
    bad("--calibProfile=" + std::to_string(o.calibration_profile) + ": there are " + std::to_string(o.profiles.size()) +
        " profiles");
  if (o.get_plan_version_only && o.load_engine.empty()) bad("--getPlanVersionOnly takes its plan from --loadEngine");
  if (!o.refit_from_onnx.empty() && o.load_engine.empty()) bad("--refitFromOnnx takes its plan from --loadEngine");
}

}  // namespace

void bad(const std::string& message) { throw std::invalid_argument(message); }

std::vector<std::string> split(std::string_view s, char at) {
  std::vector<std::string> parts;
  while (true) {
    const size_t n = s.find(at);
    parts.emplace_back(s.substr(0, n));
    if (n == std::string_view::npos) return parts;
    s.remove_prefix(n + 1);
  }
}

double number(const std::string& flag, std::string_view s, double least) {
  double v = 0;
  auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), v);
  if (error != std::errc() || end != s.data() + s.size() || !(v - v == 0))
    bad("--" + flag + " takes a number, found '" + std::string(s) + "'");
  if (v < least)
    bad("--" + flag + " takes a number from " + std::to_string(int64_t(least)) + ", found '" + std::string(s) + "'");
  return v;
}

int integer(const std::string& flag, std::string_view s, int least) {
  const double v = number(flag, s);
  if (v < least || v > INT32_MAX || v != int(v))
    bad("--" + flag + " takes a whole number from " + std::to_string(least) + ", found '" + std::string(s) + "'");
  return int(v);
}

Shapes shapes(const std::string& flag, const std::string& value) {
  Shapes out;
  for (const std::string& item : split(value, ',')) {
    const size_t colon = item.rfind(':');
    if (colon == std::string::npos) bad("--" + flag + " takes name:1x3x224x224[,…], found '" + item + "'");
    Dims dims;
    const std::string text = item.substr(colon + 1);
    if (text != "scalar")
      for (const std::string& d : split(text, 'x')) dims.push_back(integer(flag, d, 0));
    out[unquoted(item.substr(0, colon))] = dims;
  }
  return out;
}

Files files(const std::string& flag, const std::string& value) {
  Files out;
  for (const auto& item : split(value, ',')) {
    const size_t colon = item.rfind(':');
    if (colon == std::string::npos) bad("--" + flag + " takes name:file, found '" + item + "'");
    out[unquoted(item.substr(0, colon))] = item.substr(colon + 1);
  }
  return out;
}

double mebibytes(const std::string& flag, std::string s) {
  double scale = 1;
  if (!s.empty() && std::isalpha(static_cast<unsigned char>(s.back()))) {
    switch (std::toupper(static_cast<unsigned char>(s.back()))) {
      case 'B':
        scale = 1.0 / (1 << 20);
        break;
      case 'K':
        scale = 1.0 / 1024;
        break;
      case 'M':
        break;
      case 'G':
        scale = 1024;
        break;
      default:
        bad("--" + flag + " takes sizes with B, K, M or G, found '" + s + "'");
    }
    s.pop_back();
  }
  return number(flag, s, 0) * scale;
}

const std::string& one_of(const std::string& flag, const std::string& value, std::string_view accepted) {
  for (const std::string& word : split(accepted, '|'))
    if (word == value) return value;
  bad("--" + flag + " takes " + std::string(accepted) + ", found '" + value + "'");
}

std::string text(const Dims& dims) {
  std::string out;
  for (size_t i = 0; i < dims.size(); ++i) out += (i ? "x" : "") + std::to_string(dims[i]);
  return out;
}

Options parse(const std::vector<std::string>& arguments) {
  Options o;
  for (const std::string& argument : arguments) {
    if (argument.size() < 2 || argument[0] != '-') bad("unexpected argument '" + argument + "'; options start with --");
    const std::string body = argument.substr(argument[1] == '-' ? 2 : 1);
    const size_t equals = body.find('=');
    const std::string name = body.substr(0, equals), value = equals == std::string::npos ? "" : body.substr(equals + 1);
    const Flag* found = nullptr;
    for (const Flag& f : flags())
      if (f.name == name) found = &f;
    if (!found) bad("unknown option --" + name + "; --help lists the accepted ones");
    if (!found->value.empty() && equals == std::string::npos)
      bad("--" + name + " takes a value: --" + name + "=" + std::string(found->value));
    if (found->value.empty() && equals != std::string::npos)
      bad("--" + name + " takes no value, found '" + value + "'");
    found->apply(o, name, value);
  }
  check(o);
  return o;
}

std::string usage() {
  std::string out = "usage: trtexec --onnx=model.onnx | --loadEngine=model.plan [options]\n\n";
  for (const Flag& f : flags()) {
    std::string left = "  --" + std::string(f.name) + (f.value.empty() ? "" : "=" + std::string(f.value));
    left.resize(std::max<size_t>(left.size() + 2, 44), ' ');
    out += left + std::string(f.help) + "\n";
  }
  return out;
}

}  // namespace trtexec
