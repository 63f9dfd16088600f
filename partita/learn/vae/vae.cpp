// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/vae/vae.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/nn/modules/linear.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/learn/distributions/bernoulli.hpp"
#include "partita/learn/distributions/independent.hpp"
#include "partita/learn/distributions/kl.hpp"
#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/distributions/one_hot_categorical.hpp"
#include "partita/learn/networks.hpp"
#include "partita/learn/training/batches.hpp"
#include "partita/learn/training/module_state.hpp"

namespace partita::vae {
namespace {

using distributions::Bernoulli;
using distributions::DistributionPtr;
using distributions::Independent;
using distributions::Logits;
using distributions::Normal;
using distributions::OneHotCategorical;

constexpr std::int64_t kSamplesAtOnce = 100;

/// Distributions made here in every step have their parameters in range.
template <class D>
DistributionPtr independent(const D& base, std::int64_t dims) {
  return std::make_shared<Independent>(base, dims, /*validate_args=*/false);
}

/// Size of the encoder's output.
std::int64_t parameters_of(const VaeOptions& options) {
  return options.latent_dim * (options.latent == Latent::gaussian ? 2 : options.categories);
}

/// Size of z.
std::int64_t size_of(const VaeOptions& options) {
  return options.latent_dim * (options.latent == Latent::gaussian ? 1 : options.categories);
}

/// log p(x | z) and log p(x, z) - log q(z | x) of more samples, [k, N].
struct Weights {
  Tensor log_likelihood;
  Tensor log_weight;
};

/// Samples of each example from a source of its own, so that they do not depend on its neighbors.
Tensor sample_rows(const std::vector<DistributionPtr>& rows, std::int64_t samples,
                   const std::vector<Random>& random) {
  std::vector<Tensor> z;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    z.push_back(rows[i]->sample({samples}, random[i]));
  }
  return at::cat(z, 1);
}

Weights draw(Vae& vae, const Tensor& x, const DistributionPtr& posterior, const Tensor& z) {
  const Tensor log_likelihood = vae.likelihood(z)->log_prob(x);
  return {log_likelihood, log_likelihood + (vae.prior()->log_prob(z) - posterior->log_prob(z))};
}

}  // namespace

Vae::Vae(const VaeOptions& options, const Random& random) : options_(options) {
  check_at_least("inputs", options.inputs, 1);
  check_at_least("latent_dim", options.latent_dim, 1);
  if (options.latent == Latent::categorical) check_at_least("categories", options.categories, 2);
  std::vector<std::int64_t> sizes = {options.inputs};
  sizes.insert(sizes.end(), options.hidden.begin(), options.hidden.end());
  sizes.push_back(parameters_of(options));
  encoder_ = register_module("encoder", networks::mlp(sizes, networks::Activation::tanh));
  sizes.back() = size_of(options);
  std::reverse(sizes.begin(), sizes.end());
  decoder_ = register_module("decoder", networks::mlp(sizes, networks::Activation::tanh));
  for (auto* network : {&encoder_, &decoder_}) networks::initialize_glorot(*network, random);
  if (options.decoder == Decoder::gaussian) {
    log_deviation_ = register_parameter("log_deviation", at::zeros({}));
  }
}

DistributionPtr Vae::posterior_of(const Tensor& outputs) const {
  if (options_.latent == Latent::gaussian) {
    const auto both = outputs.chunk(2, -1);
    return independent(Normal(both[0], both[1].exp(), false), 1);
  }
  const Shape shape =
      concatenate(outputs.sizes().slice(0, static_cast<std::size_t>(outputs.dim()) - 1),
                  {options_.latent_dim, options_.categories});
  return independent(OneHotCategorical(Logits(outputs.reshape(shape)), false), 1);
}

DistributionPtr Vae::posterior(const Tensor& x) { return posterior_of(encoder_->forward(x)); }

DistributionPtr Vae::posterior(const Tensor& x, std::int64_t copies) {
  const Tensor outputs = encoder_->forward(x);
  return posterior_of(outputs.unsqueeze(1).expand({-1, copies, -1}));
}

DistributionPtr Vae::prior() const {
  const at::TensorOptions like = decoder_->parameters().front().options().requires_grad(false);
  if (options_.latent == Latent::gaussian) {
    return independent(Normal(at::zeros({options_.latent_dim}, like),
                              at::ones({options_.latent_dim}, like), false),
                       1);
  }
  const Tensor logits = at::zeros({options_.latent_dim, options_.categories}, like);
  return independent(OneHotCategorical(Logits(logits), false), 1);
}

DistributionPtr Vae::likelihood(const Tensor& z) {
  const Tensor outputs = decoder_->forward(options_.latent == Latent::gaussian ? z : z.flatten(-2));
  if (options_.decoder == Decoder::bernoulli) {
    return independent(Bernoulli(Logits(outputs), false), 1);
  }
  return independent(Normal(outputs, log_deviation_.exp(), false), 1);
}

void Vae::start_from_mean(const Tensor& mean) {
  if (mean.sizes() != IntArrayRef({options_.inputs})) {
    throw InvalidArgument("mean", fmt::format("expected shape [{}], got {}", options_.inputs,
                                              to_string(mean.sizes())));
  }
  const at::NoGradGuard no_grad;
  constexpr double kRare = 1e-3;  // for bits that are never set in training
  Tensor bias = decoder_->parameters().back();
  bias.copy_(options_.decoder == Decoder::bernoulli ? at::logit(mean, kRare) : mean);
}

Bounds evaluate(Vae& vae, const Tensor& x, const Stream& stream, const EvaluationOptions& options,
                const Progress& progress) {
  check_at_least("samples", options.samples, 1);
  check_at_least("batch", options.batch, 1);
  if (x.dim() != 2 || x.size(0) < 1 || x.size(1) != vae.options().inputs) {
    throw InvalidArgument("x", fmt::format("expected shape [N, {}], got {}", vae.options().inputs,
                                           to_string(x.sizes())));
  }
  const at::NoGradGuard no_grad;
  const Tensor weight = vae.parameters().front();
  const DistributionPtr prior = vae.prior();
  std::vector<Tensor> reconstructions;
  std::vector<Tensor> divergences;
  std::vector<Tensor> bounds;
  for (std::int64_t first = 0; first < x.size(0); first += options.batch) {
    const Tensor rows = x.slice(0, first, first + options.batch).to(weight.options());
    const DistributionPtr posterior = vae.posterior(rows);
    std::vector<DistributionPtr> alone;
    std::vector<Random> random;
    for (std::int64_t i = 0; i < rows.size(0); ++i) {
      alone.push_back(vae.posterior(rows.narrow(0, i, 1)));
      random.emplace_back(stream.child(static_cast<std::uint64_t>(first + i)));
    }
    const at::TensorOptions wide = rows.options().dtype(at::kDouble);
    Tensor sum = at::zeros({rows.size(0)}, wide);
    Tensor log_sum = at::full({rows.size(0)}, -std::numeric_limits<double>::infinity(), wide);
    for (std::int64_t done = 0; done < options.samples; done += kSamplesAtOnce) {
      const std::int64_t count = std::min(kSamplesAtOnce, options.samples - done);
      const auto [log_likelihood, log_weight] =
          draw(vae, rows, posterior, sample_rows(alone, count, random));
      sum += log_likelihood.to(at::kDouble).sum(0);
      log_sum = at::logaddexp(log_sum, log_weight.to(at::kDouble).logsumexp(0));
    }
    const auto k = static_cast<double>(options.samples);
    reconstructions.push_back((sum / k).cpu());
    bounds.push_back((log_sum - std::log(k)).cpu());
    divergences.push_back(distributions::kl_divergence(*posterior, *prior).to(at::kDouble).cpu());
    if (progress) {
      progress({.done = static_cast<std::uint64_t>(first + rows.size(0)),
                .total = static_cast<std::uint64_t>(x.size(0)),
                .unit = "examples"});
    }
  }
  return {at::cat(reconstructions), at::cat(divergences), at::cat(bounds)};
}

Tensor binarize(const Tensor& probabilities, const Random& random) {
  return (random.uniform(probabilities.sizes(), probabilities.options()) < probabilities)
      .to(probabilities.scalar_type());
}

void write_vae(ArchiveWriter& out, const Vae& vae) {
  const VaeOptions& options = vae.options();
  out.u64(static_cast<std::uint64_t>(options.inputs));
  out.array(options.hidden);
  out.u8(static_cast<std::uint8_t>(options.latent));
  out.u64(static_cast<std::uint64_t>(options.latent_dim));
  out.u64(static_cast<std::uint64_t>(options.categories));
  out.u8(static_cast<std::uint8_t>(options.decoder));
  training::write_state(out, vae);
}

std::shared_ptr<Vae> read_vae(ArchiveReader& in) {
  constexpr std::int64_t kMost = 1 << 16;  // so that a damaged file makes no huge network
  const auto checked = [&](std::int64_t size, const char* what) {
    if (size < 1 || size > kMost) in.damaged(std::string("impossible ") + what);
    return size;
  };
  const auto size = [&](const char* what) {
    return checked(static_cast<std::int64_t>(std::min<std::uint64_t>(in.u64(), kMost + 1)), what);
  };
  const auto choice = [&](const char* what) {
    const std::uint8_t value = in.u8();
    if (value > 1) in.damaged(std::string("unknown ") + what);
    return value;
  };
  VaeOptions options;
  options.inputs = size("number of inputs");
  options.hidden = in.array<std::int64_t>();
  for (const std::int64_t width : options.hidden) checked(width, "hidden layer");
  options.latent = static_cast<Latent>(choice("kind of latent"));
  options.latent_dim = size("latent dimension");
  options.categories = size("number of categories");
  options.decoder = static_cast<Decoder>(choice("decoder"));
  auto vae = std::make_shared<Vae>(options, Stream{});
  training::read_state(in, *vae);
  return vae;
}

}  // namespace partita::vae
