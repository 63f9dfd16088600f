// SPDX-License-Identifier: Apache-2.0
#include "apps/experiments/vae/model.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/independent.hpp"
#include "partita/learn/distributions/kl.hpp"
#include "partita/learn/rows.hpp"

namespace partita::app {
namespace {

constexpr std::int64_t kBatch = 500;
constexpr std::int64_t kSteps = 9;  // along one latent number
constexpr std::int64_t kSide = 15;  // pictures per side of the plane
constexpr double kReach = 3;        // standard deviations of the prior

/// The KL of each latent variable, averaged over the examples, [latent_dim].
Tensor information(vae::Vae& vae, const Tensor& x) {
  const auto part = [](const distributions::DistributionPtr& whole) -> const auto& {
    return static_cast<const distributions::Independent&>(*whole).base_dist();
  };
  const auto posterior = vae.posterior(x);
  const auto prior = vae.prior();
  return distributions::kl_divergence(part(posterior), part(prior)).mean(0);
}

/// z [columns * rows, 2] over the plane, from the top left.
Tensor plane() {
  const Tensor share = (at::arange(kSide, at::kDouble) + 0.5) / static_cast<double>(kSide);
  const Tensor side = at::special_ndtri(share).to(at::kFloat);
  return at::stack({side.repeat({kSide}), side.flip(0).repeat_interleave(kSide)}, 1);
}

}  // namespace

Tensor image_rows(const LabeledImages& images, std::size_t most) {
  if (images.channels != 1) throw InvalidArgument("--data", "expected gray images, got color ones");
  const std::size_t count = std::min(most, images.size());
  const std::size_t pixels = images.rows * images.columns;
  Tensor rows =
      at::empty({static_cast<std::int64_t>(count), static_cast<std::int64_t>(pixels)}, at::kByte);
  std::copy_n(images.pixels.begin(), count * pixels, rows.data_ptr<std::uint8_t>());
  return rows;
}

Tensor codes(vae::Vae& vae, const Tensor& x) {
  const at::NoGradGuard no_grad;
  const at::Device device = vae.parameters().front().device();
  std::vector<Tensor> all;
  for (const Tensor& some : x.split(kBatch)) {
    all.push_back(vae.posterior(some.to(device))->mean().flatten(1).cpu());
  }
  return at::cat(all);
}

Tensor decode(vae::Vae& vae, const Tensor& z) {
  const at::NoGradGuard no_grad;
  const at::Device device = vae.parameters().front().device();
  return vae.likelihood(z.to(device))->mean().cpu();
}

Traversal traverse(vae::Vae& vae, const Tensor& x, std::int64_t variables) {
  const at::NoGradGuard no_grad;
  const vae::VaeOptions& options = vae.options();
  const bool gaussian = options.latent == vae::Latent::gaussian;
  if (gaussian && options.latent_dim == 2) {
    return {static_cast<std::size_t>(kSide), to_vector(decode(vae, plane())),
            "The plane of z, at the quantiles of the prior: likely codes in the middle."};
  }
  const Tensor examples = x.to(vae.parameters().front().device());
  const Tensor kl = information(vae, examples);
  const Tensor order = kl.argsort(-1, /*descending=*/true).slice(0, 0, variables).cpu();
  const auto posterior = vae.posterior(examples.slice(0, 0, 1));
  const Tensor start = (gaussian ? posterior->mean() : posterior->mode())[0].cpu();
  const std::int64_t across = gaussian ? kSteps : options.categories;
  std::vector<Tensor> z;
  for (std::int64_t v = 0; v < order.size(0); ++v) {
    const auto variable = order[v].item<std::int64_t>();
    for (std::int64_t step = 0; step < across; ++step) {
      Tensor one = start.clone();
      if (gaussian) {
        one[variable] = kReach * (2.0 * static_cast<double>(step) / (kSteps - 1) - 1);
      } else {
        one[variable].zero_()[step] = 1;
      }
      z.push_back(one);
    }
  }
  return {
      static_cast<std::size_t>(across), to_vector(decode(vae, at::stack(z))),
      fmt::format("{}, each of the {} variables that tell most about an image ({:.2f} to {:.2f} "
                  "nats), the others as in its code.",
                  gaussian ? "From −3 to 3" : "Each category", order.size(0),
                  kl[order[0].item<std::int64_t>()].item<double>(),
                  kl[order[-1].item<std::int64_t>()].item<double>())};
}

}  // namespace partita::app
