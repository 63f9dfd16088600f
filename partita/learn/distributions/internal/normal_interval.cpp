// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/internal/normal_interval.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/internal/quadrature.hpp"

namespace partita::distributions {

namespace {

const double kLogSqrtTwoPi = 0.5 * std::log(2 * kPi);

/// The width of an interval that is looked at from one end even if 0 lies within.
constexpr double kNarrow = 2;

double log_density(double z) { return -0.5 * z * z - kLogSqrtTwoPi; }

/// What is known of an interval.
struct Interval {
  double log_mass;
  double at_a;  ///< the density at its ends
  double at_b;
  double offset;  ///< the mean less the end that is nearer to 0, or less 0
  double variance;
};

/// An interval [a, a + width] with a >= 0, or a narrow one, from its lower end.
Interval from_lower_end(double a, double width) {
  // Where the integrand has fallen to e^-38 the rest does not matter.
  constexpr double kNegligible = 38;
  const double reach = 2 * kNegligible / (a + std::sqrt(a * a + 2 * kNegligible));
  const double length = a < 0 ? width : std::min(width, reach);
  const auto density = [a](double t) { return std::exp(-t * (a + 0.5 * t)); };
  double mass = 0;
  double moment = 0;
  integrate(length, [&](double t, double w) {
    const double each = w * density(t);
    mass += each;
    moment += each * t;
  });
  const double mean = moment / mass;
  double square = 0;
  integrate(length,
            [&](double t, double w) { square += w * density(t) * (t - mean) * (t - mean); });
  return {log_density(a) + std::log(mass), 1 / mass, density(width) / mass, mean, square / mass};
}

double upper_tail(double z) { return 0.5 * std::erfc(z / std::numbers::sqrt2); }

/// An interval with 0 inside.
Interval around_zero(double a, double b) {
  if (b - a < kNarrow) {
    Interval it = from_lower_end(a, b - a);
    it.offset += a;
    return it;
  }
  const double outside = upper_tail(-a) + upper_tail(b);
  const double mass =
      outside < 0.5 ? 1 - outside
                    : 0.5 * (std::erf(b / std::numbers::sqrt2) - std::erf(a / std::numbers::sqrt2));
  Interval it{outside < 0.5 ? std::log1p(-outside) : std::log(mass),
              std::exp(log_density(a)) / mass, std::exp(log_density(b)) / mass, 0, 0};
  const auto times = [](double x, double density) { return density == 0 ? 0 : x * density; };
  it.offset = it.at_a - it.at_b;
  it.variance = 1 + times(a, it.at_a) - times(b, it.at_b) - it.offset * it.offset;
  return it;
}

/// The t in [0, width] with P(Z <= a + t) = u in a narrow interval [a, a + width], whose density is
/// nearly constant, by Newton's method.
double narrow_quantile(double u, double a, double width) {
  const double log_mass = std::log(u) + from_lower_end(a, width).log_mass;
  double t = u * width;
  for (int iteration = 0; iteration < 20 && t > 0; ++iteration) {
    const Interval below = from_lower_end(a, t);
    const double step = (below.log_mass - log_mass) / below.at_b;
    t = std::clamp(t - step, 0.0, width);
    if (std::abs(step) <= 1e-15 * t) break;
  }
  return t;
}

Interval interval(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return {a + b, a + b, a + b, a + b, a + b};
  if (!(a < b)) return {-kInfinity, kInfinity, kInfinity, 0, 0};
  if (a >= 0) return from_lower_end(a, b - a);
  if (b > 0) return around_zero(a, b);
  const Interval mirrored = from_lower_end(-b, b - a);
  return {mirrored.log_mass, mirrored.at_b, mirrored.at_a, -mirrored.offset, mirrored.variance};
}

/// The z >= 0 with log P(Z > z) = log_q, for log_q <= log(1/2), by Newton's method on a function
/// that is concave.
double upper_quantile(double log_q) {
  if (std::isinf(log_q)) return kInfinity;
  double z = std::sqrt(-2 * log_q);
  z = std::max(0.0, z - std::log(2.5 * z) / z);
  for (int iteration = 0; iteration < 50; ++iteration) {
    const Interval above = from_lower_end(z, kInfinity);
    const double step = (above.log_mass - log_q) / above.at_a;
    z = std::max(0.0, z + step);
    if (std::abs(step) <= 1e-15 * z) break;
  }
  return z;
}

double quantile(double u, double a, double b) {
  if (std::isnan(u) || std::isnan(a) || std::isnan(b)) return std::nan("");
  if (b <= 0) return -quantile(1 - u, -b, -a);
  double z = 0;
  if (a >= 0) {
    // log P(Z > z) without knowledge of the interval, from that of a and the interval's share.
    const Interval above = from_lower_end(a, kInfinity);
    const double share = std::exp(interval(a, b).log_mass - above.log_mass);
    const double log_rest = std::log1p(-u * std::min(share, 1.0));
    // Close to `a` by the distance, in which z has more digits.
    z = -log_rest < 1e-3 ? a + -log_rest / above.at_a : upper_quantile(above.log_mass + log_rest);
  } else if (b - a < kNarrow) {
    z = a + narrow_quantile(u, a, b - a);
  } else {
    const double mass = std::exp(interval(a, b).log_mass);
    const double below = upper_tail(-a) + u * mass;
    const double beyond = upper_tail(b) + (1 - u) * mass;
    z = below < beyond ? -upper_quantile(std::log(below)) : upper_quantile(std::log(beyond));
  }
  return std::clamp(z, a, b);
}

using Numbers = std::vector<Tensor>;

/// write(i, x) with the i-th elements of tensors of one shape.
template <class Write>
void for_each(const Numbers& tensors, const Write& write) {
  Numbers host;
  for (const Tensor& t : tensors) {
    host.push_back(t.detach().to(at::kCPU, at::kDouble).contiguous());
  }
  constexpr std::int64_t kGrain = 64;  // elements, about 1 microsecond each
  at::parallel_for(0, host[0].numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      std::array<double, 3> x{};
      for (std::size_t k = 0; k < host.size(); ++k) x[k] = host[k].data_ptr<double>()[i];
      write(i, x);
    }
  });
}

/// One number of each interval, on the device of `a`.
template <class Number>
Tensor of_intervals(const Tensor& a, const Tensor& b, const Number& number) {
  const Tensor out = at::empty(a.sizes(), at::TensorOptions(at::kDouble));
  auto* to = out.data_ptr<double>();
  for_each({a, b}, [&](std::int64_t i, const auto& x) { to[i] = number(interval(x[0], x[1])); });
  return out.to(a.device());
}

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// end * density, where the density at an infinite end is 0.
Tensor at_end(const Tensor& end, const Tensor& density) {
  return end.masked_fill(end.isinf(), 0) * density;
}

/// The densities at both ends; their derivatives are made of themselves.
struct EndDensities : torch::autograd::Function<EndDensities> {
  static variable_list forward(AutogradContext* ctx, const Tensor& a, const Tensor& b) {
    ctx->save_for_backward({a, b});
    return {of_intervals(a, b, [](const Interval& it) { return it.at_a; }),
            of_intervals(a, b, [](const Interval& it) { return it.at_b; })};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const auto saved = ctx->get_saved_variables();
    const Tensor& a = saved[0];
    const Tensor& b = saved[1];
    const variable_list h = apply(a, b);
    const Tensor cross = h[0] * h[1];
    return {gradients[0] * (h[0].square() - at_end(a, h[0])) + gradients[1] * cross,
            -gradients[0] * cross - gradients[1] * (h[1].square() + at_end(b, h[1]))};
  }
};

struct LogMass : torch::autograd::Function<LogMass> {
  static Tensor forward(AutogradContext* ctx, const Tensor& a, const Tensor& b) {
    ctx->save_for_backward({a, b});
    return of_intervals(a, b, [](const Interval& it) { return it.log_mass; });
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const auto saved = ctx->get_saved_variables();
    const variable_list h = EndDensities::apply(saved[0], saved[1]);
    return {-gradients[0] * h[0], gradients[0] * h[1]};
  }
};

std::pair<Tensor, Tensor> in_one_shape(const Tensor& a, const Tensor& b) {
  const auto both = at::broadcast_tensors({in_double(a), in_double(b)});
  return {both[0], both[1]};
}

}  // namespace

Tensor log_normal_mass(const Tensor& a, const Tensor& b) {
  const auto [from, to] = in_one_shape(a, b);
  return LogMass::apply(from, to);
}

std::pair<Tensor, Tensor> end_densities(const Tensor& a, const Tensor& b) {
  const auto [from, to] = in_one_shape(a, b);
  const variable_list h = EndDensities::apply(from, to);
  return {h[0], h[1]};
}

std::pair<Tensor, Tensor> interval_moments(const Tensor& a, const Tensor& b) {
  const auto [from, to] = in_one_shape(a, b);
  const auto [at_a, at_b] = end_densities(from, to);
  const Tensor mean = at_a - at_b;
  const Tensor near = at::where(from > 0, from, to.clamp_max(0));
  const Tensor variance = 1 + at_end(from, at_a) - at_end(to, at_b) - mean.square();
  return {with_derivatives_of(mean - near,
                              of_intervals(from, to, [](const Interval& it) { return it.offset; })),
          with_derivatives_of(
              variance, of_intervals(from, to, [](const Interval& it) { return it.variance; }))};
}

Tensor interval_icdf(const Tensor& u, const Tensor& a, const Tensor& b) {
  const auto all = at::broadcast_tensors({in_double(u), in_double(a), in_double(b)});
  const Tensor out = at::empty(all[0].sizes(), at::TensorOptions(at::kDouble));
  auto* to = out.data_ptr<double>();
  for_each(all, [&](std::int64_t i, const auto& x) { to[i] = quantile(x[0], x[1], x[2]); });
  return out.to(u.device());
}

}  // namespace partita::distributions
