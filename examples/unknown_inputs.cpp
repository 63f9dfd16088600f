// SPDX-License-Identifier: Apache-2.0
// A classifier's logits for inputs like those in training and for others: how well does a score
// tell them apart, and where is the threshold that accepts 95 % of the known?
#include <algorithm>
#include <cstdio>
#include <vector>

#include "partita/detection/detection_metrics.hpp"
#include "partita/detection/logit_score.hpp"
#include "partita/detection/roc.hpp"
#include "partita/random/stream.hpp"

namespace {

constexpr std::size_t kRows = 1000;
constexpr std::size_t kClasses = 10;

/// Logits of noise, in which one class stands out by `margin`.
std::vector<float> logits(float margin, partita::Stream stream) {
  std::vector<float> z(kRows * kClasses);
  for (std::size_t i = 0; i < z.size(); ++i) {
    const bool stands_out = i % kClasses == i / kClasses % kClasses;
    z[i] = static_cast<float>(stream.normal(i)) + (stands_out ? margin : 0);
  }
  return z;
}

}  // namespace

int main() {
  const std::vector<float> known = logits(5, {.seed = 1, .id = 0});
  const std::vector<float> unknown = logits(1, {.seed = 1, .id = 1});

  const auto scores = [](const std::vector<float>& z) {
    return partita::logit_scores(partita::LogitScore::energy, {z.data(), kRows, kClasses});
  };
  const std::vector<double> in = scores(known);
  const std::vector<double> out = scores(unknown);

  const auto metrics = partita::detection_metrics(in, out, partita::Positive::in);
  const auto interval =
      partita::detection_intervals(in, out, partita::Positive::in, {.seed = 1}).auroc;
  std::printf("AUROC %.4f (95 %% interval %.4f to %.4f)\n", metrics.auroc, interval.low,
              interval.high);
  std::printf("FPR at 95 %% TPR %.4f, detection accuracy %.4f\n", metrics.fpr_at_95_tpr,
              metrics.detection_accuracy);

  const double threshold = partita::threshold_at_tpr(in, 0.95);
  const auto accepted =
      std::count_if(out.begin(), out.end(), [&](double s) { return s >= threshold; });
  std::printf("at energy scores of %.3f or more, %td of %zu unknown inputs pass\n", threshold,
              accepted, kRows);
}
