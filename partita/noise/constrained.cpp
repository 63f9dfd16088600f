// SPDX-License-Identifier: Apache-2.0
#include "partita/noise/constrained.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/gumbel/top_down.hpp"
#include "partita/noise/internal/sequential.hpp"
#include "partita/search/internal/beam_steps.hpp"

namespace partita {
namespace {

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

}  // namespace

std::optional<AllowedDraw> allowed_draw(Rows logits, const std::function<bool(Token)>& allowed,
                                        const Stream& stream) {
  TopDown top_down;
  const Normalizer normalizer = top_down.reset(logits);
  top_down.start(stream);
  double left = 1;  // the mass of what is not rejected
  AllowedDraw out;
  while (const auto item = top_down.next()) {
    const double log_prob = normalizer.log_prob(item->logit);
    out.token = static_cast<Token>(item->index);
    ++out.looks;
    if (!allowed(out.token)) {
      left -= std::exp(log_prob);
      continue;
    }
    out.log_prob = log_prob;
    out.log_mass = log_prob;
    const auto next = top_down.next();
    out.looks += next ? 1 : 0;
    if (next && allowed(static_cast<Token>(next->index))) {
      out.log_mass = std::max(log_prob, std::log(std::max(0.0, left)));
    }
    return out;
  }
  return std::nullopt;
}

// A node keeps the probabilities of its children, less what is known to be dead below each: they
// sum to what is alive of the node. Sums are made anew along a dead prefix's path, not by
// subtraction.
struct ConstrainedSampler::State {
  struct Node {
    std::vector<double> log_prob;  // of the next token
    std::vector<double> alive;     // probabilities, less what is dead
    double share = 1;              // their sum
    std::map<Token, std::unique_ptr<Node>> children;
  };

  const SequenceModel* model;
  SearchOptions options;
  Sequence prompt;
  Constraint constraint;
  std::size_t most_attempts;
  std::size_t attempts = 0;
  Node root;

  /// Fills a node that is met for the first time.
  void open(Node& node, const Sequence& prefix) const {
    Decoder decoder(*model, options);
    const Rows logits = decoder.next({&prefix, 1});
    node.log_prob.resize(logits.columns());
    log_softmax(logits, {node.log_prob.data(), 1, node.log_prob.size()});
    for (const double x : node.log_prob) node.alive.push_back(std::exp(x));
    node.share = total(node);
  }

  static double total(const Node& node) {
    double sum = 0;
    for (const double x : node.alive) sum += x;
    return sum;
  }

  /// Draws a text of those not known to be dead. Nothing if it is dead, which is then known.
  std::optional<Prefix> attempt(const Stream& stream) {
    const std::size_t longest = longest_with(prompt.size(), options);
    std::vector<std::pair<Node*, Token>> path;
    Prefix prefix{.tokens = prompt};
    Node* node = &root;
    for (std::uint64_t step = 0;; ++step) {
      if (node->log_prob.empty()) open(*node, prefix.tokens);
      const Token token = choose(*node, stream.uniform(step));
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

  static Token choose(const Node& node, double u) {
    double left = u * node.share;
    std::size_t last = 0;
    for (std::size_t i = 0; i < node.alive.size(); ++i) {
      if (node.alive[i] == 0) continue;
      last = i;
      left -= node.alive[i];
      if (left < 0) break;
    }
    return static_cast<Token>(last);
  }

  /// Takes the last token of a path out of the tree.
  static void bury(std::span<const std::pair<Node*, Token>> path) {
    double share = 0;  // what is alive below
    for (std::size_t i = path.size(); i-- > 0;) {
      auto& [node, token] = path[i];
      const auto at = static_cast<std::size_t>(token);
      node->alive[at] = std::exp(node->log_prob[at]) * share;
      share = node->share = total(*node);
      if (share == 0) node->children.clear();
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
  for (; attempt < state.most_attempts && state.root.share > 0; ++attempt) {
    ++state.attempts;
    if (auto text = state.attempt(stream.child(attempt))) {
      return without_prompt(std::move(*text), state.prompt.size());
    }
  }
  throw InvalidArgument(
      "constraint", state.root.share == 0
                        ? std::string("no text meets it")
                        : fmt::format("no text of {} met it, whose probability is at most {:.3g}",
                                      attempt, state.root.share));
}

double ConstrainedSampler::mass_bound() const { return state_->root.share; }

std::size_t ConstrainedSampler::attempts() const { return state_->attempts; }

namespace {

/// A text and its weight; those of all particles have a mean of 1.
struct Particle {
  Prefix prefix{};
  double weight = 1;
};

/// The particle that each place takes, by systematic resampling at u, u + 1, ...
std::vector<std::size_t> systematic(std::span<const Particle> particles, double u) {
  std::vector<std::size_t> chosen;
  double passed = 0;
  for (std::size_t i = 0; i < particles.size(); ++i) {
    passed += particles[i].weight;
    while (chosen.size() < particles.size() && static_cast<double>(chosen.size()) + u < passed) {
      chosen.push_back(i);
    }
  }
  while (chosen.size() < particles.size()) chosen.push_back(chosen.back());  // by rounding
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
  double log_mass = 0;
  std::vector<Particle> all(particles, Particle{.prefix = {.tokens = prompt}});
  Decoder decoder(model, options);
  for (std::uint64_t step = 0;; ++step) {
    std::vector<Sequence> prefixes;
    std::vector<std::size_t> parents;
    for (Particle& particle : all) {
      if (particle.prefix.leaf || particle.weight == 0) continue;
      parents.push_back(std::exchange(particle.prefix.row, prefixes.size()));
      prefixes.push_back(particle.prefix.tokens);
    }
    if (prefixes.empty()) break;
    if (step > 0) decoder.reorder(parents);
    const Rows logits = decoder.next(prefixes);
    for (std::size_t i = 0; i < all.size(); ++i) {
      Particle& particle = all[i];
      if (particle.prefix.leaf || particle.weight == 0) continue;
      const auto child = [&](Token token, double log_prob) {
        return extend(particle.prefix, token, log_prob, model.end_token(), longest);
      };
      const auto drawn = allowed_draw(
          logits.slice(particle.prefix.row, 1),
          [&](Token token) {
            ++out.looks;
            return meets(constraint, child(token, 0), prompt.size());
          },
          stream.child(step).child(i));
      if (!drawn) {
        particle.weight = 0;
        continue;
      }
      particle.prefix = child(drawn->token, particle.prefix.log_prob + drawn->log_prob);
      particle.weight *= std::exp(drawn->log_mass);
    }
    double sum = 0;
    for (const Particle& particle : all) sum += particle.weight;
    if (sum == 0) return out;
    log_mass += std::log(sum / n);
    double squares = 0;
    for (Particle& particle : all) {
      particle.weight *= n / sum;
      squares += particle.weight * particle.weight;
    }
    if (n * n >= n / 2 * squares) continue;
    std::vector<Particle> next;
    for (const std::size_t i : systematic(all, stream.child(step).child(particles).uniform(0))) {
      next.push_back({all[i].prefix, 1});
    }
    all = std::move(next);
  }
  out.log_mass = log_mass;
  for (Particle& particle : all) {
    if (particle.weight == 0) continue;
    out.weights.push_back(particle.weight / n);
    out.sequences.push_back(without_prompt(std::move(particle.prefix), prompt.size()));
  }
  return out;
}

}  // namespace partita
