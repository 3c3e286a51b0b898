// Parsed networks with operators that TensorRT builds of several layers: fills, slices and pads whose numbers are
// computed, soft maxima, norms, attention, recurrent operators, loops and conditionals. Users see these layers and
// change them; who only looks gets the engine that he would have got without.
#include <algorithm>
#include <map>

#include "parsed.h"

using namespace nvinfer1;

namespace {

KeepingLogger logger;
std::string folder;

using Values = std::vector<double>;

/// Weights as make.py makes them.
double pattern(size_t i) { return static_cast<double>(static_cast<float>(static_cast<int>(i * 37 % 41) - 20) / 25.0F); }
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double relu(double x) { return std::max(x, 0.0); }

std::vector<float> input_of(size_t count) {
  std::vector<float> x(count);
  for (size_t i = 0; i < count; ++i) {
    x[i] = static_cast<float>((i * 29) % 23) / 11.0F - 1.0F;
  }
  return x;
}

ILayer* nth(ParsedModel const& p, LayerType type, int count = 0) {
  for (int i = 0; i < p.network->getNbLayers(); ++i) {
    if (p.network->getLayer(i)->getType() == type && count-- == 0) {
      return p.network->getLayer(i);
    }
  }
  EXPECT(!"a layer of that type");
  std::exit(1);
}
template <class T>
T& first(ParsedModel const& p, LayerType type) {
  return static_cast<T&>(*nth(p, type));
}
/// The first activation of a kind.
IActivationLayer& activation(ParsedModel const& p, ActivationType type) {
  for (int i = 0;; ++i) {
    IActivationLayer& layer = static_cast<IActivationLayer&>(*nth(p, LayerType::kACTIVATION, i));
    if (layer.getActivationType() == type) {
      return layer;
    }
  }
}

// Each model: what it computes, as it is or after the change below it.

Values generated(std::vector<float> const& x, bool changed) {
  Values y;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 2; ++j) {
      y.push_back((changed ? 2.0 : 0.5) - i + (j == i + 1) + (j <= i ? x[i * 2 + j] : 0.0F));
    }
  }
  return y;
}
void change_fill(ParsedModel& p) {
  IFillLayer& fill = first<IFillLayer>(p, LayerType::kFILL);
  EXPECT(fill.getOperation() == FillOperation::kLINSPACE && fill.getAlpha() == 0.5 && fill.getBeta() == 0.0);
  EXPECT(fill.getInput(0)->getDimensions().nbDims == 1);
  fill.setAlpha(2.0);
}

Values soft(std::vector<float> const& x, bool changed) {
  Values y;
  for (int i = 0; i < 2; ++i) {
    Values c, all;
    double sum = 0;
    for (int j = 0; j < 5; ++j) {
      double const v = static_cast<double>(x[i * 5 + j]) / 0.5;
      double const celu = 0.5 * (v > 0 ? v : (changed ? 0.75 : 1.0) * std::expm1(v));
      c.push_back(celu < -0.25 ? celu + 0.125 : celu > 0.25 ? celu - 0.125 : 0.0);
      sum += std::exp(c.back());
    }
    float const* row = x.data() + i * 5;
    for (int j = 0; j < 5; ++j) {
      y.push_back(c[j] - std::log(sum) + (std::max_element(row, row + 5) - row == j) +
                  std::fmod(static_cast<double>(row[j]), 0.375));
    }
  }
  return y;
}
void change_celu(ParsedModel& p) {
  IActivationLayer& elu = activation(p, ActivationType::kELU);
  EXPECT(elu.getAlpha() == 1.0F);
  elu.setAlpha(0.75F);
}

/// Rows 0 and 1, columns 1 and 2, with a row before them and two columns behind.
Values cut(std::vector<float> const& x, bool changed) {
  Values y;
  for (int i = -1; i < 2; ++i) {
    for (int j = 0; j < 4; ++j) {
      bool const inside = i >= 0 && j < 2;
      double const edge = static_cast<double>(x[std::max(i, 0) * 4 + 1 + std::min(j, 1)]);
      y.push_back(inside || changed ? edge : 3.0);
    }
  }
  return y;
}
void change_mode(ParsedModel& p) {
  ISliceLayer& slice = static_cast<ISliceLayer&>(*nth(p, LayerType::kSLICE, 1));  // the first cuts columns
  ISliceLayer& pad = static_cast<ISliceLayer&>(*nth(p, LayerType::kSLICE, 2));
  EXPECT(slice.getNbInputs() >= 3 && slice.getInput(1) && slice.getInput(2) && pad.getInput(2));
  EXPECT(is(pad.getStride(), {1, 1}));
#if NV_TENSORRT_MAJOR >= 10
  EXPECT(is(slice.getAxes(), {0}) && pad.getMode() == SampleMode::kFILL);
  pad.setMode(SampleMode::kCLAMP);
#elif NV_TENSORRT_MAJOR >= 8
  EXPECT(slice.getMode() == SliceMode::kDEFAULT && pad.getMode() == SliceMode::kFILL);
  pad.setMode(SliceMode::kCLAMP);
#endif
}

Values pools(std::vector<float> const& x, bool changed) {
  double norms[4][3], y[2][2];
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 3; ++j) {
      double sum = 0, most = 0;
      for (int k = 0; k < 4; ++k) {
        double const v = static_cast<double>(x[(i + k / 2) * 4 + j + k % 2]);
        sum += v * v;
        most = std::max(most, v * v);
      }
      norms[i][j] = std::sqrt(changed ? 4 * most : sum);
    }
  }
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 2; ++j) {
      y[i][j] = std::max(std::max(norms[i][j], norms[i][j + 1]), std::max(norms[i + 2][j], norms[i + 2][j + 1]));
    }
  }
  return {y[0][0], y[0][1], y[1][0], y[1][1]};
}
void change_pool(ParsedModel& p) {
  IPoolingLayer& pool = first<IPoolingLayer>(p, LayerType::kPOOLING);
  EXPECT(pool.getPoolingType() == PoolingType::kAVERAGE && !pool.getAverageCountExcludesPadding());
  EXPECT(is(pool.getWindowSizeNd(), {2, 2}));
  pool.setPoolingType(PoolingType::kMAX);
}

Values heads(std::vector<float> const& x, bool changed) {
  Values r(x.size()), y;
  for (size_t row = 0; row < x.size() / 4; ++row) {
    double squares = 0;
    for (size_t k = 0; k < 4; ++k) {
      squares += static_cast<double>(x[row * 4 + k]) * static_cast<double>(x[row * 4 + k]) / 4;
    }
    double const root = changed ? squares + 0.01 : std::sqrt(squares + 0.01);
    for (size_t k = 0; k < 4; ++k) {
      r[row * 4 + k] = static_cast<double>(x[row * 4 + k]) / root * pattern(k);
    }
  }
  for (size_t head = 0; head < 4; ++head) {
    for (size_t q = 0; q < 3; ++q) {
      double sum = 0;
      Values row(4, 0.0);
      for (size_t key = 0; key <= q; ++key) {
        double product = 0;
        for (size_t k = 0; k < 4; ++k) {
          product += r[(head * 3 + q) * 4 + k] * r[(head * 3 + key) * 4 + k];
        }
        double const weight = std::exp(product / 2);
        sum += weight;
        for (size_t k = 0; k < 4; ++k) {
          row[k] += weight * static_cast<double>(x[(head * 3 + key) * 4 + k]);
        }
      }
      for (double v : row) {
        y.push_back(v / sum);
      }
    }
  }
  return y;
}
void change_root(ParsedModel& p) {
  IUnaryLayer& root = first<IUnaryLayer>(p, LayerType::kUNARY);
  EXPECT(root.getOperation() == UnaryOperation::kSQRT);
  root.setOperation(UnaryOperation::kABS);
}

/// Windows of 2 by 2 beside each other and a row of the bias alone, by lines: mean over deviation, the place of the
/// last of the largest, the sign of the mean and the rounded ratio, then half of x times 1 + erf(x / sqrt(2)); every
/// second line.
Values longer(std::vector<float> const& x, bool changed) {
  Values y;
  for (size_t n = 0; n < 2; ++n) {
    for (size_t channel = 0; channel < 2; ++channel) {
      for (size_t row = 0; row < 7; row += 2) {
        double line[8], mean = 0, squares = 0;
        for (size_t i = 0; i < 8; ++i) {
          line[i] = channel == 0 ? -0.75 : 0.375;
          if (row < 6) {
            line[i] +=
                static_cast<double>(x[n * 12 + row / 2 * 4 + i / 2]) * pattern(channel * 4 + row % 2 * 2 + i % 2);
          }
          mean += line[i] / 8;
        }
        for (double v : line) {
          squares += (v - mean) * (v - mean) / 8;
        }
        double const ratio = mean / (changed ? squares + 0.04 : std::sqrt(squares + 0.04));
        size_t last = 0;
        for (size_t i = 0; i < 8; ++i) {
          last = (line[i] - mean) * pattern(i) >= (line[last] - mean) * pattern(last) - 1e-9 ? i : last;
        }
        double const sum = ratio + static_cast<double>(last) + (mean > 0 ? 1 : -1) + std::nearbyint(ratio);
        y.push_back(sum / 2 * (1 + std::erf(sum / std::sqrt(2.0))));
      }
    }
  }
  return y;
}
void change_deviation(ParsedModel& p) {
  IDeconvolutionLayer& up = first<IDeconvolutionLayer>(p, LayerType::kDECONVOLUTION);
  EXPECT(is(up.getPostPadding(), {0, 0}) && is(up.getStrideNd(), {2, 2}) && up.getKernelWeights().count == 8);
  IPaddingLayer& padding = first<IPaddingLayer>(p, LayerType::kPADDING);
  EXPECT(is(padding.getPostPaddingNd(), {1, 0}) && padding.getInput(0) == up.getOutput(0));
  change_root(p);
}

/// Both directions over 4 steps of 2 sequences; gates are input, output, forget, cell.
Values lstm(std::vector<float> const& x, bool changed) {
  Values y(4 * 2 * 2 * 3);
  for (size_t d = 0; d < 2; ++d) {
    for (size_t n = 0; n < 2; ++n) {
      Values h(3, 0.0), c(3, 0.0);
      for (size_t step = 0; step < 4; ++step) {
        size_t const t = d == 1 ? 3 - step : step;
        double gate[12];
        for (size_t k = 0; k < 12; ++k) {
          gate[k] = pattern(d * 24 + k) + pattern(d * 24 + 12 + k);
          for (size_t i = 0; i < 2; ++i) {
            gate[k] += pattern((d * 12 + k) * 2 + i) * static_cast<double>(x[(t * 2 + n) * 2 + i]);
          }
          for (size_t i = 0; i < 3; ++i) {
            gate[k] += pattern((d * 12 + k) * 3 + i) * h[i];
          }
        }
        for (size_t k = 0; k < 3; ++k) {
          double const candidate = changed && d == 0 ? relu(gate[9 + k]) : std::tanh(gate[9 + k]);
          c[k] = sigmoid(gate[6 + k]) * c[k] + sigmoid(gate[k]) * candidate;
        }
        for (size_t k = 0; k < 3; ++k) {
          h[k] = sigmoid(gate[3 + k]) * std::tanh(c[k]);
          y[((t * 2 + d) * 2 + n) * 3 + k] = h[k];
        }
      }
    }
  }
  return y;
}

/// 4 steps of 2 sequences; gates are update, reset, hidden.
Values gru(std::vector<float> const& x, bool changed) {
  Values y;
  for (size_t n = 0; n < 2; ++n) {
    Values h(3, 0.0);
    for (size_t t = 0; t < 4; ++t) {
      double of_x[9], of_h[9];
      for (size_t k = 0; k < 9; ++k) {
        of_x[k] = pattern(k);
        of_h[k] = pattern(9 + k);
        for (size_t i = 0; i < 2; ++i) {
          of_x[k] += pattern(k * 2 + i) * static_cast<double>(x[(t * 2 + n) * 2 + i]);
        }
        for (size_t i = 0; i < 3; ++i) {
          of_h[k] += pattern(k * 3 + i) * h[i];
        }
      }
      for (size_t k = 0; k < 3; ++k) {
        double const z = sigmoid(of_x[k] + of_h[k]);
        double const inner = of_x[6 + k] + sigmoid(of_x[3 + k] + of_h[3 + k]) * of_h[6 + k];
        h[k] = (1 - z) * (changed ? relu(inner) : std::tanh(inner)) + z * h[k];
      }
    }
    y.insert(y.end(), h.begin(), h.end());
  }
  return y;
}
void change_candidate(ParsedModel& p) {
  ITripLimitLayer& limit = first<ITripLimitLayer>(p, LayerType::kTRIP_LIMIT);
  IIteratorLayer& steps = first<IIteratorLayer>(p, LayerType::kITERATOR);
  IRecurrenceLayer& state = first<IRecurrenceLayer>(p, LayerType::kRECURRENCE);
  EXPECT(limit.getTripLimit() == TripLimit::kCOUNT && steps.getAxis() == 0 && !steps.getReverse());
  EXPECT(limit.getLoop() != nullptr && steps.getLoop() == limit.getLoop() && state.getLoop() == limit.getLoop());
  EXPECT(state.getNbInputs() == 2 && is(state.getInput(1)->getDimensions(), {2, 3}));
  activation(p, ActivationType::kTANH).setActivationType(ActivationType::kRELU);
}

/// state = state / 2 + x, four times, or twice; all states by the number of the iteration, and the last one.
Values loop(std::vector<float> const& x, bool changed) {
  Values y, state(x.begin(), x.end());
  for (int i = 0; i < (changed ? 2 : 4); ++i) {
    for (size_t k = 0; k < 2; ++k) {
      state[k] = state[k] / 2 + static_cast<double>(x[k]);
      y.push_back(state[k] * i);
    }
  }
  y.insert(y.end(), state.begin(), state.end());
  return y;
}
int32_t const kTwice = 2;
void change_count(ParsedModel& p) {
  ITensor* twice = p.network->addConstant(Dims{}, Weights{DataType::kINT32, &kTwice, 1})->getOutput(0);
  first<ITripLimitLayer>(p, LayerType::kTRIP_LIMIT).setInput(0, *twice);
  for (int i = 0; i < 2; ++i) {
    ILoopOutputLayer& output = static_cast<ILoopOutputLayer&>(*nth(p, LayerType::kLOOP_OUTPUT, i));
    if (output.getLoopOutput() == LoopOutput::kCONCATENATE) {
      EXPECT(output.getNbInputs() == 2 && output.getAxis() == 0);
      output.setInput(1, *twice);
    }
  }
}

/// Negated running sums of rows from a start, from above or from below.
Values scan(std::vector<float> const& x, bool changed) {
  Values y, state{1, 2};
  for (size_t i = 0; i < 3; ++i) {
    for (size_t k = 0; k < 2; ++k) {
      state[k] += static_cast<double>(x[(changed ? 2 - i : i) * 2 + k]);
      y.push_back(-state[k]);
    }
  }
  return y;
}
void change_direction(ParsedModel& p) {
  IIteratorLayer& rows = first<IIteratorLayer>(p, LayerType::kITERATOR);
  EXPECT(!rows.getReverse());
  rows.setReverse(true);
}

Values conditional(std::vector<float> const& x, bool changed) {
  double sum = 0;
  for (float v : x) {
    sum += static_cast<double>(v);
  }
  Values y;
  for (float v : x) {
    y.push_back(sum > 0 || changed ? std::exp(static_cast<double>(v)) : -static_cast<double>(v));
  }
  return y;
}
#if NV_TENSORRT_MAJOR >= 8
void change_branch(ParsedModel& p) {
  IIfConditionalOutputLayer& output = first<IIfConditionalOutputLayer>(p, LayerType::kCONDITIONAL_OUTPUT);
  IConditionLayer& condition = first<IConditionLayer>(p, LayerType::kCONDITION);
  EXPECT(output.getConditional() != nullptr && condition.getConditional() == output.getConditional());
  EXPECT(first<IIfConditionalInputLayer>(p, LayerType::kCONDITIONAL_INPUT).getConditional() == output.getConditional());
  output.setInput(1, *output.getInput(0));
}
#endif

#if NV_TENSORRT_MAJOR >= 8
/// Up to five times, while the sum of the state is above -9: half of it where the sum is below -2, else the state and
/// x. The logarithms of the states' soft maxima, with the last state.
Values nested(std::vector<float> const& x, bool changed) {
  Values y, state(x.begin(), x.end());
  bool on = true;
  for (int i = 0; i < 5 && on; ++i) {
    double const sum = state[0] + state[1];
    on = sum > -9;
    for (size_t k = 0; k < 2; ++k) {
      state[k] = sum < -2 ? state[k] * (changed ? 2.0 : 0.5) : state[k] + static_cast<double>(x[k]);
    }
    double const all = std::log(std::exp(state[0]) + std::exp(state[1]));
    y.push_back(state[0] - all);
    y.push_back(state[1] - all);
  }
  for (size_t i = 0; i < y.size(); ++i) {
    y[i] += state[i % 2];
  }
  return y;
}
float const kDouble = 2.0F;
/// The branch that halves doubles: its constant is another one.
void change_factor(ParsedModel& p) {
  for (int i = 0;; ++i) {
    IConstantLayer& layer = static_cast<IConstantLayer&>(*nth(p, LayerType::kCONSTANT, i));
    if (layer.getWeights().type == DataType::kFLOAT && *static_cast<float const*>(layer.getWeights().values) == 0.5F) {
      return layer.setWeights(Weights{DataType::kFLOAT, &kDouble, 1});
    }
  }
}
#endif

struct Model {
  char const* name;
  int batch;
  size_t inputs;
  bool open;  ///< layers are looked at before the batch is known
  Values (*compute)(std::vector<float> const&, bool changed);
  void (*change)(ParsedModel&);
  std::vector<LayerType> types;  ///< of layers that it has
};

/// A network somebody has looked at: every layer, its name and its tensors.
struct Walked : ParsedModel {
  explicit Walked(Model const& m)
      : ParsedModel(logger, read_file(folder + "/" + m.name + ".onnx"), m.open ? 0 : m.batch) {
    std::map<LayerType, int> seen;
    for (int i = 0; i < network->getNbLayers(); ++i) {
      ILayer* layer = network->getLayer(i);
      ++seen[layer->getType()];
      EXPECT(layer->getName()[0] != '\0');
      for (int k = 0; k < layer->getNbOutputs(); ++k) {
        EXPECT(layer->getOutput(k)->getDimensions().nbDims >= 0);
      }
    }
    for (LayerType type : m.types) {
      if (seen.count(type) == 0) {
        std::fprintf(stderr, "%s has no layer of type %d\n", m.name, static_cast<int>(type));
        ++failures();
      }
    }
    for (int i = 0; i < network->getNbLayers(); ++i) {
      if (network->getLayer(i)->getType() == LayerType::kPLUGIN_V2) {
        std::fprintf(stderr, "%s: '%s' is a plugin layer\n", m.name, network->getLayer(i)->getName());
        ++failures();
      }
    }
    set_batch(m.batch);
  }
};

#if NV_TENSORRT_MAJOR >= 8
/// The operators of an engine.
std::vector<std::string> operators(BuiltEngine const& built) {
  IEngineInspector* inspector = built.engine->createEngineInspector();
  std::string const text = inspector->getEngineInformation(LayerInformationFormat::kONELINE);
  std::vector<std::string> found;
  for (size_t at = text.find('['); at != std::string::npos; at = text.find('[', at + 1)) {
    std::string const word = text.substr(at + 1, text.find(']', at) - at - 1);
    if (!word.empty() && std::isupper(static_cast<unsigned char>(word[0]))) {
      found.push_back(word);
    }
  }
  std::sort(found.begin(), found.end());  // those beside each other have no order
  delete inspector;
  return found;
}

void expect_operators(std::vector<std::string> const& before, std::vector<std::string> const& after, char const* name) {
  if (before == after) {
    return;
  }
  ++failures();
  for (std::vector<std::string> const* all : {&before, &after}) {
    std::fprintf(stderr, "%s runs", name);
    for (std::string const& op : *all) {
      std::fprintf(stderr, " %s", op.c_str());
    }
    std::fprintf(stderr, "\n");
  }
}

/// Names of the weights that an engine of the network can be refitted with.
std::set<std::string> weights_of(ParsedModel const& p) {
  BuiltEngine const built(p, true);
  IRefitter* refitter = createInferRefitter(*built.engine, logger);
  std::set<std::string> const names = names_of(*refitter);
  end(refitter);
  return names;
}
#endif

void expect_results(Model const& m, ParsedModel const& p, bool changed, char const* what) {
  std::vector<float> const x = input_of(m.inputs);
  Values const wanted = m.compute(x, changed);
  std::vector<float> const y = BuiltEngine(p).run(x, wanted.size());
  if (!near(y, std::vector<float>(wanted.begin(), wanted.end()))) {
    std::fprintf(stderr, "%s, %s: other results\n", m.name, what);
    ++failures();
  }
}

/// Every layer reads what it reads, said anew: the layers are the user's own now and stay as they are.
void rewire(ParsedModel& p) {
  for (int i = 0; i < p.network->getNbLayers(); ++i) {
    ILayer* layer = p.network->getLayer(i);
    for (int k = 0; k < layer->getNbInputs(); ++k) {
      if (ITensor* input = layer->getInput(k)) {
        layer->setInput(k, *input);
      }
    }
  }
}

#if NV_TENSORRT_MAJOR >= 10
/// A node of the model is known by its name before and after it became layers.
void find_outputs() {
  ParsedModel const p(logger, read_file(folder + "/lstm.onnx"), 4);
  ITensor const* output = p.network->getOutput(0);
  EXPECT(p.parser->getLayerOutputTensor("lstm", 0) == output);
  EXPECT(p.network->getNbLayers() > 20 && p.parser->getLayerOutputTensor("lstm", 0) == output);
  EXPECT(output->isNetworkOutput() && std::string(output->getName()) == "y");
  EXPECT(p.parser->getLayerOutputTensor("lstm", 9) == nullptr && p.parser->getLayerOutputTensor("no", 0) == nullptr);
}
#endif

void test(Model const& m) {
  ParsedModel const plain(logger, read_file(folder + "/" + m.name + ".onnx"), m.batch);
  expect_results(m, plain, false, "as parsed");
  {
    Walked const seen(m);
    expect_results(m, seen, false, "looked at");
#if NV_TENSORRT_MAJOR >= 8
    std::vector<std::string> const before = operators(BuiltEngine(plain));
    EXPECT(!before.empty());
    expect_operators(before, operators(BuiltEngine(seen)), m.name);
    std::set<std::string> const weights = weights_of(plain);
    for (std::string const& name : weights_of(seen)) {
      if (weights.count(name) == 0) {
        std::fprintf(stderr, "%s: weights '%s' are new\n", m.name, name.c_str());
        ++failures();
      }
    }
#if NV_TENSORRT_MAJOR < 11
    for (int i = 0; i < seen.network->getNbLayers(); ++i) {
      seen.network->getLayer(i)->setPrecision(DataType::kFLOAT);
    }
    expect_operators(before, operators(BuiltEngine(seen)), m.name);
#endif
#endif
  }
  {
    Walked rewired(m);
    rewire(rewired);
    expect_results(m, rewired, false, "rewired");
  }
  {
    Walked changed(m);
    m.change(changed);
    expect_results(m, changed, NV_TENSORRT_MAJOR >= 8 || m.change != change_mode, "changed");
  }
}

}  // namespace

int main(int argc, char** argv) {
  EXPECT(argc == 2);
  folder = argv[1];
  using T = LayerType;
  std::vector<T> const loop_types{T::kRECURRENCE, T::kTRIP_LIMIT, T::kLOOP_OUTPUT};
  std::vector<T> cell{T::kITERATOR, T::kMATRIX_MULTIPLY, T::kACTIVATION, T::kELEMENTWISE, T::kSLICE, T::kSHUFFLE};
  cell.insert(cell.end(), loop_types.begin(), loop_types.end());
#if NV_TENSORRT_MAJOR >= 11
  T const attention = T::kATTENTION_OUTPUT;
#else
  T const attention = T::kSOFTMAX;
#endif
  std::vector<Model> const models {
    {"generated", 3, 6, true, generated, change_fill, {T::kFILL, T::kSHAPE, T::kSELECT}},
        {"soft", 2, 10, true, soft, change_celu, {T::kSOFTMAX, T::kUNARY, T::kACTIVATION, T::kSELECT, T::kTOPK}},
        {"cut", 3, 12, true, cut, change_mode, {T::kSLICE, T::kELEMENTWISE, T::kSELECT, T::kSHAPE}},
        {"pools", 1, 20, false, pools, change_pool, {T::kPOOLING, T::kSLICE, T::kUNARY}},
        {"heads", 2, 48, true, heads, change_root, {T::kREDUCE, T::kUNARY, T::kELEMENTWISE, attention}},
        {"longer",
         2,
         24,
         true,
         longer,
         change_deviation,
         {T::kDECONVOLUTION, T::kPADDING, T::kREDUCE, T::kTOPK, T::kSLICE, T::kUNARY}},
        {"lstm", 4, 16, true, lstm, change_candidate, cell}, {"gru", 4, 16, false, gru, change_candidate, cell},
        {"loop", 1, 2, false, loop, change_count, loop_types},
        {"scan", 3, 6, true, scan, change_direction, {T::kRECURRENCE, T::kITERATOR, T::kLOOP_OUTPUT}},
#if NV_TENSORRT_MAJOR >= 8
        {"if", 2, 4, true, conditional, change_branch, {T::kCONDITION, T::kCONDITIONAL_INPUT, T::kCONDITIONAL_OUTPUT}},
        {"nested", 2, 2, true, nested, change_factor, {T::kRECURRENCE, T::kTRIP_LIMIT, T::kCONDITION, T::kSOFTMAX}},
#endif
  };
  for (Model const& m : models) {
    test(m);
  }
#if NV_TENSORRT_MAJOR >= 10
  find_outputs();
#endif
#if NV_TENSORRT_MAJOR < 8
  ParsedModel const p(logger, read_file(folder + "/if.onnx"), 2);  // the release has no conditionals
  EXPECT(nth(p, LayerType::kPLUGIN_V2) != nullptr && conditional(input_of(4), true).size() == 4);
#endif
  for (std::string const& error : logger.errors) {
    std::fprintf(stderr, "%s\n", error.c_str());
  }
  EXPECT(logger.errors.empty());
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
