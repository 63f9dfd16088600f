// SPDX-License-Identifier: Apache-2.0
// Any row under any settings keeps just what the plain code of sampler/filter.hpp keeps, draws one
// of it, and reports a distribution; what one refuses, the other does.
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "partita/sampler/filter.hpp"
#include "partita/sampler/sample.hpp"
#include "target.hpp"

using namespace partita;
using namespace partita::testing;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// In the range that a setting may have.
double usual(Input& input, double low, double high) {
  return low + (high - low) * static_cast<double>(input.below(65)) / 64;
}

struct Settings {
  explicit Settings(Input& input, std::size_t n) {
    wild = input.below(4) == 0;
    const auto on = [&] { return input.below(3) == 0; };
    const auto some = [&](Input& from, double low, double high) {
      return wild && from.below(4) == 0 ? from.bits<double>() : usual(from, low, high);
    };
    const auto token = [&] {
      return static_cast<std::int32_t>(input.below(n + 1)) - (on() ? 1 : 0);
    };
    if (on()) values.temperature = some(input, 0.01, 3);
    if (on()) values.dynatemp_range = some(input, 0, 2);
    if (on()) values.dynatemp_exponent = some(input, 0, 3);
    if (on()) values.top_n_sigma = some(input, 0, 3);
    if (on()) values.min_k = some(input, 0, 9);
    if (on()) values.top_h = some(input, 0, 1);
    if (on()) values.top_k = input.below(n + 3);
    if (on()) values.top_p = some(input, 0, 1);
    if (on()) values.min_p = some(input, 0, 1);
    if (on()) values.typical_p = some(input, 0, 1);
    if (on()) values.epsilon_cutoff = some(input, 0, 1);
    if (on()) values.eta_cutoff = some(input, 0, 1);
    values.p_less = on();
    if (on()) values.xtc_probability = some(input, 0, 1);
    if (on()) values.xtc_threshold = some(input, 0, 1);
    if (on()) values.adaptive_target = some(input, -1, 1);
    if (on()) values.mirostat = static_cast<int>(input.below(4));
    values.mirostat_state = &mirostat;
    values.adaptive_state = &adaptive;
    if (on()) {
      for (std::size_t i = input.below(9); i > 0; --i) history.push_back(token());
      values.no_repeat_ngram = input.below(4);
      values.repeat_penalty = some(input, 0.5, 2);
      values.frequency_penalty = some(input, -1, 1);
      values.presence_penalty = some(input, -1, 1);
      values.dry_multiplier = some(input, 0, 2);
      values.history = history;
    }
    for (std::size_t i = on() ? input.below(4) : 0; i > 0; --i) {
      bias.push_back({token(), on() ? -kInfinity : some(input, -9, 9)});
    }
    values.logit_bias = bias;
    if (on()) {
      for (std::size_t i = 0; i < n; ++i) allowed.push_back(on() ? 1 : 0);
      values.allowed = allowed;
    }
    if (on()) values.order = kLlamaCppOrder;
  }
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

  bool wild;  ///< some of them are any numbers
  std::vector<std::int32_t> history;
  std::vector<LogitBias> bias;
  std::vector<std::uint8_t> allowed;
  MirostatState mirostat;
  AdaptiveState adaptive;
  SamplerSettings values;
};

void check(std::vector<double> row, Settings& settings, const Stream& stream) {
  const Rows z(row.data(), 1, row.size());
  std::vector<RowError> errors;
  const std::vector<Draw> draws =
      sample_with_report(z, settings.values, stream, {.kept = true, .errors = &errors});
  settings.mirostat = {};
  settings.adaptive = {};
  std::vector<double> left = row;
  bool refused = false;
  try {
    settings.values.check(row.size());
    apply_settings(settings.values, stream.child(0), left);  // that of the row
  } catch (const InvalidArgument&) {
    refused = true;
  }
  require(refused == !errors.empty());
  if (refused) return;
  const Draw& draw = draws[0];
  std::vector<std::int64_t> kept;
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (left[i] != -kInfinity) kept.push_back(static_cast<std::int64_t>(i));
  }
  // Where squares and differences overflow, or underflow, each may lose its own.
  const bool comparable = !settings.wild && std::all_of(row.begin(), row.end(), [](double x) {
    return x == -kInfinity || std::abs(x) < 1e6;
  });
  require(!comparable || (draw.kept == kept && draw.kept_count == kept.size()));
  kept = draw.kept;
  require(std::find(kept.begin(), kept.end(), draw.index) != kept.end());
  require(draw.log_prob <= 1e-12 && draw.kept_mass <= 1 + 1e-9 && draw.kept_mass >= 0);
  require(draw.entropy >= 0 && draw.entropy <= std::log(static_cast<double>(kept.size())) + 1e-9);
  require(sample(z, settings.values, stream)[0] == draw.index);
  settings.mirostat = {};
  settings.adaptive = {};
  const std::vector<std::int64_t> token = {draw.index};
  require(replay_log_prob(z, token, settings.values, stream)[0] == draw.log_prob);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const std::size_t n = 1 + input.below(60);
  const Stream stream{input.bits<std::uint8_t>()};
  Settings settings(input, n);
  const int kind = static_cast<int>(input.below(4));
  std::vector<double> row(n);
  for (double& logit : row) {
    switch (kind) {
      case 0:
        logit = static_cast<double>(input.bits<std::int8_t>()) / 16;
        break;
      case 1:
        logit = static_cast<double>(input.below(3));
        break;  // ties
      case 2:
        logit = input.bits<float>();
        break;
      default:
        logit = input.below(4) == 0 ? -kInfinity : 0.1 * static_cast<double>(input.below(200)) - 10;
    }
  }
  check(row, settings, stream);
  return 0;
}
