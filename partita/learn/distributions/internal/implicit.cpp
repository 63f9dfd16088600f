// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/internal/implicit.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/internal/tails.hpp"

namespace partita::distributions {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::Variable;
using torch::autograd::variable_list;

Tails tails_of(Family family, double y, double a, double b) {
  switch (family) {
    case Family::kLogGamma:
      return gamma_tails(y, a);
    case Family::kLogitBeta:
      return beta_tails(y, a, b);
    default:
      return von_mises_tails(y, a);
  }
}

/// write(i, tails of element i) for each element of tensors of one shape.
template <class Write>
void for_each(Family family, const Tensor& y, const Tensor& a, const Tensor& b,
              const Write& write) {
  const auto host = [](const Tensor& t) {
    return t.detach().to(at::kCPU, at::kDouble).contiguous();
  };
  const Tensor host_y = host(y);
  const Tensor host_a = host(a);
  const Tensor host_b = host(b);
  const auto* at_y = host_y.data_ptr<double>();
  const auto* at_a = host_a.data_ptr<double>();
  const auto* at_b = host_b.data_ptr<double>();
  constexpr std::int64_t kGrain = 64;  // elements, about 1 microsecond each
  at::parallel_for(0, host_y.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      write(i, tails_of(family, at_y[i], at_a[i], at_b[i]));
  });
}

/// A shift that overflows belongs to a draw that underflows: it must not become 0 * inf.
double finite(double shift) {
  constexpr double kLargest = 1e300;
  return std::clamp(shift, -kLargest, kLargest);
}

Tensor host_like(const Tensor& t) { return at::empty(t.sizes(), at::TensorOptions(at::kDouble)); }

/// The derivatives of a draw or a tail by y, a and b.
struct Slopes : Function<Slopes> {
  static variable_list forward(AutogradContext* /*ctx*/, std::int64_t family, std::int64_t which,
                               const Tensor& y, const Tensor& a, const Tensor& b) {
    const variable_list slopes{host_like(y), host_like(y), host_like(y)};
    auto* by_y = slopes[0].data_ptr<double>();
    auto* by_a = slopes[1].data_ptr<double>();
    auto* by_b = slopes[2].data_ptr<double>();
    for_each(static_cast<Family>(family), y, a, b, [&](std::int64_t i, const Tails& t) {
      double slope = -1;  // for a draw: y is where F - u = 0
      if (which >= 0) {
        // Beyond the ends of the support nothing changes.
        const bool flat = std::isinf(t.log_density);
        switch (static_cast<Tail>(which)) {
          case Tail::kCdf:
            slope = std::exp(t.log_density);
            break;
          case Tail::kLogCdf:
            slope = flat ? 0 : std::exp(t.log_density - t.log_lower);
            break;
          case Tail::kLogSurvival:
            slope = flat ? 0 : -std::exp(t.log_density - t.log_upper);
            break;
        }
      }
      by_y[i] = slope;
      by_a[i] = -slope * finite(t.shift[0]);
      by_b[i] = -slope * finite(t.shift[1]);
    });
    return {slopes[0].to(y.device()), slopes[1].to(y.device()), slopes[2].to(y.device())};
  }

  static variable_list backward(AutogradContext* /*ctx*/, const variable_list& /*gradients*/) {
    throw InvalidArgument(
        "create_graph",
        "implicit draws and tails of gamma, beta and von Mises distributions have "
        "no second derivative");
  }
};

/// A draw (which = -1) or a Tail.
struct Value : Function<Value> {
  static Variable forward(AutogradContext* ctx, std::int64_t family, std::int64_t which,
                          const Tensor& y, const Tensor& a, const Tensor& b) {
    ctx->save_for_backward({y, a, b});
    ctx->saved_data["family"] = family;
    ctx->saved_data["which"] = which;
    if (which < 0) return y.clone();
    const Tensor value = host_like(y);
    auto* to = value.data_ptr<double>();
    for_each(static_cast<Family>(family), y, a, b, [&](std::int64_t i, const Tails& t) {
      switch (static_cast<Tail>(which)) {
        case Tail::kCdf:
          to[i] = std::exp(t.log_lower);
          break;
        case Tail::kLogCdf:
          to[i] = t.log_lower;
          break;
        case Tail::kLogSurvival:
          to[i] = t.log_upper;
          break;
      }
    });
    return value.to(y.device());
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const auto saved = ctx->get_saved_variables();
    const std::int64_t which = ctx->saved_data["which"].toInt();
    const variable_list slopes =
        Slopes::apply(ctx->saved_data["family"].toInt(), which, saved[0], saved[1], saved[2]);
    // The distribution and the kind of tail have no gradients.
    return {Variable(), Variable(), which < 0 ? Variable() : gradients[0] * slopes[0],
            gradients[0] * slopes[1], gradients[0] * slopes[2]};
  }
};

Tensor value(Family family, std::int64_t which, const Tensor& y, const Tensor& a, const Tensor& b) {
  const auto t = at::broadcast_tensors({y, a, b.defined() ? b : a.detach()});
  return Value::apply(static_cast<std::int64_t>(family), which, t[0].to(at::kDouble),
                      t[1].to(at::kDouble), t[2].to(at::kDouble));
}

at::ScalarType type_of(const at::TensorOptions& options) {
  return at::typeMetaToScalarType(options.dtype());
}

}  // namespace

Tensor implicit_draw(Family family, const Tensor& y, const Tensor& a, const Tensor& b) {
  const bool has_gradient =
      at::GradMode::is_enabled() && (a.requires_grad() || (b.defined() && b.requires_grad()));
  return has_gradient ? value(family, -1, y, a, b) : y;
}

Tensor tail(Family family, Tail which, const Tensor& y, const Tensor& a, const Tensor& b) {
  return value(family, static_cast<std::int64_t>(which), y, a, b);
}

Tensor positive_draw(const Tensor& draw, const at::TensorOptions& options) {
  const at::ScalarType type = type_of(options);
  return draw.clamp(smallest_normal(type), largest_number(type)).to(options);
}

Tensor exp_draw(const Tensor& log_draw, const at::TensorOptions& options) {
  // Clamped before the exponential, at whose infinity the gradient is 0 * inf; a little inside, so
  // that the exponential itself does not round beyond.
  const at::ScalarType type = type_of(options);
  const double inside = 1 - std::max(1e-8, 2 * epsilon(log_draw.scalar_type()));
  return log_draw
      .clamp(std::log(smallest_normal(type)) * inside, std::log(largest_number(type)) * inside)
      .exp()
      .to(options);
}

Tensor finite_draw(const Tensor& draw, const at::TensorOptions& options) {
  const double bound = largest_number(type_of(options));
  return draw.clamp(-bound, bound).to(options);
}

Tensor finite_draw(const Tensor& draw, std::initializer_list<Tensor> parameters) {
  const double bound = largest_number(draw.scalar_type());
  constexpr double kLargestNoise = 1e20;
  constexpr std::int64_t kFew = 4096;  // quicker clamped than looked after
  const bool is_finite = draw.numel() > kFew &&
                         std::all_of(parameters.begin(), parameters.end(), [&](const Tensor& t) {
                           const Tensor own = unexpanded(t);
                           return all_at_most(own, bound / kLargestNoise / 2) &&
                                  all_at_least(own, -bound / kLargestNoise / 2);
                         });
  return is_finite ? draw : draw.clamp(-bound, bound);
}

Tensor fraction_draw(const Tensor& draw, const at::TensorOptions& options) {
  const at::ScalarType type = type_of(options);
  return draw.clamp(smallest_normal(type), 1 - epsilon(type) / 2).to(options);
}

}  // namespace partita::distributions
