// SPDX-License-Identifier: Apache-2.0
// What makes a training run what it is: names and values. A checkpoint keeps them, and is not
// continued by a run that differs in one of them.
//
//   training::RunFacts facts{{"model", "mlp"}};
//   facts.add("seed", stream.seed).add("images", training::digest(x));
//
// A trainer that configures the loop itself (vae::train, language::train, ...) adds its own data
// and options; what it cannot see, as a loss or an estimator, is for its caller to add.
#pragma once

#include <concepts>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "partita/base/group.hpp"
#include "partita/learn/tensor.hpp"
#include "partita/random/stream.hpp"

namespace partita::training {

class RunFacts {
 public:
  using Fact = std::pair<std::string, std::string>;

  RunFacts() = default;
  RunFacts(std::initializer_list<Fact> facts) : facts_(facts) {}

  RunFacts& add(std::string name, std::string value);
  RunFacts& add(std::string name, double value);
  RunFacts& add(std::string name, std::integral auto value) {
    return add(std::move(name), std::to_string(value));
  }
  RunFacts& add(std::string name, const Stream& stream);
  RunFacts& add(const RunFacts& more);

  std::span<const Fact> all() const { return facts_; }

  /// How these differ from `others`: "dropout was 0.1, now 0; ..."; empty if they do not.
  /// @param sentence what is said of a name, the others' value and the own one
  std::string difference_from(const RunFacts& others,
                              std::string_view sentence = "{} was {}, now {}") const;

 private:
  std::vector<Fact> facts_;
};

/// That all ranks of a group have the same facts, and are of one version of Partita and libtorch.
/// @throws InvalidArgument on every rank, saying what is different on which
void check_same_on_all_ranks(const RunFacts& facts, Group& group);

/// A number that other contents do not have (CRC-32 of type, shape and elements), and the shape.
std::string digest(const Tensor& tensor);
/// The same of lines.
std::string digest(std::span<const std::string> lines);

}  // namespace partita::training
