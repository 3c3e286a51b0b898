// An ONNX classifier: what the parser says of models it can and cannot take, and the network edited after parsing.
#include <fstream>
#include <sstream>

#include "NvOnnxParser.h"
#include "common.h"

using namespace nvinfer1;

int main(int, char** argv) {
  std::string const samples = argv[1];
  Project p;
  Owned<nvonnxparser::IParser> parser(nvonnxparser::createParser(*p.network, p.logger));
  std::ifstream file(samples + "/digits.onnx", std::ios::binary);
  std::stringstream stream;
  stream << file.rdbuf();
  std::string const model = stream.str();
  EXPECT(parser->supportsModelV2(model.data(), model.size()) && parser->getNbSubgraphs() == 1);
  int64_t nodes = 0;
  EXPECT(parser->isSubgraphSupported(0) && parser->getSubgraphNodes(0, nodes) != nullptr && nodes == 10);
  EXPECT(parser->parse(model.data(), model.size()));
  EXPECT(p.network->getNbOutputs() == 1 && p.network->getInput(0)->getDimensions().d[0] == -1);
  // Probabilities instead of scores: the parsed network goes on by hand.
  ITensor* scores = p.network->getOutput(0);
  p.network->unmarkOutput(*scores);
  ISoftMaxLayer* soft = p.network->addSoftMax(*scores);
  soft->setAxes(1U << 1);
  output(*p.network, *soft->getOutput(0), "probability");
  std::string const input = p.network->getInput(0)->getName();
  IOptimizationProfile* profile = p.builder->createOptimizationProfile();
  profile->setDimensions(input.c_str(), OptProfileSelector::kMIN, Dims4{1, 1, 8, 8});
  profile->setDimensions(input.c_str(), OptProfileSelector::kOPT, Dims4{2, 1, 8, 8});
  profile->setDimensions(input.c_str(), OptProfileSelector::kMAX, Dims4{4, 1, 8, 8});
  p.config->addOptimizationProfile(profile);
  Owned<ICudaEngine> engine = p.engine();
  EXPECT(engine != nullptr);
  Session s(*engine);
  std::ifstream scan(samples + "/scans/0005_5.pgm", std::ios::binary);
  std::string magic;
  int width = 0, height = 0, most = 0;
  scan >> magic >> width >> height >> most;
  scan.get();
  std::vector<float> pixels;
  for (int i = 0; i < 64; ++i) {
    pixels.push_back(static_cast<float>(scan.get()));
  }
  s.set(input.c_str(), {1, 1, 8, 8}, pixels);
  s.expect("probability", 10 * sizeof(float));
  EXPECT(s.run());
  std::vector<float> const y = s.get<float>("probability");
  double sum = 0.0;
  for (float v : y) {
    sum += v;
  }
  EXPECT(std::fabs(sum - 1.0) < 1e-5 && y[5] > 0.5F);
  EXPECT(p.logger.errors.empty());
  // Bytes that are no model: false, an error with a code and a text.
  EXPECT(!parser->parse("junk", 4) && parser->getNbErrors() >= 1);
  EXPECT(parser->getError(0)->code() != nvonnxparser::ErrorCode::kSUCCESS && parser->getError(0)->desc()[0] != 0);
  parser->clearErrors();
  EXPECT(parser->getNbErrors() == 0);
  return p.finish(p.logger.errors.size());
}
