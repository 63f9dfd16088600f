// SPDX-License-Identifier: Apache-2.0
// Tells real sequences from generated ones: the convolutional network of SeqGAN, after Kim (2014),
// "Convolutional neural networks for sentence classification", and Zhang, LeCun (2015).
//
//   auto discriminator = std::make_shared<seqgan::SequenceDiscriminator>(
//       seqgan::SequenceDiscriminatorOptions{.vocabulary = 5000}, Random(Stream{.seed = 1}));
//   Tensor logits = discriminator->logits(tokens);             // [B], int64 [B, T]
//   Tensor p = discriminator->probability(tokens);             // probability of being real
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "partita/learn/random.hpp"
#include "partita/learn/tensor.hpp"

namespace partita::seqgan {

struct ConvolutionFilters {
  std::int64_t width;  ///< number of elements that a filter spans
  std::int64_t count;
};

/// How the weights of the highway layer begin.
enum class HighwayWeights : std::uint8_t {
  normal,  ///< with standard deviation 0.1, and biases 0
  /// Uniform in +-sqrt(6 / (inputs + outputs)): Glorot, Bengio (2010). Biases too, of n inputs and
  /// n outputs, as TensorFlow's get_variable makes them in the paper's code.
  glorot,
};

struct SequenceDiscriminatorOptions {
  std::int64_t vocabulary = 0;  ///< number of tokens; 0: elements are vectors of `features` numbers
  std::int64_t features = 64;   ///< size of an element, or of a token's embedding
  std::vector<ConvolutionFilters> filters = {{1, 32}, {2, 32}, {3, 32}, {4, 32}, {5, 32}};
  double dropout = 0.25;  ///< rate, before the last layer, in [0, 1)
  HighwayWeights highway = HighwayWeights::normal;
  double gate_bias = -2;  ///< added to the gate's initial bias; 0 in the paper's code
  /// Whether the last layer has a column for real and one for generated sequences, whose difference
  /// is the logit, as the softmax of the paper's code, and not one column. See penalty().
  bool two_columns = false;
};

/// Embedding, convolutions of several widths with ReLU, the maximum of each over the sequence, a
/// highway layer (Srivastava, Greff, Schmidhuber 2015), dropout, a linear layer.
class SequenceDiscriminator final : public torch::nn::Module {
 public:
  /// Initial embeddings are uniform in +-1, weights normal with standard deviation 0.1, the
  /// highway's as its options say.
  /// @throws InvalidArgument naming the option that is out of range.
  SequenceDiscriminator(const SequenceDiscriminatorOptions& options, const Random& random);

  /// Logits of being real: int64 [B, T], or [B, T, features], to [B].
  /// @param dropout the source of the mask; if none, nothing is dropped.
  /// @throws InvalidArgument if a filter is wider than the sequences.
  Tensor logits(const Tensor& sequences, const std::optional<Random>& dropout = {}) const;

  /// logits() for any number of sequences, without gradient: log D - log(1 - D).
  Tensor log_odds(const Tensor& sequences) const;
  /// D, the probability of being real, like log_odds().
  Tensor probability(const Tensor& sequences) const { return log_odds(sequences).sigmoid(); }

  /// Half the squared norm of the last layer, which the paper's code regularizes. Of two columns,
  /// the data see the difference w alone, so that descent makes their sum vanish: w/2 and -w/2,
  /// with half the penalty of one column w. A weight of 0.2 on two is one of 0.1 on one.
  Tensor penalty() const;

  const SequenceDiscriminatorOptions& options() const { return options_; }

 private:
  struct Affine {
    Tensor weight;
    Tensor bias;
  };

  SequenceDiscriminatorOptions options_;
  Tensor embedding_;  // undefined for vectors
  std::vector<Affine> convolutions_;
  Affine transform_, gate_, output_;
};

}  // namespace partita::seqgan
