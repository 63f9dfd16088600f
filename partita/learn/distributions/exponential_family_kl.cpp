// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "partita/learn/distributions/internal/quadrature.hpp"
#include "partita/learn/distributions/kl.hpp"

namespace partita::distributions {

namespace {

using LogNormalizer = std::function<Tensor(const std::vector<Tensor>& eta)>;

/// A line through the natural parameters: F(p + s d), and its derivatives by s.
struct Line {
  const LogNormalizer& log_normalizer;
  const std::vector<Tensor>& p;
  const std::vector<Tensor>& d;

  std::vector<Tensor> at(const Tensor& s) const {
    std::vector<Tensor> eta;
    for (std::size_t i = 0; i < p.size(); ++i) {
      Tensor step = s;
      while (step.dim() < d[i].dim()) step = step.unsqueeze(-1);
      eta.push_back(p[i] + step * d[i]);
    }
    return eta;
  }
  Tensor value(const Tensor& s) const { return log_normalizer(at(s)); }
  Tensor slope(const Tensor& s) const { return derivative(value(s), s); }
  Tensor curvature(const Tensor& s) const { return derivative(slope(s), s); }

  static Tensor derivative(const Tensor& y, const Tensor& s) {
    return torch::autograd::grad({y.sum()}, {s}, {}, /*retain_graph=*/true,
                                 /*create_graph=*/true)[0];
  }
};

}  // namespace

Tensor exponential_family_kl(const LogNormalizer& log_normalizer, const std::vector<Tensor>& eta_p,
                             const std::vector<Tensor>& eta_q) {
  const bool records = at::GradMode::is_enabled();
  const at::AutoGradMode record(true);
  std::vector<Tensor> d;
  for (std::size_t i = 0; i < eta_p.size(); ++i) d.push_back(eta_q[i] - eta_p[i]);
  const Line line{log_normalizer, eta_p, d};
  const auto place = [&](const Tensor& like, double s) {
    return at::full_like(like, s).detach().set_requires_grad(true);
  };
  const Tensor start = log_normalizer(eta_p);
  const Tensor end = log_normalizer(eta_q);
  const Tensor change = line.slope(place(start + end, 0));
  Tensor divergence = end - start - change;
  // Where more than four digits cancel, F is close to its parabola, and the integral of
  // (1 - s) d^2 F(p + s d) / d s^2 over [0, 1] has all of them.
  const Tensor near = divergence.abs() < 1e-4 * (start.abs() + end.abs() + change.abs());
  if (near.any().item<bool>()) {
    Tensor integral = at::zeros_like(divergence);
    integrate(1, [&](double s, double weight) {
      integral = integral + weight * (1 - s) * line.curvature(place(divergence, s));
    });
    divergence = at::where(near, integral, divergence);
  }
  return records ? divergence : divergence.detach();
}

}  // namespace partita::distributions
