// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/minimize_functional.hpp"

#include <ATen/ATen.h>
#include <torch/optim/lbfgs.h>

#include <cmath>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"

namespace partita {
namespace {

void check_grid(const Tensor& x, const Tensor& f, std::int64_t least) {
  if (x.dim() != 1) throw InvalidArgument("x", "expected one dimension");
  check_at_least("x", x.size(0), least, "points");
  if (f.sizes() != x.sizes()) throw InvalidArgument("f", "expected the shape of x");
  if (!(x.diff() > 0).all().item<bool>()) throw InvalidArgument("x", "expected increasing numbers");
}

}  // namespace

Tensor integrate_functional(const Integrand& integrand, const Tensor& x, const Tensor& f) {
  check_grid(x, f, 2);
  const Tensor step = x.diff();
  const auto middle = [](const Tensor& of) { return (of.slice(0, 1) + of.slice(0, 0, -1)) / 2; };
  return (integrand(middle(x), middle(f), f.diff() / step) * step).sum();
}

FunctionalMinimum minimize_functional(const Integrand& integrand, const Tensor& x,
                                      const Tensor& start, Ends ends) {
  check_grid(x, start, 3);
  if (x.scalar_type() != at::kDouble || start.scalar_type() != at::kDouble) {
    throw InvalidArgument("x", "expected double precision");
  }
  const std::int64_t edge = ends == Ends::fixed ? 1 : 0;
  const std::int64_t inner = x.size(0) - 2 * edge;
  const Tensor moving = start.detach().narrow(0, edge, inner).clone().set_requires_grad(true);
  const auto whole = [&] {
    if (ends == Ends::free) return moving;
    return at::cat({start.detach().slice(0, 0, 1), moving, start.detach().slice(0, -1)});
  };
  const auto value = [&] { return integrate_functional(integrand, x, whole()); };
  if (!std::isfinite(value().item<double>())) {
    throw InvalidArgument("start", "the integral is not finite there");
  }
  torch::optim::LBFGS solver({moving}, torch::optim::LBFGSOptions(1)
                                           .max_iter(2000)
                                           .max_eval(4000)
                                           .history_size(50)
                                           .tolerance_grad(1e-12)
                                           .tolerance_change(1e-15)
                                           .line_search_fn("strong_wolfe"));
  solver.step([&] {
    solver.zero_grad();
    Tensor loss = value();
    loss.backward();
    return loss;
  });
  const at::NoGradGuard no_grad;
  return {whole().detach().clone(), value().item<double>()};
}

}  // namespace partita
