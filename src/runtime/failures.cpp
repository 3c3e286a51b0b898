#include "runtime/failures.h"

#include <chrono>
#include <future>
#include <system_error>
#include <thread>

#include "runtime/program.h"

namespace tenon::runtime {
namespace {

constexpr std::chrono::seconds kPatience{1};

void tell(const FailureListener& listener, const Error& failure) {
  auto told = std::make_shared<std::promise<void>>();
  const std::future<void> done = told->get_future();
  try {
    std::thread([listener, failure, told] {
      try {
        listener(failure);
      } catch (...) {  // a listener that fails has nobody to tell
      }
      told->set_value();
    }).detach();
  } catch (const std::system_error&) {
    return;  // no thread is to be had: the next call tells
  }
  done.wait_for(kPatience);
}

}  // namespace

void Failures::set_listener(FailureListener listener) {
  const std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
}

void Failures::set_awaited(bool awaited) {
  const std::lock_guard lock(mutex_);
  awaited_ = awaited;
}

void Failures::put(const Error& failure) {
  FailureListener listener;
  {
    const std::lock_guard lock(mutex_);
    if (!first_) first_ = failure;
    any_ = true;
    if (!awaited_) listener = listener_;
  }
  if (listener) tell(listener, failure);
}

void Failures::raise(std::string_view where) {
  if (!any_) return;
  std::optional<Error> failure;
  {
    const std::lock_guard lock(mutex_);
    failure.swap(first_);
    any_ = false;
  }
  if (failure) throw where.empty() ? *failure : failure->at(where);
}

HostCheck::HostCheck(const Program& program, std::shared_ptr<void> host_workspace, std::shared_ptr<Failures> failures)
    : host_workspace_(std::move(host_workspace)), failures_(std::move(failures)) {
  for (const runtime::Step& s : program.steps)
    if (s.kernel && s.kernel->host_workspace_bytes() > 0)
      steps_.push_back({s.kernel, cat("layer '", s.name, "' (", s.kernel_name, ")"), s.host_workspace_offset});
}

void HostCheck::call(void* check) noexcept {
  const auto& self = *static_cast<const HostCheck*>(check);
  for (const Step& s : self.steps_) {
    try {
      s.kernel->check_ran(static_cast<const std::byte*>(self.host_workspace_.get()) + s.offset);
    } catch (const Error& e) {
      return self.failures_->put(e.at(s.layer));  // what follows computed with what this one left
    }
  }
}

}  // namespace tenon::runtime
