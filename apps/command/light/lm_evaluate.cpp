// SPDX-License-Identifier: Apache-2.0
#include "apps/command/light/lm_evaluate.hpp"
#include "apps/report/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/command/light/calibrate_result.hpp"
#include "apps/command/options.hpp"
#include "apps/command/terminal.hpp"
#include "apps/command/text_generator.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"
#include "partita/io/text.hpp"
#include "partita/random/stream.hpp"
#include "partita/search/score.hpp"

namespace partita::app {
namespace {

/// The children of the seed's stream: which tokens calibration looks at, and resamples of them.
enum Purpose : std::uint64_t { kSample, kResamples };

struct EvaluateOptions {
  ModelFile model;
  std::string text;
  std::string report;
  CommonOptions common;
};

struct Text {
  std::vector<Sequence> sequences;
  std::size_t tokens = 0;    ///< tokens predicted, the ends included
  std::size_t left_out = 0;  ///< characters or words that the model cannot read
};

/// A line without the characters (or words, of a TorchScript module) that the model does not know.
Sequence known_tokens(const TextGenerator& generator, std::string_view line, bool words,
                      std::size_t& left_out) {
  Sequence out;
  const auto add = [&](std::string_view piece) {
    try {
      const Sequence tokens = generator.encode(piece);
      out.insert(out.end(), tokens.begin(), tokens.end());
    } catch (const InvalidArgument&) {
      ++left_out;
    }
  };
  if (!words) {
    for (const char32_t c : decode_utf8(line)) add(encode_utf8({&c, 1}));
    return out;
  }
  while (!line.empty()) {
    const std::string_view word = line.substr(0, line.find(' '));
    line.remove_prefix(std::min(line.size(), word.size() + 1));
    if (!word.empty()) add(word);
  }
  return out;
}

Text read_text(const EvaluateOptions& options, const TextGenerator& generator) {
  const TextLines text = read_lines(options.text);
  for (const std::string& line : text.notes) note(line);
  Text out;
  for (const std::string& line : text.lines) {
    try {
      out.sequences.push_back(generator.encode(line));
    } catch (const InvalidArgument&) {
      out.sequences.push_back(
          known_tokens(generator, line, options.model.units == UnitKind::word, out.left_out));
    }
    out.tokens += out.sequences.back().size() + (generator.model->end_token() >= 0 ? 1 : 0);
  }
  if (out.tokens == 0) throw DataError(options.text, "no tokens to predict");
  return out;
}

/// The prediction of all tokens.
struct Prediction {
  double nll = 0;        ///< mean, in nats; infinite if the text has what the model cannot read
  double known_nll = 0;  ///< that of the tokens that are not unseen
  std::size_t unseen = 0;
  double accuracy = 0;
};

/// Logits and the tokens that came: all of them, or as many as memory should hold, by a coin each.
struct Sample {
  std::vector<float> logits;
  std::vector<std::int64_t> labels;

  Rows rows(std::size_t columns) const { return {logits.data(), labels.size(), columns}; }
};

/// The tokens that a sample holds, in the order of the text whatever thread saw them first.
class Sampler {
 public:
  Sampler(const Text& text, Token end, std::size_t vocabulary, const Stream& stream)
      : vocabulary_(vocabulary) {
    constexpr std::size_t kMostLogits = std::size_t{1} << 27U;  // half a GiB
    const std::size_t most = std::max<std::size_t>(1, kMostLogits / vocabulary);
    const double share = static_cast<double>(most) / static_cast<double>(text.tokens);
    std::uint64_t token = 0;
    for (const Sequence& sequence : text.sequences) {
      const std::size_t targets = sequence.size() + (end >= 0 ? 1 : 0);
      for (std::size_t t = 0; t < targets; ++t, ++token) {
        const bool taken =
            sample_.labels.size() < most && (share >= 1 || stream.uniform(token) < share);
        row_.push_back(taken ? sample_.labels.size() : kNone);
        if (taken) sample_.labels.push_back(t < sequence.size() ? sequence[t] : end);
      }
      first_.push_back(row_.size());
    }
    sample_.logits.resize(sample_.labels.size() * vocabulary);
  }

  void see(std::size_t sequence, std::size_t position, Rows logits) {
    const std::size_t first = sequence == 0 ? 0 : first_[sequence - 1];
    const std::size_t row = row_[first + position];
    if (row == kNone) return;
    float* const out = &sample_.logits[row * vocabulary_];
    if (logits.dtype() == DType::f32) {
      std::copy_n(logits.row_data<float>(0), vocabulary_, out);
    } else {
      std::transform(logits.row_data<double>(0), logits.row_data<double>(0) + vocabulary_, out,
                     [](double z) { return static_cast<float>(z); });
    }
  }

  const Sample& sample() const { return sample_; }

 private:
  static constexpr std::size_t kNone = ~std::size_t{0};
  std::size_t vocabulary_;
  std::vector<std::size_t> row_ = {};    // each token's row; kNone: not in the sample
  std::vector<std::size_t> first_ = {};  // where the sequence after each begins
  Sample sample_ = {};
};

Prediction predict(const TextGenerator& generator, const Text& text, int threads,
                   Sampler& sampler) {
  const SequenceModel& model = *generator.model;
  constexpr std::size_t kAtOnce = 4096;  // lines, so that those of one length go together
  Meter meter("evaluating");
  double log_prob = 0;
  double log_prob_of_unseen = 0;
  std::size_t unseen = 0;
  std::size_t correct = 0;
  std::size_t done = 0;
  for (std::size_t first = 0; first < text.sequences.size(); first += kAtOnce) {
    const std::size_t count = std::min(kAtOnce, text.sequences.size() - first);
    const auto scores = score_sequences(
        model, std::span(text.sequences).subspan(first, count), {.threads = threads},
        [&](std::size_t sequence, std::size_t position, Rows logits) {
          sampler.see(first + sequence, position, logits);
        });
    for (std::size_t s = 0; s < count; ++s) {
      const Sequence& tokens = text.sequences[first + s];
      for (std::size_t t = 0; t < scores[s].size(); ++t) {
        const TokenScore& score = scores[s][t];
        const bool is_unseen = t < tokens.size() && generator.unknown == tokens[t];
        (is_unseen ? log_prob_of_unseen : log_prob) += score.log_prob;
        unseen += is_unseen ? 1 : 0;
        correct += score.correct ? 1 : 0;
      }
      done += scores[s].size();
    }
    meter.update({.done = done, .total = text.tokens, .unit = "tokens"});
  }
  const auto n = static_cast<double>(text.tokens);
  return {.nll = text.left_out > 0 ? std::numeric_limits<double>::infinity()
                                   : -(log_prob + log_prob_of_unseen) / n,
          .known_nll = -log_prob / static_cast<double>(text.tokens - unseen),
          .unseen = unseen + text.left_out,
          .accuracy = static_cast<double>(correct) / n};
}

/// Calibration of the next token's probabilities, and by the best temperature if there is one.
CalibrationResult calibrate(const EvaluateOptions& options, const Sample& sample,
                            std::size_t vocabulary) {
  const Rows rows = sample.rows(vocabulary);
  const int threads = options.common.threads;
  constexpr std::size_t kResampleCount = 200;
  CalibrationResult result;
  result.logits = options.model.path;
  result.fitted_rows = sample.labels.size();
  result.evaluated_rows = sample.labels.size();
  result.classes = vocabulary;
  result.resamples = options.report.empty() ? 0 : kResampleCount;
  result.seed = options.common.seed;
  const auto evaluate = [&](const Calibrator* calibrator) {
    if (result.resamples == 0) {
      return evaluate_calibration(rows, sample.labels, {}, calibrator, threads);
    }
    return evaluate_calibration(
        rows, sample.labels, Stream{.seed = options.common.seed}.child(kResamples),
        {.resamples = result.resamples, .threads = threads}, {}, calibrator);
  };
  result.before = {evaluate(nullptr)};
  result.fit = fit_calibrator(CalibrationMethod::temperature, rows, sample.labels, {}, threads);
  if (!result.fit->calibrator) return result;
  const Calibrator& calibrator = *result.fit->calibrator;
  result.after = {evaluate(&calibrator)};
  if (!options.report.empty()) {
    result.curve =
        nll_curve(rows, sample.labels,
                  std::get<TemperatureScaling>(calibrator.parameters()).temperature, threads);
  }
  return result;
}

void run(EvaluateOptions& options) {
  options.model.threads = options.common.threads;
  const TextGenerator generator = open_model(options.model);
  const Text text = read_text(options, generator);
  const SequenceModel& model = *generator.model;
  Sampler sampler(text, model.end_token(), model.vocabulary_size(),
                  Stream{.seed = options.common.seed}.child(kSample));
  const Prediction prediction =
      predict(generator, text, generator.threaded ? 1 : options.common.threads, sampler);
  CalibrationResult calibration = calibrate(options, sampler.sample(), model.vocabulary_size());
  const double perplexity = std::exp(prediction.nll);
  const double known_perplexity = std::exp(prediction.known_nll);
  calibration.preface = fmt::format(
      "A language model ({}) on {}: perplexity {:.4f} over {}, the ends of {} included. Each row "
      "is a token that was predicted, each class one that it could have been.{}{}",
      generator.kind, std::filesystem::path(options.text).filename().string(), perplexity,
      counted(text.tokens, "token"), counted(text.sequences.size(), "line"),
      prediction.unseen == 0
          ? std::string()
          : fmt::format(" Without the {} that the model has never seen, perplexity is {:.4f}.",
                        grouped(prediction.unseen), known_perplexity),
      calibration.evaluated_rows == text.tokens
          ? std::string()
          : fmt::format(" The tables and figures are of {} of the tokens, drawn by the seed; their "
                        "nll is the logarithm of their perplexity, not of that of all tokens.",
                        grouped(calibration.evaluated_rows)));
  const CalibrationMetrics& metrics = calibration.before.metrics;
  std::optional<double> temperature;
  if (const auto& calibrator = calibration.fit->calibrator) {
    temperature = std::get<TemperatureScaling>(calibrator->parameters()).temperature;
  }
  if (!options.report.empty()) write_file(options.report, calibration_report(calibration));
  if (options.common.json) {
    print_json({{"model", options.model.path},
                {"kind", generator.kind},
                {"lines", text.sequences.size()},
                {"tokens", text.tokens},
                {"nll", prediction.nll},
                {"perplexity", perplexity},
                {"unseen", prediction.unseen},
                {"perplexity_without_unseen", known_perplexity},
                {"accuracy", prediction.accuracy},
                {"confidence", metrics.confidence},
                {"ece", metrics.ece},
                {"temperature", temperature ? Json(*temperature) : Json()},
                {"ece_at_temperature", temperature ? Json(calibration.after->metrics.ece) : Json()},
                {"nll_at_temperature", temperature ? Json(calibration.after->metrics.nll) : Json()},
                {"calibration_tokens", calibration.evaluated_rows},
                {"bins", bins_json(calibration.before)},
                {"seed", options.common.seed}});
    return;
  }
  print(fmt::format(
      "{}, {}, the lines' ends included\n"
      "perplexity   {:.4f}   ({:.4f} nats per token)\n{}"
      "accuracy     {:.4f}   of the most likely next token\n"
      "confidence   {:.4f}   its mean probability\n"
      "ECE          {:.4f}   (15 bins{})\n",
      counted(text.sequences.size(), "line"), counted(text.tokens, "token"), perplexity,
      prediction.nll,
      prediction.unseen == 0 ? std::string()
                             : fmt::format("unseen       {}   (perplexity without them {:.4f})\n",
                                           grouped(prediction.unseen), known_perplexity),
      prediction.accuracy, metrics.confidence, metrics.ece,
      calibration.evaluated_rows == text.tokens
          ? ""
          : fmt::format(", of {}", counted(calibration.evaluated_rows, "token"))));
  if (temperature) {
    print(fmt::format("best T       {:.4f}   (ECE {:.4f}, perplexity {:.4f})\n", *temperature,
                      calibration.after->metrics.ece, std::exp(calibration.after->metrics.nll)));
  } else {
    print("best T       none\n");
  }
  if (!options.report.empty()) note("wrote " + options.report);
}

}  // namespace

void add_lm_evaluate(CLI::App& app) {
  auto* command =
      app.add_subcommand("evaluate",
                         "Perplexity of a text, and how well the next token's probabilities are "
                         "calibrated");
  auto options = std::make_shared<EvaluateOptions>();
  command
      ->add_option("MODEL,--model", options->model.path,
                   "from lm train, a GGUF file, or a TorchScript module")
      ->option_text("FILE")
      ->required();
  command->add_option("TEXT", options->text, "UTF-8 text, as for training")
      ->option_text("FILE")
      ->required();
  add_common(*command, options->common);
  add_report(*command, options->report, "the reliability diagram of the next token");
  add_model_options(*command, options->model);
  command->footer(
      "Example:\n"
      "  partita lm evaluate words.model other-words.txt --report words.html\n"
      "\n"
      "Every line is predicted from its beginning, token by token, its end included. What the "
      "model "
      "has never\nseen is counted: words and pieces stand as <unk>, other characters, of "
      "probability "
      "0, are left out of\ntheir line; perplexity is given with them and without. Calibration "
      "looks at all\ntokens, or at as many as half a GiB of logits holds; best T is the "
      "temperature at which they are likeliest.");
  command->callback([options] { run(*options); });
}

}  // namespace partita::app
