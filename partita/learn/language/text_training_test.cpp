// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/language/text_training.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"
#include "partita/learn/losses/adaptive_softmax.hpp"
#include "partita/learn/losses/nce.hpp"
#include "partita/learn/losses/sampled_softmax.hpp"
#include "partita/search/ancestral.hpp"
#include "temporary_directory.hpp"

namespace partita::language {
namespace {

using ::testing::HasSubstr;
using testing::message_of;
using testing::TemporaryDirectory;

constexpr double kStay = 0.8;
constexpr double kEnd = 0.1;

/// Lines of a's and b's: each letter is the one before it with probability kStay, and after each
/// the line ends with probability kEnd.
std::vector<std::string> chain(std::size_t n, std::uint64_t seed = 11) {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < n; ++i) {
    Draws draws({.seed = seed, .id = i});
    bool b = draws.uniform() < 0.5;
    std::string line(1, b ? 'b' : 'a');
    while (draws.uniform() >= kEnd) {
      if (draws.uniform() >= kStay) b = !b;
      line += b ? 'b' : 'a';
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

/// The log-likelihood per token of the lines under the distribution that made them.
double log_likelihood_of_the_source(const std::vector<std::string>& lines) {
  double sum = 0;
  double tokens = 0;
  for (const std::string& line : lines) {
    sum += std::log(0.5) + std::log(kEnd);
    for (std::size_t i = 1; i < line.size(); ++i) {
      sum += std::log(1 - kEnd) + std::log(line[i] == line[i - 1] ? kStay : 1 - kStay);
    }
    tokens += static_cast<double>(line.size() + 1);
  }
  return sum / tokens;
}

TextModel small_model(const std::vector<std::string>& lines, bool transformer = false,
                      const std::vector<std::int64_t>& cutoffs = {}) {
  const TextUnits units = TextUnits::learn(UnitKind::character, lines);
  const NetworkOptions options = transformer
                                     ? NetworkOptions(TransformerOptions{
                                           .dim = 16, .layers = 1, .heads = 2, .cutoffs = cutoffs})
                                     : NetworkOptions(LstmOptions{.dim = 16, .cutoffs = cutoffs});
  return TextModel::make(units, options, Stream{.seed = 2});
}

/// Every loss finds the distribution of the text, as far as 3,000 lines determine it.
TEST(TextTraining, FindsTheDistribution) {
  at::set_num_threads(1);  // small matrices
  const std::vector<std::string> lines = chain(3000);
  const std::vector<std::string> test = chain(4000, 12);
  const auto noise = [&](const TextModel& model) {
    return losses::NoiseDistribution::unigram(token_counts(model.units, lines), 1);
  };
  const double expected = log_likelihood_of_the_source(test);
  // With three tokens most noise is the target itself, and leaving it out would be a bias.
  const losses::SampledSoftmaxOptions exact{.noise = 10, .mask_accidental_hits = false};
  for (const bool transformer : {false, true}) {
    for (const char* loss : {"full", "adaptive", "nce", "sampled"}) {
      const bool adaptive = std::string(loss) == "adaptive";
      TextModel model =
          small_model(lines, transformer,
                      adaptive ? std::vector<std::int64_t>{1} : std::vector<std::int64_t>{});
      const TextTrainingOptions options{
          .epochs = 4, .batch = 32, .learning_rate = 1e-2, .held_out = 0};
      const std::string which = loss;
      const TextTrainingResult result =
          which == "full" ? train(model, lines, losses::FullSoftmaxLoss(), {.seed = 3}, options)
          : adaptive      ? train(model, lines, losses::AdaptiveSoftmaxLoss(), {.seed = 3}, options)
          : which == "nce" ? train(model, lines, losses::NceLoss(noise(model), {.noise = 10}),
                                   {.seed = 3}, options)
                           : train(model, lines, losses::SampledSoftmaxLoss(noise(model), exact),
                                   {.seed = 3}, options);
      EXPECT_EQ(result.held_out.tokens, 0U);
      const TextEvaluation evaluation = evaluate(model, test);
      EXPECT_NEAR(evaluation.log_likelihood, expected, 0.01) << which << ' ' << transformer;
      EXPECT_NEAR(evaluation.perplexity, std::exp(-evaluation.log_likelihood), 1e-9);
    }
  }
}

TEST(TextTraining, PiecesOfLongLines) {
  const std::vector<std::string> lines = {std::string(1000, 'a'), "b"};
  const TextModel model = small_model(lines);
  const TextEvaluation cut = evaluate(model, lines, {.length = 7});
  EXPECT_EQ(cut.tokens, 1003U);
  EXPECT_EQ(evaluate(model, lines, {.length = 5000}).tokens, 1003U);
}

TEST(TextTraining, BatchSizeDoesNotChangeAnEvaluation) {
  const std::vector<std::string> lines = chain(50);
  const TextModel model = small_model(lines);
  const double one = evaluate(model, lines, {.batch = 1}).log_likelihood;
  EXPECT_NEAR(evaluate(model, lines, {.batch = 64}).log_likelihood, one, 1e-6);
}

Tensor weights(const TextModel& model) {
  std::vector<Tensor> all;
  for (const Tensor& parameter : model.network->parameters()) all.push_back(parameter.flatten());
  return at::cat(all).detach().clone();
}

/// A loss that ends the run before its step `stop_at`.
struct Stopped {};
class StoppingLoss : public losses::OutputLoss {
 public:
  StoppingLoss(bool adaptive, std::uint64_t stop_at) : adaptive_(adaptive), stop_at_(stop_at) {}

 private:
  losses::Form form() const override {
    return adaptive_ ? losses::Form::tails : losses::Form::softmax;
  }
  Tensor losses(const losses::OutputBatch& batch, const losses::OutputLayer& output,
                const Random& random) const override {
    if (steps_++ == stop_at_) throw Stopped();
    constexpr auto kNone = losses::Reduction::none;
    return adaptive_ ? losses::AdaptiveSoftmaxLoss()(batch, output, random, kNone)
                     : losses::FullSoftmaxLoss()(batch, output, random, kNone);
  }

  bool adaptive_;
  std::uint64_t stop_at_;
  mutable std::uint64_t steps_ = 0;
};

// Stopped anywhere and taken up again: the same bits as without a break. The tail of the adaptive
// output holds one letter that a single line has, so that Adam may not have met it yet.
TEST(TextTraining, Resumes) {
  const TemporaryDirectory directory;
  std::vector<std::string> lines = chain(200);
  lines.emplace_back("z");
  const TextTrainingOptions options{.epochs = 3, .batch = 16, .held_out = 0};
  for (const bool adaptive : {false, true}) {
    const auto run = [&](const std::string& checkpoint, std::uint64_t stop_at) {
      TextModel model =
          TextModel::make(TextUnits::learn(UnitKind::character, lines),
                          LstmOptions{.dim = 8,
                                      .layers = 2,
                                      .dropout = 0.2,
                                      .cutoffs = adaptive ? std::vector<std::int64_t>{3}
                                                          : std::vector<std::int64_t>{}},
                          Stream{.seed = 2});
      try {
        train(model, lines, StoppingLoss(adaptive, stop_at), {.seed = 5}, options,
              {.checkpoint = checkpoint, .checkpoint_seconds = 0});
      } catch (const Stopped&) {
      }
      return weights(model);
    };
    constexpr std::uint64_t kNever = ~std::uint64_t{0};
    const Tensor whole = run("", kNever);
    const std::string checkpoint = directory / (adaptive ? "adaptive" : "full");
    run(checkpoint, 1);
    run(checkpoint, 4);
    run(checkpoint, 13);
    EXPECT_TRUE(at::equal(run(checkpoint, kNever), whole)) << adaptive;
  }
}

TEST(TextModel, IsTheSameFromAFile) {
  const TemporaryDirectory directory;
  const std::vector<std::string> lines = chain(20);
  for (const auto& [transformer, cutoffs] :
       {std::pair<bool, std::vector<std::int64_t>>{false, {}}, {true, {}}, {false, {1, 2}}}) {
    const TextModel model = small_model(lines, transformer, cutoffs);
    model.save(directory / "a.model");
    const TextModel loaded = TextModel::load(directory / "a.model");
    EXPECT_EQ(evaluate(loaded, lines).log_likelihood, evaluate(model, lines).log_likelihood);
    const auto sample = [&](const TextModel& each) {
      return ancestral_samples(each.sequences(), {}, 20, Stream{1}, {.max_length = 30});
    };
    EXPECT_EQ(sample(loaded), sample(model));

    const std::string bytes = read_file(directory / "a.model");
    EXPECT_EQ(model.serialize(), bytes);
    EXPECT_EQ(sample(TextModel::parse(bytes)), sample(model));
    for (std::size_t length = 0; length < bytes.size(); length += 97) {
      write_file(directory / "cut.model", std::string_view(bytes).substr(0, length));
      EXPECT_THROW(TextModel::load(directory / "cut.model"), DataError) << length;
    }
  }
}

TEST(TextTraining, Refusals) {
  const std::vector<std::string> lines = chain(20);
  const auto error = [&](const TextTrainingOptions& options) {
    TextModel model = small_model(lines);
    return message_of<InvalidArgument>(
        [&] { train(model, lines, losses::FullSoftmaxLoss(), {.seed = 3}, options); });
  };
  EXPECT_EQ(error({.epochs = 0}), "epochs: expected a number in (0, inf), got 0");
  EXPECT_EQ(error({.batch = 0}), "batch: expected 1 or more, got 0");
  EXPECT_EQ(error({.length = 0}), "length: expected 1 or more, got 0");
  EXPECT_EQ(error({.learning_rate = -1}), "learning_rate: expected a number in (0, inf), got -1");
  EXPECT_EQ(error({.held_out = 1}), "held_out: expected a number in [0, 1), got 1");
}

}  // namespace
}  // namespace partita::language
