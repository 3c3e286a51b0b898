// One option of the command line: how it is written, and what it does to Options.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "trtexec/options.h"

namespace trtexec {

struct Flag {
  std::string_view name, value, help;  ///< value: what it takes, "" for a switch
  std::function<void(Options&, const std::string& flag, const std::string& value)> apply;
};

/// The options by theme, in the order of --help.
std::vector<Flag> model_flags(), precision_flags(), build_flags(), plan_flags();
std::vector<Flag> inference_flags(), accuracy_flags(), report_flags(), system_flags();

/// Throws std::invalid_argument.
[[noreturn]] void bad(const std::string& message);
std::vector<std::string> split(std::string_view text, char at);
/// A number from `least`, else std::invalid_argument naming the option.
double number(const std::string& flag, std::string_view text, double least = -1e300);
int integer(const std::string& flag, std::string_view text, int least = INT32_MIN);
/// A size in MiB, given so or with B, K, M or G.
double mebibytes(const std::string& flag, std::string text);
/// "name:1x3x224x224,other:scalar"
Shapes shapes(const std::string& flag, const std::string& value);
/// "name:file,other:file"
Files files(const std::string& flag, const std::string& value);
/// `value` if it is one of "a|b|c".
const std::string& one_of(const std::string& flag, const std::string& value, std::string_view accepted);

template <auto Member>
Flag on(std::string_view name, std::string_view help, bool to = true) {
  return {name, "", help, [to](Options& o, auto&, auto&) { o.*Member = to; }};
}
template <auto Member>
Flag set_text(std::string_view name, std::string_view takes, std::string_view help) {
  return {name, takes, help, [](Options& o, auto&, auto& v) { o.*Member = v; }};
}
/// One of the words that `takes` has, "a|b|c".
template <auto Member>
Flag set_word(std::string_view name, std::string_view takes, std::string_view help) {
  return {name, takes, help, [takes](Options& o, auto& f, auto& v) { o.*Member = one_of(f, v, takes); }};
}
template <auto Member>
Flag set_int(std::string_view name, std::string_view help, int least = 0) {
  return {name, "N", help, [least](Options& o, auto& f, auto& v) { o.*Member = integer(f, v, least); }};
}
template <auto Member>
Flag set_number(std::string_view name, std::string_view help) {
  return {name, "N", help, [](Options& o, auto& f, auto& v) { o.*Member = number(f, v, 0); }};
}
template <auto Member>
Flag set_shapes(std::string_view name, std::string_view help) {
  return {name, "spec", help, [](Options& o, auto& f, auto& v) { o.*Member = shapes(f, v); }};
}
template <auto Member>
Flag append(std::string_view name, std::string_view takes, std::string_view help) {
  return {name, takes, help, [](Options& o, auto&, auto& v) { (o.*Member).push_back(v); }};
}
/// Accepted without effect, which a warning says.
inline Flag ignored(std::string_view name, std::string_view takes, std::string_view why) {
  return {name, takes, why, [why](Options& o, auto& f, auto&) {
            o.notes.push_back("--" + f + " has no effect here: " + std::string(why));
          }};
}
inline Flag ignored_word(std::string_view name, std::string_view takes, std::string_view why) {
  return {name, takes, why, [takes, why](Options& o, auto& f, auto& v) {
            one_of(f, v, takes);
            o.notes.push_back("--" + f + " has no effect here: " + std::string(why));
          }};
}
/// What cannot be done.
inline Flag refused(std::string_view name, std::string_view takes, std::string_view why) {
  return {name, takes, why, [why](Options&, auto& f, auto&) { bad("--" + f + ": " + std::string(why)); }};
}

}  // namespace trtexec
