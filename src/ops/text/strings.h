#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// StringSplit: parts of each string along a new last axis, padded with empty strings; second output: their number.
/// An empty delimiter means runs of white space; a negative `maxsplit` means no limit.
struct StringSplitAttrs {
  std::string delimiter;
  int64_t maxsplit = -1;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&StringSplitAttrs::delimiter>("delimiter"),
                                  ir::field<&StringSplitAttrs::maxsplit>("maxsplit")};
    return f;
  }
};

/// StringNormalizer. Input: strings [C] or [1, C]. Drops stop words, then changes the case of ASCII letters.
struct StringNormalizerAttrs {
  bool lower = false, upper = false;
  bool case_sensitive = false;  ///< of stop words
  std::vector<std::string> stopwords;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&StringNormalizerAttrs::lower>("lower"),
                                  ir::field<&StringNormalizerAttrs::upper>("upper"),
                                  ir::field<&StringNormalizerAttrs::case_sensitive>("case_sensitive"),
                                  ir::field<&StringNormalizerAttrs::stopwords>("stopwords")};
    return f;
  }
};

}  // namespace tenon::ops
