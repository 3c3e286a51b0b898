#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// ArgMax and ArgMin: i64 position of the extreme along `axis`; the first one unless `select_last_index`. NaN counts as
/// more extreme than any number.
struct ArgAttrs {
  int64_t axis = 0;
  bool keepdims = true, select_last_index = false;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&ArgAttrs::axis>("axis"), ir::field<&ArgAttrs::keepdims>("keepdims"),
                                  ir::field<&ArgAttrs::select_last_index>("select_last_index")};
    return f;
  }
};

/// TopK: x, k (i64, one element) → values, indices (i64) along `axis`, in order of value; equal values keep the order
/// of their positions. NaN counts as largest. The order is the same whether `sorted` asks for it or not.
struct TopKAttrs {
  int64_t axis = -1;
  bool largest = true, sorted = true;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&TopKAttrs::axis>("axis"), ir::field<&TopKAttrs::largest>("largest"),
                                  ir::field<&TopKAttrs::sorted>("sorted")};
    return f;
  }
};

/// CumSum (sums) and CumProd (products) along `axis`: of all elements up to each, itself left out if `exclusive`, from
/// the end if `reverse`.
struct CumulativeAttrs {
  int64_t axis = 0;
  bool exclusive = false, reverse = false;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&CumulativeAttrs::axis>("axis"),
                                  ir::field<&CumulativeAttrs::exclusive>("exclusive"),
                                  ir::field<&CumulativeAttrs::reverse>("reverse")};
    return f;
  }
};

}  // namespace tenon::ops
