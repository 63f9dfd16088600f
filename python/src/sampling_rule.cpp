// SPDX-License-Identifier: Apache-2.0
// Conformal language modeling.
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "core.hpp"
#include "measures.hpp"
#include "partita/calibration/sampling_rule.hpp"

namespace partita::python {
namespace {

SamplingRuleOptions rule_options(py::handle epsilon, py::handle delta, py::handle confidence) {
  constexpr std::array<std::string_view, 3> kConfidences = {"first-k", "max", "sum"};
  return {.epsilon = number(epsilon, "epsilon"),
          .delta = number(delta, "delta"),
          .confidence = static_cast<SetConfidence>(choice(confidence, "confidence", kConfidences))};
}

/// @param qualities, admissible, similarities lists of an array for each prompt; of the last two
///        None: none
std::vector<Candidates> candidates_of(const py::sequence& qualities, py::handle admissible,
                                      py::handle similarities) {
  const auto of_each = [&](py::handle object, const char* name) {
    const auto each = py::reinterpret_borrow<py::sequence>(object);
    if (each.size() != qualities.size()) {
      refuse(name, "expected " + std::to_string(qualities.size()) + " (one for each prompt), got " +
                       std::to_string(each.size()));
    }
    return each;
  };
  std::vector<Candidates> out;
  for (py::ssize_t p = 0; p < static_cast<py::ssize_t>(qualities.size()); ++p) {
    out.push_back({.quality = Doubles(qualities[p], "X").values});
  }
  if (!admissible.is_none()) {
    const py::sequence each = of_each(admissible, "y");
    for (std::size_t p = 0; p < out.size(); ++p) {
      for (const double value : Doubles(each[p], "y").values) {
        out[p].admissible.push_back(value != 0);
      }
    }
  }
  if (!similarities.is_none()) {
    const py::sequence each = of_each(similarities, "similarity");
    for (std::size_t p = 0; p < out.size(); ++p) {
      out[p].similarity = Doubles(each[p], "similarity").values;
    }
  }
  return out;
}

/// (similarity, quality, confidence; max_draws, tested, misses; p_value)
py::tuple fit(const py::sequence& qualities, const py::sequence& admissible,
              py::handle similarities, py::handle seed, py::handle epsilon, py::handle delta,
              py::handle confidence) {
  const auto prompts = candidates_of(qualities, admissible, similarities);
  const SamplingRuleOptions options = rule_options(epsilon, delta, confidence);
  const Stream stream{.seed = natural(seed, "seed")};
  const SamplingRule rule = released([&] { return fit_sampling_rule(prompts, stream, options); });
  return py::make_tuple(rule.similarity, rule.quality, rule.confidence, rule.max_draws, rule.tested,
                        rule.misses, rule.p_value());
}

/// @param fitted what fit returned
SamplingRule rule_of(const py::tuple& fitted, py::handle epsilon, py::handle delta,
                     py::handle confidence) {
  return {.options = rule_options(epsilon, delta, confidence),
          .similarity = fitted[0].cast<double>(),
          .quality = fitted[1].cast<double>(),
          .confidence = fitted[2].cast<double>(),
          .max_draws = fitted[3].cast<std::size_t>(),
          .tested = fitted[4].cast<std::size_t>(),
          .misses = fitted[5].cast<std::size_t>()};
}

/// Kept candidates, draws.
py::tuple to_python(const SampledSet& set) {
  std::vector<std::int64_t> kept(set.kept.begin(), set.kept.end());
  const auto size = static_cast<py::ssize_t>(kept.size());
  return py::make_tuple(to_numpy(std::move(kept), {size}), set.draws);
}

py::list sets_of(const py::sequence& qualities, py::handle similarities, const py::tuple& fitted,
                 py::handle epsilon, py::handle delta, py::handle confidence) {
  const SamplingRule rule = rule_of(fitted, epsilon, delta, confidence);
  py::list out;
  for (const Candidates& each : candidates_of(qualities, py::none(), similarities)) {
    out.append(to_python(sample_set(rule, each)));
  }
  return out;
}

/// @param draw       () -> quality or None
/// @param similarity (i, j) -> number, or None
py::tuple draw_set(const py::function& draw, const py::object& similarity, const py::tuple& fitted,
                   py::handle epsilon, py::handle delta, py::handle confidence) {
  const SamplingRule rule = rule_of(fitted, epsilon, delta, confidence);
  std::function<double(std::size_t, std::size_t)> compare;
  if (!similarity.is_none()) {
    compare = [&](std::size_t i, std::size_t j) { return number(similarity(i, j), "similarity"); };
  }
  return to_python(sample_set(
      rule,
      [&]() -> std::optional<double> {
        const py::object quality = draw();
        if (quality.is_none()) return std::nullopt;
        return number(quality, "quality");
      },
      compare));
}

}  // namespace

void add_sampling_rule(py::module_& module) {
  module.def("fit_sampling_rule", &fit);
  module.def("sampled_sets", &sets_of);
  module.def("draw_set", &draw_set);
}

}  // namespace partita::python
