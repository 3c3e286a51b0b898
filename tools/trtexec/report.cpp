#include "trtexec/report.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>

namespace trtexec {
namespace {

using nlohmann::json;
using nvinfer1::DataType;

std::string number(double v) {
  char text[40];
  std::snprintf(text, sizeof text, "%.6g", v);
  return text;
}

struct Statistics {
  double min = 0, max = 0, mean = 0, median = 0, variance = 0;
  std::vector<double> percentiles;
};

Statistics summarise(std::vector<double> v, const std::vector<double>& percentiles) {
  Statistics s;
  if (v.empty()) return s;
  std::sort(v.begin(), v.end());
  const size_t n = v.size();
  s.min = v.front();
  s.max = v.back();
  s.mean = std::accumulate(v.begin(), v.end(), 0.0) / double(n);
  s.median = n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
  double squares = 0;
  for (double x : v) squares += (x - s.mean) * (x - s.mean);
  s.variance = s.mean > 0 ? std::sqrt(squares / double(n)) / s.mean * 100 : 0;
  for (double p : percentiles) {
    const auto drop = int64_t((1 - p / 100) * double(n));
    s.percentiles.push_back(v[size_t(std::max<int64_t>(int64_t(n) - 1 - drop, 0))]);
  }
  return s;
}

std::string line(const Statistics& s, const std::vector<double>& percentiles) {
  std::string out = "min = " + number(s.min) + " ms, max = " + number(s.max) + " ms, mean = " + number(s.mean) +
                    " ms, median = " + number(s.median) + " ms";
  for (size_t i = 0; i < percentiles.size(); ++i)
    out += ", percentile(" + number(percentiles[i]) + "%) = " + number(s.percentiles[i]) + " ms";
  return out;
}

std::vector<double> collect(const std::vector<Query>& queries, double (Query::*get)() const) {
  std::vector<double> v;
  for (const Query& q : queries) v.push_back((q.*get)());
  return v;
}

void trace(const Options& o, const Results& r, Log& log) {
  log.info("=== Trace details ===");
  log.info("Trace averages of " + std::to_string(o.average_runs) + " runs:");
  const size_t step = size_t(o.average_runs), groups = r.queries.size() / step;
  for (size_t g = 0; g < groups; ++g) {
    if (groups > 400 && g >= 200 && g < groups - 200) continue;
    double compute = 0, latency = 0, enqueue = 0;
    for (size_t i = g * step; i < (g + 1) * step; ++i) {
      compute += r.queries[i].compute();
      latency += r.queries[i].latency();
      enqueue += r.queries[i].enqueue();
    }
    const double n = double(step);
    log.info("Average on " + std::to_string(step) + " runs - GPU latency: " + number(compute / n) +
             " ms - Host latency: " + number(latency / n) + " ms (enqueue " + number(enqueue / n) + " ms)");
  }
  log.info("");
}

void summary(const Options& o, const Results& r, Log& log) {
  const auto compute = summarise(collect(r.queries, &Query::compute), o.percentiles);
  const auto enqueue = summarise(collect(r.queries, &Query::enqueue), o.percentiles);
  const auto h2d = summarise(collect(r.queries, &Query::h2d), o.percentiles),
             d2h = summarise(collect(r.queries, &Query::d2h), o.percentiles);
  log.info("=== Performance summary ===");
  log.info("Throughput: " + number(r.wall_seconds > 0 ? double(r.queries.size()) / r.wall_seconds : 0) + " qps");
  log.info("Latency: " + line(summarise(collect(r.queries, &Query::latency), o.percentiles), o.percentiles));
  log.info("Enqueue Time: " + line(enqueue, o.percentiles));
  log.info("H2D Latency: " + line(h2d, o.percentiles));
  log.info("GPU Compute Time: " + line(compute, o.percentiles));
  log.info("D2H Latency: " + line(d2h, o.percentiles));
  log.info("Total Host Walltime: " + number(r.wall_seconds) + " s");
  log.info("Total GPU Compute Time: " + number(compute.mean * double(r.queries.size()) / 1000) + " s");
  if (h2d.median > compute.median)
    log.warning(
        "* Throughput may be bound by host-to-device transfers for the inputs rather than GPU Compute and the GPU may "
        "be under-utilized.");
  if (d2h.median > compute.median)
    log.warning(
        "* Throughput may be bound by device-to-host transfers for the outputs rather than GPU Compute and the GPU may "
        "be under-utilized.");
  if (compute.variance > 2.5)
    log.warning("* GPU compute time is unstable, with coefficient of variance = " + number(compute.variance) + "%.");
  log.info("Explanations of the performance metrics are printed in the verbose logs.");
  log.info("");
}

void save(const std::string& path, const json& j) {
  const std::string text = j.dump(1) + "\n";
  write_file(path, text.data(), text.size());
}

json output_json(const Results& r) {
  json all = json::array();
  for (const Binding& b : r.bindings) {
    if (b.is_input) continue;
    json values = json::array();
    for (size_t i = 0; i < count(b); ++i) values.push_back(element(b, i));
    all.push_back({{"name", b.name}, {"dimensions", text(b.dims)}, {"values", std::move(values)}});
  }
  return all;
}

json times_json(const Results& r) {
  json all = json::array();
  for (const Query& q : r.queries)
    all.push_back({{"startEnqMs", q.enqueue_start},
                   {"endEnqMs", q.enqueue_end},
                   {"startH2dMs", q.h2d_start},
                   {"endH2dMs", q.h2d_end},
                   {"startComputeMs", q.compute_start},
                   {"endComputeMs", q.compute_end},
                   {"startD2hMs", q.d2h_start},
                   {"endD2hMs", q.d2h_end},
                   {"h2dMs", q.h2d()},
                   {"computeMs", q.compute()},
                   {"d2hMs", q.d2h()},
                   {"latencyMs", q.latency()}});
  return all;
}

struct LayerRow {
  std::string name;
  double total, average, median, percent;
};

std::vector<LayerRow> layer_rows(const Results& r) {
  std::vector<LayerRow> rows;
  double sum = 0;
  for (const LayerTime& l : r.layers) {
    std::vector<double> v(l.ms.begin(), l.ms.end());
    const auto s = summarise(v, {});
    const double total = s.mean * double(v.size());
    sum += total;
    rows.push_back({l.name, total, total / std::max(r.profile_runs, 1), s.median, 0});
  }
  for (LayerRow& row : rows) row.percent = sum > 0 ? row.total / sum * 100 : 0;
  return rows;
}

void profile(const Options& o, const Results& r, Log& log) {
  const auto rows = layer_rows(r);
  if (o.dump_profile) {
    log.info("=== Profile (" + std::to_string(r.profile_runs) + " iterations ) ===");
    log.info("   Time(ms)     Avg.(ms)   Median(ms)   Time(%)   Layer");
    double total = 0;
    for (const LayerRow& row : rows) {
      char text[128];
      std::snprintf(text, sizeof text, "%11.2f  %11.4f  %11.4f  %8.1f   ", row.total, row.average, row.median,
                    row.percent);
      log.info(text + row.name);
      total += row.total;
    }
    char text[128];
    std::snprintf(text, sizeof text, "%11.2f  %11.4f  %11s  %8.1f   Total", total, total / std::max(r.profile_runs, 1),
                  "", 100.0);
    log.info(text);
    log.info("");
  }
  if (o.export_profile.empty()) return;
  json all = json::array({{{"count", r.profile_runs}}});
  for (const LayerRow& row : rows)
    all.push_back({{"name", row.name},
                   {"timeMs", row.total},
                   {"averageMs", row.average},
                   {"medianMs", row.median},
                   {"percentage", row.percent}});
  save(o.export_profile, all);
}

}  // namespace

void report(const Options& o, nvinfer1::ICudaEngine&, const Results& r, Log& log) {
  log.info("Warmup completed " + std::to_string(r.warm_up_queries) + " queries over " + number(o.warm_up_ms) + " ms");
  log.info("Timing trace has " + std::to_string(r.queries.size()) + " queries over " + number(r.wall_seconds) + " s");
  log.info("");
  trace(o, r, log);
  summary(o, r, log);
  if (o.dump_output) {
    log.info("Output Tensors:");
    for (const Binding& b : r.bindings) {
      if (b.is_input) continue;
      std::string values;
      for (size_t i = 0; i < count(b); ++i) values += " " + number(element(b, i));
      log.info(b.name + ": (" + text(b.dims) + ")");
      log.info(values);
    }
  }
  if (o.dump_raw_bindings)
    for (const Binding& b : r.bindings) {
      std::string name = b.name;
      std::replace(name.begin(), name.end(), '/', '_');
      write_file(name + "." + (b.is_input ? "input" : "output") + "." + text(b.dims) + ".raw", b.host.data(),
                 b.host.size());
    }
  if (!o.export_output.empty()) save(o.export_output, output_json(r));
  if (!o.export_times.empty()) save(o.export_times, times_json(r));
  profile(o, r, log);
}

void report_profiles(const Options& o, const nvinfer1::ICudaEngine& engine, Log& log) {
  if (!o.dump_optimization_profile) return;
  using nvinfer1::OptProfileSelector;
  log.info("Optimization Profile Information:");
  for (int32_t p = 0; p < engine.getNbOptimizationProfiles(); ++p)
    for (int32_t i = 0; i < engine.getNbIOTensors(); ++i) {
      const char* name = engine.getIOTensorName(i);
      if (engine.getTensorIOMode(name) != nvinfer1::TensorIOMode::kINPUT) continue;
      const auto shape = [&](OptProfileSelector which) {
        return text(from_dims(engine.getProfileShape(name, p, which)));
      };
      log.info("Profile " + std::to_string(p) + ", input " + name + ": min = " + shape(OptProfileSelector::kMIN) +
               ", opt = " + shape(OptProfileSelector::kOPT) + ", max = " + shape(OptProfileSelector::kMAX));
    }
}

void report_layers(const Options& o, nvinfer1::ICudaEngine& engine, Log& log) {
  if (!o.dump_layer_info && o.export_layer_info.empty()) return;
  std::unique_ptr<nvinfer1::IEngineInspector> inspector(engine.createEngineInspector());
  if (!inspector) return;
  if (o.dump_layer_info) {
    log.info("Layer Information:");
    log.info(inspector->getEngineInformation(nvinfer1::LayerInformationFormat::kONELINE));
  }
  if (!o.export_layer_info.empty()) {
    const std::string text = inspector->getEngineInformation(nvinfer1::LayerInformationFormat::kJSON);
    write_file(o.export_layer_info, text.data(), text.size());
  }
}

}  // namespace trtexec
