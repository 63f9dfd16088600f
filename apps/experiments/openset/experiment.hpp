// SPDX-License-Identifier: Apache-2.0
// What `partita openset train` does: data, training, measurements. This header needs no libtorch,
// so that the report and the command line compile without it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/experiments/run.hpp"
#include "apps/report/pictures.hpp"
#include "partita/detection/detection_metrics.hpp"
#include "partita/detection/logit_score.hpp"
#include "partita/detection/roc.hpp"
#include "partita/learn/openset/confident_classifier_options.hpp"

namespace partita::app {

/// Where the examples come from: two Gaussians in the plane; digits as classes and letters as the
/// unknown, in the DejaVu fonts; or IDX images.
enum class OpensetSource : std::uint8_t { toy, rendered, directory };

/// What classifiers are trained with: cross-entropy alone; the confidence loss on given examples of
/// the unknown; that for half of the steps, then held fixed while a GAN learns against it; or the
/// confidence loss on the examples of a GAN that learns at the same time.
enum class OpensetLoss : std::uint8_t { cross_entropy, confidence, held, joint };

inline constexpr auto kOpensetLosses =
    names<OpensetLoss>({{"cross-entropy", OpensetLoss::cross_entropy},
                        {"confidence", OpensetLoss::confidence},
                        {"held", OpensetLoss::held},
                        {"joint", OpensetLoss::joint}});

/// Given examples of the unknown, in the plane: 100 points of a square far beyond the classes, or
/// of one near them, as in figure 1 of the paper; many in the map's square, as in its figure 3;
/// those along the border of the classes; or the outskirts of the classes themselves, for images
/// those of their features.
enum class OutSet : std::uint8_t { far, near, box, border, shell };

inline constexpr auto kOutSets = names<OutSet>({{"far", OutSet::far},
                                                {"near", OutSet::near},
                                                {"box", OutSet::box},
                                                {"border", OutSet::border},
                                                {"shell", OutSet::shell}});

inline constexpr auto kGeneratorLosses =
    names<openset::GeneratorLoss>({{"non-saturating", openset::GeneratorLoss::non_saturating},
                                   {"saturating", openset::GeneratorLoss::saturating},
                                   {"fence", openset::GeneratorLoss::fence}});

inline constexpr auto kEntropies =
    names<openset::Entropy>({{"nearest-neighbor", openset::Entropy::nearest_neighbor},
                             {"pull-away", openset::Entropy::pull_away}});

inline constexpr auto kLogitScores = names<LogitScore>({{"msp", LogitScore::msp},
                                                        {"max-logit", LogitScore::max_logit},
                                                        {"entropy", LogitScore::entropy},
                                                        {"energy", LogitScore::energy}});

struct OpensetOptions {
  OpensetSource source = OpensetSource::rendered;
  // For a directory.
  std::string directory = {};
  std::vector<std::uint8_t> known = {0, 1, 2, 3, 4};    ///< classes to learn
  std::vector<std::uint8_t> unknown = {5, 6, 7, 8, 9};  ///< classes that stand for the unknown
  std::vector<std::string> evaluate = {};  ///< more directories to tell the known ones from
  std::string given = {};                  ///< directory of given examples; empty: of `unknown`

  OpensetLoss loss = OpensetLoss::cross_entropy;
  OutSet out_set = OutSet::border;  ///< of images, shell takes the place of given examples
  double beta = 1;
  bool reject = false;
  openset::GeneratorLoss generator_loss = openset::GeneratorLoss::non_saturating;
  openset::Entropy entropy = openset::Entropy::nearest_neighbor;
  double entropy_weight = 0;
  double learning_rate = 2e-4;
  double beta1 = 0.9;
  double gan_beta1 = 0.5;
  std::uint64_t warm_up = 0;  ///< steps of cross-entropy before those of the loss
  std::uint64_t decay = 0;    ///< step from which on the learning rate is a tenth; 0: none
  double clip_norm = 0;
  std::uint64_t steps = 2000;
  std::int64_t batch = 64;
  std::int64_t width = 0;  ///< 0: 16 for images, 128 in the plane
  std::uint64_t train_images = 10'000;
  bool controls = false;  ///< whether to train the baselines it is compared with
  RunOptions run = {};
  std::string output = {};  ///< file for the trained classifier; empty: none
  std::uint64_t seed = 0;
  int threads = 1;
};

/// Two columns of coordinates.
struct Points {
  std::vector<double> x;
  std::vector<double> y;
};

/// How well one score tells a set of unknown examples from the known ones.
struct OpensetDetection {
  std::string set;
  LogitScore score;
  DetectionMetrics metrics;  // known examples are positive
  RocCurve curve;
};

/// The largest probability of each example of a set.
struct OpensetConfidence {
  std::string set;
  std::vector<double> values;
};

/// A classifier trained in one way.
struct OpensetVariant {
  std::string name;
  double accuracy;  // on held-out known examples
  double nll;
  std::vector<OpensetConfidence> confidence;  // known first
  std::vector<OpensetDetection> detection;
  std::uint64_t steps;
  double seconds;
  Grid map = {};                         // toy: largest probability over the plane
  double confidence_around_classes = 0;  // toy: mean over the border of the classes
  double confidence_off_classes = 0;     // toy: mean over the rest of the map
  double confidence_far_away = 0;        // toy: mean over a circle of radius kToyFarAway
  Points given = {};                     // toy: the given examples of the unknown
  Points generated = {};                 // toy: from the generator
  double generated_outside = 0;          // toy: their share two standard deviations from the means
  int generated_directions = 0;          // toy: of kToyDirections, those where they are
  Grid samples = {};                     // images: from the generator
};

struct OpensetResult {
  std::vector<std::string> classes;
  std::vector<OpensetVariant> variants = {};  // the last is the one that was asked for
  std::vector<Points> training = {};          // toy: each class's points
};

/// Half a side of the square that the maps of the toy show, around the origin.
inline constexpr double kToyHalfSide = 12;

inline constexpr double kToyFarAway = 50;
inline constexpr int kToyDirections = 32;

inline bool is_toy(const OpensetOptions& options) { return options.source == OpensetSource::toy; }

inline std::int64_t width_of(const OpensetOptions& options) {
  if (options.width > 0) return options.width;
  return is_toy(options) ? 128 : 16;
}

/// "toy", "rendered", or the directory.
std::string data_name(const OpensetOptions& options);

/// Trains what was asked for, and writes the model.
/// @throws InvalidArgument, IoError, DataError
OpensetResult run_openset(const OpensetOptions& options, const Phases& phases = {});

}  // namespace partita::app
