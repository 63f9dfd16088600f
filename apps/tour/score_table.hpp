// SPDX-License-Identifier: Apache-2.0
// A softmax without a network: a free score for each word in each context.
#pragma once

#include <ATen/ATen.h>
#include <torch/optim/lbfgs.h>

#include <cstdint>

#include "partita/learn/losses/output_loss.hpp"
#include "partita/learn/random.hpp"

namespace partita::app {

/// Draws of a word for each of many contexts, and a free score for each pair of the two.
struct ScoreTable {
  static constexpr std::int64_t kContexts = 60;
  static constexpr std::int64_t kOutcomes = 12;

  Tensor contexts;  // int64 [B]
  Tensor words;     // int64 [B]
  Tensor log_prob;  // [contexts, words], the truth

  ScoreTable(const Random& random, std::int64_t draws)
      : contexts(at::arange(kContexts).repeat_interleave(draws)),
        log_prob((0.5 * random.normal({kContexts, kOutcomes}, at::kDouble)).log_softmax(1)) {
    words = random.categorical(log_prob, draws).t().flatten().contiguous();
  }

  /// The scores that minimize the loss, from 0.
  Tensor fitted(const losses::OutputLoss& loss, const Stream& stream) const {
    const Tensor scores = at::zeros({kContexts, kOutcomes}, at::kDouble).set_requires_grad(true);
    const losses::OutputLayer output{at::eye(kOutcomes, at::kDouble)};
    torch::optim::LBFGS solver(
        {scores}, torch::optim::LBFGSOptions(1).max_iter(100).tolerance_grad(1e-8).line_search_fn(
                      "strong_wolfe"));
    solver.step([&] {
      solver.zero_grad();
      Tensor value = loss({scores.index_select(0, contexts), words}, output, stream);
      value.backward();
      return value;
    });
    return scores.detach();
  }

  /// The data's own distribution p̃, [contexts, words].
  Tensor empirical() const {
    const Tensor counts = at::zeros({kContexts, kOutcomes}, at::kDouble);
    counts.index_put_({contexts, words}, at::ones_like(words, at::kDouble), /*accumulate=*/true);
    return counts / counts.sum(1, /*keepdim=*/true);
  }

  /// Standard deviation of log Z for k draws of noise for each of n data. The optimum is
  /// exp(s) = k q n_w / m_w, with counts n of data and m of noise, of which only m is random:
  /// Var log Z = (sum p^2 / q - 1) / (n k), to first order.
  Tensor noise_deviation(std::int64_t k) const {
    const std::int64_t each = words.size(0) / kContexts;
    return (((2 * log_prob).exp().sum(1) * static_cast<double>(kOutcomes) - 1) /
            static_cast<double>(each * k))
        .sqrt();
  }
};

}  // namespace partita::app
