// SPDX-License-Identifier: Apache-2.0
#include "partita/gumbel/internal/addressed_kernels.hpp"

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "partita/gumbel/internal/addressed_kernels.cpp"
#include <hwy/foreach_target.h>  // compiles what follows once for every target
// must come after foreach_target
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace partita::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

/// Words of 32 bits stand in the lower halves of elements of 64: what a product needs.
using Wide = hn::CappedTag<std::uint64_t, 8>;
using V = hn::VFromD<Wide>;
constexpr std::size_t kVector = hn::MaxLanes(Wide());
constexpr std::size_t kCounters = kBlock / 8;  // in a block
/// Vectors of counters that are computed side by side, since each waits for its own products.
constexpr std::size_t kAtOnce = HWY_TARGET <= HWY_AVX3 ? 4 : 2;

HWY_INLINE V Product(V x, V multiplier) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Mul(hn::And(x, hn::Set(Wide(), 0xFFFFFFFFU)), multiplier);
#else
  const hn::Repartition<std::uint32_t, Wide> narrow;
  return hn::MulEven(hn::BitCast(narrow, x), hn::BitCast(narrow, multiplier));
#endif
}

/// Four words of kVector counters; the upper halves of elements mean nothing.
struct Words {
  // Written out: a constructor that GCC makes itself lacks the target's instructions on AArch64.
  HWY_INLINE Words() {}  // NOLINT(modernize-use-equals-default)
  HWY_INLINE Words(V a, V b, V c, V d) : word{a, b, c, d} {}

  V word[4];
};

/// Philox4x32-10 of the counters (first, 0, noise.counter()), (first + 1, ...), ...
HWY_INLINE void Philox(const AddressedNoise& noise, std::size_t first, Words (&out)[kAtOnce]) {
  const Wide d;
  const V m0 = hn::Set(d, 0xD2511F53U);
  const V m1 = hn::Set(d, 0xCD9E8D57U);
  const V counter2 = hn::Set(d, noise.counter()[0]);
  const V counter3 = hn::Set(d, noise.counter()[1]);
  for (std::size_t i = 0; i < kAtOnce; ++i) {
    out[i] = {hn::Iota(d, first + i * kVector), hn::Zero(d), counter2, counter3};
  }
  std::uint32_t k0 = noise.key()[0];
  std::uint32_t k1 = noise.key()[1];
  HWY_UNROLL(10)
  for (int round = 0; round < 10; ++round) {
    const V key0 = hn::Set(d, k0);
    const V key1 = hn::Set(d, k1);
    HWY_UNROLL(4)
    for (std::size_t i = 0; i < kAtOnce; ++i) {  // NOLINT(modernize-loop-convert): unrolled
      const V a = Product(out[i].word[0], m0);
      const V b = Product(out[i].word[2], m1);
      out[i] = {hn::Xor3(hn::ShiftRight<32>(b), out[i].word[1], key0), b,
                hn::Xor3(hn::ShiftRight<32>(a), out[i].word[3], key1), a};
    }
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
}

/// The prefixes of the 8 kVector categories of these counters, in order.
HWY_INLINE void Store(const Words& words, std::uint16_t* out) {
  const Wide d;
  const V low = hn::Set(d, 0xFFFFFFFFU);
  std::uint64_t four[2 * kVector];  // words 0 and 1, 2 and 3, as memory has them: the lowest first
  const auto pair = [&](V a, V b)
                        HWY_ATTR { return hn::Or(hn::And(a, low), hn::ShiftLeft<32>(b)); };
  hn::StoreInterleaved2(pair(words.word[0], words.word[1]), pair(words.word[2], words.word[3]), d,
                        four);
  std::memcpy(out, four, sizeof(four));
}

void Prefixes(const AddressedNoise& noise, std::size_t block, std::uint16_t* out) {
  for (std::size_t c = 0; c < kCounters; c += kAtOnce * kVector) {
    Words words[kAtOnce];
    Philox(noise, block * kCounters + c, words);
    for (std::size_t i = 0; i < kAtOnce; ++i) Store(words[i], out + 8 * (c + i * kVector));
  }
}

/// The larger of the two prefixes in each word.
HWY_INLINE V Larger(V a, V b) {
#if HWY_TARGET == HWY_SCALAR
  const Wide d;
  const V low = hn::Set(d, 0xFFFFU);
  const V high = hn::Set(d, 0xFFFF0000U);
  return hn::Or(hn::Max(hn::And(a, low), hn::And(b, low)),
                hn::Max(hn::And(a, high), hn::And(b, high)));
#else
  const hn::Repartition<std::uint16_t, Wide> d;
  return hn::BitCast(Wide(), hn::Max(hn::BitCast(d, a), hn::BitCast(d, b)));
#endif
}

/// The largest prefix of each lane of a block. Counters that differ by an even number have
/// categories of the same lanes.
HWY_INLINE void LargestPrefixes(const AddressedNoise& noise, std::size_t block,
                                std::uint16_t (&largest)[kLanes]) {
  constexpr std::size_t kApart = kVector == 1 ? 2 : 1;
  const V zero = hn::Zero(Wide());
  Words most[kApart];
  for (Words& words : most) words = {zero, zero, zero, zero};
  for (std::size_t c = 0; c < kCounters; c += kAtOnce * kVector) {
    Words words[kAtOnce];
    Philox(noise, block * kCounters + c, words);
    for (std::size_t i = 0; i < kAtOnce; ++i) {
      Words& into = most[i % kApart];
      for (std::size_t w = 0; w < 4; ++w) into.word[w] = Larger(into.word[w], words[i].word[w]);
    }
  }
  constexpr std::size_t kAll = kApart * kVector * 8;
  std::uint16_t all[kAll];
  for (std::size_t i = 0; i < kApart; ++i) Store(most[i], all + i * kVector * 8);
  std::copy_n(all, kLanes, largest);
  for (std::size_t i = kLanes; i < kAll; i += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) largest[l] = std::max(largest[l], all[i + l]);
  }
}

template <class T>
HWY_INLINE Reached FindBlock(const AddressedNoise& noise, const T* lanes, std::size_t block,
                             std::size_t blocks, double value) {
  for (; block < blocks; ++block) {
    std::uint16_t largest[kLanes];
    LargestPrefixes(noise, block, largest);
    // Nearly every block is left after one look, at its largest logit and its largest prefix.
    const T* const logits = lanes + block * kLanes;
    T logit = logits[0];
    std::uint16_t prefix = largest[0];
    for (std::size_t l = 1; l < kLanes; ++l) {
      logit = logits[l] > logit ? logits[l] : logit;
      prefix = largest[l] > prefix ? largest[l] : prefix;
    }
    if (static_cast<double>(logit) + gumbel_bound(prefix) < value) continue;
    std::uint32_t reached = 0;
    for (std::size_t l = 0; l < kLanes; ++l) {
      const double bound = static_cast<double>(logits[l]) + gumbel_bound(largest[l]);
      reached |= (bound >= value ? 1U : 0U) << l;
    }
    if (reached != 0) return {block, reached};
  }
  return {blocks, 0};
}

Reached FindBlockF32(const AddressedNoise& noise, const float* lanes, std::size_t block,
                     std::size_t blocks, double value) {
  return FindBlock(noise, lanes, block, blocks, value);
}
Reached FindBlockF64(const AddressedNoise& noise, const double* lanes, std::size_t block,
                     std::size_t blocks, double value) {
  return FindBlock(noise, lanes, block, blocks, value);
}

}  // namespace
}  // namespace partita::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace partita::kernels {

HWY_EXPORT(Prefixes);
HWY_EXPORT(FindBlockF32);
HWY_EXPORT(FindBlockF64);

template <>
Reached find_block<float>(const AddressedNoise& noise, const float* lanes, std::size_t block,
                          std::size_t blocks, double value) {
  return HWY_DYNAMIC_DISPATCH(FindBlockF32)(noise, lanes, block, blocks, value);
}
template <>
Reached find_block<double>(const AddressedNoise& noise, const double* lanes, std::size_t block,
                           std::size_t blocks, double value) {
  return HWY_DYNAMIC_DISPATCH(FindBlockF64)(noise, lanes, block, blocks, value);
}

void prefixes(const AddressedNoise& noise, std::size_t block, std::uint16_t* out) {
  HWY_DYNAMIC_DISPATCH(Prefixes)(noise, block, out);
}

}  // namespace partita::kernels
#endif  // HWY_ONCE
