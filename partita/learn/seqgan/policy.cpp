// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/seqgan/policy.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/learn/internal/threads.hpp"
#include "partita/learn/rows.hpp"
#include "partita/learn/seqgan/internal/draw.hpp"

namespace partita::seqgan {
namespace {

/// Logits computed at a time: as many as stay in a cache until they have been drawn from.
constexpr std::int64_t kLogitsAtOnce = 1 << 18;

/// Places in TokenPolicy's state; the model's cache follows.
enum Place : std::size_t { kEnded, kHidden, kCache };

void check_rows(const SequencePolicy::State& state, std::span<const Stream> streams) {
  check_size("streams", streams.size(), state.front().size(0), "one for each row");
}

}  // namespace

TokenPolicy::TokenPolicy(std::shared_ptr<language::LanguageModel> model,
                         const TokenPolicyOptions& options)
    : model_(std::move(model)), options_(options) {
  if (!model_) throw InvalidArgument("model", "expected a language model, got none");
  const std::int64_t last = model_->vocabulary() - 1;
  check_between("start_token", options.start_token, 0, last);
  check_between("end_token", options.end_token, -1, last, "-1: none");
  check_in("temperature", options.temperature, "(0, inf)");
  register_module("model", model_);
}

SequencePolicy::State TokenPolicy::start(std::int64_t rows) const {
  const at::TensorOptions options(model_->device());
  language::LanguageModel::Cache cache;
  const Tensor first = at::full({rows, 1}, options_.start_token, options.dtype(at::kLong));
  State state = {at::zeros({rows}, options.dtype(at::kBool)),
                 model_->hidden(first, cache).squeeze(1)};
  state.insert(state.end(), cache.begin(), cache.end());
  return state;
}

Tensor TokenPolicy::draw(const State& state, std::span<const Stream> streams) const {
  check_rows(state, streams);
  const at::NoGradGuard no_grad;
  const Tensor& hidden = state[kHidden];
  const std::int64_t rows = hidden.size(0);
  const std::int64_t block = std::max<std::int64_t>(1, kLogitsAtOnce / model_->vocabulary());
  std::vector<Tensor> blocks;
  for (std::int64_t first = 0; first < rows; first += block) {
    const std::int64_t count = std::min(block, rows - first);
    Tensor logits = model_->logits(hidden.narrow(0, first, count));
    if (options_.temperature != 1) logits.div_(options_.temperature);
    const auto of_block =
        streams.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    if (!logits.device().is_cpu()) {
      blocks.push_back(draw_by_inversion(logits, of_block));
      continue;
    }
    const std::vector<std::int64_t> chosen =
        gumbel_max(rows_of(logits, "logits"), of_block, {.threads = threads_for(logits.numel())});
    blocks.push_back(at::tensor(at::ArrayRef<std::int64_t>(chosen), at::kLong));
  }
  Tensor drawn = at::cat(blocks);
  return options_.end_token < 0 ? drawn : drawn.masked_fill_(state[kEnded], options_.end_token);
}

void TokenPolicy::read(const Tensor& elements, State& state) const {
  language::LanguageModel::Cache cache(state.begin() + kCache, state.end());
  state[kHidden] = model_->hidden(elements.unsqueeze(1), cache).squeeze(1);
  std::copy(cache.begin(), cache.end(), state.begin() + kCache);
  if (options_.end_token >= 0) state[kEnded] = state[kEnded] | (elements == options_.end_token);
}

Tensor TokenPolicy::inputs_of(const Tensor& sequences) const {
  const Tensor first = at::full_like(sequences.narrow(1, 0, 1), options_.start_token);
  return at::cat({first, sequences.narrow(1, 0, sequences.size(1) - 1)}, 1);
}

Tensor TokenPolicy::log_prob(const Tensor& sequences) const {
  return log_prob(sequences, inputs_of(sequences));
}

Tensor TokenPolicy::log_prob(const Tensor& sequences, const Tensor& inputs) const {
  Tensor logits = model_->logits(model_->hidden(inputs).flatten(0, 1));
  if (options_.temperature != 1) logits = logits / options_.temperature;
  const Tensor log_prob =
      -at::cross_entropy_loss(logits, sequences.flatten(), /*weight=*/{}, at::Reduction::None)
           .view(sequences.sizes());
  if (options_.end_token < 0) return log_prob;
  const Tensor ends = (sequences == options_.end_token).to(at::kLong);
  return log_prob.masked_fill(ends.cumsum(1) - ends > 0, 0);
}

GaussianPolicy::GaussianPolicy(const GaussianPolicyOptions& options, const Random& random)
    : options_(options) {
  const auto& [features, hidden] = options;
  check_at_least("features", features, 1);
  check_at_least("hidden", hidden, 1);
  const double bound = 1 / std::sqrt(static_cast<double>(hidden));
  const auto parameter = [&](const char* name, IntArrayRef shape) {
    return register_parameter(name, random.uniform(shape, at::kFloat).mul_(2).sub_(1).mul_(bound));
  };
  lstm_ = {parameter("weight_ih", {4 * hidden, features}),
           parameter("weight_hh", {4 * hidden, hidden}), parameter("bias_ih", {4 * hidden}),
           parameter("bias_hh", {4 * hidden})};
  output_weight_ = parameter("output_weight", {2 * features, hidden});
  output_bias_ = register_parameter("output_bias", at::zeros({2 * features}));
}

distributions::Normal GaussianPolicy::distribution(const Tensor& hidden) const {
  const auto parameters = at::linear(hidden, output_weight_, output_bias_).chunk(2, -1);
  return {parameters[0], parameters[1].exp()};
}

SequencePolicy::State GaussianPolicy::start(std::int64_t rows) const {
  const auto options = output_weight_.options().requires_grad(false);
  const Tensor zeros = at::zeros({rows, options_.hidden}, options);
  State state = {zeros, zeros};
  read(at::zeros({rows, options_.features}, options), state);
  return state;
}

Tensor GaussianPolicy::draw(const State& state, std::span<const Stream> streams) const {
  check_rows(state, streams);
  const at::NoGradGuard no_grad;
  const distributions::Normal normal = next(state);
  const Tensor noise = at::empty(normal.loc().sizes(), at::kDouble);
  auto* out = noise.data_ptr<double>();
  for (const Stream& stream : streams) {
    Draws draws(stream);
    for (std::int64_t i = 0; i < options_.features; ++i) *out++ = draws.normal();
  }
  return normal.loc() + normal.scale() * noise.to(normal.loc().options());
}

void GaussianPolicy::read(const Tensor& elements, State& state) const {
  const auto [h, c] =
      at::lstm_cell(elements, {state[0], state[1]}, lstm_[0], lstm_[1], lstm_[2], lstm_[3]);
  state = {h, c};
}

Tensor GaussianPolicy::log_prob(const Tensor& sequences) const {
  const Tensor first = at::zeros_like(sequences.narrow(1, 0, 1));
  const Tensor inputs = at::cat({first, sequences.narrow(1, 0, sequences.size(1) - 1)}, 1);
  const Tensor zeros = at::zeros({1, sequences.size(0), options_.hidden},
                                 output_weight_.options().requires_grad(false));
  const Tensor hidden = std::get<0>(
      at::lstm(inputs, {zeros, zeros}, lstm_, /*has_biases=*/true, /*num_layers=*/1, /*dropout=*/0,
               at::GradMode::is_enabled(), /*bidirectional=*/false, /*batch_first=*/true));
  return distribution(hidden).log_prob(sequences).sum(-1);
}

std::vector<Stream> element_streams(const Stream& stream, std::int64_t t, std::int64_t rows,
                                    std::int64_t first) {
  const Stream elements = stream.child(static_cast<std::uint64_t>(t));
  std::vector<Stream> streams(static_cast<std::size_t>(rows));
  for (std::size_t row = 0; row < streams.size(); ++row) {
    streams[row] = elements.child(static_cast<std::uint64_t>(first) + row);
  }
  return streams;
}

Tensor sample(const SequencePolicy& policy, std::int64_t count, std::int64_t length,
              const Stream& stream) {
  check_at_least("count", count, 1);
  return sample(policy, {.first = 0, .size = count, .total = count}, length, stream);
}

Tensor sample(const SequencePolicy& policy, const Share& share, std::int64_t length,
              const Stream& stream) {
  check_at_least("length", length, 1);
  const at::NoGradGuard no_grad;
  SequencePolicy::State state = policy.start(share.size);
  std::vector<Tensor> elements;
  for (std::int64_t t = 0; t < length; ++t) {
    if (t > 0) policy.read(elements.back(), state);
    elements.push_back(policy.draw(state, element_streams(stream, t, share.size, share.first)));
  }
  return at::stack(elements, 1);
}

Tensor scheduled_inputs(const TokenPolicy& policy, const Tensor& sequences, double teacher,
                        const Stream& stream, const Share& share) {
  check_in("teacher", teacher, "[0, 1]");
  check_size("sequences", sequences.size(0), share.size, "the share's rows");
  enum Draw : std::uint64_t { kTokens, kCoins };
  const Stream coins = stream.child(kCoins);
  const at::NoGradGuard no_grad;
  const Tensor inputs = policy.inputs_of(sequences);
  SequencePolicy::State state = policy.start(share.size);
  for (std::int64_t t = 1; t < sequences.size(1); ++t) {
    const Tensor drawn =
        policy.draw(state, element_streams(stream.child(kTokens), t, share.size, share.first));
    Tensor is_true = at::empty({share.size}, at::kBool);
    for (std::int64_t row = 0; row < share.size; ++row) {
      const std::int64_t coin = t * share.total + share.first + row;
      is_true[row] = coins.uniform(static_cast<std::uint64_t>(coin)) < teacher;
    }
    is_true = is_true.to(sequences.device());
    inputs.select(1, t).copy_(at::where(is_true, inputs.select(1, t), drawn));
    policy.read(inputs.select(1, t), state);
  }
  return inputs;
}

Tensor scheduled_inputs(const TokenPolicy& policy, const Tensor& sequences, double teacher,
                        const Stream& stream) {
  const std::int64_t rows = sequences.size(0);
  return scheduled_inputs(policy, sequences, teacher, stream,
                          {.first = 0, .size = rows, .total = rows});
}

}  // namespace partita::seqgan
