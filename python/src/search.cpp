// SPDX-License-Identifier: Apache-2.0
// Searches over sequence models.
#include <fmt/format.h>

#include <array>
#include <atomic>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

#include "arguments.hpp"
#include "core.hpp"
#include "partita/search/ancestral.hpp"
#include "partita/search/beam.hpp"
#include "partita/search/conditional_poisson_beam.hpp"
#include "partita/search/importance_weights.hpp"
#include "partita/search/minimum_bayes_risk.hpp"
#include "partita/search/score.hpp"
#include "partita/search/stochastic_beam.hpp"
#include "partita/search/unique.hpp"
#include "sequence_models.hpp"

namespace partita::python {
namespace {

Sequence first_of(const std::vector<Sequence>& all) { return all.empty() ? Sequence{} : all[0]; }

py::list beam_search_of(py::handle model, py::handle prompts, py::handle k, py::handle penalty,
                        py::handle early, py::handle groups, py::handle diversity,
                        py::handle max_length, py::handle filter, py::handle threads,
                        py::handle batch, py::handle progress) {
  const std::vector<Sequence> all = sequences(prompts, "prompt");
  const Model searched(model, first_of(all), progress);
  const Options options(max_length, filter, threads, batch);
  const BeamOptions beam{.length_penalty = number(penalty, "length_penalty"),
                         .early_stopping = py::bool_(py::reinterpret_borrow<py::object>(early)),
                         .num_beam_groups = count(groups, "num_beam_groups"),
                         .diversity_penalty = number(diversity, "diversity_penalty")};
  const std::size_t size = count(k, "k");
  const auto found =
      released([&] { return beam_search(searched, Prompts(all), size, options.get(), beam); });
  py::list out;
  for (const auto& each : found) out.append(as_list(each));
  return out;
}

/// Without a stream there is one prompt, whose noise is that of the seed's own stream.
class PromptStreams {
 public:
  PromptStreams(py::handle seed, py::handle stream, std::size_t prompts)
      : one_{stream_of(seed, py::none())} {
    if (!stream.is_none()) each_.emplace(seed, stream, prompts);
  }

  operator Streams() const {  // NOLINT(google-explicit-constructor)
    return each_ ? static_cast<Streams>(*each_) : Streams(one_);
  }

 private:
  std::vector<Stream> one_;
  std::optional<RowStreams> each_;
};

py::list stochastic_beam_search_of(py::handle model, py::handle prompts, py::handle k,
                                   py::handle seed, py::handle stream, py::handle max_length,
                                   py::handle filter, py::handle threads, py::handle batch,
                                   py::handle progress) {
  const std::vector<Sequence> all = sequences(prompts, "prompt");
  const Model searched(model, first_of(all), progress);
  const Options options(max_length, filter, threads, batch);
  const std::size_t size = count(k, "k");
  const PromptStreams streams(seed, stream, all.size());
  return as_list(released([&] {
    return stochastic_beam_search(searched, Prompts(all), size, streams, options.get());
  }));
}

py::list conditional_poisson_beam_search_of(py::handle model, py::handle prompts, py::handle k,
                                            py::handle seed, py::handle stream,
                                            py::handle hindsight_samples, py::handle max_length,
                                            py::handle filter, py::handle threads, py::handle batch,
                                            py::handle progress) {
  const std::vector<Sequence> all = sequences(prompts, "prompt");
  const Model searched(model, first_of(all), progress);
  const Options options(max_length, filter, threads, batch);
  const std::size_t size = count(k, "k");
  const PromptStreams streams(seed, stream, all.size());
  const ConditionalPoissonOptions poisson{.hindsight_samples =
                                              count(hindsight_samples, "hindsight_samples")};
  const auto found = released([&] {
    return conditional_poisson_beam_search(searched, Prompts(all), size, streams, options.get(),
                                           poisson);
  });
  py::list out;
  for (const ConditionalPoissonBeam& beam : found) {
    const Shape shape = {static_cast<py::ssize_t>(beam.weights.size())};
    out.append(py::make_tuple(as_list(beam.sequences), to_numpy(std::vector(beam.weights), shape)));
  }
  return out;
}

py::list ancestral_sample_of(py::handle model, py::handle prompt, py::handle n, py::handle seed,
                             py::handle stream, py::handle max_length, py::handle filter,
                             py::handle threads, py::handle batch, py::handle progress) {
  const Sequence begin = sequence(prompt, "prompt");
  const Model sampled(model, begin, progress);
  const Options options(max_length, filter, threads, batch);
  const std::size_t samples = count(n, "n");
  const RowStreams streams(seed, stream, samples);
  return as_list(
      released([&] { return ancestral_samples(sampled, begin, samples, streams, options.get()); }));
}

py::list arithmetic_sample_of(py::handle model, py::handle prompt, py::handle n, py::handle seed,
                              py::handle stream, py::handle max_length, py::handle filter,
                              py::handle threads, py::handle batch, py::handle progress) {
  const Sequence begin = sequence(prompt, "prompt");
  const Model sampled(model, begin, progress);
  const Options options(max_length, filter, threads, batch);
  const std::size_t samples = count(n, "n");
  const Stream one = stream_of(seed, stream);
  return as_list(
      released([&] { return arithmetic_samples(sampled, begin, samples, one, options.get()); }));
}

py::list score_sequences_of(py::handle model, py::handle given, py::handle filter,
                            py::handle threads, py::handle batch, py::handle progress) {
  const std::vector<Sequence> all = sequences(given, "sequences");
  const Model scored(model, Sequence{}, progress);
  const Options options(py::int_(1), filter, threads, batch);
  const auto scores = released([&] { return score_sequences(scored, all, options.get()); });
  py::list out;
  for (const auto& sequence_scores : scores) {
    std::vector<double> log_prob;
    std::vector<double> confidence;
    py::array_t<bool> correct(static_cast<py::ssize_t>(sequence_scores.size()));
    for (const TokenScore& score : sequence_scores) {
      correct.mutable_at(static_cast<py::ssize_t>(log_prob.size())) = score.correct;
      log_prob.push_back(score.log_prob);
      confidence.push_back(score.confidence);
    }
    const Shape shape = {static_cast<py::ssize_t>(log_prob.size())};
    out.append(py::make_tuple(to_numpy(std::move(log_prob), shape),
                              to_numpy(std::move(confidence), shape), correct));
  }
  return out;
}

/// A sampler that one thread uses at a time, as a Python generator is.
class OneAtATime {
 public:
  OneAtATime(py::handle model, py::handle prompt, py::handle seed, py::handle stream,
             py::handle max_length, py::handle filter, py::handle threads, py::handle batch)
      : prompt_(sequence(prompt, "prompt")),
        model_(model, prompt_),
        options_(max_length, filter, threads, batch),
        sampler_(model_, prompt_, stream_of(seed, stream), options_.get()) {}

  py::object next() {
    const Turn turn(busy_);
    const auto found = released([&] { return sampler_.next(); });
    return found ? static_cast<py::object>(as_tuple(*found)) : py::none();
  }

  double threshold() {
    const Turn turn(busy_);
    return released([&] { return sampler_.threshold(); });
  }

 private:
  struct Turn {
    explicit Turn(std::atomic<bool>& flag) : busy(flag) {
      if (busy.exchange(true)) {
        throw py::value_error("UniqueSampler: another call is under way: give each thread its own");
      }
    }
    ~Turn() { busy.store(false); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    std::atomic<bool>& busy;
  };

  Sequence prompt_;
  Model model_;
  Options options_;
  UniqueSampler sampler_;
  std::atomic<bool> busy_ = false;
};

/// log_prob [..., k] with threshold [...].
struct Weighted {
  FloatArray log_prob;
  std::vector<double> flat;
  std::vector<double> threshold;
  std::size_t k;

  Weighted(py::handle given, py::handle thresholds)
      : log_prob(given, "log_prob"),
        flat(Doubles(given, "log_prob").values),
        k(static_cast<std::size_t>(log_prob.shape().back())) {
    Doubles all(thresholds, "threshold");
    if (all.shape != log_prob.batch_shape()) {
      throw py::value_error(
          fmt::format("threshold: expected shape {} (that of log_prob without "
                      "its last dimension), got {}",
                      to_string(log_prob.batch_shape()), to_string(all.shape)));
    }
    threshold = std::move(all.values);
  }
};

py::object importance_weights_of(py::handle log_prob, py::handle threshold) {
  const Weighted sample(log_prob, threshold);
  std::vector<double> weights(sample.flat.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    weights[i] = importance_weight(sample.flat[i], sample.threshold[i / sample.k]);
  }
  return sample.log_prob.result(std::move(weights), sample.log_prob.shape());
}

py::tuple estimate_of(py::handle log_prob, py::handle threshold, py::handle values) {
  const Weighted sample(log_prob, threshold);
  const Doubles f(values, "values");
  if (f.shape != sample.log_prob.shape()) {
    throw py::value_error(fmt::format("values: expected the shape of log_prob, {}, got {}",
                                      to_string(sample.log_prob.shape()), to_string(f.shape)));
  }
  std::vector<double> plain;
  std::vector<double> normalized;
  for (std::size_t row = 0; row < sample.threshold.size(); ++row) {
    const auto part = [&](const std::vector<double>& all) {
      return std::span(all).subspan(row * sample.k, sample.k);
    };
    const Estimate e = estimate(part(sample.flat), sample.threshold[row], part(f.values));
    plain.push_back(e.plain);
    normalized.push_back(e.normalized);
  }
  const Shape batch = sample.log_prob.batch_shape();
  return py::make_tuple(sample.log_prob.result(std::move(plain), batch),
                        sample.log_prob.result(std::move(normalized), batch));
}

/// The names of utilities; anything else is a function of two of the sequences, whatever they are.
constexpr std::array<std::string_view, 2> kUtilities = {"ngram-f", "token-f1"};

py::tuple minimum_bayes_risk_of(py::handle given, py::handle weights, py::handle utility) {
  const Doubles w(weights, "weights");
  MinimumBayesRisk risk;
  if (PyCallable_Check(utility.ptr()) != 0) {
    const py::list each(py::reinterpret_borrow<py::object>(given));
    std::vector<Sequence> places;  // stand for them
    for (std::size_t i = 0; i < each.size(); ++i) places.push_back({static_cast<Token>(i)});
    risk = minimum_bayes_risk(
        places, w.values, [&](std::span<const Token> hypothesis, std::span<const Token> reference) {
          const auto at = [&](std::span<const Token> place) {
            return each[static_cast<std::size_t>(place[0])];
          };
          return number(utility(at(hypothesis), at(reference)), "utility");
        });
  } else {
    const std::vector<Sequence> all = sequences(given, "sequences");
    const NgramFScore score =
        choice(utility, "utility", kUtilities) == 0 ? NgramFScore{} : kTokenF1;
    risk = released([&] { return minimum_bayes_risk(all, w.values, score); });
  }
  const auto n = static_cast<py::ssize_t>(risk.utilities.size());
  return py::make_tuple(risk.choice, to_numpy(std::move(risk.utilities), Shape{n}));
}

}  // namespace

void add_search(py::module_& module) {
  module.def("beam_search", &beam_search_of);
  module.def("stochastic_beam_search", &stochastic_beam_search_of);
  module.def("conditional_poisson_beam_search", &conditional_poisson_beam_search_of);
  module.def("ancestral_sample", &ancestral_sample_of);
  module.def("arithmetic_sample", &arithmetic_sample_of);
  module.def("score_sequences", &score_sequences_of);
  module.def("importance_weights", &importance_weights_of);
  module.def("estimate", &estimate_of);
  module.def("minimum_bayes_risk", &minimum_bayes_risk_of);
  py::class_<OneAtATime>(module, "UniqueSampler")
      .def(py::init<py::handle, py::handle, py::handle, py::handle, py::handle, py::handle,
                    py::handle, py::handle>())
      .def("next", &OneAtATime::next)
      .def("threshold", &OneAtATime::threshold);
}

}  // namespace partita::python
