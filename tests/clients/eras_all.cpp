// Level `all`: one program, every release's entry points, each answering in its era.
#include <cstdlib>
#include <memory>

#include "client.h"

using namespace nvinfer1;

namespace {

std::unique_ptr<IBuilder> builder_of(int32_t version, ILogger& logger) {
  return std::unique_ptr<IBuilder>(static_cast<IBuilder*>(createInferBuilder_INTERNAL(&logger, version)));
}

void implicit_up_to_9(ILogger& logger) {
  struct Case {
    int32_t version;
    bool implicit, strong;
  };
  for (Case const& c : {Case{7203, true, false}, Case{8601, true, false}, Case{9300, true, false},
                        Case{101303, false, false}, Case{110100, false, true}}) {
    std::unique_ptr<IBuilder> builder = builder_of(c.version, logger);
    EXPECT(builder != nullptr);
    std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(0U));
    EXPECT(network && network->hasImplicitBatchDimension() == c.implicit);
    std::unique_ptr<INetworkDefinition> explicit_batch(
        builder->createNetworkV2(1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH)));
    EXPECT(explicit_batch && !explicit_batch->hasImplicitBatchDimension());
    uint32_t const strong = 1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kSTRONGLY_TYPED);
    std::unique_ptr<INetworkDefinition> typed(builder->createNetworkV2(strong));
    EXPECT(typed && typed->getFlag(NetworkDefinitionCreationFlag::kSTRONGLY_TYPED));
  }
}

void refuses_other_releases(KeepingLogger& logger) {
  size_t const before = logger.errors.size();
  EXPECT(createInferBuilder_INTERNAL(&logger, 0) == nullptr);
  EXPECT(createInferRuntime_INTERNAL(&logger, 6105) == nullptr);
  EXPECT(createInferRuntime_INTERNAL(&logger, 120000) == nullptr);
  EXPECT(logger.errors.size() == before + 3);
}

// Numbers that releases use for different things are apart; synonyms stay synonyms.
static_assert(static_cast<int>(LayerType::kFULLY_CONNECTED) != static_cast<int>(LayerType::kCAST), "");
static_assert(static_cast<int>(BuilderFlag::kSTRICT_TYPES) != static_cast<int>(BuilderFlag::kREFIT), "");
static_assert(static_cast<int>(BuilderFlag::kWEIGHTLESS) == static_cast<int>(BuilderFlag::kSTRIP_PLAN), "");
static_assert(static_cast<int>(TensorFormat::kNCHW) == static_cast<int>(TensorFormat::kLINEAR), "");
static_assert(static_cast<int>(ProfilingVerbosity::kVERBOSE) == static_cast<int>(ProfilingVerbosity::kDETAILED), "");
static_assert(sizeof(Dims::d[0]) == 8, "");

}  // namespace

int main() {
  KeepingLogger logger;
  implicit_up_to_9(logger);
  refuses_other_releases(logger);
  char const* api = std::getenv("TENON_TRT_API");
  EXPECT(getInferLibMajorVersion() == (api ? std::atoi(api) : 10));
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
