// SPDX-License-Identifier: Apache-2.0
// A policy and a reward over three tokens and four places: all 81 sequences can be enumerated.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "partita/learn/seqgan/discriminator.hpp"
#include "partita/learn/seqgan/policy.hpp"

namespace partita::seqgan::testing {

inline constexpr std::int64_t kVocabulary = 3;
inline constexpr std::int64_t kLength = 4;

inline std::shared_ptr<TokenPolicy> tiny(std::uint64_t id = 1, TokenPolicyOptions options = {}) {
  const auto network = std::make_shared<language::LstmLanguageModel>(
      language::LstmOptions{.vocabulary = kVocabulary, .dim = 4, .tied = false},
      Stream{.seed = 7, .id = id});
  const at::NoGradGuard no_grad;
  for (const Tensor& weight : network->parameters()) weight.mul_(4);  // far from uniform
  return std::make_shared<TokenPolicy>(network, options);
}

/// All 81 sequences, the last element varying fastest.
inline Tensor all_sequences() {
  std::vector<Tensor> digits;
  const Tensor index = at::arange(81, at::kLong);
  for (std::int64_t t = 0, unit = 27; t < kLength; ++t, unit /= 3) {
    digits.push_back(at::div(index, unit, "floor").remainder(3));
  }
  return at::stack(digits, 1);
}
inline Tensor index_of(const Tensor& sequences) {
  return (sequences * at::tensor({27, 9, 3, 1}, at::kLong)).sum(-1);
}

/// A reward without structure, in (0, 1).
inline Tensor reward_table() { return Random(Stream{.seed = 8}).uniform({81}, at::kFloat); }
inline Tensor reward(const Tensor& sequences) {
  return reward_table().index_select(0, index_of(sequences));
}

inline std::vector<double> numbers(const Tensor& tensor) {
  const Tensor flat = tensor.detach().to(at::kDouble).flatten().contiguous();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

inline SequenceDiscriminatorOptions small_discriminator() {
  return {.vocabulary = kVocabulary, .features = 5, .filters = {{1, 4}, {2, 6}, {4, 3}}};
}

}  // namespace partita::seqgan::testing
