// SPDX-License-Identifier: Apache-2.0
#include "partita/softmax/internal/convert.hpp"

#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "partita/softmax/internal/convert.cpp"
#include <hwy/foreach_target.h>  // compiles what follows once for every target
// must come after foreach_target
#include <hwy/highway.h>

#include "partita/softmax/internal/reduce-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace partita::kernels::HWY_NAMESPACE {
namespace {

template <class E>
HWY_INLINE void Widen(const E* in, std::size_t n, float* out) {
  const Tag<float> d;
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) hn::StoreU(Read(d, in + i), d, out + i);
  for (; i < n; ++i) out[i] = static_cast<float>(in[i]);
}

void WidenBF16(const bfloat16* in, std::size_t n, float* out) { Widen(in, n, out); }
void WidenF16(const float16* in, std::size_t n, float* out) { Widen(in, n, out); }

/// The upper half of a float's bits, rounded to nearest even.
template <class D, class V>
HWY_INLINE hn::VFromD<hn::RebindToUnsigned<D>> RoundBF16(D /*d*/, V v) {
  const hn::RebindToUnsigned<D> du;
  const auto word = hn::BitCast(du, v);
  const auto odd = hn::And(hn::ShiftRight<16>(word), hn::Set(du, 1));
  return hn::ShiftRight<16>(hn::Add(word, hn::Add(odd, hn::Set(du, 0x7FFF))));
}

void NarrowBF16(const float* in, std::size_t n, bfloat16* out) {
  const hn::ScalableTag<float> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<std::uint16_t, decltype(d)> du16;
  auto* bits = reinterpret_cast<std::uint16_t*>(out);
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    const auto v = hn::LoadU(d, in + i);
    const auto nan = hn::RebindMask(du, hn::IsNaN(v));
    const auto half = hn::IfThenElse(nan, hn::Set(du, 0x7FC0), RoundBF16(d, v));
    hn::StoreU(hn::DemoteTo(du16, hn::BitCast(di, half)), du16, bits + i);
  }
  for (; i < n; ++i) out[i] = bfloat16(in[i]);
}

void ScaleAndNarrowBF16(const float* in, std::size_t n, float scale, bfloat16* out) {
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<std::uint16_t, decltype(d)> du16;
  const auto s = hn::Set(d, scale);
  auto* bits = reinterpret_cast<std::uint16_t*>(out);
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    const auto half = RoundBF16(d, hn::Mul(hn::LoadU(d, in + i), s));
    hn::StoreU(hn::DemoteTo(du16, hn::BitCast(di, half)), du16, bits + i);
  }
  for (; i < n; ++i) out[i] = bfloat16(in[i] * scale);
}

void NarrowF16(const float* in, std::size_t n, float16* out) {
  std::size_t i = 0;
  if constexpr (kHasFloat16) {
    const hn::ScalableTag<float> d;
    const hn::Rebind<hwy::float16_t, decltype(d)> d16;
    auto* halves = reinterpret_cast<hwy::float16_t*>(out);
    for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
      hn::StoreU(hn::DemoteTo(d16, hn::LoadU(d, in + i)), d16, halves + i);
    }
  }
  for (; i < n; ++i) out[i] = float16(in[i]);
}

}  // namespace
}  // namespace partita::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace partita::kernels {

HWY_EXPORT(WidenBF16);
HWY_EXPORT(WidenF16);
HWY_EXPORT(NarrowBF16);
HWY_EXPORT(NarrowF16);
HWY_EXPORT(ScaleAndNarrowBF16);

void widen(const bfloat16* in, std::size_t n, float* out) {
  HWY_DYNAMIC_DISPATCH(WidenBF16)(in, n, out);
}
void widen(const float16* in, std::size_t n, float* out) {
  HWY_DYNAMIC_DISPATCH(WidenF16)(in, n, out);
}
void narrow(const float* in, std::size_t n, bfloat16* out) {
  HWY_DYNAMIC_DISPATCH(NarrowBF16)(in, n, out);
}
void narrow(const float* in, std::size_t n, float16* out) {
  HWY_DYNAMIC_DISPATCH(NarrowF16)(in, n, out);
}
void scale_and_narrow(const float* in, std::size_t n, float scale, bfloat16* out) {
  HWY_DYNAMIC_DISPATCH(ScaleAndNarrowBF16)(in, n, scale, out);
}

}  // namespace partita::kernels
#endif  // HWY_ONCE
