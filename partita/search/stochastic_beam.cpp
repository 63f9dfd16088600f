// SPDX-License-Identifier: Apache-2.0
#include "partita/search/stochastic_beam.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "partita/base/internal/check.hpp"
#include "partita/search/internal/drawn_leaves.hpp"
#include "partita/search/internal/stochastic_step.hpp"

namespace partita {
namespace {

/// The searches of one batch.
std::vector<StochasticBeam> search_batch(const SequenceModel& model,
                                         std::span<const Sequence> prompts, std::size_t k,
                                         std::span<const Stream> streams,
                                         const SearchOptions& options) {
  std::vector<std::vector<Prefix>> beams;
  std::vector<double> thresholds(prompts.size(), -std::numeric_limits<double>::infinity());
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    beams.push_back({perturbed_root(prompts[i], streams[i])});
  }
  StochasticStep step(k, model.end_token());
  Decoder decoder(model, options);
  run_beams(decoder, beams, [&](std::size_t search, std::vector<Prefix>& beam, Rows logits) {
    const double dropped = step(beam, logits, longest_with(prompts[search].size(), options));
    thresholds[search] = std::max(thresholds[search], dropped);
  });
  std::vector<StochasticBeam> out;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    out.push_back(drawn_leaves(std::move(beams[i]), prompts[i].size(), thresholds[i]));
  }
  return out;
}

}  // namespace

std::vector<StochasticBeam> stochastic_beam_search(const SequenceModel& model, Prompts prompts,
                                                   std::size_t k, const Streams& streams,
                                                   const SearchOptions& options) {
  check_search(model, options);
  check_unsteered(options.filter);
  check_width(model, k);
  for (const Sequence& prompt : prompts) check_prompt(model, prompt);
  streams.check_covers(prompts.size());
  std::vector<Stream> each;
  for (std::size_t i = 0; i < prompts.size(); ++i) each.push_back(streams[i]);
  std::vector<StochasticBeam> out(prompts.size());
  for_each_batch(model, options, prompts.size(), k, [&](std::size_t first, std::size_t last) {
    auto done = search_batch(model, prompts.subspan(first, last - first), k,
                             std::span<const Stream>(each).subspan(first, last - first), options);
    std::move(done.begin(), done.end(), out.begin() + static_cast<std::ptrdiff_t>(first));
  });
  return out;
}

StochasticBeam stochastic_beam_search(const SequenceModel& model, const Sequence& prompt,
                                      std::size_t k, const Stream& stream,
                                      const SearchOptions& options) {
  return std::move(
      stochastic_beam_search(model, std::span(&prompt, 1), k, std::span(&stream, 1), options)
          .front());
}

}  // namespace partita
