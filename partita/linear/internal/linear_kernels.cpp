// SPDX-License-Identifier: Apache-2.0
#include "partita/linear/internal/linear_kernels.hpp"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "partita/linear/internal/linear_kernels.cpp"
#include <hwy/foreach_target.h>  // compiles what follows once for every target
// must come after foreach_target
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include "partita/softmax/internal/exp-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace partita::kernels::HWY_NAMESPACE {
namespace {

using D = Tag<float>;
using V = hn::VFromD<D>;

/// z[i] = f(vector of z, i), the last elements of a row padded.
template <class F>
HWY_INLINE void Transform(float* HWY_RESTRICT z, std::size_t n, const F& f) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(f(hn::LoadU(d, z + i), i), d, z + i);
  if (i == n) return;
  float rest[kLanes] = {};
  for (std::size_t j = i; j < n; ++j) rest[j - i] = z[j];
  hn::StoreU(f(hn::LoadU(d, rest), i), d, rest);
  for (std::size_t j = i; j < n; ++j) z[j] = rest[j - i];
}

void FinishLogits(float* z, std::size_t n, const float* bias, float cap) {
  const D d;
  if (bias != nullptr) {
    const std::size_t lanes = hn::Lanes(d);
    std::size_t i = 0;
    for (; i + lanes <= n; i += lanes) {
      hn::StoreU(hn::Add(hn::LoadU(d, z + i), hn::LoadU(d, bias + i)), d, z + i);
    }
    for (; i < n; ++i) z[i] += bias[i];
  }
  if (cap > 0) {
    const V inverse = hn::Set(d, 1 / cap);
    const V c = hn::Set(d, cap);
    Transform(z, n, [&](V v, std::size_t) { return hn::Mul(c, hn::Tanh(d, hn::Mul(v, inverse))); });
  }
}

void Differentiate(float* z, std::size_t n, double log_sum_exp, float a, float b, float c,
                   float cap) {
  const D d;
  const auto high = static_cast<float>(log_sum_exp);
  const V lse = hn::Set(d, high);
  const V rest = hn::Set(d, static_cast<float>(log_sum_exp - static_cast<double>(high)));
  const V va = hn::Set(d, a);
  const V vb = hn::Set(d, b);
  const V vc = hn::Set(d, c);
  const V one = hn::Set(d, 1.0F);
  const V inverse = hn::Set(d, cap > 0 ? 1 / cap : 0);
  const V zero = hn::Zero(d);
  Transform(z, n, [&](V v, std::size_t) {
    const V log_p = hn::Min(hn::Sub(hn::Sub(v, lse), rest), zero);
    const V p = ExpForSum(d, log_p);
    // Where p is 0, log p may be -inf, of which b takes nothing.
    const V by_p = hn::MulAdd(vb, hn::Max(log_p, hn::Set(d, -200.0F)), va);
    const V gradient = hn::MulAdd(p, by_p, vc);
    const V t = hn::Mul(v, inverse);
    return hn::Mul(gradient, hn::NegMulAdd(t, t, one));
  });
}

const LinearKernels* Table() {
  static constexpr LinearKernels kTable = {.finish_logits = FinishLogits,
                                           .differentiate = Differentiate};
  return &kTable;
}

}  // namespace
}  // namespace partita::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace partita::kernels {

HWY_EXPORT(Table);

const LinearKernels& linear_kernels() { return *HWY_DYNAMIC_DISPATCH(Table)(); }

}  // namespace partita::kernels
#endif  // HWY_ONCE
