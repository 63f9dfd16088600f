// SPDX-License-Identifier: Apache-2.0
#include "partita/random/internal/fill_kernels.hpp"

#include <limits>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "partita/random/internal/fill_kernels.cpp"
#include <hwy/foreach_target.h>  // compiles what follows once for every target
// must come after foreach_target
#include <hwy/highway.h>

#include "partita/base/internal/exact-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace partita::kernels::HWY_NAMESPACE {
namespace {

template <class T>
using Tag = hn::CappedTag<T, kWordStep>;

// Polynomials that minimize the largest relative error of the function (found by Remez exchange).
// For s in |s| <= (sqrt 2 - 1) / (sqrt 2 + 1) and z = s^2:
//   log((1 + s) / (1 - s)) = 2 s + s z log_series(z)
// For r in |r| <= 1/8 and z = r^2:
//   sin(2 pi r) = r (2 pi + z sin_series(z)),  cos(2 pi r) = 1 + z cos_series(z)
template <class T>
struct Series;

template <>
struct Series<float> {
  static constexpr int kMantissa = 23;
  static constexpr std::int32_t kOne = 0x3F800000;
  static constexpr std::int32_t kSqrtHalf = 0x3F3504F3;
  static constexpr float kLn2High = 0x1.62e4p-1F;  // 15 bits: times an exponent is exact
  static constexpr float kLn2Low = 0x1.7f7d1cp-20F;
  static constexpr float kTwoPi = 0x1.921fb6p+2F;
  static constexpr float kTwoPiLow = -0x1.777a5cp-23F;
  static constexpr float kLog[] = {0.66666665644610882F, 0.400003353986800258F,
                                   0.285372943905783832F, 0.235824365977454536F};  // 4.8e-12
  static constexpr float kSin[] = {-41.3416731528123296F, 81.5939346874114542F,
                                   -75.4532711827589762F};  // 3.6e-9
  static constexpr float kCos[] = {-19.7392086936134784F, 64.9393264518610681F,
                                   -85.4437391644765674F, 59.2458661104972273F};  // 5.4e-11
};

template <>
struct Series<double> {
  static constexpr int kMantissa = 52;
  static constexpr std::int64_t kOne = 0x3FF0000000000000;
  static constexpr std::int64_t kSqrtHalf = 0x3FE6A09E667F3BCD;
  static constexpr double kLn2High = 0x1.62e42feep-1;  // 32 bits
  static constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
  static constexpr double kTwoPi = 0x1.921fb54442d18p+2;
  static constexpr double kTwoPiLow = 0x1.1a62633145c07p-52;
  static constexpr double kLog[] = {
      0.66666666666667345,  0.399999999994139833, 0.285714287425590002, 0.222221985540188389,
      0.181835653984919974, 0.153140212780083281, 0.147962600816743069};  // 1.2e-18
  static constexpr double kSin[] = {-41.3417022403996744, 81.6052492759681742,
                                    -76.7058597087669531, 42.0586855042218017,
                                    -15.0938291601958854, 3.78136256037961326};  // 3.4e-18
  static constexpr double kCos[] = {
      -19.7392088021787171, 64.9393940226680132, -85.4568172065399753, 60.2446413315955946,
      -26.4262511387398504, 7.90310155129287427, -1.69701835086397423};  // 3.3e-20
};

template <class D, class V, class T, std::size_t n>
HWY_INLINE V Polynomial(D d, V x, const T (&coefficients)[n]) {
  V y = hn::Set(d, coefficients[n - 1]);
  for (std::size_t i = n - 1; i-- > 0;) y = FusedMulAdd(y, x, hn::Set(d, coefficients[i]));
  return y;
}

/// A vector of T made by f(tag of double, words) from as many words; f is computed in double.
template <class D, class F>
HWY_INLINE hn::VFromD<D> FromWords(D d, const std::uint64_t* words, const F& f) {
  if constexpr (std::is_same_v<hn::TFromD<D>, double>) {
    return f(d, words);
  } else {
#if HWY_TARGET == HWY_SCALAR
    return hn::DemoteTo(d, f(hn::Rebind<double, D>(), words));
#else
    const hn::Half<D> half;
    const hn::Rebind<double, decltype(half)> wide;
    const auto lower = hn::DemoteTo(half, f(wide, words));
    const auto upper = hn::DemoteTo(half, f(wide, words + hn::Lanes(half)));
    return hn::Combine(d, upper, lower);
#endif
  }
}

/// (w + 1/2) 2^-64 for the words as signed numbers. It stands for a uniform u by its distance to
/// the nearer end of (0, 1), with full relative precision: u if positive, u - 1 if negative.
struct SignedUniform {
  template <class D>
  HWY_INLINE hn::VFromD<D> operator()(D d, const std::uint64_t* words) const {
    const hn::RebindToSigned<D> di;
    const auto w = hn::BitCast(di, hn::LoadU(hn::RebindToUnsigned<D>(), words));
    return hn::Mul(hn::Add(hn::ConvertTo(d, w), hn::Set(d, 0.5)), hn::Set(d, 0x1p-64));
  }
};

struct Uniform {
  template <class D>
  HWY_INLINE hn::VFromD<D> operator()(D d, const std::uint64_t* words) const {
    const auto high = hn::ShiftRight<11>(hn::LoadU(hn::RebindToUnsigned<D>(), words));
    const auto w = hn::ConvertTo(d, hn::BitCast(hn::RebindToSigned<D>(), high));
    return hn::Max(hn::Mul(w, hn::Set(d, 0x1p-53)), hn::Set(d, 0x1p-54));
  }
};

/// -log(u) of the uniform, or other positive number, that s stands for. With u = 2^k m and m about
/// 1, m - 1 comes exactly from s, even where u itself is rounded; log m = log((1 + t) / (1 - t))
/// with t = (m - 1) / (m + 1).
template <class D, class V>
HWY_INLINE V NegativeLog(D d, V s) {
  using T = hn::TFromD<D>;
  using C = Series<T>;
  const hn::RebindToSigned<D> di;
  const V one = hn::Set(d, T{1});
  const auto above = hn::Lt(s, hn::Zero(d));
  const V u = hn::Add(s, hn::IfThenElseZero(above, one));
  using I = hn::TFromD<decltype(di)>;
  constexpr I kExponent = -(I{1} << C::kMantissa);  // all bits but the mantissa
  const auto power = hn::And(hn::Add(hn::BitCast(di, u), hn::Set(di, C::kOne - C::kSqrtHalf)),
                             hn::Set(di, kExponent));  // the bits of 2^k
  const V k = hn::ConvertTo(d, hn::ShiftRight<C::kMantissa>(hn::Sub(power, hn::Set(di, C::kOne))));
  const V scale = hn::BitCast(d, hn::Sub(hn::Set(di, 2 * C::kOne), power));  // 2^-k
  const V f = FusedMulAdd(scale, s, hn::Sub(hn::IfThenElseZero(above, scale), one));
  const V t = hn::Div(f, hn::Add(hn::Set(d, T{2}), f));
  const V z = hn::Mul(t, t);
  const V half_square = hn::Mul(hn::Mul(f, f), hn::Set(d, T{0.5}));
  // log m = f - (f^2 / 2 - t (f^2 / 2 + z series)): the large f is added last.
  const V rest = FusedMulAdd(z, Polynomial(d, z, C::kLog), half_square);
  const V small = FusedMulAdd(t, rest, hn::Mul(k, hn::Set(d, C::kLn2Low)));
  return FusedNegMulAdd(k, hn::Set(d, C::kLn2High), hn::Sub(hn::Sub(half_square, small), f));
}

/// out[i] = f(tag, words + i, vector by vector).
template <class T, class F>
HWY_INLINE void Map(const std::uint64_t* words, std::size_t n, T* out, const F& f) {
  const Tag<T> d;
  for (std::size_t i = 0; i < n; i += hn::Lanes(d)) hn::StoreU(f(d, words + i), d, out + i);
}

template <class T>
void Uniforms(const std::uint64_t* words, std::size_t n, T* out) {
  Map(words, n, out, [](auto d, const std::uint64_t* w) HWY_ATTR {
    const auto u = FromWords(d, w, Uniform());
    return std::is_same_v<T, double> ? u : hn::Min(u, hn::Set(d, static_cast<T>(1 - 0x1p-24)));
  });
}

template <class T>
void Exponentials(const std::uint64_t* words, std::size_t n, T* out) {
  Map(words, n, out, [](auto d, const std::uint64_t* w) HWY_ATTR {
    return NegativeLog(d, FromWords(d, w, SignedUniform()));
  });
}

template <class T>
void Gumbels(const std::uint64_t* words, std::size_t n, T* out) {
  Map(words, n, out, [](auto d, const std::uint64_t* w) HWY_ATTR {
    return NegativeLog(d, NegativeLog(d, FromWords(d, w, SignedUniform())));
  });
}

template <class T>
void Logistics(const std::uint64_t* words, std::size_t n, T* out) {
  Map(words, n, out, [](auto d, const std::uint64_t* w) HWY_ATTR {
    const auto s = FromWords(d, w, SignedUniform());
    const auto x = hn::Abs(s);
    const auto odds = hn::Div(x, hn::Sub(hn::Set(d, T{1}), x));
    return hn::CopySign(NegativeLog(d, odds), hn::Neg(s));
  });
}

/// Box and Muller. The angle in turns is q / 4 + r with |r| <= 1/8; its sine and cosine are those
/// of r, turned q times by a right angle.
template <class T>
void Normals(const std::uint64_t* radii, const std::uint64_t* angles, std::size_t n, T* out) {
  using C = Series<T>;
  const Tag<T> d;
  // The uniform's 53 bits, minus 1 where it is over one half: the same angle.
  const auto turns = [](auto dd, const std::uint64_t* w) HWY_ATTR {
    const hn::RebindToUnsigned<decltype(dd)> du;
    const auto high = hn::AndNot(hn::Set(du, std::uint64_t{0x7FF}), hn::LoadU(du, w));
    return hn::Mul(hn::ConvertTo(dd, hn::BitCast(hn::RebindToSigned<decltype(dd)>(), high)),
                   hn::Set(dd, 0x1p-64));
  };
  const auto quarters = [&](auto dd, const std::uint64_t* w)
                            HWY_ATTR { return hn::Round(hn::Mul(turns(dd, w), hn::Set(dd, 4.0))); };
  const auto remainder = [&](auto dd, const std::uint64_t* w) HWY_ATTR {
    return FusedNegMulAdd(quarters(dd, w), hn::Set(dd, 0.25), turns(dd, w));
  };
  for (std::size_t i = 0; i < n; i += hn::Lanes(d)) {
    const auto e = NegativeLog(d, FromWords(d, radii + i, SignedUniform()));
    const auto radius = hn::Sqrt(hn::Add(e, e));
    const auto q = FromWords(d, angles + i, quarters);  // -2 ... 2
    const auto r = FromWords(d, angles + i, remainder);
    const auto z = hn::Mul(r, r);
    const auto one = hn::Set(d, T{1});
    const auto sine = FusedMulAdd(
        r, hn::Set(d, C::kTwoPi),
        hn::Mul(r, FusedMulAdd(z, Polynomial(d, z, C::kSin), hn::Set(d, C::kTwoPiLow))));
    const auto cosine = FusedMulAdd(z, Polynomial(d, z, C::kCos), one);
    // The cosine and sine of q right angles: 0, 1 or -1, so all products and sums are exact.
    const auto q_cosine = hn::Sub(one, hn::Abs(q));
    const auto q_sine = hn::Mul(q, hn::Add(one, q_cosine));
    const auto x = FusedNegMulAdd(q_sine, sine, hn::Mul(q_cosine, cosine));
    const auto y = FusedMulAdd(q_sine, cosine, hn::Mul(q_cosine, sine));
    hn::StoreInterleaved2(hn::Mul(radius, x), hn::Mul(radius, y), d, out + 2 * i);
  }
}

template <class T>
const WordKernels<T>* Table() {
  static constexpr WordKernels<T> kTable = {.uniform = Uniforms<T>,
                                            .exponential = Exponentials<T>,
                                            .gumbel = Gumbels<T>,
                                            .logistic = Logistics<T>,
                                            .normal = Normals<T>};
  return &kTable;
}

const WordKernels<float>* TableF32() { return Table<float>(); }
const WordKernels<double>* TableF64() { return Table<double>(); }

void LogGamma(const double* concentration, const double* normals, const double* uniforms,
              std::size_t n, double* out) {
  const Tag<double> d;
  const auto one = hn::Set(d, 1.0);
  for (std::size_t i = 0; i < n; i += hn::Lanes(d)) {
    const auto a = hn::LoadU(d, concentration + i);
    const auto x = hn::LoadU(d, normals + i);
    const auto u = hn::LoadU(d, uniforms + i);
    const auto boosted = hn::Add(a, hn::IfThenElseZero(hn::Lt(a, one), one));
    const auto shift = hn::Sub(boosted, hn::Set(d, 1.0 / 3));
    const auto v = hn::Add(one, hn::Div(x, hn::Sqrt(hn::Mul(hn::Set(d, 9.0), shift))));
    const auto square = hn::Mul(x, x);
    const auto bound = FusedNegMulAdd(hn::Set(d, kGammaSqueeze), hn::Mul(square, square), one);
    const auto is_inside = hn::And(hn::Ge(a, hn::Zero(d)), hn::Le(a, hn::Set(d, 1e300)));
    const auto accepts = hn::And(is_inside, hn::And(hn::Gt(v, hn::Zero(d)), hn::Lt(u, bound)));
    const auto draw = hn::Mul(shift, hn::Mul(v, hn::Mul(v, v)));
    const auto log_draw = hn::Neg(NegativeLog(d, draw));
    hn::StoreU(
        hn::IfThenElse(accepts, log_draw, hn::Set(d, std::numeric_limits<double>::quiet_NaN())), d,
        out + i);
  }
}

}  // namespace
}  // namespace partita::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace partita::kernels {

HWY_EXPORT(TableF32);
HWY_EXPORT(TableF64);
HWY_EXPORT(LogGamma);

template <>
const WordKernels<float>& from_words<float>() {
  return *HWY_DYNAMIC_DISPATCH(TableF32)();
}
template <>
const WordKernels<double>& from_words<double>() {
  return *HWY_DYNAMIC_DISPATCH(TableF64)();
}

void log_gamma_from_draws(const double* concentration, const double* normals,
                          const double* uniforms, std::size_t n, double* out) {
  HWY_DYNAMIC_DISPATCH(LogGamma)(concentration, normals, uniforms, n, out);
}

}  // namespace partita::kernels
#endif  // HWY_ONCE
