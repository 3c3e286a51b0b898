// Plans with something wrong in them and checksums that hold.
#pragma once
#include <cstddef>
#include <vector>

#include "message.h"
#include "plan/plan.h"

namespace tenon::fuzz {

/// Changes a few bytes outside of the weights and repairs the checksums.
void change_bytes(std::vector<std::byte>& plan, Random& random);
/// Changes a type, an attribute, an operator, an operand, a range or a kernel's name.
void change_contents(plan::Plan& plan, Random& random);

}  // namespace tenon::fuzz
