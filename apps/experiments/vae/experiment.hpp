// What `partita vae train` does: data, training, what is seen of it. No libtorch in sight, so that
// the report and the command line compile without it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/experiments/run.hpp"

namespace partita::app {

struct VaeTrainOptions {
  std::string data = "rendered";  // or a directory of IDX files
  std::uint64_t train_images = 0;
  std::string latent = "gaussian";
  std::string decoder = "bernoulli";
  std::string objective = "elbo";
  std::string without;  // regulariser or reconstruction
  bool ablations = false;
  std::string estimator;
  double temperature = 0.5;
  std::int64_t samples = 0;  // 0: as few as the estimator takes
  std::int64_t categories = 10;
  std::string binarization = "dynamic";
  double clip_norm = 0;
  std::uint64_t patience = 0;
  double beta1 = 0.9;
  double beta2 = 0.999;

  // Those that a preset sets, if they are not given.
  std::string preset;
  std::optional<std::int64_t> latent_dim;
  std::vector<std::int64_t> hidden;
  std::optional<double> epochs;
  std::optional<std::int64_t> batch;
  std::optional<double> learning_rate;
  std::optional<double> epsilon;
  std::optional<std::string> schedule;
  std::optional<double> held_out;

  RunOptions run;
  std::string output;
  std::string report;
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
  double train_loss = 0;  // the last entry
  double elbo = 0;        // of the test images, per image
  double elbo_error = 0;  // its standard error
  double reconstruction = 0;
  double kl = 0;
  double spread = 0;  // standard deviation of z ~ q(z | x) over the test images; 1 under the prior
  // For a report: pictures of the values that a pixel can have, 0 to 1.
  std::vector<double> originals = {};
  std::vector<double> reconstructions = {};
  std::vector<double> samples = {};
  std::size_t traversal_across = 0;
  std::vector<double> traversal = {};
  std::string traversal_caption = {};
  std::vector<double> map = {};  // [n, 2]
};

struct VaeResult {
  std::size_t rows = 0;  // of an image
  std::size_t columns = 0;
  std::size_t train_images = 0;
  std::size_t test_images = 0;
  std::string estimator;
  std::int64_t samples = 0;
  std::int64_t latent_dim = 0;
  double epochs = 0;
  bool map_is_latent = false;             // two numbers; else principal components
  std::vector<std::string> labels = {};   // of the points of the maps
  std::vector<VaeVariant> variants = {};  // the first is the one that was asked for
};

/// Trains what was asked for; with --ablations also without each of the two terms. Writes the
/// model.
VaeResult run_vae(const VaeTrainOptions& options);

}  // namespace partita::app
