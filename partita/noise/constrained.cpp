// SPDX-License-Identifier: Apache-2.0
#include "partita/noise/constrained.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/gumbel/top_down.hpp"
#include "partita/noise/internal/sequential.hpp"
#include "partita/search/internal/beam_steps.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

void check_constraint(const Constraint& constraint) {
  if (!constraint) throw InvalidArgument("constraint", "expected a function, got none");
}

bool meets(const Constraint& constraint, const Prefix& prefix, std::size_t prompt) {
  return constraint(std::span(prefix.tokens).subspan(prompt), prefix.leaf);
}

Hypothesis without_prompt(Prefix prefix, std::size_t prompt) {
  strip_prompt(prefix.tokens, prompt);
  return {std::move(prefix.tokens), prefix.finished, prefix.log_prob};
}

/// log of the mass that is left without these categories.
double log_mass_without(Rows logits, const Normalizer& normalizer,
                        const std::vector<std::size_t>& rejected) {
  double mass = 1;
  const RowReader<double> row(logits, 0);
  for (const std::size_t i : rejected) mass -= std::exp(normalizer.log_prob(row.at(i)));
  constexpr double kFew = 0.01;  // below it, the difference has lost digits
  if (mass > kFew) return std::log(mass);
  std::vector<double> rest = doubles_of(logits);
  for (const std::size_t i : rejected) rest[i] = kMinusInfinity;
  return normalizer.log_prob(log_sum_exp({rest.data(), 1, rest.size()}).front());
}

}  // namespace

std::optional<AllowedDraw> allowed_draw(Rows logits, const std::function<bool(Token)>& allowed,
                                        const Stream& stream) {
  TopDown top_down;
  const Normalizer normalizer = top_down.reset(logits);
  top_down.start(stream);
  std::vector<std::size_t> rejected;
  AllowedDraw out;
  while (const auto item = top_down.next()) {
    const double log_prob = normalizer.log_prob(item->logit);
    out.token = static_cast<Token>(item->index);
    ++out.looks;
    if (!allowed(out.token)) {
      rejected.push_back(static_cast<std::size_t>(item->index));
      continue;
    }
    out.log_prob = log_prob;
    out.log_mass = log_prob;
    const auto next = top_down.next();
    out.looks += next ? 1 : 0;
    if (next && allowed(static_cast<Token>(next->index))) {
      out.log_mass = std::max(log_prob, log_mass_without(logits, normalizer, rejected));
    }
    return out;
  }
  return std::nullopt;
}

// A node keeps the probabilities of its children, less what is known to be dead below each: they
// sum to what is alive of the node. Sums are made anew along a dead prefix's path, not by
// subtraction, and of logarithms: what is alive may be less than a double can say.
struct ConstrainedSampler::State {
  struct Node {
    std::vector<double> log_prob;   // of the next token
    std::vector<double> log_alive;  // the same, less what is dead
    std::vector<double> alive;      // of the next token, if the text is not dead: in sum 1
    double share = 0;               // log of the sum of what is alive
    std::map<Token, std::unique_ptr<Node>> children;

    void add_up() {
      const Rows row(log_alive.data(), 1, log_alive.size());
      share = log_sum_exp(row).front();
      if (share > kMinusInfinity) softmax(row, {alive.data(), 1, alive.size()});
    }
  };

  const SequenceModel* model;
  SearchOptions options;
  Sequence prompt;
  Constraint constraint;
  std::size_t most_attempts;
  std::size_t attempts = 0;
  Node root;

  /// Fills a node that is met for the first time.
  /// @param decoder has seen its parent, unless that was known before
  void open(Node& node, const Sequence& prefix, std::optional<Decoder>& decoder) const {
    constexpr std::size_t kItsRow[] = {0};
    if (decoder) {
      decoder->reorder(kItsRow);
    } else {
      decoder.emplace(*model, options);
    }
    const Rows logits = decoder->next({&prefix, 1});
    std::vector<double> log_prob(logits.columns());
    log_softmax(logits, {log_prob.data(), 1, log_prob.size()});
    node.log_alive = log_prob;
    node.alive.resize(log_prob.size());
    node.add_up();
    node.log_prob = std::move(log_prob);
  }

  /// Draws a text of those not known to be dead. Nothing if it is dead, which is then known.
  std::optional<Prefix> attempt(const Stream& stream) {
    const std::size_t longest = longest_with(prompt.size(), options);
    std::vector<std::pair<Node*, Token>> path;
    Prefix prefix{.tokens = prompt};
    Node* node = &root;
    std::optional<Decoder> decoder;  // from the first new node on, below which all are new
    for (std::uint64_t step = 0;; ++step) {
      if (node->log_prob.empty()) open(*node, prefix.tokens, decoder);
      const Token token = choose(node->alive, 1, stream.uniform(step));
      path.emplace_back(node, token);
      const double log_prob = prefix.log_prob + node->log_prob[static_cast<std::size_t>(token)];
      prefix = extend(prefix, token, log_prob, model->end_token(), longest);
      if (!meets(constraint, prefix, prompt.size())) {
        bury(path);
        return std::nullopt;
      }
      if (prefix.leaf) return prefix;
      auto& child = node->children[token];
      if (!child) child = std::make_unique<Node>();
      node = child.get();
    }
  }

  /// Takes the last token of a path out of the tree.
  static void bury(std::span<const std::pair<Node*, Token>> path) {
    double share = kMinusInfinity;  // what is alive below
    for (std::size_t i = path.size(); i-- > 0;) {
      auto& [node, token] = path[i];
      const auto at = static_cast<std::size_t>(token);
      node->log_alive[at] = node->log_prob[at] + share;
      node->add_up();
      share = node->share;
      if (share == kMinusInfinity) node->children.clear();
    }
  }
};

ConstrainedSampler::ConstrainedSampler(const SequenceModel& model, const Sequence& prompt,
                                       Constraint constraint, const SearchOptions& options,
                                       std::size_t most_attempts)
    : state_(std::make_unique<State>()) {
  check_search(model, options);
  check_unsteered(options.filter);
  check_prompt(model, prompt);
  check_constraint(constraint);
  check_at_least("most_attempts", most_attempts, 1);
  state_->model = &model;
  state_->options = options;
  state_->prompt = prompt;
  state_->constraint = std::move(constraint);
  state_->most_attempts = most_attempts;
}

ConstrainedSampler::~ConstrainedSampler() = default;
ConstrainedSampler::ConstrainedSampler(ConstrainedSampler&&) noexcept = default;
ConstrainedSampler& ConstrainedSampler::operator=(ConstrainedSampler&&) noexcept = default;

Hypothesis ConstrainedSampler::draw(const Stream& stream) {
  State& state = *state_;
  std::size_t attempt = 0;
  for (; attempt < state.most_attempts && state.root.share > kMinusInfinity; ++attempt) {
    ++state.attempts;
    if (auto text = state.attempt(stream.child(attempt))) {
      return without_prompt(std::move(*text), state.prompt.size());
    }
  }
  if (state.root.share == kMinusInfinity) throw InvalidArgument("constraint", "no text meets it");
  throw InvalidArgument("constraint",
                        fmt::format("no text of {} met it, whose probability is at most {:.3g}",
                                    attempt, mass_bound()));
}

double ConstrainedSampler::mass_bound() const { return std::exp(state_->root.share); }

std::size_t ConstrainedSampler::attempts() const { return state_->attempts; }

namespace {

/// The particle that each place takes, by systematic resampling at u, u + 1, ...
/// @param weights in mean 1
std::vector<std::size_t> systematic(std::span<const double> weights, double u) {
  std::vector<std::size_t> chosen;
  double passed = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    passed += weights[i];
    while (chosen.size() < weights.size() && static_cast<double>(chosen.size()) + u < passed) {
      chosen.push_back(i);
    }
  }
  while (chosen.size() < weights.size()) chosen.push_back(chosen.back());  // by rounding
  return chosen;
}

}  // namespace

WeightedTexts constrained_particles(const SequenceModel& model, const Sequence& prompt,
                                    const Constraint& constraint, std::size_t particles,
                                    const Stream& stream, const SearchOptions& options) {
  check_search(model, options);
  check_unsteered(options.filter);
  check_prompt(model, prompt);
  check_constraint(constraint);
  check_between("particles", particles, 1, model.most_prefixes(),
                "prefixes that the model can hold");
  const std::size_t longest = longest_with(prompt.size(), options);
  const auto n = static_cast<double>(particles);
  WeightedTexts out;
  out.log_mass = 0;
  const Prefix root{.tokens = prompt};
  std::vector<std::vector<Prefix>> beams = {std::vector<Prefix>(particles, root)};
  std::vector<double> log_weights(particles, 0);  // of weights in mean 1
  std::uint64_t step = 0;
  Decoder decoder(model, options);
  run_beams(decoder, beams, [&](std::size_t, std::vector<Prefix>& texts, Rows logits) {
    const Stream noise = stream.child(step++);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      Prefix& text = texts[i];
      if (text.leaf) continue;
      const auto child = [&](Token token, double log_prob) {
        return extend(text, token, log_prob, model.end_token(), longest);
      };
      const auto drawn = allowed_draw(
          logits.slice(text.row, 1),
          [&](Token token) {
            ++out.looks;
            return meets(constraint, child(token, 0), prompt.size());
          },
          noise.child(i));
      if (drawn) {
        log_weights[i] += drawn->log_mass;
        text = child(drawn->token, text.log_prob + drawn->log_prob);
      } else {
        log_weights[i] = kMinusInfinity;
        text.leaf = true;  // it is dead
      }
    }
    const double log_mean = log_sum_exp({log_weights.data(), 1, particles}).front() - std::log(n);
    out.log_mass += log_mean;
    if (log_mean == kMinusInfinity) return;
    std::vector<double> weights;
    double squares = 0;
    for (double& log_weight : log_weights) {
      log_weight -= log_mean;
      weights.push_back(std::exp(log_weight));
      squares += weights.back() * weights.back();
    }
    if (n * n >= n / 2 * squares) return;
    std::vector<Prefix> next;
    for (const std::size_t i : systematic(weights, noise.child(particles).uniform(0))) {
      next.push_back(texts[i]);
    }
    texts = std::move(next);
    log_weights.assign(particles, 0);
  });
  for (std::size_t i = 0; i < particles; ++i) {
    if (log_weights[i] == kMinusInfinity) continue;
    out.weights.push_back(std::exp(log_weights[i]) / n);
    out.sequences.push_back(without_prompt(std::move(beams[0][i]), prompt.size()));
  }
  return out;
}

}  // namespace partita
