// SPDX-License-Identifier: Apache-2.0
#include "partita/linear/linear_softmax.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/gumbel/internal/unanswered.hpp"
#include "partita/gumbel/top_down.hpp"
#include "partita/linear/internal/logit_tiles.hpp"
#include "partita/sampler/internal/sampler_kernels.hpp"

namespace partita {

using linear::FloatMatrix;
using linear::LogitTiles;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

void check_format(const char* name, Rows rows) {
  if (rows.dtype() != DType::f64) return;
  throw InvalidArgument(name, "expected float, bfloat16 or float16, got double");
}

void check(Rows hidden, const LinearLayer& layer, const LinearSoftmaxRequest& request) {
  const std::size_t categories = layer.weights.rows();
  check_format("hidden", hidden);
  check_format("weights", layer.weights);
  check_at_least("weights", categories, 1);
  check_size("hidden", hidden.columns(), layer.weights.columns(), "the columns of weights");
  if (!layer.bias.empty()) check_size("bias", layer.bias.size(), categories, "the rows of weights");
  check_in("soft_cap", layer.soft_cap, "[0, inf)");
  check_at_least("threads", request.threads, 1);
  check_between("top", request.top, 0, categories, "categories");
  check_between("k", request.k, 0, categories, "categories");
  if (request.k > 0) request.streams.check_covers(hidden.rows());
  if (!request.targets.empty())
    check_size("targets", request.targets.size(), hidden.rows(), "the rows of hidden");
  for (const std::int64_t target : request.targets) {
    if (target != LinearSoftmax::kIgnored) check_index("targets", target, categories);
  }
}

double sum_of(std::span<const float> z) {
  double lanes[kernels::kLanes] = {};
  for (std::size_t i = 0; i < z.size(); ++i) {
    lanes[i % kernels::kLanes] += static_cast<double>(z[i]);
  }
  return kernels::sum_lanes(lanes);
}

struct Drawn {
  double perturbed;  // logit + noise
  double logit;
  std::int64_t index;
};

/// What is known of a row after some tiles.
struct RowState {
  // Sums of e^x and x e^x, x = z - max.
  double max = -kInfinity;
  double sum = 0;
  double moment = 0;
  double total = 0;  // of z
  double target = 0;
  std::vector<CategoryLogProb> top;  // logits so far
  std::vector<Drawn> drawn;          // the k + 1 largest
  bool is_bad = false;

  void add(double tile_max, double tile_sum, double tile_moment) {
    if (tile_max > max) {
      rescale(tile_max);
      sum += tile_sum;
      moment += tile_moment;
    } else if (tile_sum > 0) {
      const double x = tile_max - max;
      const double scale = std::exp(x);
      sum += scale * tile_sum;
      if (scale > 0) moment += scale * (tile_moment + x * tile_sum);
    }
  }
  double log_sum_exp() const { return max + std::log(sum); }

 private:
  void rescale(double new_max) {
    const double x = max - new_max;
    const double scale = std::exp(x);
    if (scale > 0) moment = scale * (moment + x * sum);
    sum *= scale;
    max = new_max;
  }
};

/// The work of one thread on a tile's row.
class RowReading {
 public:
  explicit RowReading(const LinearSoftmaxRequest& request) : request_(&request) {}

  /// @param z the logits of the categories from `first` on. Returns the largest.
  float read(std::span<const float> z, std::size_t first, std::size_t tile, std::size_t r,
             RowState& row) {
    float lanes[kernels::kLanes];
    float max = 0;
    if (!kernels::row_kernels<float>().lane_max(z.data(), z.size(), lanes, &max)) {
      row.is_bad = true;
      return max;
    }
    double sum = 0;
    double moment = 0;
    if (request_->entropy) {
      kernels::sampler_kernels<float>().lane_sum_moments(z.data(), z.size(), &max, 1, lanes, &sum,
                                                         &moment);
    } else {
      kernels::row_kernels<float>().lane_sum_exp(z.data(), z.size(), &max, lanes, &sum);
    }
    row.add(static_cast<double>(max), sum, moment);
    if (request_->mean_log_prob) row.total += sum_of(z);
    if (!request_->targets.empty()) {
      const auto target = static_cast<std::size_t>(request_->targets[r]) - first;
      if (target < z.size()) row.target = static_cast<double>(z[target]);
    }
    if (max == -std::numeric_limits<float>::infinity()) return max;
    if (request_->top > 0) list(z, first, static_cast<double>(max), row.top);
    if (request_->k > 0) {
      draw(z, first, tile, request_->streams[r], static_cast<double>(max) + std::log(sum),
           row.drawn);
    }
    return max;
  }

 private:
  void list(std::span<const float> z, std::size_t first, double max,
            std::vector<CategoryLogProb>& top) const {
    const auto is_full = [&] { return top.size() == request_->top; };
    if (is_full() && max <= top.back().log_prob) return;
    for (std::size_t i = 0; i < z.size(); ++i) {
      const auto logit = static_cast<double>(z[i]);
      if (logit == -kInfinity || (is_full() && logit <= top.back().log_prob)) continue;
      const auto after =
          std::upper_bound(top.begin(), top.end(), logit,
                           [](double value, const auto& each) { return value > each.log_prob; });
      top.insert(after, {static_cast<std::int64_t>(first + i), logit});
      if (top.size() > request_->top) top.pop_back();
    }
  }

  /// The maximum of a tile's perturbed logits is a Gumbel at their log-sum-exp; only if that is one
  /// of the row's largest so far are they looked at, from the top down.
  void draw(std::span<const float> z, std::size_t first, std::size_t tile, const Stream& stream,
            double log_sum_exp, std::vector<Drawn>& drawn) {
    const auto reaches = [&](double perturbed) {
      return drawn.size() <= request_->k || perturbed > drawn.back().perturbed;
    };
    const double largest = log_sum_exp + stream.gumbel(tile);
    if (!reaches(largest)) return;
    top_down_.reset(Rows(z));
    top_down_.start(stream.child(tile), {.location = log_sum_exp, .maximum = largest});
    while (const auto item = top_down_.next()) {
      if (!reaches(item->perturbed)) break;
      const auto after =
          std::upper_bound(drawn.begin(), drawn.end(), item->perturbed,
                           [](double value, const Drawn& each) { return value > each.perturbed; });
      drawn.insert(after,
                   {item->perturbed, item->logit, static_cast<std::int64_t>(first) + item->index});
      if (drawn.size() > request_->k + 1) drawn.pop_back();
    }
  }

  const LinearSoftmaxRequest* request_;
  TopDown top_down_;
};

}  // namespace

LinearSoftmax::LinearSoftmax(Rows hidden, const LinearLayer& layer, Multiply multiply,
                             const LinearSoftmaxRequest& request)
    : hidden_(hidden),
      layer_(layer),
      multiply_(std::move(multiply)),
      targets_(request.targets.begin(), request.targets.end()),
      sample_(unanswered(request.k > 0 ? hidden.rows() : 0, request.k)) {
  check(hidden, layer, request);
  const std::size_t n = hidden.rows();
  LogitTiles tiles(layer_, multiply_);
  std::vector<RowState> rows(n);
  tile_max_.resize(tiles.count() * n);
  const auto workers = static_cast<std::size_t>(request.threads);
  std::vector<RowReading> readings;
  readings.reserve(workers);
  for (std::size_t w = 0; w < workers; ++w) readings.emplace_back(request);
  FloatMatrix states;
  states.read(hidden_, 0, n);
  for (std::size_t t = 0; t < tiles.count(); ++t) {
    tiles.read(t);
    for (std::size_t begin = 0; begin < n; begin += LogitTiles::kRows) {
      const std::size_t size = std::min(LogitTiles::kRows, n - begin);
      tiles.multiply(states.data() + begin * states.stride(), states.stride(), size);
      parallel_for(workers, request.threads, [&](std::size_t first, std::size_t last) {
        for (std::size_t w = first; w < last; ++w) {
          for (std::size_t i = size * w / workers; i < size * (w + 1) / workers; ++i) {
            tiles.finish(i);
            tile_max_[t * n + begin + i] = readings[w].read(
                {tiles.row(i), tiles.size(t)}, tiles.first(t), t, begin + i, rows[begin + i]);
          }
        }
      });
    }
  }

  const auto category_count = static_cast<double>(layer.weights.rows());
  for (std::size_t r = 0; r < n; ++r) {
    const RowState& row = rows[r];
    if (row.is_bad) {
      throw InvalidArgument("hidden", fmt::format("row {}: logits hold NaN or +inf", r));
    }
    if (row.max == -kInfinity) {
      throw InvalidArgument("hidden", fmt::format("row {}: every category is impossible", r));
    }
    const double lse = row.log_sum_exp();
    log_sum_exp_.push_back(lse);
    if (!targets_.empty()) {
      log_prob_.push_back(targets_[r] == kIgnored ? 0 : row.target - lse);
    }
    if (request.mean_log_prob) mean_log_prob_.push_back(row.total / category_count - lse);
    if (request.entropy) entropy_.push_back(std::log(row.sum) - row.moment / row.sum);
    for (const auto& [index, logit] : row.top) top_.push_back({index, logit - lse});
    if (row.top.size() < request.top) {
      throw InvalidArgument("top", fmt::format("row {}: {}, but only {} categories are possible", r,
                                               request.top, row.top.size()));
    }
    if (request.k == 0) continue;
    if (row.drawn.size() < request.k) {
      throw InvalidArgument("k", fmt::format("row {}: {}, but only {} categories are possible", r,
                                             request.k, row.drawn.size()));
    }
    for (std::size_t j = 0; j < request.k; ++j) {
      const Drawn& each = row.drawn[j];
      sample_.indices[r * request.k + j] = each.index;
      sample_.perturbed[r * request.k + j] = each.perturbed - lse;
      sample_.log_prob[r * request.k + j] = each.logit - lse;
    }
    sample_.log_sum_exp[r] = lse;
    sample_.threshold[r] =
        row.drawn.size() > request.k ? row.drawn[request.k].perturbed - lse : -kInfinity;
  }
}

}  // namespace partita
