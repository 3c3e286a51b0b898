#include <algorithm>

#include "builder/builder.h"
#include "runtime/concretize.h"

namespace tenon::builder {
namespace {

using Ranges = std::map<std::string, plan::Range>;

/// What is given; else every size but fixed ones may be anything, `usual` at best.
plan::Profile open_profile(const ir::Graph& network, const Ranges& given, int64_t usual) {
  plan::Profile profile;
  for (ir::ValueId v : network.inputs) {
    plan::Range r;
    for (ir::Dim d : network.value(v).shape) {
      const bool fixed = d.is_const();
      r.min.push_back(fixed ? d.constant() : 0);
      r.opt.push_back(fixed ? d.constant() : usual);
      r.max.push_back(fixed ? d.constant() : INT32_MAX);
    }
    if (const auto own = given.find(network.value(v).name); own != given.end())
      for (auto member : {&plan::Range::min, &plan::Range::opt, &plan::Range::max})
        if (!(own->second.*member).empty()) r.*member = own->second.*member;
    profile.inputs.push_back(std::move(r));
  }
  return profile;
}

/// Whether an optimum has to be found.
bool is_open(const ir::Graph& network, const Ranges& given) {
  return std::any_of(network.inputs.begin(), network.inputs.end(), [&](ir::ValueId v) {
    const auto own = given.find(network.value(v).name);
    return !ir::is_static(network.value(v).shape) && (own == given.end() || own->second.opt.empty());
  });
}

bool fits(const ir::Graph& network, const plan::Profile& profile) {
  std::vector<ir::Dims> dims;
  for (const plan::Range& r : profile.inputs) dims.push_back(r.opt);
  try {
    runtime::concretize(network, dims);
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

plan::Profile default_profile(const ir::Graph& network, const Ranges& given) {
  for (const auto& [name, range] : given)
    require(std::any_of(network.inputs.begin(), network.inputs.end(),
                        [&, &name = name](ir::ValueId v) { return network.value(v).name == name; }),
            ErrorCode::kInvalidArgument, "the model has no input called '", name, "'");
  const plan::Profile smallest = open_profile(network, given, 1);
  if (!is_open(network, given) || fits(network, smallest)) return smallest;
  for (int64_t usual : {8, 16, 32, 64, 128, 224, 256, 384, 512, 640})
    if (plan::Profile p = open_profile(network, given, usual); fits(network, p)) return p;
  return smallest;
}

void check_profile(const ir::Graph& network, const plan::Profile& profile, size_t index) {
  require(profile.inputs.size() == network.inputs.size(), ErrorCode::kShapeMismatch, "profile ", index,
          " has ranges for ", profile.inputs.size(), " inputs, the network has ", network.inputs.size());
  for (size_t i = 0; i < profile.inputs.size(); ++i) {
    const ir::Value& v = network.value(network.inputs[i]);
    const plan::Range& r = profile.inputs[i];
    const std::string place = cat("profile ", index, ", input '", v.name, "'");
    const size_t rank = v.shape.size();
    require(r.min.size() == rank && r.opt.size() == rank && r.max.size() == rank, ErrorCode::kShapeMismatch, place,
            ": minimum ", r.min, ", optimum ", r.opt, " and maximum ", r.max, " must have rank ", rank);
    for (size_t k = 0; k < rank; ++k) {
      require(0 <= r.min[k] && r.min[k] <= r.opt[k] && r.opt[k] <= r.max[k], ErrorCode::kShapeMismatch, place,
              ": minimum ", r.min, " <= optimum ", r.opt, " <= maximum ", r.max, " does not hold on axis ", k);
      require(!v.shape[k].is_const() || (r.min[k] == v.shape[k].constant() && r.max[k] == v.shape[k].constant()),
              ErrorCode::kShapeMismatch, place, ": axis ", k, " is fixed to ",
              v.shape[k].is_const() ? v.shape[k].constant() : 0, " in the network, the profile gives ", r.min[k],
              " to ", r.max[k]);
    }
  }
}

}  // namespace tenon::builder
