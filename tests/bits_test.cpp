// SPDX-License-Identifier: Apache-2.0
// The bits that are promised: results do not depend on the machine's instructions. What stands here
// is a sum of their bytes. One that has to change takes from users the draws of the version before,
// and belongs in CHANGELOG.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "partita/gumbel/addressed.hpp"
#include "partita/gumbel/categorical.hpp"
#include "partita/gumbel/conditional_poisson.hpp"
#include "partita/gumbel/gumbel.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/random/alias_table.hpp"
#include "partita/random/fill.hpp"
#include "partita/random/shuffle.hpp"
#include "partita/random/variates.hpp"
#include "partita/sampler/sample.hpp"
#include "partita/softmax/divergence.hpp"
#include "partita/softmax/softmax.hpp"
#include "targets.hpp"

namespace partita {
namespace {

constexpr std::size_t kRows = 40;
constexpr std::size_t kColumns = 3011;  // full vectors, halves and a rest, whatever their width
constexpr Stream kStream{.seed = 7, .id = 11};

/// FNV-1a of the bytes of everything that is added.
class Sum {
 public:
  template <class T>
  void add(const std::vector<T>& values) {
    static_assert(std::is_arithmetic_v<T>);
    const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
    for (std::size_t i = 0; i < values.size() * sizeof(T); ++i) {
      value_ = (value_ ^ bytes[i]) * 0x100000001b3U;
    }
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325U;
};

/// Flat rows and steep ones, by exact operations alone: what is compared begins with the function.
template <class T>
std::vector<T> logits() {
  std::vector<T> z;
  for (std::size_t i = 0; i < kRows * kColumns; ++i) {
    const double scale = std::ldexp(1, static_cast<int>(i / kColumns % 6));
    z.push_back(static_cast<T>(static_cast<float>(kStream.child(1).uniform(i) * scale)));
  }
  return z;
}

template <class T>
Rows rows(const std::vector<T>& z) {
  return {z.data(), kRows, kColumns};
}

template <class T>
void add_fills(Sum& sum) {
  using Fill = void (*)(const Stream&, std::uint64_t, std::span<T>);
  for (const Fill fill : std::initializer_list<Fill>{fill_uniform, fill_exponential, fill_normal,
                                                     fill_gumbel, fill_logistic}) {
    std::vector<T> out(10'007);
    fill(kStream, 3, out);
    sum.add(out);
  }
}

template <class T>
void add_softmax(Sum& sum) {
  const std::vector<T> z = logits<T>();
  std::vector<float> out(z.size());
  softmax(rows(z), {out.data(), kRows, kColumns});
  sum.add(out);
  log_softmax(rows(z), {out.data(), kRows, kColumns});
  sum.add(out);
  sum.add(log_sum_exp(rows(z)));
  sum.add(entropy(rows(z)));
  sum.add(argmax(rows(z)));
}

void add_variates(Sum& sum) {
  std::vector<double> out(2000);
  std::vector<double> parameters;
  for (int i = 1; i <= 2000; ++i) parameters.push_back(i / 16.0);
  fill_log_gamma(kStream, 0, parameters, out);
  sum.add(out);
  fill_poisson(kStream, 0, parameters, out);
  sum.add(out);
  Draws draws(kStream);
  for (const double n : parameters) out.push_back(binomial_variate(draws, std::floor(n * 8), 0.3));
  for (const double kappa : parameters) out.push_back(von_mises_variate(draws, kappa));
  sum.add(out);
}

void add_streams(Sum& sum) {
  std::vector<double> weights;
  for (int i = 0; i < 1000; ++i) weights.push_back(i % 37);
  const AliasTable table(weights);
  std::vector<std::uint32_t> drawn(5000);
  table.fill(kStream.child(3), 1, drawn);
  sum.add(drawn);
  sum.add(std::vector<double>(table.log_probs().begin(), table.log_probs().end()));
  shuffle(drawn, kStream);
  sum.add(drawn);
  std::vector<double> plain;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    plain.insert(plain.end(), {kStream.normal(i), kStream.gumbel(i), kStream.logistic(i)});
  }
  sum.add(plain);
}

void add(Sum& sum, const TopKSample& sample) {
  sum.add(sample.indices);
  for (const auto* doubles :
       {&sample.perturbed, &sample.log_prob, &sample.log_sum_exp, &sample.threshold}) {
    sum.add(*doubles);
  }
}

template <class T>
void add_gumbel(Sum& sum) {
  const std::vector<T> z = logits<T>();
  sum.add(categorical(rows(z), 50, kStream));
  sum.add(gumbel_max(rows(z), kStream));
  add(sum, gumbel_top_k(rows(z), 100, kStream));
  add(sum, addressed_gumbel_top_k(rows(z), 20, kStream));
  ConditionalPoisson law(rows(z), 10);
  sum.add(law.marginals().included);
  std::vector<std::int64_t> members(10);
  law.draw(kStream, members);
  sum.add(members);
  std::vector<double> gumbels(z.begin(), z.begin() + 100);
  condition_on_maximum(gumbels, 3);
  sum.add(gumbels);
}

std::vector<SamplerSettings> chains() {
  static constexpr std::int32_t kHistory[] = {5, 6, 7, 900, 5, 6, 7, 8, 5, 6};
  SamplerSettings repeated;
  repeated.history = kHistory;
  repeated.no_repeat_ngram = 3;
  repeated.repeat_penalty = 1.3;
  repeated.dry_multiplier = 0.8;
  return {
      {},
      {.temperature = 0.7},
      {.temperature = 0.8, .top_k = 40, .top_p = 0.95, .min_p = 0.05},
      {.temperature = 0.8, .top_k = 40, .order = kLlamaCppOrder},
      {.dynatemp_range = 0.5, .top_k = 100},
      {.top_n_sigma = 1},
      {.min_k = 3},
      {.top_h = 0.4},
      {.top_p = 0.9},
      {.typical_p = 0.9},
      {.epsilon_cutoff = 3e-4},
      {.eta_cutoff = 1e-3},
      {.p_less = true},
      {.top_k = 50, .xtc_probability = 0.5},
      repeated,
  };
}

template <class T>
void add_sampled(Sum& sum) {
  const std::vector<T> z = logits<T>();
  for (const SamplerSettings& settings : chains()) {
    sum.add(sample(rows(z), settings, kStream));
    std::vector<RowError> too_few;  // rows of which one category is kept
    sum.add(
        sample_without_replacement(rows(z), 2, settings, kStream, {.errors = &too_few}).indices);
  }
}

template <class T>
void add_reports(Sum& sum) {
  const std::vector<T> z = logits<T>();
  for (const SamplerSettings& settings : chains()) {
    std::vector<double> reports;
    for (const Draw& draw : sample_with_report(rows(z), settings, kStream, {.top = 3})) {
      reports.insert(reports.end(), {draw.log_prob, draw.raw_log_prob, draw.tempered_log_prob,
                                     draw.kept_mass, draw.raw_entropy, draw.entropy,
                                     draw.top[2].log_prob, static_cast<double>(draw.kept_count)});
    }
    sum.add(reports);
    std::vector<RowError> too_few;
    add(sum, sample_without_replacement(rows(z), 2, settings, kStream, {.errors = &too_few}));
  }
}

struct Promise {
  std::string name;
  std::function<void(Sum&)> add;
  std::uint64_t sum;
};

/// glibc's functions have versions with and without fused multiply-add, whose last digits differ.
bool libm_has_fma() {
#ifdef __x86_64__
  return __builtin_cpu_supports("fma");
#else
  return true;
#endif
}

void expect(const std::vector<Promise>& promises) {
  for (const std::int64_t target : testing::targets()) {
    const testing::OnTarget on_target(target);
    for (const Promise& promise : promises) {
      Sum sum;
      promise.add(sum);
      EXPECT_EQ(sum.value(), promise.sum)
          << promise.name << " on " << hwy::TargetName(target) << std::hex << ": 0x" << sum.value();
    }
  }
}

TEST(Bits, AreThoseOfEveryMachine) {
  expect({
      {"fill f32", add_fills<float>, 0xd70d577800f4ef3a},
      {"fill f64", add_fills<double>, 0x5bcf5025a868f718},
      {"softmax f32", add_softmax<float>, 0x8a86375bc4f1be6f},
      {"softmax f64", add_softmax<double>, 0xf4b9bdef943c37e5},
      {"softmax bf16", add_softmax<bfloat16>, 0x95b4a4a62ce397b1},
      {"softmax f16", add_softmax<float16>, 0x1135e5d553b2c2b2},
      {"sampled f32", add_sampled<float>, 0x3295c76617587027},
      {"sampled f64", add_sampled<double>, 0xde4d67ebe05d8257},
      {"sampled bf16", add_sampled<bfloat16>, 0x89405494cf62c789},
      {"sampled f16", add_sampled<float16>, 0x853d169874ed9d6b},
  });
}

// What takes logarithms and powers of single numbers by the C library.
TEST(Bits, AreThoseOfEveryMachineWhoseLibmAgrees) {
  if (!libm_has_fma()) GTEST_SKIP() << "no fused multiply-add here";
  expect({
      {"streams", add_streams, 0x6a504878e7fa9758},
      {"variates", add_variates, 0xc5be3f7b6ac3ee84},
      {"gumbel f32", add_gumbel<float>, 0xbc1a4586d76b221f},
      {"gumbel f64", add_gumbel<double>, 0xe1afc9acbdd4cbc},
      {"gumbel bf16", add_gumbel<bfloat16>, 0x8a06f9cb373fcb2},
      {"reports f32", add_reports<float>, 0xa56068afb12adb8d},
      {"reports f64", add_reports<double>, 0x5268709b1a1602d1},
      {"reports bf16", add_reports<bfloat16>, 0xf75bb699f204af57},
      {"reports f16", add_reports<float16>, 0x1b3402b56bdda366},
  });
}

}  // namespace
}  // namespace partita
