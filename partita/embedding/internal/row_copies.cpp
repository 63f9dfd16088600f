// SPDX-License-Identifier: Apache-2.0
#include "partita/embedding/internal/row_copies.hpp"

#include <algorithm>
#include <cstring>

namespace partita {
namespace {

/// The adaptive sum of a and b, in a.
void combine(std::size_t stride, RowChange a, RowChange b) {
  const float ab = kernels::dot(stride, a.row, b.row);
  const auto factor = [&](const float* row) {
    const float square = kernels::dot(stride, row, row);
    return square > 0 ? 1 - ab / (2 * square) : 1.0F;
  };
  const float of_a = factor(a.row);
  const float of_b = factor(b.row);
  kernels::add_scaled(stride, of_a - 1, a.row, a.row);
  kernels::add_scaled(stride, of_b, b.row, a.row);
  if (a.bias != nullptr) *a.bias = of_a * *a.bias + of_b * *b.bias;
}

/// Adds the parts' changes of each row with id % threads = thread to `row(id)` and `bias(id)`.
/// `copies(part)` and `change(part, place)` give access to the parts.
template <class Copies, class ChangeOf, class Target>
void add_rows(std::size_t parts, std::size_t stride, std::size_t thread, std::size_t threads,
              const Copies& copies, const ChangeOf& change, const Target& target) {
  std::vector<RowChange> changes;
  for (std::size_t part = 0; part < parts; ++part) {
    for (const WordId id : copies(part).ids()) {
      if (id % threads != thread) continue;
      const auto has = [&](std::size_t p) { return copies(p).find(id) != RowCopies::kNone; };
      bool done = false;
      for (std::size_t p = 0; p < part; ++p) done = done || has(p);
      if (done) continue;
      changes.clear();
      for (std::size_t p = part; p < parts; ++p) {
        if (has(p)) changes.push_back(change(p, copies(p).find(id)));
      }
      adaptive_sum(stride, changes);
      const RowChange to = target(id);
      kernels::add_scaled(stride, 1, changes[0].row, to.row);
      if (to.bias != nullptr && changes[0].bias != nullptr) *to.bias += *changes[0].bias;
    }
  }
}

}  // namespace

void adaptive_sum(std::size_t stride, std::span<RowChange> changes) {
  for (std::size_t step = 1; step < changes.size(); step *= 2) {
    for (std::size_t i = 0; i + step < changes.size(); i += 2 * step) {
      combine(stride, changes[i], changes[i + step]);
    }
  }
}

RowCopies::RowCopies(const WeightMatrix& shared, std::size_t most)
    : shared_(&shared),
      copies_(std::min(most, shared.rows()), shared.columns()),
      place_(shared.rows(), kNone) {}

std::uint32_t RowCopies::make(WordId id) {
  if (place_[id] == kNone) {
    place_[id] = static_cast<std::uint32_t>(ids_.size());
    std::memcpy(copies_.row(ids_.size()), shared_->row(id), shared_->stride() * sizeof(float));
    ids_.push_back(id);
  }
  return place_[id];
}

void RowCopies::subtract_shared() {
  for (std::uint32_t place = 0; place < ids_.size(); ++place) {
    kernels::add_scaled(shared_->stride(), -1, shared_->row(ids_[place]), copies_.row(place));
  }
}

void RowCopies::clear() {
  for (const WordId id : ids_) place_[id] = kNone;
  ids_.clear();
}

float& CopiedRows::bias(WordId id) {
  const std::uint32_t place = outputs_.make(id);
  while (biases_.size() < outputs_.ids().size()) {
    biases_.push_back(weights_->biases[outputs_.ids()[biases_.size()]]);
  }
  return biases_[place];
}

void CopiedRows::subtract_shared() {
  inputs_.subtract_shared();
  outputs_.subtract_shared();
  for (std::size_t place = 0; place < biases_.size(); ++place) {
    biases_[place] -= weights_->biases[outputs_.ids()[place]];
  }
}

void CopiedRows::clear() {
  inputs_.clear();
  outputs_.clear();
  biases_.clear();
}

void add_changes(std::span<CopiedRows> parts, EmbeddingWeights& weights, std::size_t thread,
                 std::size_t threads) {
  const std::size_t stride = weights.inputs.stride();
  add_rows(
      parts.size(), stride, thread, threads,
      [&](std::size_t part) -> const RowCopies& { return parts[part].inputs_; },
      [&](std::size_t part, std::uint32_t place) {
        return RowChange{parts[part].inputs_.at(place), nullptr};
      },
      [&](WordId id) {
        return RowChange{weights.inputs.row(id), nullptr};
      });
  add_rows(
      parts.size(), stride, thread, threads,
      [&](std::size_t part) -> const RowCopies& { return parts[part].outputs_; },
      [&](std::size_t part, std::uint32_t place) {
        // Negative sampling has no biases.
        float* const bias =
            place < parts[part].biases_.size() ? &parts[part].biases_[place] : nullptr;
        return RowChange{parts[part].outputs_.at(place), bias};
      },
      [&](WordId id) {
        return RowChange{weights.outputs.row(id), &weights.biases[id]};
      });
}

}  // namespace partita
