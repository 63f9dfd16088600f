// SPDX-License-Identifier: Apache-2.0
// SeqGAN on the lines of a text, character by character.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <span>
#include <unordered_set>
#include <utility>

#include "apps/experiments/device.hpp"
#include "apps/experiments/seqgan/experiment.hpp"
#include "apps/experiments/seqgan/phases.hpp"
#include "partita/base/error.hpp"
#include "partita/io/text.hpp"
#include "partita/learn/language/text_model.hpp"

namespace partita::app {
namespace {

using seqgan::TokenPolicy;

constexpr std::size_t kShownSamples = 24;  // samples

/// Lines that have room for their ends, each once, divided into learned and held out.
struct Corpus {
  std::vector<std::string> learned = {};
  std::vector<std::string> held_out = {};
  std::uint64_t too_long = 0;
};

/// Tokens [N, length], filled up with ends.
Tensor tokens_of(const TextUnits& units, std::span<const std::string> lines, std::int64_t length) {
  const Tensor all =
      at::full({static_cast<std::int64_t>(lines.size()), length}, units.end_token(), at::kLong);
  auto* row = all.data_ptr<std::int64_t>();
  for (const std::string& line : lines) {
    const Sequence tokens = units.encode(line);
    std::copy(tokens.begin(), tokens.end(), row);
    row += length;
  }
  return all;
}

Corpus split(const TextLines& text, const TextUnits& units, const SeqganOptions& options) {
  Corpus corpus;
  std::unordered_set<std::string> seen;
  const Stream coin = seqgan_stream(options, SeqganDraw::held_out);
  for (std::size_t i = 0; i < text.lines.size(); ++i) {
    const std::string& line = text.lines[i];
    if (static_cast<std::int64_t>(units.encode(line).size()) >= options.length) {
      ++corpus.too_long;
    } else if (seen.insert(line).second) {
      (coin.uniform(i) < options.held_out ? corpus.held_out : corpus.learned).push_back(line);
    }
  }
  const auto need = [&](const std::vector<std::string>& lines, const char* use) {
    if (!lines.empty()) return;
    throw DataError(options.corpus, fmt::format("no line of fewer than {} characters is left to {}",
                                                options.length, use));
  };
  need(corpus.learned, "learn from");
  need(corpus.held_out, "hold out: see --held-out");
  return corpus;
}

class TextExperiment {
 public:
  TextExperiment(const SeqganOptions& options, const TextLines& text, const Phases& phases)
      : options_(options),
        device_(device_of(options.run.device)),
        units_(TextUnits::learn(UnitKind::character, text.lines)),
        corpus_(split(text, units_, options)),
        held_out_(tokens_of(units_, corpus_.held_out, options.length).to(device_)),
        phases_(options, tokens_of(units_, corpus_.learned, options.length).to(device_), held_out_,
                phases) {}

  SeqganTextResult run() {
    SeqganTextResult result{
        .lines = corpus_.learned.size(), .too_long = corpus_.too_long, .tokens = units_.size()};
    const language::TextModel model = make_model();
    const auto generator = policy(model);
    result.phases.push_back(phases_.maximum_likelihood("MLE", generator, 1, {}));
    result.quality.push_back(quality("MLE", *generator));
    for (SeqganPhase& phase :
         phases_.adversarial(generator, policy(make_model()),
                             static_cast<std::int64_t>(units_.size()), evaluation(*generator))) {
      result.phases.push_back(std::move(phase));
    }
    result.quality.push_back(quality("SeqGAN", *generator));
    model.network->to(at::kCPU);
    if (!options_.output.empty()) model.save(options_.output);
    return result;
  }

 private:
  language::TextModel make_model() const {
    language::TextModel model =
        language::TextModel::make(units_, language::LstmOptions{.dim = options_.hidden},
                                  seqgan_stream(options_, SeqganDraw::generator));
    model.network->to(device_);
    return model;
  }

  /// A line starts where the one before it ended, as in language::TextModel.
  static std::shared_ptr<TokenPolicy> policy(const language::TextModel& model) {
    const auto end = static_cast<std::int64_t>(model.units.end_token());
    return std::make_shared<TokenPolicy>(
        model.network, seqgan::TokenPolicyOptions{.start_token = end, .end_token = end});
  }

  std::vector<std::string> lines_of(const Tensor& sequences) const {
    const Tensor rows = sequences.cpu().contiguous();
    const auto* row = rows.data_ptr<std::int64_t>();
    std::vector<std::string> lines;
    for (std::int64_t i = 0; i < rows.size(0); ++i, row += rows.size(1)) {
      Sequence tokens;
      for (const auto* at = row; at != row + rows.size(1); ++at) {
        if (*at == units_.end_token()) break;
        tokens.push_back(static_cast<Token>(*at));
      }
      lines.push_back(units_.decode(tokens));
    }
    return lines;
  }

  SeqganTextQuality quality(const std::string& name, const TokenPolicy& policy) const {
    SeqganTextQuality q = quality_of_samples(policy);
    q.name = name;
    q.held_out_nll = seqgan::nll_of(policy, held_out_);
    return q;
  }

  SeqganTextQuality quality_of_samples(const TokenPolicy& policy) const {
    const Tensor drawn = seqgan::sample(policy, options_.samples, options_.length,
                                        seqgan_stream(options_, SeqganDraw::measured));
    SeqganTextQuality q{.distinct = distinct_share(drawn), .samples = lines_of(drawn)};
    const auto share_in = [&](const std::vector<std::string>& lines) {
      const std::unordered_set<std::string> known(lines.begin(), lines.end());
      const auto hits = std::count_if(q.samples.begin(), q.samples.end(),
                                      [&](const auto& each) { return known.contains(each); });
      return static_cast<double>(hits) / static_cast<double>(q.samples.size());
    };
    q.in_corpus = share_in(corpus_.learned);
    q.held_out = share_in(corpus_.held_out);
    q.samples.resize(std::min(kShownSamples, q.samples.size()));
    return q;
  }

  training::Evaluate evaluation(const TokenPolicy& policy) const {
    return [this, &policy]() -> training::Values {
      const SeqganTextQuality q = quality_of_samples(policy);
      return {{"distinct", q.distinct}, {"in_corpus", q.in_corpus}, {"held_out", q.held_out}};
    };
  }

  const SeqganOptions& options_;
  at::Device device_;
  TextUnits units_;
  Corpus corpus_;
  Tensor held_out_;
  SeqganPhases phases_;
};

}  // namespace

SeqganTextResult run_seqgan_text(const TextLines& text, const SeqganOptions& options,
                                 const Phases& phases) {
  use_threads(options.threads);
  return TextExperiment(options, text, phases).run();
}

}  // namespace partita::app
