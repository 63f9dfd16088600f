// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/seqgan/internal/draw.hpp"

#include <ATen/ATen.h>

namespace partita::seqgan {

Tensor draw_by_inversion(const Tensor& logits, std::span<const Stream> streams) {
  Tensor u = at::empty({logits.size(0), 1}, at::kDouble);
  auto* out = u.data_ptr<double>();
  for (const Stream& stream : streams) *out++ = stream.uniform(0);
  u = u.to(logits.device());
  // The first category whose P(X <= i) exceeds u: one of probability 0 never is.
  const Tensor cumulative = logits.to(at::kDouble).softmax(-1).cumsum(-1);
  return at::searchsorted(cumulative, u, /*out_int32=*/false, /*right=*/true, /*side=*/"right")
      .squeeze(-1)
      .clamp_max(logits.size(-1) - 1);  // where rounding leaves the last sum below 1
}

}  // namespace partita::seqgan
