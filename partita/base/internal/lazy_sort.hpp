// SPDX-License-Identifier: Apache-2.0
// A list that is sorted only as far as it is read. Not installed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace partita {

/// items[i] is the i-th smallest; reading the first k of n costs O(n + k log k) in all.
template <class T, class Less>
class LazySort {
 public:
  explicit LazySort(Less less = {}) : less_(std::move(less)) {}
  LazySort(std::vector<T> items, Less less) : items_(std::move(items)), less_(std::move(less)) {}

  void reset() {
    items_.clear();
    sorted_ = 0;
  }
  /// Only before anything has been read.
  void push_back(T item) { items_.push_back(std::move(item)); }

  std::size_t size() const { return items_.size(); }

  const T& operator[](std::size_t i) {
    while (i >= sorted_) {
      // In steps that double, so that the parts set aside by nth_element add up to O(n).
      const auto begin = items_.begin() + static_cast<std::ptrdiff_t>(sorted_);
      sorted_ = std::min(items_.size(), std::max<std::size_t>(64, 2 * sorted_));
      const auto end = items_.begin() + static_cast<std::ptrdiff_t>(sorted_);
      std::nth_element(begin, end, items_.end(), less_);
      std::sort(begin, end, less_);
    }
    return items_[i];
  }

 private:
  std::vector<T> items_;
  std::size_t sorted_ = 0;
  Less less_;
};

}  // namespace partita
