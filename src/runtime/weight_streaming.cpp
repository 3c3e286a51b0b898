#include "runtime/weight_streaming.h"

#include <algorithm>

namespace tenon::runtime {
namespace {

constexpr int64_t kLeastBytes = 4096;
constexpr size_t kAligned = 256;

size_t aligned(size_t bytes) { return (bytes + kAligned - 1) / kAligned * kAligned; }

}  // namespace

std::vector<const ir::Tensor*> streamable_constants(const ir::Graph& graph) {
  std::vector<const ir::Tensor*> found;
  std::set<const std::byte*> seen;
  for (ir::ValueId v = 0; v < graph.value_count(); ++v) {
    const ir::Tensor* t = graph.constant(v);
    if (t && t->bytes() >= kLeastBytes && !graph.users(v).empty() && seen.insert(t->data().data()).second)
      found.push_back(t);
  }
  return found;
}

std::shared_ptr<const void> constant_on_device(const ir::Tensor& t, const Device& device, WeightCache* weights) {
  auto make = [&, from = &t]() -> std::shared_ptr<const void> {
    auto memory = weight_memory(weights, device, size_t(from->bytes()));
    device.copy(memory.get(), from->data().data(), size_t(from->bytes()), device.own_stream());
    device.synchronize(device.own_stream());
    return memory;
  };
  return weights ? weights->get(t, "device", make) : make();
}

StreamedWeights::StreamedWeights(const Device& device, DeviceWeights& resident, const ir::Graph& graph, int64_t budget)
    : device_(device), resident_(resident) {
  std::vector<const ir::Tensor*> all = streamable_constants(graph);
  std::stable_sort(all.begin(), all.end(), [](auto* a, auto* b) { return a->bytes() > b->bytes(); });
  for (const ir::Tensor* t : all) {
    if (t->bytes() <= budget)
      budget -= t->bytes();
    else
      sources_.insert(t->data().data());
  }
  int64_t most = 0;
  for (ir::NodeId n = 0; n < graph.node_count(); ++n) {
    if (!graph.node(n).alive) continue;
    int64_t bytes = 0;
    for (ir::ValueId v : graph.node(n).inputs)
      if (const ir::Tensor* t = graph.constant(v); t && has(*t)) bytes += int64_t(aligned(size_t(t->bytes())));
    most = std::max(most, bytes);
  }
  scratch_bytes_ = 2 * most;
}

StreamedWeights::Form StreamedWeights::get(const ir::Tensor& source, const std::string& format,
                                           const std::function<Form()>& make) {
  std::shared_ptr<Entry> entry;
  {
    std::lock_guard lock(mutex_);
    auto& slot = forms_[{source.data().data(), cat(ir::name(source.dtype()), source.dims(), "/", format)}];
    if (!slot) slot = std::make_shared<Entry>();
    entry = slot;
  }
  std::lock_guard lock(entry->mutex);
  if (!entry->form.bytes) {
    Form made = make();
    if (made.size > 0) {
      const std::shared_ptr<void> host = page_locked_memory(device_, made.size);
      device_.copy(host.get(), made.bytes.get(), made.size, device_.own_stream());
      device_.synchronize(device_.own_stream());
      made.bytes = host;
    }
    entry->form = std::move(made);
    entry->source = source;
  }
  return entry->form;
}

std::shared_ptr<void> StepWeights::allocate(const Device& device, size_t bytes) {
  allocated_ = bytes;
  return all_.resident().allocate(device, bytes);
}

std::shared_ptr<const void> StepWeights::get(const ir::Tensor& source, const std::string& format,
                                             const std::function<std::shared_ptr<const void>()>& make) {
  const bool on_device = format == "device" || format.starts_with("cuda/");  // else an operator's that runs on the host
  if (!on_device || !all_.has(source)) return all_.resident().get(source, format, make);
  const StreamedWeights::Form form = all_.get(source, format, [&]() -> StreamedWeights::Form {
    allocated_ = 0;
    auto made = make();
    return {std::move(made), allocated_};
  });
  if (form.size == 0) return form.bytes;
  if (!scratch_) {
    loads_.push_back({nullptr, form.bytes, form.size});
    used_ += aligned(form.size);
    return form.bytes;
  }
  void* to = static_cast<std::byte*>(scratch_.get()) + offset_ + used_;
  loads_.push_back({to, form.bytes, form.size});
  used_ += aligned(form.size);
  return {scratch_, to};
}

void WeightFeed::send(size_t s) const {
  device_.follow(program_.copy_stream.get(), stream_);  // whoever reads this half of the scratch has been put there
  for (const Load& load : program_.steps[s].loads)
    device_.copy(load.to, load.from.get(), load.bytes, program_.copy_stream.get());
}

void WeightFeed::before(size_t s) {
  if (program_.steps[s].loads.empty()) return;
  if (sent_ <= s) send(s);
  device_.follow(stream_, program_.copy_stream.get());
  sent_ = s + 1;
  while (sent_ < end_ && program_.steps[sent_].loads.empty()) ++sent_;
  if (sent_ < end_) send(sent_);
  sent_ = std::min(sent_ + 1, end_);
}

}  // namespace tenon::runtime
