// SPDX-License-Identifier: Apache-2.0
#include "partita/search/stochastic_beam.hpp"

#include <algorithm>
#include <limits>

#include "partita/base/internal/check.hpp"
#include "partita/search/importance_weights.hpp"
#include "partita/search/internal/stochastic_step.hpp"

namespace partita {
namespace {

/// The searches of one batch.
std::vector<StochasticBeam> search_batch(const SequenceModel& model,
                                         std::span<const Sequence> prompts, std::size_t k,
                                         std::span<const Stream> streams,
                                         const SearchOptions& options) {
  std::vector<std::vector<Prefix>> beams;
  std::vector<StochasticBeam> out(prompts.size());
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    beams.push_back({perturbed_root(prompts[i], streams[i])});
    out[i].threshold = -std::numeric_limits<double>::infinity();
  }
  StochasticStep step(k, model.end_token());
  Decoder decoder(model, options);
  run_beams(decoder, beams, [&](std::size_t search, std::vector<Prefix>& beam, Rows logits) {
    const double dropped = step(beam, logits, longest_with(prompts[search].size(), options));
    out[search].threshold = std::max(out[search].threshold, dropped);
  });
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    std::vector<double> log_prob;
    for (Prefix& leaf : beams[i]) {
      strip_prompt(leaf.tokens, prompts[i].size());
      log_prob.push_back(leaf.log_prob);
      out[i].sequences.push_back(
          {{std::move(leaf.tokens), leaf.finished, leaf.log_prob}, leaf.perturbed});
    }
    out[i].weights = importance_weights(log_prob, out[i].threshold);
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
