// SPDX-License-Identifier: Apache-2.0
// One step of training: the losses of a window and their gradients. Where its rows come from is the
// `RowSource`'s business: the shared weights, or copies (see row_copies.hpp). Not installed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "partita/embedding/internal/weights.hpp"
#include "partita/embedding/internal/window_kernels.hpp"
#include "partita/embedding/internal/windows.hpp"
#include "partita/embedding/trainer.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {

/// The weights in training.
struct EmbeddingWeights {
  WeightMatrix inputs;
  WeightMatrix outputs;
  std::vector<float> biases;  // those of the outputs
};

/// The weights themselves.
class SharedRows {
 public:
  explicit SharedRows(EmbeddingWeights& shared) : weights_(shared) {}

  float* input(WordId id) const { return weights_.inputs.row(id); }
  float* output(WordId id) const { return weights_.outputs.row(id); }
  float& bias(WordId id) const { return weights_.biases[id]; }

  /// Prefetches a row.
  void prefetch_input(WordId id) const { prefetch(weights_.inputs, id); }
  void prefetch_output(WordId id) const { prefetch(weights_.outputs, id); }

 private:
  static void prefetch(const WeightMatrix& matrix, WordId id) {
    const float* const row = matrix.row(id);
    for (std::size_t i = 0; i < matrix.stride(); i += WeightMatrix::kPadding) {
      __builtin_prefetch(row + i, 1);
    }
  }

  EmbeddingWeights& weights_;
};

/// A sum of losses and their number.
struct LossSum {
  double sum = 0;
  std::uint64_t predictions = 0;

  LossSum& operator+=(const LossSum& other) {
    sum += other.sum;
    predictions += other.predictions;
    return *this;
  }
};

/// Trains windows, with buffers of its own: one per thread.
class WindowTrainer {
 public:
  /// @param log_noise log(K q) of every word
  WindowTrainer(const EmbeddingOptions& options, std::size_t stride,
                std::span<const float> log_noise)
      : options_(options),
        stride_(stride),
        log_noise_(log_noise),
        inputs_(2 * options.window, stride),
        outputs_(options.loss == EmbeddingLoss::full ? 1 : 1 + options.negative, stride),
        gradient_(1, stride) {}

  /// @param negatives its noise words
  template <class RowSource>
  LossSum train(RowSource& rows, std::span<const WordId> words, const Window& window,
                std::span<const WordId> negatives, float learning_rate) {
    gather_inputs(rows, words, window);
    const std::size_t m = options_.model == EmbeddingModel::cbow ? 1 : input_rows_.size();
    const WordId center = words[window.center];
    LossSum loss{0, m};
    if (options_.model == EmbeddingModel::cbow) average_inputs();
    float* const* const changed =
        options_.model == EmbeddingModel::cbow ? &mean_row_ : input_rows_.data();
    if (options_.loss == EmbeddingLoss::full) {
      loss.sum = full(rows, m, changed, center, learning_rate);
    } else {
      loss.sum = sampled(rows, m, changed, center, negatives, learning_rate);
    }
    if (options_.model == EmbeddingModel::cbow) spread_gradient();
    return loss;
  }

 private:
  template <class RowSource>
  void gather_inputs(RowSource& rows, std::span<const WordId> words, const Window& window) {
    input_rows_.clear();
    for (std::uint32_t i = window.first; i < window.last; ++i) {
      if (i == window.center) continue;
      float* const row = rows.input(words[i]);
      std::memcpy(inputs_.row(input_rows_.size()), row, stride_ * sizeof(float));
      input_rows_.push_back(row);
    }
  }

  /// CBOW: the mean becomes the only input, and its gradient is collected.
  void average_inputs() {
    const auto share = 1 / static_cast<float>(input_rows_.size());
    std::fill_n(gradient_.row(0), stride_, 0.0F);
    for (std::size_t i = 0; i < input_rows_.size(); ++i) {
      kernels::add_scaled(stride_, share, inputs_.row(i), gradient_.row(0));
    }
    std::memcpy(inputs_.row(0), gradient_.row(0), stride_ * sizeof(float));
    std::fill_n(gradient_.row(0), stride_, 0.0F);
    mean_row_ = gradient_.row(0);
  }
  void spread_gradient() {
    const auto share = 1 / static_cast<float>(input_rows_.size());
    for (float* const row : input_rows_) kernels::add_scaled(stride_, share, mean_row_, row);
  }

  template <class RowSource>
  double sampled(RowSource& rows, std::size_t m, float* const* changed, WordId center,
                 std::span<const WordId> negatives, float learning_rate) {
    constexpr float kImpossible = -1e4F;  // a score that costs nothing as noise
    const bool nce = options_.loss == EmbeddingLoss::nce;
    const std::size_t n = 1 + negatives.size();
    const auto id = [&](std::size_t j) { return j == 0 ? center : negatives[j - 1]; };
    output_rows_.resize(n);
    offsets_.resize(n);
    for (std::size_t j = 0; j < n; ++j) {
      output_rows_[j] = rows.output(id(j));
      std::memcpy(outputs_.row(j), output_rows_[j], stride_ * sizeof(float));
      if (nce) {
        offsets_[j] = rows.bias(id(j)) - log_noise_[id(j)];
      } else {
        offsets_[j] = j > 0 && id(j) == center ? kImpossible : 0.0F;
      }
    }
    const kernels::WindowShape shape{m, n, stride_};
    const std::size_t capacity = kernels::score_capacity(m, n);
    if (scores_.size() < capacity) scores_.resize(capacity);
    kernels::scores(shape, inputs_.row(0), outputs_.row(0), offsets_.data(), scores_.data());
    const double loss = kernels::logistic(shape, learning_rate, scores_.data());
    kernels::update(shape, scores_.data(), inputs_.row(0), outputs_.row(0), changed,
                    output_rows_.data());
    if (nce) {
      for (std::size_t j = 0; j < n; ++j) rows.bias(id(j)) += row_sum(m, j);
    }
    return loss;
  }

  /// The softmax over all words; there are no rows to choose.
  template <class RowSource>
  double full(RowSource& rows, std::size_t m, float* const* changed, WordId center,
              float learning_rate) {
    const std::size_t v = log_noise_.size();
    const std::size_t row = kernels::padded_inputs(m);
    if (output_rows_.size() != v) {
      output_rows_.resize(v);
      for (std::size_t i = 0; i < v; ++i) output_rows_[i] = rows.output(static_cast<WordId>(i));
    }
    const kernels::WindowShape shape{m, v, stride_};
    scores_.resize(kernels::score_capacity(m, v));
    kernels::scores(shape, inputs_.row(0), output_rows_[0], &rows.bias(0), scores_.data());
    const auto columns = static_cast<std::ptrdiff_t>(row);
    const MutableRows by_input(scores_.data(), m, v, 1, columns);
    double loss = 0;
    const std::vector<double> log_z = log_sum_exp(by_input);
    for (std::size_t i = 0; i < m; ++i) {
      loss += log_z[i] - static_cast<double>(scores_[center * row + i]);
    }
    softmax(by_input, by_input);
    for (float& p : scores_) p *= -learning_rate;
    for (std::size_t i = 0; i < m; ++i) scores_[center * row + i] += learning_rate;
    kernels::update(shape, scores_.data(), inputs_.row(0), output_rows_[0], changed,
                    output_rows_.data());
    for (std::size_t j = 0; j < v; ++j) rows.bias(static_cast<WordId>(j)) += row_sum(m, j);
    return loss;
  }

  /// Gradient of the bias of output j.
  float row_sum(std::size_t m, std::size_t j) const {
    const float* const row = scores_.data() + j * kernels::padded_inputs(m);
    float sum = 0;
    for (std::size_t i = 0; i < m; ++i) sum += row[i];
    return sum;
  }

  const EmbeddingOptions& options_;
  std::size_t stride_;
  std::span<const float> log_noise_;
  WeightMatrix inputs_;
  WeightMatrix outputs_;
  WeightMatrix gradient_;  // CBOW: gradient of the mean
  float* mean_row_ = nullptr;
  std::vector<float*> input_rows_;
  std::vector<float*> output_rows_;
  std::vector<float> offsets_;
  std::vector<float> scores_;
};

}  // namespace partita
