// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/internal/deviance.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>
#include <cmath>
#include <numbers>

namespace partita::distributions {

namespace {

const double kHalfLogTwoPi = 0.5 * std::log(2 * kPi);

/// gap(), and its gradient: 1 - 1 / r in r - 1 where the series is summed, and else 1 and -1.
struct Gap : torch::autograd::Function<Gap> {
  static Tensor near(const Tensor& r_minus_1) { return r_minus_1.abs() < 0.1; }

  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& r_minus_1,
                        const Tensor& log_r) {
    ctx->save_for_backward({r_minus_1});
    // With s = (r - 1) / (r + 1), log(r) = 2 atanh(s) and r - 1 = 2 s / (1 - s).
    const Tensor s = r_minus_1 / (2 + r_minus_1);
    const Tensor square = s.square();
    Tensor tail = square / 15;  // 1/3 + s^2/5 + ... + s^12/15: the rest is below 1e-17
    for (const double odd : {13., 11., 9., 7., 5.}) tail.add_(1 / odd).mul_(square);
    tail.add_(1. / 3);
    const Tensor far = at::where(r_minus_1.isinf(), r_minus_1, r_minus_1 - log_r);
    return at::where(near(r_minus_1), 2 * square * (1 / (1 - s) - s * tail), far);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& gradients) {
    const Tensor r_minus_1 = ctx->get_saved_variables()[0];
    const Tensor is_near = near(r_minus_1);
    const Tensor near_slope = r_minus_1 / (1 + r_minus_1.masked_fill(is_near.logical_not(), 0));
    return {gradients[0] * near_slope.masked_fill(is_near.logical_not(), 1),
            gradients[0].neg().masked_fill(is_near, 0)};
  }
};

// Below, series (DLMF 5.11.1, 5.11.2 and its derivative) from here on, and before it the functions
// themselves, of which then at most three digits cancel.
constexpr double kLarge = 10;

/// The sum of terms[k] a^-(2k + first).
template <std::size_t N>
Tensor inverse_series(const Tensor& a, const std::array<double, N>& terms, int first) {
  const Tensor r = a.reciprocal();
  const Tensor square = r.square();
  Tensor sum = at::full_like(a, terms[N - 1]).detach();
  for (std::size_t k = N - 1; k > 0; --k) sum = sum * square + terms[k - 1];
  return sum * (first == 1 ? r : first == 2 ? square : r * square);
}

template <class Series, class Direct>
Tensor by_size_of(const Tensor& a, const Series& series, const Direct& direct) {
  const Tensor large = a >= kLarge;
  return at::where(large, series(a.masked_fill(large.logical_not(), kLarge)),
                   direct(a.masked_fill(large, 1)));
}

Tensor stirling_value(const Tensor& a) {
  constexpr std::array<double, 7> kTerms = {1.0 / 12,   -1.0 / 360,      1.0 / 1260, -1.0 / 1680,
                                            1.0 / 1188, -691.0 / 360360, 1.0 / 156};
  return by_size_of(
      a, [&](const Tensor& x) { return inverse_series(x, kTerms, 1); },
      [](const Tensor& x) { return at::lgamma(x) - ((x - 0.5) * x.log() - x + kHalfLogTwoPi); });
}

Tensor stirling_curvature(const Tensor& a) {
  constexpr std::array<double, 7> kTerms = {1.0 / 6,  -1.0 / 30,     1.0 / 42, -1.0 / 30,
                                            5.0 / 66, -691.0 / 2730, 7.0 / 6};
  return by_size_of(
      a, [&](const Tensor& x) { return inverse_series(x, kTerms, 3); },
      [](const Tensor& x) {
        // libtorch's trigamma has 8 digits.
        const Tensor two = at::full({}, 2, x.options());
        return at::special_zeta(two, x) - x.reciprocal() - 0.5 * x.square().reciprocal();
      });
}

Tensor stirling_slope_value(const Tensor& a) {
  constexpr std::array<double, 7> kTerms = {-1.0 / 12,  1.0 / 120,     -1.0 / 252, 1.0 / 240,
                                            -1.0 / 132, 691.0 / 32760, -1.0 / 12};
  return by_size_of(
      a, [&](const Tensor& x) { return inverse_series(x, kTerms, 2); },
      [](const Tensor& x) { return at::digamma(x) - x.log() + 0.5 * x.reciprocal(); });
}

Tensor stirling_slope(const Tensor& a) {
  return with_slope(a, stirling_slope_value, stirling_curvature);
}

/// The part of a log_*_term() that belongs to one argument.
Tensor own_part(const Tensor& a) { return 0.5 * a.log() + kHalfLogTwoPi + stirling(a); }

}  // namespace

Tensor gap(const Tensor& r_minus_1, const Tensor& log_r) { return Gap::apply(r_minus_1, log_r); }

Tensor ratio_gap(const Tensor& a, const Tensor& b) { return gap((a - b) / b, (a / b).log()); }

Tensor stirling(const Tensor& a) { return with_slope(a, stirling_value, stirling_slope); }

Tensor digamma_less_log(const Tensor& a) { return stirling_slope(a) - 0.5 * a.reciprocal(); }

Tensor log_poisson_term(const Tensor& a, const Tensor& y, const Tensor& log_y) {
  return -a * gap((y - a) / a, log_y - a.log()) - own_part(a);
}

Tensor log_binomial_term(const Tensor& a, const Tensor& b, const Tensor& x, const Tensor& log_x,
                         const Tensor& log_rest) {
  const Tensor n = a + b;
  const Tensor log_n = n.log();
  const Tensor excess = n * x - a;  // of a; that of b is its negative
  return own_part(n) - own_part(a) - own_part(b) - a * gap(excess / a, log_x + log_n - a.log()) -
         b * gap(-excess / b, log_rest + log_n - b.log());
}

Tensor log_multinomial_term(const Tensor& a, const Tensor& x, const Tensor& log_x) {
  const Tensor n = a.sum(-1, /*keepdim=*/true);
  const Tensor none = a == 0;
  const Tensor counted = a.masked_fill(none, 1);
  const Tensor expected = n * x;
  const Tensor log_ratio = (log_x + n.log()).masked_fill(none, 0) - counted.log();
  const Tensor terms = counted * gap((expected - counted) / counted, log_ratio) + own_part(counted);
  const Tensor total = n.squeeze(-1);
  const Tensor empty = total == 0;
  return own_part(total.masked_fill(empty, 1)).masked_fill(empty, 0) -
         at::where(none, expected, terms).sum(-1);
}

Tensor bregman(const Tensor& p, const Tensor& d, const Tensor& near, Elementwise f,
               Elementwise slope, Elementwise curvature) {
  // Gauss and Legendre's rule on [0, 1].
  constexpr std::array<std::pair<double, double>, 4> kRule = {{
      {0.18343464249564980494, 0.36268378337836198297},
      {0.52553240991632898582, 0.31370664587788728734},
      {0.79666647741362673959, 0.22238103445337447054},
      {0.96028985649753623168, 0.10122853629037625915},
  }};
  const Tensor far = near.logical_not();
  const Tensor small = d.masked_fill(far, 0);
  Tensor mean = at::zeros_like(small);
  for (const auto& [node, weight] : kRule) {
    for (const double s : {0.5 - 0.5 * node, 0.5 + 0.5 * node}) {
      mean = mean + 0.5 * weight * (1 - s) * curvature(p + s * small);
    }
  }
  const Tensor large = d.masked_fill(near, 0);
  return at::where(near, small.square() * mean, f(p + large) - f(p) - large * slope(p));
}

Tensor stirling_divergence(const Tensor& p, const Tensor& d) {
  const auto shape = at::broadcast_tensors({p, d});
  return bregman(shape[0], shape[1], d.abs() < 0.5 * p, stirling, stirling_slope,
                 stirling_curvature);
}

Tensor log_gamma_divergence(const Tensor& p, const Tensor& d) {
  const Tensor q = p + d;
  const Tensor log_ratio = q.log() - p.log();
  return q * gap(-d / q, -log_ratio) + 0.5 * gap(d / p, log_ratio) + stirling_divergence(p, d);
}

namespace {

/// The asymptotic series of 1 - A in 1 / k, which has all digits from here on.
constexpr double kLargeConcentration = 60;
constexpr std::array<double, 12> kVersine = {
    0.5,
    0.125,
    0.125,
    25.0 / 128,
    13.0 / 32,
    1073.0 / 1024,
    103.0 / 32,
    375733.0 / 32768,
    23797.0 / 512,
    55384775.0 / 262144,
    2180461.0 / 2048,
    24713030909.0 / 4194304,
};

template <class Series, class Direct>
Tensor by_concentration(const Tensor& k, const Series& series, const Direct& direct) {
  const Tensor large = k >= kLargeConcentration;
  return at::where(large,
                   series(k.masked_fill(large.logical_not(), kLargeConcentration).reciprocal()),
                   direct(k.masked_fill(large, 1)));
}

}  // namespace

Tensor expected_versine(const Tensor& k) {
  return by_concentration(
      k,
      [](const Tensor& r) {
        Tensor sum = at::zeros_like(r);
        for (std::size_t n = kVersine.size(); n > 0; --n) sum = (sum + kVersine[n - 1]) * r;
        return sum;
      },
      [](const Tensor& t) { return 1 - at::special_i1e(t) / at::special_i0e(t); });
}

Tensor bessel_ratio_slope(const Tensor& k) {
  return by_concentration(
      k,
      [](const Tensor& r) {
        Tensor sum = at::zeros_like(r);
        for (std::size_t n = kVersine.size(); n > 0; --n) {
          sum = (sum + static_cast<double>(n) * kVersine[n - 1]) * r;
        }
        return sum * r;
      },
      [](const Tensor& t) {
        const Tensor a = at::special_i1e(t) / at::special_i0e(t);
        return 1 - a / t - a.square();
      });
}

Tensor log_gamma_second_difference(const Tensor& start, const Tensor& t) {
  const Tensor middle = start + t;
  return log_gamma_divergence(middle, t) + log_gamma_divergence(middle, -t);
}

}  // namespace partita::distributions
