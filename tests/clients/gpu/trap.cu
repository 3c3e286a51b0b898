// Plugins whose kernels break the GPU's context, each in a process of its own: every later call of every engine fails
// with the one reason, the error recorders hear of it, and nothing crashes where all of it is given back.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

#include "gpu/same_shape.h"
#include "named/common.h"

using namespace nvinfer1;

namespace {

enum class Fault : int { kTrap, kOutOfBounds, kMisaligned, kWhileSynchronous, kNotNoticed };

__global__ void faulty_kernel(float const* x, float* y, Fault fault) {
  *y = *x;
  if (*x <= 1.0F) {
    return;
  }
  if (fault == Fault::kTrap) {
    __trap();
  }
  if (fault == Fault::kMisaligned) {
    *reinterpret_cast<float*>(reinterpret_cast<char*>(y) + 1) = *x;
  } else {
    y[1LL << 40] = *x;
  }
}

/// y = x for numbers up to 1. Says whether the launch went well, as plugins do.
class Faulty : public SameShapeV2<Faulty> {
 public:
  explicit Faulty(Fault fault) : SameShapeV2("Faulty"), fault_(fault) {}
  int32_t enqueue(PluginTensorDesc const*, PluginTensorDesc const*, void const* const* in, void* const* out, void*,
                  cudaStream_t stream) noexcept override {
    faulty_kernel<<<1, 1, 0, stream>>>(static_cast<float const*>(in[0]), static_cast<float*>(out[0]), fault_);
    return cudaGetLastError() == cudaSuccess ? 0 : 1;
  }

 private:
  Fault fault_;
};

class Recorder : public IErrorRecorder {
 public:
  int32_t getNbErrors() const noexcept override { return static_cast<int32_t>(codes.size()); }
  ErrorCode getErrorCode(int32_t i) const noexcept override { return codes[static_cast<size_t>(i)]; }
  ErrorDesc getErrorDesc(int32_t i) const noexcept override { return texts[static_cast<size_t>(i)].c_str(); }
  bool hasOverflowed() const noexcept override { return false; }
  void clear() noexcept override { codes.clear(); }
  bool reportError(ErrorCode code, ErrorDesc text) noexcept override {
    codes.push_back(code);
    texts.push_back(text);
    return true;
  }
  RefCount incRefCount() noexcept override { return ++references; }
  RefCount decRefCount() noexcept override { return --references; }
  std::vector<ErrorCode> codes;
  std::vector<std::string> texts;
  std::atomic<RefCount> references{0};
};

/// 3 x for numbers up to 1, through the plugin if there is one.
Owned<ICudaEngine> engine_with(Project& project, Faulty* plugin) {
  ITensor* x = project.network->addInput("x", DataType::kFLOAT, dims_of({1}));
  ITensor* twice = project.network->addElementWise(*x, *x, ElementWiseOperation::kSUM)->getOutput(0);
  ITensor* same = plugin ? project.network->addPluginV2(&twice, 1, *plugin)->getOutput(0)
                         : project.network->addActivation(*twice, ActivationType::kTANH)->getOutput(0);
  output(*project.network, *project.network->addElementWise(*same, *x, ElementWiseOperation::kSUM)->getOutput(0), "y");
  return Owned<ICudaEngine>(project.builder->buildEngineWithConfig(*project.network, *project.config));
}

void prepare(Session& session) {
  session.set("x", std::vector<float>(1, 0.25F));
  session.expect("y", sizeof(float));
}

/// The one reason in a message, or a text that is no reason.
std::string reason_in(std::string const& message) {
  size_t const begin = message.find("the GPU's context is lost since "), end = message.find("; restart the process");
  return begin == std::string::npos || end == std::string::npos || end < begin ? "no reason: " + message
                                                                               : message.substr(begin, end - begin);
}

/// Calls that have to fail: each leaves one message, with the one reason.
class Refusals {
 public:
  explicit Refusals(KeepingLogger& logger) : logger_(logger), heard_(logger.errors.size()) {}
  void expect(char const* what, bool succeeded) {
    bool const one = logger_.errors.size() == heard_ + 1;
    std::string const reason = one ? reason_in(logger_.errors.back()) : "";
    if (reason_.empty()) {
      reason_ = reason;
    }
    if (succeeded || !one || reason != reason_ || reason.find("no reason") == 0) {
      std::fprintf(stderr, "%s %s, with %d messages, the last '%s', the reason is '%s'\n", what,
                   succeeded ? "succeeded" : "failed", static_cast<int>(logger_.errors.size() - heard_),
                   logger_.errors.empty() ? "" : logger_.errors.back().c_str(), reason_.c_str());
      ++failures();
    }
    heard_ = logger_.errors.size();
  }
  std::string const& reason() const { return reason_; }

 private:
  KeepingLogger& logger_;
  size_t heard_;
  std::string reason_;
};

int run(Fault fault) {
  Project project, other;
  Recorder recorder;
  Faulty plugin(fault);
  Owned<ICudaEngine> engine = engine_with(project, &plugin), plain = engine_with(other, nullptr);
  EXPECT(engine != nullptr && plain != nullptr);
  Owned<IHostMemory> plan(plain->serialize());
  {
    Session session(*engine), second(*engine), unrelated(*plain);
    session.context->setErrorRecorder(&recorder);
    for (Session* s : {&session, &second, &unrelated}) {
      prepare(*s);
      EXPECT(s->run() && cudaStreamSynchronize(s->stream) == cudaSuccess);
    }
    EXPECT(session.get<float>("y", 1)[0] == 0.75F && project.logger.errors.empty() && recorder.codes.empty());

    float const large = 4.0F;
    void* const x = const_cast<void*>(session.context->getTensorAddress("x"));
    EXPECT(cudaMemcpy(x, &large, sizeof(large), cudaMemcpyHostToDevice) == cudaSuccess);
    Refusals refusals(project.logger);
    if (fault == Fault::kWhileSynchronous) {  // the call itself waits and sees what happened
      std::vector<void*> bindings{x, session.context->getOutputTensorAddress("y")};
      refusals.expect("the run that breaks the context", session.context->executeV2(bindings.data()));
    } else {
      EXPECT(session.run());  // the kernel is on its way
      if (fault == Fault::kNotNoticed) {
        usleep(300000);  // it has ended, and nobody has asked how
      } else {
        EXPECT(cudaStreamSynchronize(session.stream) != cudaSuccess);
      }
      EXPECT(project.logger.errors.empty());
    }
    for (int turn = 0; turn < 3; ++turn) {
      refusals.expect("the next run", session.run());
    }
    EXPECT(!recorder.codes.empty() && recorder.codes.size() == project.logger.errors.size());
    for (ErrorCode code : recorder.codes) {
      EXPECT(code == ErrorCode::kFAILED_EXECUTION);
    }
    EXPECT(recorder.texts.empty() || recorder.texts.back().find("context is lost") != std::string::npos);
    size_t const recorded = recorder.codes.size();
    refusals.expect("another context of the engine", second.run());
    refusals.expect("an address", second.context->setTensorAddress("x", x));
    refusals.expect("a new context", Owned<IExecutionContext>(engine->createExecutionContext()) != nullptr);
    Refusals others(other.logger);
    others.expect("another engine", unrelated.run());
    others.expect("its new context", Owned<IExecutionContext>(plain->createExecutionContext()) != nullptr);
    Owned<ICudaEngine> loaded(other.runtime->deserializeCudaEngine(plan->data(), plan->size()));
    if (loaded != nullptr) {
      others.expect("a loaded engine", Owned<IExecutionContext>(loaded->createExecutionContext()) != nullptr);
    } else {
      others.expect("loading", false);
    }
    others.expect("building",
                  Owned<IHostMemory>(other.builder->buildSerializedNetwork(*other.network, *other.config)) != nullptr);
    EXPECT(others.reason() == refusals.reason());
    EXPECT(recorder.codes.size() == recorded);  // it hears of the context that it was given to alone
    session.context->setErrorRecorder(nullptr);
  }
  size_t const heard = project.logger.errors.size() + other.logger.errors.size();
  engine.reset();
  plain.reset();
  EXPECT(project.logger.errors.size() + other.logger.errors.size() == heard && recorder.references == 0);
  std::printf("fault %d: %s\n", static_cast<int>(fault),
              project.logger.errors.empty() ? "no message" : project.logger.errors.front().c_str());
  return failures() != 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) {
    return run(static_cast<Fault>(std::atoi(argv[1])));
  }
  for (Fault fault :
       {Fault::kTrap, Fault::kOutOfBounds, Fault::kMisaligned, Fault::kWhileSynchronous, Fault::kNotNoticed}) {
    std::string number = std::to_string(static_cast<int>(fault));
    pid_t const child = fork();
    if (child == 0) {
      char* arguments[] = {argv[0], &number[0], nullptr};
      execv(argv[0], arguments);
      _exit(127);
    }
    int status = 0;
    EXPECT(child > 0 && waitpid(child, &status, 0) == child);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
