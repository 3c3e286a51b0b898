// What the words of an option stand for.
#pragma once
#include <map>
#include <stdexcept>
#include <string>

namespace trtexec {

/// What `word` means; the error names the words that mean something.
template <class T>
T known(const std::map<std::string, T>& words, const std::string& word, const char* what) {
  const auto it = words.find(word);
  if (it != words.end()) return it->second;
  std::string list;
  for (const auto& [name, meaning] : words) list += (list.empty() ? "" : ", ") + name;
  throw std::runtime_error(std::string("there is no ") + what + " '" + word + "', accepted are " + list);
}

}  // namespace trtexec
