// SPDX-License-Identifier: Apache-2.0
// The variational auto-encoder: Kingma, Welling (2014), "Auto-encoding variational Bayes"; Rezende,
// Mohamed, Wierstra (2014). An encoder gives a posterior q(z | x) for each example, a decoder the
// likelihood p(x | z), both as distributions of learn/distributions.
//
//   auto vae = std::make_shared<vae::Vae>(vae::VaeOptions{.inputs = 784, .latent_dim = 50},
//                                            Stream{.seed = 1});
//   auto q = vae->posterior(x);                        // x [N, 784]: batch [N]
//   auto z = q->sample({k}, random);                   // [k, N, 50]
//   Tensor log_p = vae->likelihood(z)->log_prob(x);    // [k, N]
//   Tensor mean = vae->likelihood(z)->mean();          // [k, N, 784]: pictures
//
//   auto [reconstruction, divergence, bound] =
//       vae::evaluate(*vae, x, {.seed = 2}, {.samples = 5000});
//
// vae_training.hpp trains it.
#pragma once

#include <torch/nn/modules/container/sequential.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "partita/base/progress.hpp"
#include "partita/io/archive.hpp"
#include "partita/learn/distributions/distribution.hpp"
#include "partita/learn/random.hpp"
#include "partita/learn/tensor.hpp"

namespace partita::vae {

enum class Latent : std::uint8_t {
  gaussian,     ///< latent_dim numbers: posterior N(mu(x), diag sigma(x)^2), prior N(0, I)
  categorical,  ///< latent_dim one-hot vectors of `categories`, uniform a priori: what the Concrete
                ///< distribution relaxes
};

enum class Decoder : std::uint8_t {
  bernoulli,  ///< bits, each with its logit
  gaussian,   ///< numbers, each with its mean, and one learned standard deviation for all
              ///< (Rybkin, Daniilidis, Levine 2021: a deviation for each has no largest likelihood
              ///< where an input is constant)
};

struct VaeOptions {
  std::int64_t inputs = 784;
  std::vector<std::int64_t> hidden = {200, 200};  ///< the encoder's; mirrored in the decoder
  Latent latent = Latent::gaussian;
  std::int64_t latent_dim = 50;
  std::int64_t categories = 10;
  Decoder decoder = Decoder::bernoulli;
};

/// Multilayer perceptrons with tanh.
class Vae final : public torch::nn::Module {
 public:
  /// Initial weights by networks::initialize_glorot().
  /// @throws InvalidArgument naming the option that is out of range.
  Vae(const VaeOptions& options, const Random& random);

  const VaeOptions& options() const { return options_; }

  /// q(z | x), x [N, inputs]: batch [N], event [latent_dim] or [latent_dim, categories]. With
  /// copies, batch [N, copies], as estimators::importance_weighted() takes it.
  distributions::DistributionPtr posterior(const Tensor& x);
  distributions::DistributionPtr posterior(const Tensor& x, std::int64_t copies);
  /// p(z), of the same event, batch [].
  distributions::DistributionPtr prior() const;
  /// p(x | z), z [..., event]: batch [...], event [inputs].
  distributions::DistributionPtr likelihood(const Tensor& z);

  /// Makes the decoder start with this mean for each input, [inputs] (in (0, 1) for bits), so that
  /// training need not find it.
  void start_from_mean(const Tensor& mean);

 private:
  distributions::DistributionPtr posterior_of(const Tensor& outputs) const;

  VaeOptions options_;
  torch::nn::Sequential encoder_{nullptr};
  torch::nn::Sequential decoder_{nullptr};
  Tensor log_deviation_;  // a Gaussian decoder's
};

struct EvaluationOptions {
  std::int64_t samples = 5000;  ///< k of the importance-weighted bound
  std::int64_t batch = 16;      ///< examples at a time; affects only memory and speed
};

/// One value per example, in nats, without gradient, on the CPU: double [N].
struct Bounds {
  Tensor reconstruction;  ///< mean of log p(x | z) over the samples
  Tensor divergence;      ///< KL(q(z | x) || p(z)), exact
  Tensor bound;           ///< log 1/k sum_i p(x | z_i) p(z_i) / q(z_i | x)

  Tensor elbo() const { return reconstruction - divergence; }
};

/// How well a model explains examples x [N, inputs]. The samples of example i are those of
/// stream.child(i). No more than batch * 100 samples are decoded at once, however many there are.
/// @throws InvalidArgument if an option is below 1, or x has another number of columns.
Bounds evaluate(Vae& vae, const Tensor& x, const Stream& stream,
                const EvaluationOptions& options = {}, const Progress& progress = {});

/// 0 or 1 for each of the given probabilities.
Tensor binarize(const Tensor& probabilities, const Random& random);

/// Options and weights, in an archive of other things.
void write_vae(ArchiveWriter& out, const Vae& vae);
/// @throws DataError
std::shared_ptr<Vae> read_vae(ArchiveReader& in);

}  // namespace partita::vae
