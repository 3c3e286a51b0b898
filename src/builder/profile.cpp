#include "builder/builder.h"

namespace tenon::builder {

plan::Profile default_profile(const ir::Graph& network) {
  plan::Profile profile;
  for (ir::ValueId v : network.inputs) {
    plan::Range r;
    for (ir::Dim d : network.value(v).shape) {
      const bool fixed = d.is_const();
      r.min.push_back(fixed ? d.constant() : 0);
      r.opt.push_back(fixed ? d.constant() : 1);
      r.max.push_back(fixed ? d.constant() : INT32_MAX);
    }
    profile.inputs.push_back(std::move(r));
  }
  return profile;
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
