// What client programs compare with: the operations in double precision, as their definitions read.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

/// Numbers between -1 and 1 that are the same in every run.
inline std::vector<float> noise(size_t count, uint32_t seed) {
  std::vector<float> values(count);
  uint32_t state = seed * 2654435761U + 12345U;
  for (float& v : values) {
    state = state * 1664525U + 1013904223U;
    v = static_cast<float>(state >> 8) / 8388608.0F - 1.0F;
  }
  return values;
}

/// An image batch, channels first.
struct Maps {
  int n, c, h, w;
  std::vector<double> v;
  Maps(int n_, int c_, int h_, int w_) : n(n_), c(c_), h(h_), w(w_), v(static_cast<size_t>(n_) * c_ * h_ * w_) {}
  double& at(int i, int j, int y, int x) { return v[((static_cast<size_t>(i) * c + j) * h + y) * w + x]; }
  double at(int i, int j, int y, int x) const { return v[((static_cast<size_t>(i) * c + j) * h + y) * w + x]; }
};

inline Maps maps_of(std::vector<float> const& values, int n, int c, int h, int w) {
  Maps m(n, c, h, w);
  m.v.assign(values.begin(), values.end());
  return m;
}

inline Maps conv(Maps const& x, std::vector<float> const& kernel, std::vector<float> const& bias, int maps, int size,
                 int stride, int pad, int groups = 1) {
  int const in = x.c / groups;
  int const out = maps / groups;
  Maps y(x.n, maps, (x.h + 2 * pad - size) / stride + 1, (x.w + 2 * pad - size) / stride + 1);
  for (int n = 0; n < y.n; ++n) {
    for (int o = 0; o < maps; ++o) {
      for (int i = 0; i < y.h; ++i) {
        for (int j = 0; j < y.w; ++j) {
          double sum = bias.empty() ? 0.0 : bias[o];
          for (int c = 0; c < in; ++c) {
            for (int a = 0; a < size; ++a) {
              for (int b = 0; b < size; ++b) {
                int const yy = i * stride - pad + a;
                int const xx = j * stride - pad + b;
                if (yy >= 0 && yy < x.h && xx >= 0 && xx < x.w) {
                  sum += x.at(n, o / out * in + c, yy, xx) * kernel[((o * in + c) * size + a) * size + b];
                }
              }
            }
          }
          y.at(n, o, i, j) = sum;
        }
      }
    }
  }
  return y;
}

/// Windows without padding.
inline Maps pool(Maps const& x, int size, int stride, bool average) {
  Maps y(x.n, x.c, (x.h - size) / stride + 1, (x.w - size) / stride + 1);
  for (int n = 0; n < y.n; ++n) {
    for (int c = 0; c < y.c; ++c) {
      for (int i = 0; i < y.h; ++i) {
        for (int j = 0; j < y.w; ++j) {
          double best = average ? 0.0 : -1e300;
          for (int a = 0; a < size * size; ++a) {
            double const v = x.at(n, c, i * stride + a / size, j * stride + a % size);
            best = average ? best + v / (size * size) : std::fmax(best, v);
          }
          y.at(n, c, i, j) = best;
        }
      }
    }
  }
  return y;
}

template <class Function>
Maps apply(Maps x, Function function) {
  for (double& v : x.v) {
    v = function(v);
  }
  return x;
}

/// Rows of `x` times the transpose of `weights` [outputs, inputs], plus bias.
inline std::vector<double> dense(std::vector<double> const& x, int rows, std::vector<float> const& weights,
                                 std::vector<float> const& bias, int outputs) {
  size_t const inputs = x.size() / rows;
  std::vector<double> y(static_cast<size_t>(rows) * outputs);
  for (int r = 0; r < rows; ++r) {
    for (int o = 0; o < outputs; ++o) {
      double sum = bias.empty() ? 0.0 : bias[o];
      for (size_t i = 0; i < inputs; ++i) {
        sum += x[r * inputs + i] * weights[o * inputs + i];
      }
      y[static_cast<size_t>(r) * outputs + o] = sum;
    }
  }
  return y;
}

inline std::vector<double> softmax(std::vector<double> x, int rows) {
  size_t const width = x.size() / rows;
  for (int r = 0; r < rows; ++r) {
    double* row = x.data() + r * width;
    double most = row[0];
    double sum = 0.0;
    for (size_t i = 1; i < width; ++i) {
      most = std::fmax(most, row[i]);
    }
    for (size_t i = 0; i < width; ++i) {
      row[i] = std::exp(row[i] - most);
      sum += row[i];
    }
    for (size_t i = 0; i < width; ++i) {
      row[i] /= sum;
    }
  }
  return x;
}

/// The norm of the difference over the norm of the reference.
template <class A, class B>
double error(A const& y, B const& reference) {
  double difference = 0.0;
  double size = 1e-30;
  if (y.size() != reference.size()) {
    return 1e300;
  }
  for (size_t i = 0; i < y.size(); ++i) {
    double const d = static_cast<double>(y[i]) - static_cast<double>(reference[i]);
    difference += d * d;
    size += static_cast<double>(reference[i]) * static_cast<double>(reference[i]);
  }
  return std::sqrt(difference / size);
}
