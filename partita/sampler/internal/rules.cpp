// SPDX-License-Identifier: Apache-2.0
#include "partita/sampler/internal/rules.hpp"

#include <hwy/contrib/sort/vqsort.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <utility>
#include <vector>

#include "partita/base/internal/lazy_sort.hpp"

namespace partita::sampler {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The largest x first, sorted only as far as it is read, like LazySort, but with SIMD where it is
/// read far: large kept sets cost little else.
class Descending {
 public:
  explicit Descending(std::vector<double> x) : x_(std::move(x)) {}

  std::size_t size() const { return x_.size(); }
  double operator[](std::size_t i) {
    while (i >= sorted_) sort_more();
    return x_[i];
  }

 private:
  void sort_more() {
    constexpr std::size_t kFew = 2048;
    const auto begin = x_.begin() + static_cast<std::ptrdiff_t>(sorted_);
    if (sorted_ >= kFew) {  // all the rest
      hwy::Sorter()(&*begin, x_.size() - sorted_, hwy::SortDescending());
      sorted_ = x_.size();
      return;
    }
    sorted_ = std::min(x_.size(), std::max<std::size_t>(64, 4 * sorted_));
    const auto end = x_.begin() + static_cast<std::ptrdiff_t>(sorted_);
    std::nth_element(begin, end, x_.end(), std::greater<>());
    std::sort(begin, end, std::greater<>());
  }

  std::vector<double> x_;
  std::size_t sorted_ = 0;
};

Bounds log(Bounds a) { return {std::log(a.low), std::log(a.high)}; }
Bounds operator+(double a, Bounds b) { return {a + b.low, a + b.high}; }
Bounds operator-(Bounds a, Bounds b) { return {a.low - b.high, a.high - b.low}; }
Bounds operator*(double a, Bounds b) { return {a * b.low, a * b.high}; }  // a >= 0
Bounds min(Bounds a, Bounds b) { return {std::min(a.low, b.low), std::min(a.high, b.high)}; }

/// The least likely x that top_p keeps: the last one whose strictly likelier ones weigh less than
/// `limit`. -inf if that may be further down than the list reaches.
double top_p_cut(Descending& x, double limit) {
  CompensatedSum above;
  for (std::size_t i = 0; i < x.size();) {
    const double kept = x[i];
    const double weight = std::exp(kept);
    for (; i < x.size() && x[i] == kept; ++i) above.add(weight);
    if (!(above.value() < limit)) return kept;
  }
  return -kInfinity;
}

/// The least likely x that top_h keeps: the last one with which the entropy of what is kept is at
/// most `limit`. The entropy of e^x over a set is log(sum e^x) - sum x e^x / sum e^x.
double top_h_cut(Descending& x, double limit) {
  CompensatedSum exp;
  CompensatedSum x_exp;
  double kept = 0;
  for (std::size_t i = 0; i < x.size();) {
    const double next = x[i];
    const double weight = std::exp(next);
    for (; i < x.size() && x[i] == next; ++i) {
      exp.add(weight);
      x_exp.add(next * weight);
    }
    if (next < 0 && !(std::log(exp.value()) - x_exp.value() / exp.value() <= limit)) return kept;
    kept = next;
  }
  return -kInfinity;
}

constexpr std::size_t kFitted = 100;  // categories that Mirostat 1 looks at

/// Mirostat 1: how many to keep for a surprise of mu bits, by Zipf's exponent s fitted to the most
/// likely kFitted (Basu et al. 2021, algorithm 1).
std::size_t mirostat_k(Descending& x, double mu, std::size_t categories) {
  double products = 0;
  double squares = 0;
  for (std::size_t i = 0; i + 1 < std::min(kFitted, x.size()); ++i) {
    const double t = std::log(static_cast<double>(i + 2) / static_cast<double>(i + 1));
    products += t * (x[i] - x[i + 1]);
    squares += t * t;
  }
  const auto n = static_cast<double>(categories);
  const double s = squares > 0 ? products / squares : 1;
  const double excess = s - 1;
  // excess / (1 - n^-excess), which is 1 / log n at 0.
  const double ratio = excess == 0 ? 1 / std::log(n) : -excess / std::expm1(-excess * std::log(n));
  const double k = std::pow(ratio * std::exp2(mu), 1 / s);
  return k < n ? std::max<std::size_t>(1, static_cast<std::size_t>(k)) : categories;
}

void keep_from(std::span<double> logits, double max, double cut) {
  for (double& z : logits) {
    if (z - max < cut) z = -kInfinity;
  }
}

/// Min-k: how many to keep, by what is largest; the list's size + 1 if it has too few of n to tell.
double min_k_count(Descending& x, double tau, double least, bool is_whole) {
  double steepest = -1;
  std::size_t cliff = x.size() + 1;
  for (std::size_t i = 1; i < x.size(); ++i) {
    // No later step is steeper than this; rounding keeps the order.
    if ((x[i - 1] - least) / static_cast<double>(i) <= steepest) {
      is_whole = true;
      break;
    }
    const double slope = (x[i - 1] - x[i]) / static_cast<double>(i);
    if (slope > steepest) {
      steepest = slope;
      cliff = i;
    }
  }
  if (!is_whole) return static_cast<double>(x.size() + 1);
  return std::max(static_cast<double>(cliff), std::floor(tau / -least));
}

/// Keeps them, and their equals.
Decision keep_min_k(std::span<double> logits, Descending& x, double max, double covered, double tau,
                    double least) {
  const bool is_whole = covered == -kInfinity;
  const double k = min_k_count(x, tau, least, is_whole);
  if (k > static_cast<double>(x.size())) {
    return is_whole ? Decision::made : Decision::needs_categories;
  }
  const double cut = x[static_cast<std::size_t>(k) - 1];
  if (cut < covered) return Decision::needs_categories;
  keep_from(logits, max, cut);
  return Decision::made;
}

Descending descending(std::span<const double> logits, double max) {
  std::vector<double> x;
  x.reserve(logits.size());
  for (const double z : logits) {
    if (z != -kInfinity) x.push_back(z - max);
  }
  return Descending(std::move(x));
}

/// Keeps the k largest, the first ones of equals.
Decision keep_top_k(std::span<double> logits, Descending& x, double max, double covered,
                    std::size_t k) {
  if (k >= x.size()) {
    return covered == -kInfinity || k == x.size() ? Decision::made : Decision::needs_categories;
  }
  const double cut = x[k - 1];
  if (cut < covered) return Decision::needs_categories;
  std::size_t equals = k;  // how many of those at the cut stay
  for (std::size_t i = 0; i < k && x[i] != cut; ++i) --equals;
  for (double& z : logits) {
    if (z - max > cut) continue;
    if (z - max == cut && equals > 0) {
      --equals;
    } else {
      z = -kInfinity;
    }
  }
  return Decision::made;
}

/// The cut at both ends of the bounds.
template <class Cut>
Decision keep_by(std::span<double> logits, double max, double covered, const Cut& cut_at,
                 Bounds limit) {
  const double high = cut_at(limit.low);  // a lower limit keeps less
  if (high < covered) return Decision::needs_categories;
  const double low = limit.is_exact() ? high : cut_at(limit.high);
  if (low != high) return Decision::needs_sums;
  keep_from(logits, max, high);
  return Decision::made;
}

/// Typical: by distance from the mean of x. (-log p_i - H = E[x] - x_i: the normalizer cancels.)
Decision keep_typical(std::span<double> logits, double max, double covered, double p,
                      const RowSums& sums) {
  if (!sums.exp.is_exact() || !sums.x_exp.is_exact()) return Decision::needs_sums;
  const double center = mean(sums).low;
  struct Category {
    double distance;
    double x;
    bool operator<(const Category& other) const {
      return distance != other.distance ? distance < other.distance : x > other.x;
    }
  };
  LazySort<Category, std::less<>> nearest;
  for (const double z : logits) {
    if (z != -kInfinity) nearest.push_back({std::abs(center - (z - max)), z - max});
  }
  const double limit = p * sums.exp.low;
  CompensatedSum nearer;
  double farthest = kInfinity;  // kept
  for (std::size_t i = 0; i < nearest.size() && farthest == kInfinity;) {
    const double distance = nearest[i].distance;
    for (; i < nearest.size() && nearest[i].distance == distance; ++i) {
      nearer.add(std::exp(nearest[i].x));
    }
    if (!(nearer.value() < limit)) farthest = distance;
  }
  // What is not in the list is farther away than the list's lowest end.
  if (covered != -kInfinity && !(farthest < center - covered)) return Decision::needs_categories;
  for (double& z : logits) {
    if (std::abs(center - (z - max)) > farthest) z = -kInfinity;
  }
  return Decision::made;
}

}  // namespace

Bounds mean(const RowSums& sums) {
  return {sums.x_exp.low / sums.exp.low, sums.x_exp.high / sums.exp.high};
}

Bounds entropy(const RowSums& sums) { return log(sums.exp) - mean(sums); }

double mirostat_mu(const SamplerSettings& settings) {
  const double mu = settings.mirostat_state->mu;
  return std::isnan(mu) ? 2 * settings.mirostat_tau : mu;
}

// The largest, x = 0, always stays.
Bounds cutoff(SamplerStep step, const SamplerSettings& s, const RowSums& sums) {
  const auto cut = [&]() -> Bounds {
    switch (step) {
      case SamplerStep::min_p:
        return {std::log(s.min_p), std::log(s.min_p)};
      case SamplerStep::top_n_sigma:
        return {-s.top_n_sigma * sums.deviation.high, -s.top_n_sigma * sums.deviation.low};
      case SamplerStep::epsilon:
        return std::log(s.epsilon_cutoff) + log(sums.exp);
      case SamplerStep::eta:  // log sqrt(eta) - H + log sum = log(eta) / 2 + E[x]
        return min(std::log(s.eta_cutoff) + log(sums.exp), std::log(s.eta_cutoff) / 2 + mean(sums));
      case SamplerStep::p_less:
        return log(sums.squares) - log(sums.exp);
      default:  // Mirostat 2
        return -mirostat_mu(s) * std::numbers::ln2 + log(sums.exp);
    }
  }();
  return min(cut, {0, 0});
}

bool has_cutoff(SamplerStep step, const SamplerSettings& s) {
  switch (step) {
    case SamplerStep::min_p:
    case SamplerStep::top_n_sigma:
    case SamplerStep::epsilon:
    case SamplerStep::eta:
    case SamplerStep::p_less:
      return true;
    case SamplerStep::mirostat:
      return s.mirostat == 2;
    default:
      return false;
  }
}

Needs needs(SamplerStep step) {
  switch (step) {
    case SamplerStep::top_n_sigma:
      return {.deviation = true};
    case SamplerStep::min_k:
      return {.least = true};
    case SamplerStep::top_h:
    case SamplerStep::typical:
    case SamplerStep::eta:
      return {.exp = true, .x_exp = true};
    case SamplerStep::top_p:
    case SamplerStep::epsilon:
    case SamplerStep::mirostat:
    case SamplerStep::xtc:
      return {.exp = true};
    case SamplerStep::p_less:
      return {.exp = true, .squares = true};
    default:
      return {};
  }
}

void SumOfRow::add(double x) {
  if (x == -kInfinity) return;
  const double e = needs_.any_exp() ? std::exp(x) : 0;
  if (needs_.exp) exp_.add(e);
  if (needs_.x_exp && e > 0) x_exp_.add(x * e);
  if (needs_.squares) squares_.add(e * e);
  if (needs_.least) least_ = std::min(least_, x);
  if (needs_.deviation) {
    count_ += 1;
    x_.add(x);
    x_squared_.add(x * x);
  }
}

RowSums SumOfRow::sums() const {
  const auto exact = [](double x) { return Bounds{x, x}; };
  const double mean_x = x_.value() / count_;
  const double variance = std::max(0.0, x_squared_.value() / count_ - mean_x * mean_x);
  return {.exp = exact(exp_.value()),
          .x_exp = exact(x_exp_.value()),
          .squares = exact(squares_.value()),
          .deviation = exact(needs_.deviation ? std::sqrt(variance) : 0),
          .least = least_};
}

void SumOfRow::write(double* out) const {
  *out++ = count_;
  for (const CompensatedSum* sum : {&exp_, &x_exp_, &squares_, &x_, &x_squared_}) {
    *out++ = sum->value();
  }
  *out = least_;
}

void SumOfRow::add(const double* part) {
  count_ += *part++;
  for (CompensatedSum* sum : {&exp_, &x_exp_, &squares_, &x_, &x_squared_}) sum->add(*part++);
  least_ = std::min(least_, *part);
}

RowSums sum_of(std::span<const double> logits, double max, Needs needs) {
  SumOfRow sum(needs);
  for (const double z : logits) sum.add(z - max);
  return sum.sums();
}

Decision decide(SamplerStep step, const SamplerSettings& s, std::span<double> logits, double max,
                double covered, std::size_t categories, const RowSums& sums) {
  if (has_cutoff(step, s)) {
    const Bounds cut = cutoff(step, s, sums);
    const bool unsure = std::any_of(logits.begin(), logits.end(), [&](double z) {
      return z - max >= cut.low && z - max < cut.high;
    });
    if (unsure) return Decision::needs_sums;
    if (cut.low < covered) return Decision::needs_categories;
    keep_from(logits, max, cut.low);
    return Decision::made;
  }
  if (step == SamplerStep::typical) return keep_typical(logits, max, covered, s.typical_p, sums);
  Descending x = descending(logits, max);
  switch (step) {
    case SamplerStep::top_p:
      return keep_by(
          logits, max, covered, [&](double limit) { return top_p_cut(x, limit); },
          s.top_p * sums.exp);
    case SamplerStep::top_h:
      return keep_by(
          logits, max, covered, [&](double limit) { return top_h_cut(x, limit); },
          s.top_h * entropy(sums));
    case SamplerStep::min_k:
      return keep_min_k(logits, x, max, covered, s.min_k, sums.least);
    case SamplerStep::mirostat: {
      if (x.size() < kFitted && covered != -kInfinity) return Decision::needs_categories;
      return keep_top_k(logits, x, max, covered, mirostat_k(x, mirostat_mu(s), categories));
    }
    default:
      return keep_top_k(logits, x, max, covered, s.top_k);
  }
}

}  // namespace partita::sampler
