// SPDX-License-Identifier: Apache-2.0
// Neural language models: from the tokens of a sequence to logits for the one that follows.
//
//   auto model = std::make_shared<LstmLanguageModel>(
//       LstmOptions{.vocabulary = 96, .dim = 256}, Random(Stream{.seed = 1}));
//   Tensor hidden = model->hidden(tokens);              // [B, T, dim], tokens int64 [B, T]
//   Tensor logits = model->logits(hidden);              // [B, T, V]
//
//   LanguageModel::Cache cache;                         // what was computed for the tokens so far
//   model->hidden(prompt, cache);                       // [B, T, dim]
//   model->hidden(next_token, cache);                   // [B, 1, dim]: reads one token, not T + 1
//
// The two halves are separate because a loss over a large vocabulary (NceLoss, SampledSoftmaxLoss,
// AdaptiveSoftmaxLoss) needs the hidden states and the output layer, but never all of the logits.
// neural_sequence_model.hpp turns a language model into a sequence model for searches.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "partita/learn/losses/output_loss.hpp"
#include "partita/learn/random.hpp"
#include "partita/learn/tensor.hpp"

namespace partita::language {

class LanguageModel : public torch::nn::Module {
 public:
  /// What a model remembers of the tokens that it has read: tensors whose first dimension is the
  /// row. Empty: nothing read.
  using Cache = std::vector<Tensor>;

  /// @param tokens int64 [B, n] in [0, vocabulary()), following those that `cache` remembers.
  /// @param cache of B rows; advanced by n tokens.
  /// @param dropout the source of the masks; if none, nothing is dropped (evaluation).
  /// @return [B, n, dim()]; the state at position t is a function of tokens 0 ... t.
  virtual Tensor hidden(const Tensor& tokens, Cache& cache,
                        const std::optional<Random>& dropout = {}) const = 0;

  /// The same for whole sequences.
  Tensor hidden(const Tensor& tokens, const std::optional<Random>& dropout = {}) const {
    Cache cache;
    return hidden(tokens, cache, dropout);
  }

  /// What a softmax turns into probabilities: [..., dim()] -> [..., vocabulary()].
  Tensor logits(const Tensor& hidden) const { return losses::logits(hidden, output_); }

  std::int64_t vocabulary() const { return output_.outputs(); }
  std::int64_t dim() const { return output_.weight.size(1); }
  const losses::OutputLayer& output() const { return output_; }
  at::Device device() const { return output_.weight.device(); }

 protected:
  LanguageModel() = default;

  /// The last layer: `weight` is registered by the caller (it may be the input's too).
  void set_output(Tensor weight, Tensor bias) { output_ = {std::move(weight), std::move(bias)}; }
  /// An adaptive one, which is registered here.
  void set_output(losses::OutputLayer adaptive);

 private:
  losses::OutputLayer output_;
};

struct LstmOptions {
  std::int64_t vocabulary = 0;
  std::int64_t dim = 256;  ///< size of the embeddings and of each layer's state
  std::int64_t layers = 1;
  double dropout = 0;  ///< rate, on embeddings and every layer's output (Zaremba et al. 2014)
  bool tied = true;    ///< one matrix for input and output (Press, Wolf 2017)
  /// Cutoffs of an adaptive output (losses/adaptive_softmax.hpp), which is never tied. Empty: a
  /// full softmax.
  std::vector<std::int64_t> cutoffs = {};
};

/// Long short-term memory (Hochreiter, Schmidhuber 1997; with forget gates, Gers et al. 2000), with
/// the equations of torch.nn.LSTM.
class LstmLanguageModel final : public LanguageModel {
 public:
  /// Initial weights are uniform in +-1 / sqrt(dim).
  /// @throws InvalidArgument naming the option that is out of range.
  LstmLanguageModel(const LstmOptions& options, const Random& random);

  using LanguageModel::hidden;
  Tensor hidden(const Tensor& tokens, Cache& cache,
                const std::optional<Random>& dropout = {}) const override;

  const LstmOptions& options() const { return options_; }

 private:
  LstmOptions options_;
  Tensor embedding_;
  std::vector<std::vector<Tensor>> layers_;  // as at::lstm takes them
};

struct TransformerOptions {
  std::int64_t vocabulary = 0;
  std::int64_t dim = 256;  ///< a multiple of 2 * heads
  std::int64_t layers = 4;
  std::int64_t heads = 4;
  double dropout = 0;  ///< rate, on embeddings and each residual branch
  bool tied = true;
  std::vector<std::int64_t> cutoffs = {};  ///< as in LstmOptions
};

/// A decoder of pre-normalized blocks (Vaswani et al. 2017; Radford et al. 2019) with rotary
/// positions (Su et al. 2021), so that there is no built-in maximum length. The cache holds the
/// keys and values.
class TransformerLanguageModel final : public LanguageModel {
 public:
  /// Initial weights are normal with standard deviation 0.02, or 0.02 / sqrt(2 layers) for those
  /// that end a residual branch.
  /// @throws InvalidArgument naming the option that is out of range.
  TransformerLanguageModel(const TransformerOptions& options, const Random& random);

  using LanguageModel::hidden;
  Tensor hidden(const Tensor& tokens, Cache& cache,
                const std::optional<Random>& dropout = {}) const override;

  const TransformerOptions& options() const { return options_; }

 private:
  struct Affine {
    Tensor weight;
    Tensor bias;
  };
  struct Block {
    Affine attention_norm, query_key_value, attention_out, feed_norm, feed_in, feed_out;
  };
  Tensor attend(const Block& block, const Tensor& x, std::int64_t past, Tensor* keys_values) const;

  TransformerOptions options_;
  Tensor embedding_;
  std::vector<Block> blocks_;
  Affine final_norm_;
};

}  // namespace partita::language
