// Lexical part of the graph text reader.
#pragma once
#include <algorithm>
#include <cctype>
#include <charconv>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/error.h"

namespace tenon::ir {

/// Characters with a position; every complaint names line and column.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : s_(text) {}

  template <class... Parts>
  [[noreturn]] void bad(const Parts&... parts) const {
    const std::string_view before = s_.substr(0, at_);
    const size_t line = size_t(std::count(before.begin(), before.end(), '\n')) + 1, start = before.rfind('\n');
    fail(ErrorCode::kInvalidModel, "line ", line, ", column ", at_ - (start == before.npos ? 0 : start + 1) + 1, ": ",
         parts...);
  }
  void skip() {
    while (at_ < s_.size() && (std::isspace(static_cast<unsigned char>(s_[at_])) || s_[at_] == '#')) {
      if (s_[at_] == '#')
        at_ = std::min(s_.find('\n', at_), s_.size());
      else
        ++at_;
    }
  }
  bool at_end() {
    skip();
    return at_ == s_.size();
  }
  char peek() {
    skip();
    return at_ < s_.size() ? s_[at_] : '\0';
  }
  bool eat(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!eat(c)) bad("'", c, "' is expected");
  }
  static bool word_char(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '/' || c == '-';
  }
  std::string_view word() {
    skip();
    const size_t begin = at_;
    while (at_ < s_.size() && word_char(s_[at_])) ++at_;
    if (at_ == begin) bad("a name is expected");
    return s_.substr(begin, at_ - begin);
  }
  /// Eats `keyword` if it stands here as a whole word.
  bool eat_word(std::string_view keyword) {
    skip();
    const size_t end = at_ + keyword.size();
    if (s_.substr(at_, keyword.size()) != keyword || (end < s_.size() && word_char(s_[end]))) return false;
    at_ = end;
    return true;
  }
  std::string string() {
    expect('"');
    std::string out;
    while (at_ < s_.size() && s_[at_] != '"') {
      char c = s_[at_++];
      if (c == '\\') c = escape();
      out += c;
    }
    if (at_ == s_.size()) bad("the string has no end");
    ++at_;
    return out;
  }
  std::string name() { return peek() == '"' ? string() : std::string(word()); }
  template <class T>
  T number(int base = 10) {
    skip();
    T v{};
    std::from_chars_result r;
    if constexpr (std::is_floating_point_v<T>)
      r = std::from_chars(s_.data() + at_, s_.data() + s_.size(), v);
    else
      r = std::from_chars(s_.data() + at_, s_.data() + s_.size(), v, base);
    if (r.ec != std::errc()) bad("a number is expected");
    at_ = size_t(r.ptr - s_.data());
    return v;
  }
  /// Text up to the ',' or ']' that ends a dimension; parentheses nest.
  std::string_view dimension() {
    skip();
    const size_t begin = at_;
    for (int open = 0; at_ < s_.size(); ++at_) {
      const char c = s_[at_];
      if (c == '(') ++open;
      if (c == ')' && --open < 0) bad("')' without '('");
      if (open == 0 && (c == ',' || c == ']')) break;
    }
    return s_.substr(begin, at_ - begin);
  }
  void rewind(size_t position) { at_ = position; }
  size_t position() const { return at_; }

 private:
  char escape() {
    if (at_ == s_.size()) bad("the string has no end");
    const char c = s_[at_++];
    if (c == 'n') return '\n';
    if (c == 't') return '\t';
    if (c != 'x') return c;
    unsigned v = 0;
    auto r = std::from_chars(s_.data() + at_, s_.data() + std::min(at_ + 2, s_.size()), v, 16);
    if (r.ec != std::errc()) bad("two hexadecimal digits are expected");
    at_ = size_t(r.ptr - s_.data());
    return char(v);
  }

  std::string_view s_;
  size_t at_ = 0;
};

}  // namespace tenon::ir
