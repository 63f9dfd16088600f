// SPDX-License-Identifier: Apache-2.0
#include "partita/split/internal/filtered_row.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/sampler/internal/edits.hpp"

namespace partita::split {

using sampler::Candidates;
using sampler::RowScan;
using sampler::SumOfRow;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
constexpr std::size_t kFirstList = 128;
constexpr std::size_t kLongerBy = 16;

}  // namespace

void FilteredRow::reset(Rows own, std::size_t r, const SamplerSettings& settings,
                        const Stream& stream, const SplitColumns& columns) {
  columns_ = &columns;
  stream_ = stream;
  own_ = own.slice(r, 1);
  try {
    settings.check(columns.columns());
  } catch (const InvalidArgument& error) {
    failure_ = error;
    return;
  }
  chain_.plan(settings, stream);
  wanted_ = chain_.first() == SamplerStep::top_k ? settings.top_k : kFirstList;
  if (chain_.edits_tokens()) {
    edit();
  } else {
    find_max();
  }
}

void FilteredRow::edit() {
  const SamplerSettings& settings = chain_.settings();
  const std::size_t size = columns_->size();
  edited_.resize(size);
  if (size > 0) RowReader<double>(own_, 0).gather(0, 1, size, edited_.data());
  opening_.fault = Fault::find(own_, 0, columns_->first());
  if (!opening_.fault.is_none()) return;
  sampler::apply_logit_bias(settings, [&](std::int32_t token) {
    const std::size_t i = static_cast<std::size_t>(token) - columns_->first();
    return i < size ? &edited_[i] : nullptr;  // huge if it comes before
  });
  sampler::apply_allowed(settings, edited_, columns_->first());
  std::vector<std::int64_t> ids(size + 1);
  std::iota(ids.begin(), ids.end(), static_cast<std::int64_t>(columns_->first()));
  ids.back() = static_cast<std::int64_t>(columns_->columns());
  const auto apply = [&](SamplerStep step, std::vector<double>& row) {
    row.push_back(0);  // a token that nothing forbids: this rank does not know whether all are
    sampler::apply_step(step, settings, stream_, columns_->columns(), ids, row);
    row.pop_back();
  };
  for (const SamplerStep step : chain_.edits()) {
    if (step == SamplerStep::no_repeat_ngram && size > 0) {
      const auto most_likely = std::max_element(edited_.begin(), edited_.end());
      opening_.spared = *most_likely;
      spared_.assign(size, -kInfinity);
      spared_[static_cast<std::size_t>(most_likely - edited_.begin())] = *most_likely;
    } else if (!spared_.empty()) {
      apply(step, spared_);
    }
    apply(step, edited_);
  }
  if (!spared_.empty()) {
    opening_.spared_edited = *std::max_element(spared_.begin(), spared_.end());
  }
  own_ = Rows(edited_.data(), 1, size);
  find_max();
}

void FilteredRow::find_max() {
  if (own_.columns() == 0) return;
  if (own_.dtype() == DType::f64) scan_.emplace<RowScan<double>>();
  try {
    std::visit(
        [&]<class T>(RowScan<T>& scan) {
          scan.find_max({own_, 0});
          opening_.max = scan.max();
        },
        scan_);
  } catch (const InvalidArgument&) {
    opening_.fault = Fault::find(own_, 0, columns_->first());  // or all of it impossible
  }
}

void FilteredRow::take_openings(std::span<const Opening> of_ranks) {
  if (failure_) return;
  const Opening* spared = of_ranks.data();
  max_ = -kInfinity;
  for (const Opening& each : of_ranks) {
    if (!each.fault.is_none()) {  // the first rank has the first columns
      failure_ = InvalidArgument("logits", each.fault.reason());
      return;
    }
    max_ = std::max(max_, each.max);
    if (each.spared > spared->spared) spared = &each;
  }
  if (max_ > -kInfinity) return;
  if (spared->spared == -kInfinity) {
    failure_ = InvalidArgument("logits", "every category is impossible (all -inf)");
    return;
  }
  max_ = spared->spared_edited;
  if (spared - of_ranks.data() != columns_->group().rank()) return;
  edited_ = spared_;
  own_ = Rows(edited_.data(), 1, edited_.size());
  find_max();
}

bool FilteredRow::needs_sums() const {
  if (failure_ || !chain_.first()) return false;
  const sampler::Needs needs = sampler::needs(*chain_.first());
  return needs.any_exp() || needs.deviation || needs.least;
}

void FilteredRow::write_sums(std::size_t shard, double* out) const {
  const double max = chain_.scaled_max(max_);
  SumOfRow sum(sampler::needs(*chain_.first()));
  const RowReader<double> row(columns_->shard_of(own_, shard), 0);
  double buffer[kernels::kBlock];
  for (std::size_t b = 0; b < row.blocks(); ++b) {
    for (const double z : row.block(b, buffer)) sum.add(chain_.scaled(z, max_) - max);
  }
  sum.write(out);
}

void FilteredRow::take_sums(std::span<const double> parts) {
  SumOfRow sum(sampler::needs(*chain_.first()));
  for (std::size_t i = 0; i < parts.size(); i += SumOfRow::kNumbers) sum.add(&parts[i]);
  sums_ = sum.sums();
}

double FilteredRow::collect(Candidates& out) {
  if (opening_.max == -kInfinity) return -kInfinity;  // has nothing to tell
  return std::visit([&](auto& scan) { return collect_from(scan, out); }, scan_);
}

template <class T>
double FilteredRow::collect_from(RowScan<T>& scan, Candidates& out) {
  const SamplerSettings& settings = chain_.settings();
  const RowReader<T> row(own_, 0);
  const auto first = chain_.first();
  T low = sampler::kNever<T>;
  std::size_t equals = kAll;
  if (first && sampler::has_cutoff(*first, settings)) {
    low = wanted_ == kAll ? chain_.below<T>(chain_.floor(), max_)
                          : chain_.below_cutoff<T>(sums_, max_);
  } else if (first) {
    low = std::max(chain_.below<T>(chain_.floor(), max_), scan.reached_by(row, wanted_));
    if (first == SamplerStep::top_k) equals = wanted_;
  }
  double covered = -kInfinity;
  if (low == sampler::kNever<T>) {
    low = std::numeric_limits<T>::lowest();
    equals = kAll;
  } else {
    covered = chain_.scaled(static_cast<double>(low), max_) - chain_.scaled_max(max_);
    low = chain_.with_equals(low, max_);
  }
  scan.collect(row, low, equals, kAll, out);
  for (std::int64_t& id : out.ids) id += static_cast<std::int64_t>(columns_->first());
  for (double& z : out.logits) z = chain_.scaled(z, max_);
  return covered;
}

void FilteredRow::take_list(Candidates list, double covered) {
  const SamplerSettings& settings = chain_.settings();
  kept_ = std::move(list);
  if (chain_.first()) {
    using enum sampler::Decision;
    const auto decision =
        sampler::decide(*chain_.first(), settings, kept_.logits, chain_.scaled_max(max_), covered,
                        columns_->columns(), sums_);
    // Where the list is too short, all of it stays, and the floor takes away what is missing.
    if (decision == needs_categories && !(covered <= chain_.floor())) {
      wanted_ = sampler::has_cutoff(*chain_.first(), settings) ? kAll : kLongerBy * wanted_;
      return;
    }
    kept_.compact();
  }
  for (const SamplerStep step : chain_.rest()) {
    sampler::apply_step(step, settings, stream_, columns_->columns(), kept_.ids, kept_.logits);
    kept_.compact();
  }
  has_kept_ = true;
}

void FilteredRow::write_heated(double* out) const {
  if (own_.columns() == 0) return;
  RowReader<double>(own_, 0).gather(0, 1, own_.columns(), out);
  for (double* z = out; z != out + own_.columns(); ++z) *z = chain_.scaled(*z, max_);
}

}  // namespace partita::split
