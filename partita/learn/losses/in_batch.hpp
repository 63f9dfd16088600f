// SPDX-License-Identifier: Apache-2.0
// Contrastive losses whose negatives are the batch's other pairs: InfoNCE, CLIP's, and two-tower
// retrieval's.
//
//   // queries and keys [B, d]: row i of each belong together
//   Tensor loss = losses::in_batch_softmax(queries, keys, {.temperature = 0.07, .symmetric =
//   true});
//
//   // Keys are items that come up as often as they are popular: without a correction, the model
//   // would learn how much likelier than its popularity an item is.
//   Tensor loss = losses::in_batch_softmax(users, items, {.log_q = q.log(), .ids = item_ids});
#pragma once

#include "partita/learn/losses/losses.hpp"
#include "partita/learn/tensor.hpp"

namespace partita::losses {

struct InBatchOptions {
  double temperature = 1;  ///< > 0; scores are inner products divided by it
  /// [B]: log-probability with which each key comes into a batch, subtracted from its scores (Yi et
  /// al. 2019, "Sampling-bias-corrected neural modeling", eq. 3: as sampled softmax corrects its
  /// noise). Undefined: none, and what is learned is log p(key | query) - log q(key) (InfoNCE: van
  /// den Oord, Li, Vinyals 2018, eq. 4).
  Tensor log_q = {};
  /// Integers [B]: equal keys are not each other's negatives. Undefined: all are different.
  Tensor ids = {};
  /// The mean of this loss and that of keys asking for their queries (Radford et al. 2021, CLIP).
  bool symmetric = false;
  Reduction reduction = Reduction::mean;
};

/// -log of the softmax, over the batch's keys j, of query_i . key_j / temperature - log q_j, at
/// j = i.
/// @param queries, keys [B, d], floating-point; normalize them for cosines
/// @return the mean over rows, their sum, or [B]
/// @throws InvalidArgument naming what does not fit; if symmetric with a log_q; or as
///         cross_entropy()
Tensor in_batch_softmax(const Tensor& queries, const Tensor& keys,
                        const InBatchOptions& options = {});

}  // namespace partita::losses
