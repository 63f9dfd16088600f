// SPDX-License-Identifier: Apache-2.0
// The second pass of a LinearSoftmax. With a loss L of lp = log p of the target, lse, m = mean log
// p and H, and dL = a dlp + b dlse + c dm + e dH,
//   dL/dz_j = p_j [b - a - c - e (log p_j + H)] + c / V + a [j = target].
#include <algorithm>
#include <cmath>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/linear/internal/linear_kernels.hpp"
#include "partita/linear/internal/logit_tiles.hpp"
#include "partita/linear/linear_softmax.hpp"

namespace partita {

using linear::FloatMatrix;
using linear::LogitTiles;

namespace {

/// p (by_p + by_p_log_p log p) + constant, and something at the target.
struct RowDerivative {
  double by_p = 0;
  double by_p_log_p = 0;
  double constant = 0;
  double at_target = 0;

  bool is_zero() const { return by_p == 0 && by_p_log_p == 0 && constant == 0 && at_target == 0; }
};

/// The rows of a chunk that have something to do in a tile, and their hidden states.
class ActiveRows {
 public:
  void clear() { rows_.clear(); }
  void add(std::size_t i) { rows_.push_back(i); }
  std::size_t size() const { return rows_.size(); }
  std::size_t operator[](std::size_t i) const { return rows_[i]; }

  /// Reads them from a chunk of `chunk` states, in place if all of them are active.
  void gather(const float* states, std::size_t stride, std::size_t chunk, std::size_t columns) {
    data_ = states;
    stride_ = stride;
    if (size() == chunk) return;
    gathered_.resize(size() * columns);
    for (std::size_t i = 0; i < size(); ++i) {
      std::copy_n(states + rows_[i] * stride, columns, &gathered_[i * columns]);
    }
    data_ = gathered_.data();
    stride_ = columns;
  }
  const float* states() const { return data_; }
  std::size_t stride() const { return stride_; }

 private:
  std::vector<std::size_t> rows_;
  std::vector<float> gathered_;
  const float* data_ = nullptr;
  std::size_t stride_ = 0;
};

}  // namespace

double LinearSoftmax::add_gradients(const LinearSoftmaxCotangents& cotangents,
                                    const LinearSoftmaxGradients& gradients,
                                    const LinearSoftmaxBackward& options) const {
  const std::size_t n = rows();
  const std::size_t columns = hidden_.columns();
  const std::size_t categories = layer_.weights.rows();
  const auto check = [&](const char* name, std::span<const double> given,
                         const std::vector<double>& result) {
    if (given.empty()) return;
    check_size(name, given.size(), n, "rows");
    if (result.size() != n) throw InvalidArgument(name, "the pass was not asked for it");
  };
  check("log_prob", cotangents.log_prob, log_prob_);
  check("log_sum_exp", cotangents.log_sum_exp, log_sum_exp_);
  check("mean_log_prob", cotangents.mean_log_prob, mean_log_prob_);
  check("entropy", cotangents.entropy, entropy_);
  check_in("epsilon", options.epsilon, "[0, 1)");
  check_at_least("threads", options.threads, 1);

  const auto value = [](std::span<const double> of, std::size_t r) {
    return of.empty() ? 0.0 : of[r];
  };
  std::vector<RowDerivative> derivatives(n);
  for (std::size_t r = 0; r < n; ++r) {
    RowDerivative& d = derivatives[r];
    const double mean = value(cotangents.mean_log_prob, r);
    const double entropy = value(cotangents.entropy, r);
    if (!targets_.empty() && targets_[r] != kIgnored) d.at_target = value(cotangents.log_prob, r);
    d.by_p = value(cotangents.log_sum_exp, r) - d.at_target - mean;
    if (entropy != 0) d.by_p -= entropy * entropy_[r];
    d.by_p_log_p = -entropy;
    d.constant = mean / static_cast<double>(categories);
  }

  LogitTiles tiles(layer_, multiply_);
  FloatMatrix states;
  states.read(hidden_, 0, n);
  ActiveRows active;
  std::vector<float> of_active;  // what is added to the hidden states of some of the rows
  const auto add_to_hidden = [&](std::size_t size, std::size_t chunk, float* hidden) {
    const bool all = active.size() == chunk;
    of_active.resize(all ? 0 : active.size() * columns);
    multiply_({.m = active.size(),
               .n = columns,
               .k = size,
               .transpose_a = false,
               .transpose_b = false,
               .a = tiles.row(0),
               .a_stride = LogitTiles::kColumns,
               .b = tiles.weights().data(),
               .b_stride = tiles.weights().stride(),
               .beta = all ? 1.0F : 0.0F,
               .c = all ? hidden : of_active.data(),
               .c_stride = columns});
    for (std::size_t i = 0; !all && i < active.size(); ++i) {
      float* const out = hidden + active[i] * columns;
      for (std::size_t c = 0; c < columns; ++c) out[c] += of_active[i * columns + c];
    }
  };
  const auto cap = static_cast<float>(layer_.soft_cap);
  double skipped = 0;
  for (std::size_t t = 0; t < tiles.count(); ++t) {
    const std::size_t first = tiles.first(t);
    const std::size_t size = tiles.size(t);
    bool is_read = false;
    for (std::size_t begin = 0; begin < n; begin += LogitTiles::kRows) {
      const std::size_t chunk = std::min(LogitTiles::kRows, n - begin);
      active.clear();
      for (std::size_t i = 0; i < chunk; ++i) {
        const std::size_t r = begin + i;
        const RowDerivative& d = derivatives[r];
        if (d.is_zero()) continue;
        const bool has_target =
            d.at_target != 0 && static_cast<std::size_t>(targets_[r]) - first < size;
        const double most = static_cast<double>(tile_max_[t * n + r]) - log_sum_exp_[r];
        if (has_target || d.constant != 0 || options.epsilon == 0 ||
            std::exp(most) >= options.epsilon) {
          active.add(i);
        } else {
          skipped += static_cast<double>(size);
        }
      }
      if (active.size() == 0) continue;
      if (!is_read) tiles.read(t);
      is_read = true;
      active.gather(states.data() + begin * states.stride(), states.stride(), chunk, columns);
      tiles.multiply(active.states(), active.stride(), active.size());
      parallel_for(active.size(), options.threads, [&](std::size_t from, std::size_t to) {
        for (std::size_t i = from; i < to; ++i) {
          tiles.finish(i);
          const std::size_t r = begin + active[i];
          const RowDerivative& d = derivatives[r];
          float* const z = tiles.row(i);
          const auto target =
              d.at_target == 0 ? size : static_cast<std::size_t>(targets_[r]) - first;
          const float at_target = target < size ? z[target] : 0;
          kernels::linear_kernels().differentiate(
              z, size, log_sum_exp_[r], static_cast<float>(d.by_p),
              static_cast<float>(d.by_p_log_p), static_cast<float>(d.constant), cap);
          if (target < size) {
            const float capped = cap > 0 ? at_target / cap : 0;
            z[target] += static_cast<float>(d.at_target) * (1 - capped * capped);
          }
        }
      });
      if (gradients.hidden != nullptr) {
        add_to_hidden(size, chunk, gradients.hidden + begin * columns);
      }
      if (gradients.weights != nullptr) {
        multiply_({.m = size,
                   .n = columns,
                   .k = active.size(),
                   .transpose_a = true,
                   .transpose_b = false,
                   .a = tiles.row(0),
                   .a_stride = LogitTiles::kColumns,
                   .b = active.states(),
                   .b_stride = active.stride(),
                   .beta = 1,
                   .c = gradients.weights + first * columns,
                   .c_stride = columns});
      }
      if (gradients.bias != nullptr) {
        for (std::size_t i = 0; i < active.size(); ++i) {
          for (std::size_t j = 0; j < size; ++j) gradients.bias[first + j] += tiles.row(i)[j];
        }
      }
    }
  }
  return skipped / (static_cast<double>(n) * static_cast<double>(categories));
}

}  // namespace partita
