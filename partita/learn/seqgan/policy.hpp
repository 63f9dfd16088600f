// SPDX-License-Identifier: Apache-2.0
// What SeqGAN trains: a distribution over sequences, which are drawn element by element and whose
// probability is known. An element is a token (TokenPolicy, the softmax of a language model) or a
// vector of numbers (GaussianPolicy, normal distributions whose parameters an LSTM gives at each
// step).
//
//   auto network = std::make_shared<language::LstmLanguageModel>(options, random);
//   seqgan::TokenPolicy policy(network, {.start_token = 0});
//   Tensor y = seqgan::sample(policy, 64, 20, {.seed = 1});   // int64 [64, 20]
//   Tensor log_prob = policy.log_prob(y);                     // [64, 20], with gradient
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/language/language_model.hpp"
#include "partita/learn/random.hpp"
#include "partita/learn/share.hpp"
#include "partita/learn/tensor.hpp"
#include "partita/random/stream.hpp"

namespace partita::seqgan {

class SequencePolicy : public torch::nn::Module {
 public:
  /// What a policy remembers of the elements that it has read: tensors whose first dimension is the
  /// row.
  using State = std::vector<Tensor>;

  /// The state before the first element.
  virtual State start(std::int64_t rows) const = 0;
  /// The next element of each row, [rows, ...], without gradient. A row's element depends on its
  /// state and its stream alone.
  /// @param streams one for each row.
  virtual Tensor draw(const State& state, std::span<const Stream> streams) const = 0;
  /// Advances the state by one element per row, [rows, ...].
  virtual void read(const Tensor& elements, State& state) const = 0;
  /// log p(y_t | y_1 ... y_(t-1)) of each element: [B, T, ...] to [B, T].
  virtual Tensor log_prob(const Tensor& sequences) const = 0;
};

struct TokenPolicyOptions {
  std::int64_t start_token = 0;  ///< what the model has read before a sequence begins
  /// Ends a sequence: after it only itself follows, with probability 1; -1: none.
  std::int64_t end_token = -1;
  double temperature = 1;  ///< temperature of the softmax, > 0
};

/// A policy over tokens, int64.
class TokenPolicy final : public SequencePolicy {
 public:
  /// @throws InvalidArgument if there is no model, or an option is out of its range.
  TokenPolicy(std::shared_ptr<language::LanguageModel> model, const TokenPolicyOptions& options);

  State start(std::int64_t rows) const override;
  Tensor draw(const State& state, std::span<const Stream> streams) const override;
  void read(const Tensor& elements, State& state) const override;
  Tensor log_prob(const Tensor& sequences) const override;
  /// The same for inputs other than the sequences' own: element t follows inputs 0 ... t, the first
  /// of which is the start token.
  Tensor log_prob(const Tensor& sequences, const Tensor& inputs) const;

  /// The start token, and all elements but the last: what log_prob() reads.
  Tensor inputs_of(const Tensor& sequences) const;
  const TokenPolicyOptions& options() const { return options_; }

 private:
  std::shared_ptr<language::LanguageModel> model_;
  TokenPolicyOptions options_;
};

struct GaussianPolicyOptions {
  std::int64_t features = 1;  ///< numbers per element
  std::int64_t hidden = 32;
};

/// Vectors of independent normals: an LSTM reads the elements, and a linear layer turns its output
/// into means and logarithms of standard deviations.
class GaussianPolicy final : public SequencePolicy {
 public:
  /// Initial weights are uniform in +-1 / sqrt(hidden).
  /// @throws InvalidArgument unless both sizes are positive.
  GaussianPolicy(const GaussianPolicyOptions& options, const Random& random);

  State start(std::int64_t rows) const override;
  Tensor draw(const State& state, std::span<const Stream> streams) const override;
  void read(const Tensor& elements, State& state) const override;
  Tensor log_prob(const Tensor& sequences) const override;

  /// The distribution of the next element, [rows, features].
  distributions::Normal next(const State& state) const { return distribution(state.front()); }

 private:
  distributions::Normal distribution(const Tensor& hidden) const;

  GaussianPolicyOptions options_;
  std::vector<Tensor> lstm_;  // as at::lstm takes it
  Tensor output_weight_;
  Tensor output_bias_;
};

/// The streams of the rows [first, first + rows) for element t: functions of `stream`, t and the
/// row.
std::vector<Stream> element_streams(const Stream& stream, std::int64_t t, std::int64_t rows,
                                    std::int64_t first = 0);

/// `count` sequences of `length` elements: [count, length, ...]. A sequence is a function of the
/// stream and its place: the first 32 of sample(64) are those of sample(32).
Tensor sample(const SequencePolicy& policy, std::int64_t count, std::int64_t length,
              const Stream& stream);
/// A share of the same: [share.size, length, ...].
Tensor sample(const SequencePolicy& policy, const Share& share, std::int64_t length,
              const Stream& stream);

/// What scheduled sampling (Bengio, Vinyals, Jaitly, Shazeer 2015, "Scheduled sampling for sequence
/// prediction with recurrent neural networks") reads instead of the sequences: each token with
/// probability `teacher` the true one, else one drawn from the policy given what was read before.
/// @param sequences [B, T]: a share of the batch's, B = share.size
/// @return [B, T], for TokenPolicy::log_prob(sequences, inputs).
Tensor scheduled_inputs(const TokenPolicy& policy, const Tensor& sequences, double teacher,
                        const Stream& stream, const Share& share);
/// The same of a whole batch.
Tensor scheduled_inputs(const TokenPolicy& policy, const Tensor& sequences, double teacher,
                        const Stream& stream);

}  // namespace partita::seqgan
