// SPDX-License-Identifier: Apache-2.0
// What `partita vae train` does: data, training, results. This header needs no libtorch, so that
// the report and the command line compile without it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/experiments/estimators.hpp"
#include "apps/experiments/run.hpp"

namespace partita::app {

enum class VaeLatent : std::uint8_t { gaussian, concrete };
enum class VaeDecoder : std::uint8_t { bernoulli, gaussian };
enum class VaeObjective : std::uint8_t { elbo, iwae };

inline constexpr auto kVaeLatents =
    names<VaeLatent>({{"gaussian", VaeLatent::gaussian}, {"concrete", VaeLatent::concrete}});
inline constexpr auto kVaeDecoders =
    names<VaeDecoder>({{"bernoulli", VaeDecoder::bernoulli}, {"gaussian", VaeDecoder::gaussian}});
inline constexpr auto kVaeObjectives =
    names<VaeObjective>({{"elbo", VaeObjective::elbo}, {"iwae", VaeObjective::iwae}});

/// Estimators of the gradient through one-hot vectors, by their names in the field.
inline constexpr auto kVaeEstimators =
    names<EstimatorKind>({{"concrete", EstimatorKind::concrete},
                          {"st-gumbel", EstimatorKind::straight_through_gumbel},
                          {"gumbel-rao", EstimatorKind::gumbel_rao},
                          {"reinmax", EstimatorKind::reinmax},
                          {"reinmax-rao", EstimatorKind::reinmax_rao},
                          {"reinforce-loo", EstimatorKind::score_leave_one_out},
                          {"rebar", EstimatorKind::rebar},
                          {"relax", EstimatorKind::relax},
                          {"unordered-set", EstimatorKind::unordered_set}});

/// iwae_1l: one stochastic layer of Burda, Grosse, Salakhutdinov (2016), with their whole schedule.
enum class VaePreset : std::uint8_t { small, iwae_1l };

inline constexpr auto kVaePresets =
    names<VaePreset>({{"small", VaePreset::small}, {"iwae-1l", VaePreset::iwae_1l}});

struct VaeTrainOptions {
  std::string directory = {};      ///< holds IDX images; empty: digits in the DejaVu fonts
  std::uint64_t train_images = 0;  ///< at most; 0: all, or 10,000 rendered ones
  VaeLatent latent = VaeLatent::gaussian;
  VaeDecoder decoder = VaeDecoder::bernoulli;
  VaeObjective objective = VaeObjective::elbo;
  bool ablations = false;  ///< also train without each of the ELBO's terms
  /// One of kVaeEstimators, for concrete latents; none: concrete, or reinforce-loo for iwae.
  std::optional<EstimatorKind> estimator = {};
  double temperature = 0.5;  ///< the relaxations'
  std::int64_t samples = 0;  ///< 0: as few as the estimator takes; 5 for iwae
  std::int64_t categories = 10;
  std::uint64_t patience = 0;  ///< epochs; 0: to the end

  // Options that a preset sets if they are not given.
  VaePreset preset = VaePreset::small;
  std::optional<std::int64_t> latent_dim = {};
  std::vector<std::int64_t> hidden = {};
  std::optional<double> epochs = {};
  std::optional<std::int64_t> batch = {};
  std::optional<double> learning_rate = {};
  std::optional<double> held_out = {};

  RunOptions run = {};
  std::string output = {};  ///< file for the trained model; empty: none
  bool pictures = false;    ///< whether variants have pictures
  std::uint64_t seed = 0;
  int threads = 1;
};

/// Losses of one log entry, in nats per image.
struct VaeEntry {
  double epoch;
  double reconstruction;
  double kl;
};

struct VaeVariant {
  std::string name;
  std::uint64_t steps = 0;
  double seconds = 0;
  std::vector<VaeEntry> training = {};
  std::vector<VaeEntry> held_out = {};
  double train_loss = 0;  ///< the last entry
  double elbo = 0;        ///< mean over the test images
  double elbo_error = 0;  ///< its standard error
  double reconstruction = 0;
  double kl = 0;
  double spread =
      0;  ///< standard deviation of z ~ q(z | x) over the test images; 1 under the prior
  // Pictures, whose pixels are 0 to 1.
  std::vector<double> originals = {};
  std::vector<double> reconstructions = {};
  std::vector<double> samples = {};
  std::size_t traversal_across = 0;
  std::vector<double> traversal = {};
  std::string traversal_caption = {};
  std::vector<double> map = {};  ///< [n, 2]
};

struct VaeResult {
  std::size_t rows = 0;  ///< an image's
  std::size_t columns = 0;
  std::size_t train_images = 0;
  std::size_t test_images = 0;
  std::string estimator;
  std::int64_t samples = 0;
  std::int64_t latent_dim = 0;
  double epochs = 0;
  bool map_is_latent = false;             ///< two numbers; else principal components
  std::vector<std::string> labels = {};   ///< the classes of the points of the maps
  std::vector<VaeVariant> variants = {};  ///< the first is the one that was asked for
};

/// Trains what was asked for, and with `ablations` also without each of the two terms. Writes the
/// model.
/// @throws InvalidArgument, IoError, DataError
VaeResult run_vae(const VaeTrainOptions& options, const Phases& phases = {});

}  // namespace partita::app
