// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "apps/experiments/seqgan/experiment.hpp"

namespace partita::app {

SeqganOptions seqgan_paper_preset() {
  SeqganOptions paper;
  paper.vocabulary = 5000;
  paper.sequences = 10'000;
  paper.filters = {{1, 100}, {2, 200}, {3, 200}, {4, 200},  {5, 200},  {6, 100},
                   {7, 100}, {8, 100}, {9, 100}, {10, 100}, {15, 160}, {20, 160}};
  paper.features = 64;
  paper.mle_epochs = 120;
  paper.patience = 0;
  paper.pretraining = 50;
  paper.iterations = 800;
  paper.final_teacher = 0.76;  // falls by 0.002 in each of 120 passes
  paper.reward = SeqganReward::probability;
  paper.rollouts = 16;
  paper.g_steps = 1;
  paper.d_steps = 5;
  paper.d_epochs = 3;
  paper.negatives = 10'000;
  paper.g_rate = 1e-2;
  paper.d_rate = 1e-4;
  // In that code the delayed copy's update comes after its graph is built, and has no effect.
  paper.update_rate = 0;
  paper.final_rate = 1;
  paper.baseline = SeqganBaseline::none;
  paper.loss = SeqganLoss::sum;
  paper.d_batches = SeqganBatches::mixed;
  paper.highway = SeqganHighway::glorot;
  paper.gate_bias = 0;
  paper.columns = SeqganColumns::two;
  paper.d_clip_norm = std::numeric_limits<double>::infinity();
  paper.samples = 10'000;
  return paper;
}

SeqganOptions seqgan_paper_lite_preset() {
  const SeqganOptions small;
  SeqganOptions lite = seqgan_paper_preset();
  lite.filters = small.filters;
  lite.features = small.features;
  lite.iterations = 200;
  lite.negatives = 2000;
  lite.samples = 2000;
  return lite;
}

SeqganOptions seqgan_text_defaults() {
  SeqganOptions text;
  text.length = 16;
  text.hidden = 128;
  text.mle_epochs = 10;
  return text;
}

SeqganOptions seqgan_continuous_defaults() {
  SeqganOptions continuous;
  continuous.sequences = 2000;
  continuous.length = 16;
  continuous.filters = {{1, 32}, {2, 32}, {16, 64}};  // the last sees when a point comes
  continuous.mle_epochs = 2;                          // from where the game leads on
  continuous.pretraining = 5;
  continuous.negatives = 640;
  continuous.iterations = 200;
  return continuous;
}

}  // namespace partita::app
