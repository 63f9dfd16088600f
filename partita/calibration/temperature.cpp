// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/temperature.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/base/internal/over_ranks.hpp"
#include "partita/calibration/internal/row_chunks.hpp"
#include "partita/softmax/internal/row_pass.hpp"
#include "partita/softmax/internal/tempered.hpp"

namespace partita {
namespace {

constexpr int kMostIterations = 200;
/// For beta |N'|, the mean entropy's distance from N, in nats; where beta times the logits' spread
/// is below 1, for its share of that, which is the most it can be.
constexpr double kTolerance = 1e-12;
/// A step this short, of beta, may go to the root of the Taylor polynomial, and ends single
/// precision, whose error in N' is some 1e-7 of the logits.
constexpr double kShort = 0.05;
/// Fewer rows than some multiple of these are no sample.
constexpr std::size_t kSample = 2048;

/// Where to look next, and what |N'| is there at most.
struct Step {
  double beta;
  double residual = std::numeric_limits<double>::infinity();
};

/// N and its derivatives.
struct Likelihood {
  double value = 0;
  double first = 0;
  double second = 0;
  double third = 0;
  double fourth = 0;

  Likelihood& operator+=(const Likelihood& other) {
    value += other.value;
    first += other.first;
    second += other.second;
    third += other.third;
    fourth += other.fourth;
    return *this;
  }

  /// Over all ranks.
  Likelihood added_up(Group& group) const {
    double sums[] = {value, first, second, third, fourth};
    group.all_reduce(sums, Reduction::sum);
    return {sums[0], sums[1], sums[2], sums[3], sums[4]};
  }

  /// Taylor's polynomials of N, and of N' without the last term.
  double value_at(double step) const {
    return value + step * (first + step / 2 * (second + step / 3 * (third + step / 4 * fourth)));
  }
  double first_at(double step) const {
    return first + step * (second + step / 2 * (third + step / 3 * fourth));
  }

  /// The root of first_at() next to Newton's, by Newton's method.
  Step root(double beta, double newton) const {
    double step = newton - beta;
    for (int i = 0; i < 6; ++i) {
      step -= first_at(step) / (second + step * (third + step / 2 * fourth));
    }
    // What is further below a row's largest logit than 708 / beta has no probability in double, so
    // that the logits that count have this range, R. The fifth cumulant m5 - 10 m3 m2 is then at
    // most 3.5 R^3 m2, as m2 is at most R^2 / 4, and grows by no more than exp(R |step|).
    const double range = 708 / beta;
    const double remainder = 3.5 * std::pow(range, 3) * second * std::exp(range * std::abs(step)) *
                             std::pow(step, 4) / 24;
    return {beta + step, std::abs(first_at(step)) + remainder};
  }
};

/// What does not change with beta: each row's largest logit, and how far its label is below it. Of
/// this rank's rows; sums are over those of all.
class Objective {
 public:
  Objective(Rows logits, std::span<const std::int64_t> labels, Group& group, int threads)
      : logits_(logits),
        group_(group),
        threads_(threads),
        max_(logits.rows()),
        gap_(logits.rows()) {
    together(group, [&] { read(labels); });
    double sums[] = {0, static_cast<double>(logits.rows())};
    for (const double gap : gap_) sums[0] += gap;
    group.all_reduce(sums, Reduction::sum);
    rows_ = sums[1];
    mean_gap_ = sums[0] / rows_;
  }

  /// Of all ranks.
  double rows() const { return rows_; }

  template <class T>
  Likelihood at(double beta) const {
    const auto used = static_cast<double>(static_cast<T>(beta));
    const auto sum =
        sum_over_rows<Likelihood>(logits_.rows(), threads_, [&](std::size_t r, Likelihood& out) {
          const TemperedRow q = tempered_row<T>(logits_, r, max_[r], beta);
          out += {q.log_sum, q.mean, q.variance, q.third, q.fourth};
        }).added_up(group_);
    return {sum.value / rows_ + used * mean_gap_, sum.first / rows_ + mean_gap_, sum.second / rows_,
            sum.third / rows_, sum.fourth / rows_};
  }

  /// How far labels are below the largest logit of their rows; 0 if every label has the largest.
  double mean_gap() const { return mean_gap_; }

  /// How far logits are below the largest of their rows, on average over a rank's first rows, and
  /// on the rank where they are furthest.
  double spread() const {
    constexpr std::size_t kRows = 100;
    const std::size_t rows = std::min(kRows, logits_.rows());
    double mean = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      const RowReader<double> row(logits_, r);
      double below = 0;
      std::size_t possible = 0;
      for (std::size_t c = 0; c < logits_.columns(); ++c) {
        const double z = row.at(c);
        if (std::isinf(z)) continue;
        ++possible;
        below += (max_[r] - z - below) / static_cast<double>(possible);
      }
      mean += (below - mean) / static_cast<double>(r + 1);
    }
    group_.all_reduce({&mean, 1}, Reduction::max);
    return std::max(mean, mean_gap_);
  }

  bool every_row_is_constant() const {
    double varies = own_rows_are_constant() ? 0 : 1;
    group_.all_reduce({&varies, 1}, Reduction::max);
    return varies == 0;
  }

 private:
  void read(std::span<const std::int64_t> labels) {
    with_arithmetic_type(logits_.dtype(), logits_.dtype(), [&](auto zero) {
      using T = decltype(zero);
      for_each_row<RowPass<T>>(
          logits_.rows(), {.threads = threads_}, [&](std::size_t r, RowPass<T>& pass) {
            const RowReader<T> row(logits_, r);
            pass.find_max(row);
            if (std::isinf(pass.max())) row.fail("every category is impossible (all -inf)");
            const auto label = static_cast<std::size_t>(labels[r]);
            max_[r] = pass.max();
            gap_[r] = pass.max() - static_cast<double>(row.at(label));
            if (std::isinf(gap_[r])) {
              throw InvalidArgument("labels",
                                    fmt::format("label {} is impossible (probability 0) at every "
                                                "temperature",
                                                label));
            }
          });
    });
  }

  bool own_rows_are_constant() const {
    for (std::size_t r = 0; r < logits_.rows(); ++r) {
      const RowReader<double> row(logits_, r);
      for (std::size_t c = 0; c < logits_.columns(); ++c) {
        const double z = row.at(c);
        if (z != max_[r] && !std::isinf(z)) return false;
      }
    }
    return true;
  }

  Rows logits_;
  Group& group_;
  int threads_;
  std::vector<double> max_;
  std::vector<double> gap_;
  double rows_ = 0;
  double mean_gap_ = 0;
};

/// Where N' changes its sign: between `low` and `high`.
struct Bracket {
  double low = 0;
  double high = std::numeric_limits<double>::infinity();

  void shrink(double beta, double first) { (first > 0 ? high : low) = beta; }

  /// Newton's step on log beta, in which N is closer to quadratic than in beta, if it stays inside
  /// and is not too long to be trusted, refined where it is short; otherwise a step that is safe.
  /// The second derivative is beta^2 N'' + beta N', whose last term is left out where it is
  /// negative.
  Step next(double beta, const Likelihood& n) const {
    constexpr double kLongest = 8;
    const double slope = beta * n.first;
    const double curvature = beta * beta * n.second + std::max(0.0, slope);
    const double newton = beta * std::exp(-slope / curvature);
    const double least = std::max(low, beta / kLongest);
    const double most = std::min(high, beta * kLongest);
    if (newton > least && newton < most) {
      const Step root = is_short(beta, newton) ? n.root(beta, newton) : Step{newton};
      return root.beta > least && root.beta < most ? root : Step{newton};
    }
    if (std::isinf(high)) return {beta * kLongest};
    if (low == 0) return {beta / kLongest};
    return {std::sqrt(low) * std::sqrt(high)};
  }

  static bool is_short(double from, double to) { return std::abs(to - from) <= kShort * from; }
};

/// Where a search begins if nothing but the logits' spread is known.
double usual_start(double spread) {
  constexpr double kUsual = 1e4;  // other logits begin where they would be usual
  return spread > kUsual || spread < 1 / kUsual ? 1 / spread : 1;
}

bool needs_double(Rows logits, double beta) {
  constexpr double kRangeOfSingle = 1e30;
  return logits.dtype() == DType::f64 || beta > kRangeOfSingle || beta < 1 / kRangeOfSingle;
}

/// Next to where every `step`-th row has its optimum; `start` if they have none.
double start_of_sample(Rows logits, std::span<const std::int64_t> labels, std::size_t step,
                       double start, Group& group, int threads) {
  const Rows rows(logits.data(), logits.dtype(), logits.rows() / step, logits.columns(),
                  logits.row_stride() * static_cast<std::ptrdiff_t>(step), logits.column_stride());
  std::vector<std::int64_t> some;
  for (std::size_t r = 0; r < rows.rows(); ++r) some.push_back(labels[r * step]);
  const Objective objective(rows, some, group, threads);
  const bool in_double = needs_double(logits, start);
  Bracket bracket;
  double beta = start;
  for (int i = 0; i < 20; ++i) {
    const Likelihood n = in_double ? objective.at<double>(beta) : objective.at<float>(beta);
    bracket.shrink(beta, n.first);
    const double next = bracket.next(beta, n).beta;
    if (Bracket::is_short(beta, next)) return next;
    beta = next;
  }
  return start;
}

}  // namespace

void check_labels(Rows logits, std::span<const std::int64_t> labels) {
  if (logits.rows() == 0 || logits.columns() == 0) {
    throw InvalidArgument(
        "logits", fmt::format("expected 1 row and 1 category or more, got [{}, {}]", logits.rows(),
                              logits.columns()));
  }
  check_size("labels", labels.size(), logits.rows(), "one for each row");
  for (std::size_t r = 0; r < labels.size(); ++r) {
    if (labels[r] < 0 || std::cmp_greater_equal(labels[r], logits.columns())) {
      throw InvalidArgument("labels", fmt::format("row {}: expected 0..{}, got {}", r,
                                                  logits.columns() - 1, labels[r]));
    }
  }
}

TemperatureFit fit_temperature(Rows logits, std::span<const std::int64_t> labels, int threads,
                               const Progress& progress) {
  return fit_temperature(logits, labels, Group::alone(), threads, progress);
}

TemperatureFit fit_temperature(Rows logits, std::span<const std::int64_t> labels, Group& group,
                               int threads, const Progress& progress) {
  together(group, [&] { check_labels(logits, labels); });
  constexpr const char* kFormats[] = {"f32", "f64", "bf16", "f16"};
  check_same(group, "logits",
             fmt::format("{} classes in {}", logits.columns(),
                         kFormats[static_cast<std::size_t>(logits.dtype())]));
  const Objective objective(logits, labels, group, threads);
  TemperatureFit fit;
  if (objective.every_row_is_constant()) {
    fit.status = FitStatus::undetermined;
    return fit;
  }
  if (objective.mean_gap() == 0) {
    fit.status = FitStatus::zero_temperature;
    return fit;
  }
  const double spread = objective.spread();
  double beta = usual_start(spread);
  if (const auto step = static_cast<std::size_t>(objective.rows()) / kSample; step >= 8) {
    beta = start_of_sample(logits, labels, step, beta, group, threads);
  }
  bool in_double = needs_double(logits, beta);
  bool limit_known = false;
  Bracket bracket;
  while (fit.iterations < kMostIterations) {
    const Likelihood n = in_double ? objective.at<double>(beta) : objective.at<float>(beta);
    ++fit.iterations;
    if (progress) progress({static_cast<std::uint64_t>(fit.iterations), 0, "passes"});
    bracket.shrink(beta, n.first);
    const Step next = bracket.next(beta, n);
    if (n.first > 0 && !limit_known && !Bracket::is_short(beta, next.beta)) {
      // N' grows with beta: if it is not negative at 0, it never is.
      constexpr double kAlmostZero = 1e-200;
      constexpr double kRounding = 1e-14;
      if (objective.at<double>(kAlmostZero / spread).first >= -kRounding * objective.mean_gap()) {
        fit.status = FitStatus::infinite_temperature;
        return fit;
      }
      limit_known = true;
    }
    limit_known = limit_known || n.first <= 0;
    const bool no_further = std::abs(next.beta - beta) <= 4e-16 * beta;
    const double tolerance = kTolerance * std::min(1.0, beta * spread);
    if (in_double && (beta * next.residual <= tolerance || no_further)) {
      fit.temperature = 1 / next.beta;
      fit.nll = n.value_at(next.beta - beta);
      fit.gradient_residual = std::min(next.residual, std::abs(n.first));
      return fit;
    }
    if (!in_double && Bracket::is_short(beta, next.beta)) {
      in_double = true;
      bracket = {};  // single precision may have put an end on the wrong side
    }
    beta = next.beta;
  }
  fit.status = FitStatus::iteration_limit;
  return fit;
}

double temperature_nll(Rows logits, std::span<const std::int64_t> labels, double temperature,
                       int threads) {
  check_in("temperature", temperature, "(0, inf)");
  check_labels(logits, labels);
  return Objective(logits, labels, Group::alone(), threads).at<double>(1 / temperature).value;
}

}  // namespace partita
