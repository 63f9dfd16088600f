// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/language/text_training.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/optim/adam.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/learn/share.hpp"
#include "partita/learn/training/batches.hpp"
#include "partita/random/shuffle.hpp"

namespace partita::language {
namespace {

/// The children of the stream of a training.
enum Purpose : std::uint64_t { kHoldOut, kOrder, kDropout, kNoise };

/// Lines as tokens, cut into pieces: target i of a piece follows its input i.
class Pieces {
 public:
  Pieces(const TextUnits& units, std::span<const std::string> lines, std::int64_t length)
      : end_(units.end_token()) {
    for (const std::string& line : lines) {
      const Sequence tokens = units.encode(line);
      const std::size_t first = stream_.size();
      stream_.push_back(end_);  // the end of the line before
      stream_.insert(stream_.end(), tokens.begin(), tokens.end());
      stream_.push_back(end_);
      const std::size_t targets = tokens.size() + 1;
      for (std::size_t at = 0; at < targets; at += static_cast<std::size_t>(length)) {
        begin_.push_back(first + at);
        length_.push_back(std::min(length, static_cast<std::int64_t>(targets - at)));
        targets_ += static_cast<std::uint64_t>(length_.back());
      }
    }
  }

  std::int64_t size() const { return static_cast<std::int64_t>(begin_.size()); }
  std::uint64_t targets() const { return targets_; }

  /// Indices of pieces by falling length.
  void sort(std::vector<std::int64_t>& pieces) const {
    std::stable_sort(pieces.begin(), pieces.end(),
                     [&](std::int64_t a, std::int64_t b) { return length(a) > length(b); });
  }

  struct Batch {
    Tensor inputs;   ///< [B, L], padded with ends
    Tensor places;   ///< where the flattened inputs are not padding
    Tensor targets;  ///< [places]
  };

  std::int64_t longest(std::span<const std::int64_t> pieces) const {
    std::int64_t most = 0;
    for (const std::int64_t piece : pieces) most = std::max(most, length(piece));
    return most;
  }
  std::int64_t targets(std::span<const std::int64_t> pieces) const {
    std::int64_t sum = 0;
    for (const std::int64_t piece : pieces) sum += length(piece);
    return sum;
  }

  /// @param longest L: that of the longest piece, or more
  Batch batch(std::span<const std::int64_t> pieces, std::int64_t longest) const {
    const auto rows = static_cast<std::int64_t>(pieces.size());
    const Tensor inputs = at::full({rows, longest}, end_, at::kLong);
    auto* const in = inputs.data_ptr<std::int64_t>();
    std::vector<std::int64_t> places;
    std::vector<std::int64_t> targets;
    for (std::int64_t row = 0; row < rows; ++row) {
      const auto piece = static_cast<std::size_t>(pieces[static_cast<std::size_t>(row)]);
      for (std::int64_t i = 0; i < length_[piece]; ++i) {
        const std::size_t at = begin_[piece] + static_cast<std::size_t>(i);
        in[row * longest + i] = stream_[at];
        places.push_back(row * longest + i);
        targets.push_back(stream_[at + 1]);
      }
    }
    return {inputs, at::tensor(places, at::kLong), at::tensor(targets, at::kLong)};
  }

 private:
  std::int64_t length(std::int64_t piece) const { return length_[static_cast<std::size_t>(piece)]; }

  Token end_;
  std::vector<Token> stream_ = {};
  std::vector<std::size_t> begin_ = {};
  std::vector<std::int64_t> length_ = {};
  std::uint64_t targets_ = 0;
};

/// Batches of pieces of similar length: those of one pool are sorted, cut into batches, and taken
/// in random order.
class PieceBatches {
 public:
  PieceBatches(const Pieces& pieces, std::int64_t batch, const Stream& stream)
      : pieces_(&pieces),
        batch_(static_cast<std::size_t>(batch)),
        slices_(stream.child(kSlices)),
        pools_(pieces.size(), batch * static_cast<std::int64_t>(kPool), stream.child(kPools)) {}

  /// The pieces of a step.
  std::span<const std::int64_t> at(std::uint64_t step) {
    if (pool_.empty() || step / kPool != which_) fill(step / kPool);
    const std::size_t slice = order_[step % kPool];
    return std::span(pool_).subspan(slice * batch_, batch_);
  }

 private:
  static constexpr std::uint64_t kPool = 16;  // batches
  enum Draw : std::uint64_t { kPools, kSlices };

  void fill(std::uint64_t which) {
    which_ = which;
    const Tensor drawn = pools_.at(which);
    const auto* first = drawn.data_ptr<std::int64_t>();
    pool_.assign(first, first + drawn.numel());
    pieces_->sort(pool_);
    order_.resize(kPool);
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    shuffle(order_, slices_.child(which));
  }

  const Pieces* pieces_;
  std::size_t batch_;
  Stream slices_;  // the order of a pool's batches
  training::Batches pools_;
  std::uint64_t which_ = 0;
  std::vector<std::int64_t> pool_ = {};  // empty before the first
  std::vector<std::size_t> order_ = {};
};

struct HiddenAndTargets {
  Tensor hidden;   ///< [N, dim]
  Tensor targets;  ///< [N]
};

HiddenAndTargets predict(const LanguageModel& network, const Pieces::Batch& batch,
                         const std::optional<Random>& dropout) {
  const auto device = network.device();
  const Tensor hidden = network.hidden(batch.inputs.to(device), dropout);
  return {hidden.flatten(0, 1).index_select(0, batch.places.to(device)), batch.targets.to(device)};
}

/// The ranks take batches in turn.
TextEvaluation evaluate(const LanguageModel& network, const Pieces& pieces, std::int64_t batch,
                        Group& group) {
  const at::NoGradGuard no_grad;
  std::vector<std::int64_t> all(static_cast<std::size_t>(pieces.size()));
  std::iota(all.begin(), all.end(), std::int64_t{0});
  pieces.sort(all);
  TextEvaluation result{.tokens = pieces.targets()};
  double sum = 0;
  const auto size = static_cast<std::size_t>(batch);
  for (auto at = size * static_cast<std::size_t>(group.rank()); at < all.size();
       at += size * static_cast<std::size_t>(group.size())) {
    const std::size_t count = std::min(all.size() - at, size);
    const auto some = std::span(all).subspan(at, count);
    const auto [hidden, targets] = predict(network, pieces.batch(some, pieces.longest(some)), {});
    sum += losses::evaluate({hidden, targets}, network.output())
               .log_likelihood.to(at::kDouble)
               .sum()
               .item<double>();
  }
  group.all_reduce(std::span(&sum, 1), Reduction::sum);
  result.log_likelihood = sum / static_cast<double>(std::max<std::uint64_t>(1, result.tokens));
  result.perplexity = std::exp(-result.log_likelihood);
  return result;
}

void check(const TextTrainingOptions& options) {
  check_in("epochs", options.epochs, "(0, inf)");
  check_at_least("batch", options.batch, 1);
  check_at_least("length", options.length, 1);
  check_in("learning_rate", options.learning_rate, "(0, inf)");
  check_in("held_out", options.held_out, "[0, 1)");
}

struct Split {
  std::vector<std::string> train;
  std::vector<std::string> held_out;
};

/// Divides the lines, each by a coin of its own.
Split split(std::span<const std::string> lines, double share, const Stream& coins) {
  Split out;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    (coins.uniform(i) < share ? out.held_out : out.train).push_back(lines[i]);
  }
  return out;
}

training::RunFacts facts_of(const NetworkOptions& network) {
  return std::visit(
      [](const auto& options) {
        training::RunFacts facts;
        if constexpr (requires { options.heads; }) {
          facts.add("network", std::string("transformer")).add("heads", options.heads);
        } else {
          facts.add("network", std::string("lstm"));
        }
        return facts.add("dim", options.dim)
            .add("layers", options.layers)
            .add("dropout", options.dropout)
            .add("cutoffs", fmt::format("{}", fmt::join(options.cutoffs, " ")));
      },
      network);
}

/// The rate falls to the last step, so that their number matters.
training::RunFacts facts_of(const TextModel& model, std::span<const std::string> lines,
                            const Stream& stream, const TextTrainingOptions& options) {
  std::vector<std::string> vocabulary;
  for (std::size_t token = 0; token < model.units.size(); ++token) {
    const auto id = static_cast<Token>(token);
    vocabulary.push_back(id == model.units.end_token() ? "" : model.units.decode({&id, 1}));
  }
  training::RunFacts facts = facts_of(model.options);
  return facts.add("text", training::digest(lines))
      .add("vocabulary", training::digest(vocabulary))
      .add("epochs", options.epochs)
      .add("batch", options.batch)
      .add("length", options.length)
      .add("learning rate", options.learning_rate)
      .add("clip norm", options.clip_norm)
      .add("held out", options.held_out)
      .add("patience", options.patience)
      .add("stream", stream);
}

}  // namespace

TextTrainingResult train(TextModel& model, std::span<const std::string> lines,
                         const losses::OutputLoss& loss, const Stream& stream,
                         const TextTrainingOptions& options, const training::RunFiles& files,
                         const Progress& progress) {
  check(options);
  const auto [train_lines, held_out_lines] = split(lines, options.held_out, stream.child(kHoldOut));
  if (train_lines.empty()) throw InvalidArgument("lines", "none left to train on");
  const Pieces pieces(model.units, train_lines, options.length);
  const Pieces held_out(model.units, held_out_lines, options.length);
  const auto per_epoch =
      static_cast<std::uint64_t>((pieces.size() + options.batch - 1) / options.batch);
  training::LoopOptions loop{
      .steps = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(
                                              options.epochs * static_cast<double>(per_epoch)))),
      .files = files};
  loop.files.run.add(facts_of(model, lines, stream, options));

  LanguageModel& network = *model.network;
  network.to(options.device);
  const auto adam = std::make_shared<torch::optim::Adam>(
      network.parameters(), torch::optim::AdamOptions(options.learning_rate));
  const std::vector<training::Part> parts = {
      {"language model", model.network, adam, options.clip_norm, options.group}};
  const double batch_tokens = static_cast<double>(pieces.targets()) /
                              static_cast<double>(pieces.size()) *
                              static_cast<double>(options.batch);  // on average
  PieceBatches batches(pieces, options.batch, stream.child(kOrder));
  const Share share = Share::of(options.batch, *options.group);
  const auto step = [&](std::uint64_t n) -> training::Losses {
    const double done = static_cast<double>(n) / static_cast<double>(loop.steps);
    static_cast<torch::optim::AdamOptions&>(adam->param_groups().front().options())
        .lr(options.learning_rate * (1 - 0.9 * done));
    const auto all = batches.at(n);
    const auto own =
        all.subspan(static_cast<std::size_t>(share.first), static_cast<std::size_t>(share.size));
    const Share tokens{pieces.targets(all.first(static_cast<std::size_t>(share.first))),
                       pieces.targets(own), pieces.targets(all)};
    const Random dropout = Random(stream.child(kDropout).child(n)).of(share);
    const Random noise = Random(stream.child(kNoise).child(n)).of(tokens);
    const auto [hidden, targets] =
        predict(network, pieces.batch(own, pieces.longest(all)), dropout);
    // Not the batch's own mean, in which the tokens of a batch of short pieces would weigh more.
    const Tensor value =
        loss({hidden, targets}, network.output(), noise, losses::Reduction::sum) / batch_tokens;
    training::descend(parts[0], value);
    return {{"loss", value}};
  };
  training::Evaluate on_held_out;
  if (held_out.size() > 0) {
    loop.evaluate_every = per_epoch;
    loop.patience = options.patience;
    on_held_out = [&]() -> training::Values {
      return {{"held_out_perplexity",
               evaluate(network, held_out, options.batch, *options.group).perplexity}};
    };
  }
  TextTrainingResult result{.loop = training::train(parts, loop, step, on_held_out, progress),
                            .tokens = pieces.targets()};
  if (held_out.size() > 0)
    result.held_out = evaluate(network, held_out, options.batch, *options.group);
  return result;
}

TextEvaluation evaluate(const TextModel& model, std::span<const std::string> lines,
                        const TextTrainingOptions& options) {
  check(options);
  check_at_least("lines", lines.size(), 1);
  return evaluate(*model.network, Pieces(model.units, lines, options.length), options.batch,
                  *options.group);
}

std::vector<std::uint64_t> token_counts(const TextUnits& units,
                                        std::span<const std::string> lines) {
  std::vector<std::uint64_t> counts(units.size());
  for (const std::string& line : lines) {
    for (const Token token : units.encode(line)) ++counts[static_cast<std::size_t>(token)];
    ++counts[static_cast<std::size_t>(units.end_token())];
  }
  return counts;
}

}  // namespace partita::language
