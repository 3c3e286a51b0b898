// Reporting of phases to a ProgressMonitor, and cancelling.
#pragma once
#include <string>

#include "builder/builder.h"

namespace tenon::builder {

class Phases {
 public:
  explicit Phases(ProgressMonitor* monitor) : monitor_(monitor) {}

  /// A phase for as long as it lives.
  class Scope {
   public:
    Scope(Phases& phases, std::string name, int steps) : monitor_(phases.monitor_), name_(std::move(name)) {
      if (monitor_) monitor_->phase_start(name_, "", steps);
    }
    ~Scope() {
      if (monitor_) monitor_->phase_finish(name_);
    }
    void step(int index) {
      if (monitor_ && !monitor_->step_complete(name_, index))
        fail(ErrorCode::kCancelled, "the build was cancelled in phase '", name_, "'");
    }

   private:
    ProgressMonitor* monitor_;
    std::string name_;
  };

 private:
  ProgressMonitor* monitor_;
};

}  // namespace tenon::builder
