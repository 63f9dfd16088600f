// SPDX-License-Identifier: Apache-2.0
#include "partita/embedding/internal/window_kernels.hpp"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "partita/embedding/internal/window_kernels.cpp"
#include <hwy/foreach_target.h>  // compiles what follows once for every target
// must come after foreach_target
#include <hwy/highway.h>

#include "partita/softmax/internal/exp-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace partita::kernels::HWY_NAMESPACE {
namespace {

using D = hn::CappedTag<float, 16>;
using V = hn::VFromD<D>;

/// Inputs and outputs of one tile: its sums, its outputs and an input fit into the registers.
constexpr std::size_t kTileInputs = 4;
#if HWY_TARGET <= HWY_AVX3
constexpr std::size_t kTileOutputs = 6;
#else
constexpr std::size_t kTileOutputs = 3;
#endif

/// Calls body.operator()<n>() for the n of 1 ... most that equals `size`.
template <std::size_t most, class Body>
HWY_INLINE void WithSize(std::size_t size, const Body& body) {
  if constexpr (most > 1) {
    if (size < most) return WithSize<most - 1>(size, body);
  }
  body(std::integral_constant<std::size_t, most>());
}

/// Calls body(first, n), n a compile-time number, for tiles of `tile` that cover [0, count).
template <std::size_t tile, class Body>
HWY_INLINE void ForTiles(std::size_t count, const Body& body) {
  for (std::size_t first = 0; first < count; first += tile) {
    WithSize<tile>(std::min(tile, count - first), [&](auto n) HWY_ATTR { body(first, n); });
  }
}

#if HWY_TARGET != HWY_SCALAR
/// The sum of a vector's blocks of 4 lanes.
template <class Tag>
HWY_INLINE auto SumBlocks(Tag /*d*/, hn::VFromD<Tag> v) {
  if constexpr (hn::MaxLanes(Tag()) <= 4) {
    return v;
  } else {
    const hn::Half<Tag> half;
    return SumBlocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}
#endif

/// The sums of the lanes of four vectors, stored side by side with `offset` added.
HWY_INLINE void StoreSums(const V (&v)[kTileInputs], float offset, float* HWY_RESTRICT to) {
#if HWY_TARGET == HWY_SCALAR
  for (std::size_t i = 0; i < kTileInputs; ++i) to[i] = hn::GetLane(v[i]) + offset;
#else
  const D d;
  const hn::Repartition<double, D> pairs;
  const auto fold = [&](V a, V b) HWY_ATTR {
    return hn::BitCast(pairs, hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b)));
  };
  const auto ab = fold(v[0], v[1]);
  const auto cd = fold(v[2], v[3]);
  const V blocks = hn::Add(hn::BitCast(d, hn::InterleaveLower(pairs, ab, cd)),
                           hn::BitCast(d, hn::InterleaveUpper(pairs, ab, cd)));
  const hn::CappedTag<float, 4> d4;
  hn::StoreU(hn::Add(SumBlocks(d, blocks), hn::Set(d4, offset)), d4, to);
#endif
}

/// The scores of `m` inputs and `n` outputs.
template <std::size_t m, std::size_t n>
HWY_INLINE void ScoreTile(std::size_t stride, const float* HWY_RESTRICT inputs,
                          const float* HWY_RESTRICT outputs, const float* HWY_RESTRICT offsets,
                          std::size_t row, float* HWY_RESTRICT s) {
  const D d;
  V sum[n][kTileInputs];
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t i = 0; i < kTileInputs; ++i) sum[j][i] = hn::Zero(d);
  }
  for (std::size_t c = 0; c < stride; c += hn::Lanes(d)) {
    V out[n];
    for (std::size_t j = 0; j < n; ++j) out[j] = hn::Load(d, outputs + j * stride + c);
    for (std::size_t i = 0; i < m; ++i) {
      const V in = hn::Load(d, inputs + i * stride + c);
      for (std::size_t j = 0; j < n; ++j) sum[j][i] = hn::MulAdd(in, out[j], sum[j][i]);
    }
  }
  for (std::size_t j = 0; j < n; ++j) {
    StoreSums(sum[j], offsets == nullptr ? 0.0F : offsets[j], s + j * row);
  }
}

void Scores(const WindowShape& shape, const float* inputs, const float* outputs,
            const float* offsets, float* s) {
  const std::size_t row = padded_inputs(shape.inputs);
  ForTiles<kTileOutputs>(shape.outputs, [&](std::size_t j, auto n) HWY_ATTR {
    ForTiles<kTileInputs>(shape.inputs, [&](std::size_t i, auto m) HWY_ATTR {
      ScoreTile<m, n>(shape.stride, inputs + i * shape.stride, outputs + j * shape.stride,
                      offsets == nullptr ? nullptr : offsets + j, row, s + j * row + i);
    });
  });
}

/// log(1 + e) for e in [0, 1]: 2 artanh(e / (2 + e)), whose series in t = e / (2 + e) <= 1/3 ends
/// where terms vanish in float (2 t^15 / 15 < 1e-8).
HWY_INLINE V LogOnePlus(V e) {
  const D d;
  const V t = hn::Div(e, hn::Add(hn::Set(d, 2.0F), e));
  const V z = hn::Mul(t, t);
  V series = hn::Set(d, 2.0F / 13);
  series = hn::MulAdd(series, z, hn::Set(d, 2.0F / 11));
  series = hn::MulAdd(series, z, hn::Set(d, 2.0F / 9));
  series = hn::MulAdd(series, z, hn::Set(d, 2.0F / 7));
  series = hn::MulAdd(series, z, hn::Set(d, 2.0F / 5));
  series = hn::MulAdd(series, z, hn::Set(d, 2.0F / 3));
  return hn::MulAdd(hn::Mul(series, z), t, hn::Add(t, t));
}

/// For scores x, gradients are sign * rate * sigmoid(-sign x) and losses log(1 + exp(-sign x)).
HWY_INLINE V LogisticVector(V x, V sign, V rate, V& gradient) {
  const D d;
  const V one = hn::Set(d, 1.0F);
  const V margin = hn::Mul(sign, x);
  const V e = ExpForSum(d, hn::Neg(hn::Abs(x)));   // never overflows
  const V larger = hn::Div(one, hn::Add(one, e));  // sigmoid(|x|)
  const auto right = hn::Gt(margin, hn::Zero(d));
  const V wrong = hn::IfThenElse(right, hn::Mul(e, larger), larger);
  gradient = hn::Mul(hn::Mul(sign, rate), wrong);
  return hn::Add(LogOnePlus(e), hn::IfThenZeroElse(right, hn::Neg(margin)));
}

double Logistic(const WindowShape& shape, float learning_rate, float* HWY_RESTRICT s) {
  const D d;
  const std::size_t row = padded_inputs(shape.inputs);
  // Padding beyond M, and beyond N in the last vector, gets a score that costs nothing.
  constexpr float kCertain = 1e4F;
  for (std::size_t j = 0; j < shape.outputs; ++j) {
    for (std::size_t i = shape.inputs; i < row; ++i) s[j * row + i] = j == 0 ? kCertain : -kCertain;
  }
  const std::size_t end = shape.outputs * row;
  hn::StoreU(hn::Set(d, end == row ? kCertain : -kCertain), d, s + end);
  const V rate = hn::Set(d, learning_rate);
  V loss = hn::Zero(d);
  for (std::size_t k = 0; k < end; k += hn::Lanes(d)) {
    const auto is_true = hn::FirstN(d, std::min(hn::Lanes(d), row - std::min(k, row)));
    const auto all = end == row ? hn::FirstN(d, hn::Lanes(d)) : is_true;
    const V sign = hn::IfThenElse(all, hn::Set(d, 1.0F), hn::Set(d, -1.0F));
    V gradient;
    loss = hn::Add(loss, LogisticVector(hn::LoadU(d, s + k), sign, rate, gradient));
    hn::StoreU(gradient, d, s + k);
  }
  return static_cast<double>(hn::GetLane(hn::SumOfLanes(d, loss)));
}

template <std::size_t n>
HWY_INLINE void UpdateTile(const WindowShape& shape, const float* HWY_RESTRICT g,
                           const float* inputs, const float* outputs, float* const* input_rows,
                           float* const* output_rows) {
  const D d;
  const std::size_t row = padded_inputs(shape.inputs);
  for (std::size_t c = 0; c < shape.stride; c += hn::Lanes(d)) {
    V out[n];
    V change[n];
    for (std::size_t j = 0; j < n; ++j) {
      out[j] = hn::Load(d, outputs + j * shape.stride + c);
      change[j] = hn::Zero(d);
    }
    for (std::size_t i = 0; i < shape.inputs; ++i) {
      const V in = hn::Load(d, inputs + i * shape.stride + c);
      V changed = hn::Load(d, input_rows[i] + c);
      for (std::size_t j = 0; j < n; ++j) {
        const V gradient = hn::Set(d, g[j * row + i]);
        changed = hn::MulAdd(gradient, out[j], changed);
        change[j] = hn::MulAdd(gradient, in, change[j]);
      }
      hn::Store(changed, d, input_rows[i] + c);
    }
    for (std::size_t j = 0; j < n; ++j) {
      hn::Store(hn::Add(hn::Load(d, output_rows[j] + c), change[j]), d, output_rows[j] + c);
    }
  }
}

void Update(const WindowShape& shape, const float* g, const float* inputs, const float* outputs,
            float* const* input_rows, float* const* output_rows) {
  const std::size_t row = padded_inputs(shape.inputs);
  ForTiles<kTileOutputs>(shape.outputs, [&](std::size_t j, auto n) HWY_ATTR {
    UpdateTile<n>(shape, g + j * row, inputs, outputs + j * shape.stride, input_rows,
                  output_rows + j);
  });
}

void AddScaled(std::size_t stride, float factor, const float* from, float* to) {
  const D d;
  const V f = hn::Set(d, factor);
  for (std::size_t c = 0; c < stride; c += hn::Lanes(d)) {
    hn::Store(hn::MulAdd(f, hn::Load(d, from + c), hn::Load(d, to + c)), d, to + c);
  }
}

float Dot(std::size_t stride, const float* a, const float* b) {
  const D d;
  V sum = hn::Zero(d);
  for (std::size_t c = 0; c < stride; c += hn::Lanes(d)) {
    sum = hn::MulAdd(hn::Load(d, a + c), hn::Load(d, b + c), sum);
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

}  // namespace
}  // namespace partita::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace partita::kernels {

HWY_EXPORT(Scores);
HWY_EXPORT(Logistic);
HWY_EXPORT(Update);
HWY_EXPORT(AddScaled);
HWY_EXPORT(Dot);

void scores(const WindowShape& shape, const float* inputs, const float* outputs,
            const float* offsets, float* s) {
  HWY_DYNAMIC_DISPATCH(Scores)(shape, inputs, outputs, offsets, s);
}

double logistic(const WindowShape& shape, float learning_rate, float* s) {
  return HWY_DYNAMIC_DISPATCH(Logistic)(shape, learning_rate, s);
}

void update(const WindowShape& shape, const float* g, const float* inputs, const float* outputs,
            float* const* input_rows, float* const* output_rows) {
  HWY_DYNAMIC_DISPATCH(Update)(shape, g, inputs, outputs, input_rows, output_rows);
}

void add_scaled(std::size_t stride, float factor, const float* from, float* to) {
  HWY_DYNAMIC_DISPATCH(AddScaled)(stride, factor, from, to);
}

float dot(std::size_t stride, const float* a, const float* b) {
  return HWY_DYNAMIC_DISPATCH(Dot)(stride, a, b);
}

namespace reference {

void scores(const WindowShape& shape, const float* inputs, const float* outputs,
            const float* offsets, float* s) {
  for (std::size_t j = 0; j < shape.outputs; ++j) {
    for (std::size_t i = 0; i < shape.inputs; ++i) {
      double sum = offsets == nullptr ? 0.0 : static_cast<double>(offsets[j]);
      for (std::size_t c = 0; c < shape.stride; ++c) {
        sum += static_cast<double>(inputs[i * shape.stride + c]) *
               static_cast<double>(outputs[j * shape.stride + c]);
      }
      s[j * padded_inputs(shape.inputs) + i] = static_cast<float>(sum);
    }
  }
}

double logistic(const WindowShape& shape, float learning_rate, float* s) {
  double loss = 0;
  for (std::size_t j = 0; j < shape.outputs; ++j) {
    for (std::size_t i = 0; i < shape.inputs; ++i) {
      float& x = s[j * padded_inputs(shape.inputs) + i];
      const double sign = j == 0 ? 1 : -1;
      const double margin = sign * static_cast<double>(x);
      loss += std::max(-margin, 0.0) + std::log1p(std::exp(-std::abs(margin)));
      x = static_cast<float>(static_cast<double>(learning_rate) * sign / (1 + std::exp(margin)));
    }
  }
  return loss;
}

void update(const WindowShape& shape, const float* g, const float* inputs, const float* outputs,
            float* const* input_rows, float* const* output_rows) {
  for (std::size_t j = 0; j < shape.outputs; ++j) {
    for (std::size_t i = 0; i < shape.inputs; ++i) {
      const float gradient = g[j * padded_inputs(shape.inputs) + i];
      for (std::size_t c = 0; c < shape.stride; ++c) {
        input_rows[i][c] += gradient * outputs[j * shape.stride + c];
        output_rows[j][c] += gradient * inputs[i * shape.stride + c];
      }
    }
  }
}

}  // namespace reference

}  // namespace partita::kernels
#endif  // HWY_ONCE
