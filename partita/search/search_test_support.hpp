// SPDX-License-Identifier: Apache-2.0
// Shared by the tests of searches: small models with random weights (stateless, and the same with a
// state), a model's whole support, and the distribution of an ordered sample without replacement
// from it. Nothing here uses the searches.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "partita/gumbel/gumbel.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "partita/random/stream.hpp"
#include "partita/sampler/filter.hpp"
#include "partita/search/search.hpp"
#include "partita/search/sequence_model.hpp"

namespace partita::testing {

inline constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

/// Random logits as a function of a hash of the prefix. The end token is the last one.
struct HashLogits {
  std::size_t vocabulary = 3;
  double scale = 1.5;
  std::uint64_t seed = 1;
  DType dtype = DType::f64;

  static std::uint64_t grow(std::uint64_t hash, Token token) {
    return Stream{hash, 77}.bits(static_cast<std::uint64_t>(token));
  }
  void write(std::uint64_t hash, MutableRows out, std::size_t row) const {
    for (std::size_t i = 0; i < out.columns(); ++i) {
      const double z = scale * Stream{seed, hash}.normal(i) + 3;  // 3: not normalized
      if (dtype == DType::f32) {
        out.row_data<float>(row)[i] = static_cast<float>(z);
      } else {
        out.row_data<double>(row)[i] = z;
      }
    }
  }
};

/// Reads the prefixes, and keeps nothing.
class StatelessModel : public SequenceModel {
 public:
  explicit StatelessModel(HashLogits logits = {}) : logits_(logits) {}
  std::size_t vocabulary_size() const override { return logits_.vocabulary; }
  Token end_token() const override { return static_cast<Token>(logits_.vocabulary) - 1; }
  DType logits_dtype() const override { return logits_.dtype; }
  void next_logits(std::span<const Sequence> prefixes, DecodingState* /*state*/,
                   MutableRows out) const override {
    for (std::size_t i = 0; i < prefixes.size(); ++i) {
      std::uint64_t hash = 0;
      for (const Token token : prefixes[i]) hash = HashLogits::grow(hash, token);
      logits_.write(hash, out, i);
    }
  }

 protected:
  HashLogits logits_;
};

/// The same logits from a hash kept in a state, reading the last token only; and a check that the
/// search keeps its promises about states.
class StatefulModel : public StatelessModel {
 public:
  using StatelessModel::StatelessModel;

  std::unique_ptr<DecodingState> start() const override { return std::make_unique<State>(); }

  void next_logits(std::span<const Sequence> prefixes, DecodingState* state,
                   MutableRows out) const override {
    auto& rows = dynamic_cast<State&>(*state);
    const bool first = rows.hash.empty();
    if (first) {
      rows.hash.resize(prefixes.size());
      rows.read.resize(prefixes.size());
    } else if (!rows.reordered || rows.hash.size() != prefixes.size()) {
      throw std::logic_error("not reordered once to as many rows as there are prefixes");
    }
    rows.reordered = false;
    for (std::size_t i = 0; i < prefixes.size(); ++i) {
      if (!first && (prefixes[i].size() != rows.read[i].size() + 1 ||
                     !std::equal(rows.read[i].begin(), rows.read[i].end(), prefixes[i].begin()))) {
        throw std::logic_error("a prefix that does not continue its row by one token");
      }
      for (std::size_t t = rows.read[i].size(); t < prefixes[i].size(); ++t) {
        rows.hash[i] = HashLogits::grow(rows.hash[i], prefixes[i][t]);
      }
      rows.read[i] = prefixes[i];
      logits_.write(rows.hash[i], out, i);
    }
  }

 private:
  struct State : DecodingState {
    std::vector<std::uint64_t> hash;
    std::vector<Sequence> read;
    bool reordered = false;

    void reorder(std::span<const std::size_t> rows) override {
      if (reordered) throw std::logic_error("reordered twice");
      reordered = true;
      std::vector<std::uint64_t> new_hash;
      std::vector<Sequence> new_read;
      for (const std::size_t row : rows) {
        new_hash.push_back(hash.at(row));
        new_read.push_back(read.at(row));
      }
      hash = std::move(new_hash);
      read = std::move(new_read);
    }
  };
};

/// The normalized log-probabilities after one prefix.
inline std::vector<double> next_log_probs(const SequenceModel& model, const Sequence& prefix,
                                          SamplerSettings filter = {}) {
  std::vector<double> row(model.vocabulary_size());
  const auto state = model.start();
  if (model.logits_dtype() == DType::f32) {
    std::vector<float> single(row.size());
    model.next_logits({&prefix, 1}, state.get(), {single.data(), 1, single.size()});
    row.assign(single.begin(), single.end());
  } else {
    model.next_logits({&prefix, 1}, state.get(), {row.data(), 1, row.size()});
  }
  filter.history = prefix;
  apply_settings(filter, {}, row);
  double sum = 0;
  for (const double z : row) sum += std::exp(z);
  for (double& z : row) z -= std::log(sum);
  return row;
}

/// Every sequence that the model can give, with its log-probability.
inline void list_leaves(const SequenceModel& model, const SearchOptions& options,
                        const Hypothesis& prefix, std::vector<Hypothesis>& out) {
  const auto row = next_log_probs(model, prefix.tokens, options.filter);
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i] == kMinusInfinity) continue;
    Hypothesis child{prefix.tokens, false, prefix.log_prob + row[i]};
    child.finished = static_cast<Token>(i) == model.end_token();
    if (!child.finished) child.tokens.push_back(static_cast<Token>(i));
    if (child.finished || child.tokens.size() == options.max_length) {
      out.push_back(std::move(child));
    } else {
      list_leaves(model, options, child, out);
    }
  }
}

/// `options` with another temperature, top-k and top-p.
inline SearchOptions with_filter(SearchOptions options, double temperature, std::size_t top_k = 0,
                                 double top_p = 1) {
  options.filter.temperature = temperature;
  options.filter.top_k = top_k;
  options.filter.top_p = top_p;
  return options;
}

/// The support of a model, and samples from it as index lists.
struct Support {
  std::vector<Hypothesis> leaves;
  std::vector<double> p;
  std::map<std::pair<Sequence, bool>, std::size_t> index;

  Support(const SequenceModel& model, const SearchOptions& options) {
    list_leaves(model, options, {}, leaves);
    for (const Hypothesis& leaf : leaves) {
      index[{leaf.tokens, leaf.finished}] = p.size();
      p.push_back(std::exp(leaf.log_prob));
    }
  }
  std::size_t size() const { return leaves.size(); }
  std::size_t find(const Hypothesis& h) const { return index.at({h.tokens, h.finished}); }
};

/// One ordered sample without replacement: which, with what Gumbels, and kappa.
struct OrderedSample {
  std::vector<std::size_t> indices;
  std::vector<double> perturbed;
  double threshold;
};

/// p-values of a set of ordered samples of size k <= 3 under exact sampling without replacement:
/// the ordered items by chi-square over all ordered k-tuples, and every Gumbel, given what came
/// before it, by Kolmogorov-Smirnov (G_1 is Gumbel(0); the next is Gumbel(log of what is left)
/// truncated at the last; kappa is one more of them).
struct OrderedSampleTest {
  double tuples;
  double gumbels;
};

inline OrderedSampleTest test_ordered_samples(const std::vector<double>& p,
                                              const std::vector<OrderedSample>& samples) {
  const std::size_t k = samples.front().indices.size();
  std::size_t cells = 1;
  for (std::size_t j = 0; j < k; ++j) cells *= p.size();
  std::vector<double> observed(cells);
  std::vector<double> expected(cells);
  for (std::size_t cell = 0; cell < cells; ++cell) {
    double left = 1;
    double probability = 1;
    std::vector<std::size_t> taken;
    for (std::size_t j = 0, rest = cell; j < k; ++j, rest /= p.size()) {
      const std::size_t i = rest % p.size();
      if (std::find(taken.begin(), taken.end(), i) != taken.end()) probability = 0;
      probability *= p[i] / left;
      left -= p[i];
      taken.push_back(i);
    }
    expected[cell] = probability * static_cast<double>(samples.size());
  }
  std::vector<double> uniforms;
  for (const OrderedSample& sample : samples) {
    std::size_t cell = 0;
    double left = 1;
    double last = std::numeric_limits<double>::infinity();
    for (std::size_t j = 0; j <= k; ++j) {
      const double value = j < k ? sample.perturbed[j] : sample.threshold;
      uniforms.push_back(truncated_gumbel_cdf(value, std::log(left), last));
      last = value;
      if (j < k) left -= p[sample.indices[j]];
    }
    for (std::size_t j = k; j-- > 0;) cell = cell * p.size() + sample.indices[j];
    observed[cell] += 1;
  }
  return {chi_square_p_value(observed, expected),
          ks_p_value(std::move(uniforms), [](double u) { return u; })};
}

}  // namespace partita::testing
