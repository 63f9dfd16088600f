// SPDX-License-Identifier: Apache-2.0
// Every score of unknown inputs in one form: what it learns from known rows, then a number for each
// row, larger where the row looks known.
//
//   const partita::KnownInputs known{.rows = training, .labels = labels,
//                                    .layer = partita::LastLayer{weight, bias}};
//   const auto vim = partita::Detector::fit(partita::DetectionScore::vim, known);
//   std::vector<double> in = vim.scores(features);
//   for (const auto score : partita::detection_scores()) partita::Detector::fit(score, known);
//
// What is known is read once or a few times from first to last row, and not kept, save by knn and
// nnguide: memory does not grow with its rows. Where a paper's score is larger for unknown rows,
// this is its negation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "partita/base/parallel.hpp"
#include "partita/base/progress.hpp"
#include "partita/base/rows.hpp"

namespace partita {

/// In the formulas, x is a row of features, z = W x + b its logits for K classes, p = softmax(z),
/// energy(z) = log sum_i exp(z_i), and y the class of the largest logit. Options in brackets.
enum class DetectionScore : std::uint8_t {
  // Of logits (logit_score.hpp), [temperature].
  msp,
  max_logit,
  entropy,
  energy,

  /// Generalized entropy: -sum of p_i^g (1 - p_i)^g over the M largest p_i, [gamma] g = 0.1 and
  /// [largest] M = 100 (Liu, Lochman, Zach, CVPR 2023).
  gen,

  /// -min over classes c of KL(p | d_c), where d_c is the mean p of the known rows with y = c
  /// (Hendrycks et al., ICML 2022). Known rows should be held out of training.
  kl_matching,

  /// log(sum of exp(v_i) / exp(v_0)), the log odds of a known class. For the [largest] A = 10
  /// classes of the largest z, the r-th of them, v_i = z_i (1 - w_i (A + 1 - r) / A); for others
  /// v_i = z_i; v_0 = sum of (z_i - v_i). w_i = 1 - exp(-((|z - m_i| - t) / l)^k) says how unusual
  /// the distance from m_i is, the mean z of the known rows of class i with y = i: it is the
  /// Weibull distribution of the largest likelihood for the [tail] 20 largest distances of these
  /// rows, from the least of them less 1, t, on (Bendale and Boult, CVPR 2016, alg. 1 and 2, as in
  /// their code). A constant added to all z changes the score: it is for largest logits above 0.
  openmax,

  /// |x|_1 |p - 1/K|_1: the L1 norm of the gradient that the cross-entropy from uniform
  /// probabilities has in W, which the paper finds by a backward pass (Huang, Geng, Li, NeurIPS
  /// 2021, eq. 5 to 7, T = 1).
  gradnorm,

  /// energy(W min(x, c) + b), c the [percentile] 90 of all known features (Sun, Guo, Li, NeurIPS
  /// 2021).
  react,

  /// energy(V x + b), V having only those entries of W whose mean contribution W_ki mean(x_i) is
  /// above the [percentile] 90 of all K D of them (Sun, Li, ECCV 2022).
  dice,

  /// energy(e^r W x' + b): x' has only the largest features of x, all but [percentile] 90 in 100,
  /// and r = sum(x) / sum(x') (ASH-S: Djurisic, Bozanic, Ashok, Liu, ICLR 2023). For features that
  /// are not negative, as after a ReLU.
  ash_s,

  /// energy(e^r W x + b), r as in ash_s, [percentile] 85 (Xu, Chen, Franchi, Yao, ICLR 2024).
  scale,

  /// x' s_y, s_c the mean of the known rows of class c with y = c (Zhang et al., ICLR 2023).
  she,

  /// energy(z) - a |R' (x - o)|: o = -W^+ b; the columns of R are the eigenvectors of the known
  /// rows' mean (x - o)(x - o)', but for the first [dimension] (1000 of 2048 features or more, 512
  /// of 768 or more, else half); a makes the two terms' means over known rows equal, that of
  /// the first being of max z (Wang, Li, Feng, Zhang, CVPR 2022).
  vim,

  /// The mean over classes c other than y of (z_y - z_c) / |w_y - w_c|, which is the distance to
  /// the boundary with c, divided by |x - m|, m the mean known row (Liu, Qin, ICML 2024).
  fdbd,

  /// mahalanobis.hpp, [shrinkage].
  mahalanobis,

  /// The same, less that of one Gaussian for all known rows (Ren et al., 2021), [shrinkage].
  relative_mahalanobis,

  /// knn.hpp, [k] 50.
  knn,

  /// energy(z) times the mean of the [k] 10 largest energy(z_i) cos(x, x_i) over known rows i
  /// (Park, Jung, Teoh, ICCV 2023).
  nnguide,
};

/// All of them, in this order.
std::span<const DetectionScore> detection_scores();

/// "msp", "max-logit", ...
std::string_view name_of(DetectionScore score);

/// Nothing if no score has this name.
std::optional<DetectionScore> detection_score_named(std::string_view name);

/// What a score cannot do without.
struct DetectionNeeds {
  bool layer = false;   ///< the last layer
  bool rows = false;    ///< known rows
  bool labels = false;  ///< their classes
};
DetectionNeeds needs_of(DetectionScore score);

/// z = weight x + bias.
struct LastLayer {
  Rows weight;                        ///< [K, columns], finite
  std::span<const double> bias = {};  ///< [K]; if empty, 0
};

/// Every member is optional: needs_of() says what a score needs.
struct KnownInputs {
  std::optional<Rows> rows = {};              ///< [rows, columns]; knn and nnguide keep the view
  std::span<const std::int64_t> labels = {};  ///< one per row; for openmax and she, 0 to K - 1
  std::optional<LastLayer> layer = {};
};

struct DetectorOptions {
  double temperature = 1;                     ///< msp, entropy, energy; positive and finite
  double gamma = 0.1;                         ///< gen; positive and finite
  std::optional<std::size_t> largest = {};    ///< gen, openmax; 1 or more
  std::size_t tail = 20;                      ///< openmax; 2 or more
  std::optional<double> percentile = {};      ///< react, dice, ash_s, scale; [0, 100)
  std::optional<std::size_t> k = {};          ///< knn, nnguide; 1 to the known rows
  std::optional<std::size_t> dimension = {};  ///< vim; 0 to columns - 1
  std::optional<double> shrinkage = {};       ///< mahalanobis, relative_mahalanobis; [0, 1]
  int threads = 1;
  Progress progress = {};  ///< hears how many blocks of known rows are done, in the longest pass
};

/// A score with what it learned.
class Detector {
 public:
  /// Where a layer is given, all rows are features, and the scores of logits are those of its
  /// logits. Without one, they are logits to such scores.
  /// @throws InvalidArgument if the score lacks what it needs ("rows", "labels", "layer"), if
  ///         known rows are not finite, for shapes that do not fit, options out of range, or a
  ///         formula without a value: no row of some class classified correctly (openmax, she), or
  ///         none further from their mean than others (openmax), nothing left outside the principal
  ///         space (vim), two classes of the same weight (fdbd).
  static Detector fit(DetectionScore score, const KnownInputs& known,
                      const DetectorOptions& options = {});

  /// One number per row, which does not depend on the number of threads. A row that holds NaN or an
  /// infinity (a logit may be -inf, but for openmax) is a row error, and its score NaN; so is, for
  /// ash_s and scale, one with a negative feature or none that is positive, and for knn and nnguide
  /// one of all 0.
  /// @throws InvalidArgument unless the columns are those of what is known.
  std::vector<double> scores(Rows rows, const RowOptions& options = {},
                             const Progress& progress = {}) const {
    return score_(rows, options, progress);
  }

 private:
  using Score = std::function<std::vector<double>(Rows, const RowOptions&, const Progress&)>;
  explicit Detector(Score score) : score_(std::move(score)) {}

  Score score_;
};

}  // namespace partita
