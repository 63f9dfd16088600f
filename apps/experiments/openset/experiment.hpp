// What `partita openset train` does: data, training, measurements. No libtorch in sight, so that
// the report and the command line compile without it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/experiments/run.hpp"
#include "apps/report/pictures.hpp"
#include "partita/detection/detection_metrics.hpp"
#include "partita/detection/roc.hpp"

namespace partita::app {

struct OpensetOptions {
  std::string data = "rendered";  // or toy, or a directory of IDX files
  std::string known;              // classes of a directory
  std::string unknown;
  std::string loss = "cross-entropy";
  std::string out_set;  // of the confidence loss: far or border (toy), a directory, or the unknown
  std::vector<std::string> evaluate;  // more directories of unknown images
  double beta = 1;
  std::string generator_loss = "non-saturating";
  double learning_rate = 2e-4;
  double beta1 = 0.5;
  std::uint64_t warm_up = 0;  // steps of cross-entropy before those of the loss
  double clip_norm = 0;
  std::uint64_t steps = 2000;
  std::int64_t batch = 64;
  std::int64_t width = 16;
  std::uint64_t train_images = 10'000;
  RunOptions run;
  std::string output;
  std::string report;
  bool compare = false;  // also train what it is compared with
  std::uint64_t seed = 0;
  int threads = 1;
};

/// Two columns of coordinates.
struct Points {
  std::vector<double> x;
  std::vector<double> y;
};

/// How a set of unknown examples is told from the known ones by one score.
struct OpensetDetection {
  std::string set;
  std::string score;
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
  double accuracy;  // on known examples that it was not trained on
  double nll;
  std::vector<OpensetConfidence> confidence;  // known first
  std::vector<OpensetDetection> detection;
  std::uint64_t steps;
  double seconds;
  Grid map = {};                         // toy: largest probability over the plane
  double confidence_around_classes = 0;  // toy: mean over their border
  double confidence_off_classes = 0;     // and over all the rest of the map
  Points given = {};                     // toy: examples of the unknown that it was given
  Points generated = {};                 // toy: by the generator
  double generated_outside = 0;  // toy: the share of them two standard deviations from the means
  Grid samples = {};             // images: by the generator
};

struct OpensetResult {
  std::vector<std::string> classes;
  std::vector<OpensetVariant> variants = {};  // the last is the one that was asked for
  std::vector<Points> training = {};          // toy: of each class
};

/// Half a side of the square that the maps of the toy show, around the origin.
inline constexpr double kToyHalfSide = 12;

inline bool is_toy(const OpensetOptions& options) { return options.data == "toy"; }

/// Trains what was asked for, and writes the model.
OpensetResult run_openset(const OpensetOptions& options);

}  // namespace partita::app
