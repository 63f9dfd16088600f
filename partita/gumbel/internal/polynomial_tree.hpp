// SPDX-License-Identifier: Apache-2.0
// Products of polynomials along a binary tree, and their transposes. Not installed.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace partita {

using Polynomial = std::span<const double>;

/// A polynomial for every node of a binary tree over `leaves` categories: node i of level l has
/// the categories i 2^l ... (i + 1) 2^l - 1, as far as there are any, and a coefficient for each of
/// 0 ... `most` of them.
class Tree {
 public:
  Tree(std::size_t leaves, std::size_t most) : leaves_(leaves), most_(most) {
    do {
      levels_.emplace_back(nodes(levels_.size()) * stride(levels_.size()));
    } while (nodes(levels_.size() - 1) > 1);
  }

  std::size_t root() const { return levels_.size() - 1; }
  std::size_t nodes(std::size_t level) const { return ((leaves_ - 1) >> level) + 1; }
  std::span<double> at(std::size_t level, std::size_t node) {
    return {levels_[level].data() + node * stride(level), coefficients(level, node)};
  }
  Polynomial at(std::size_t level, std::size_t node) const {
    return {levels_[level].data() + node * stride(level), coefficients(level, node)};
  }

 private:
  std::size_t stride(std::size_t level) const {
    return std::min(std::size_t{1} << level, most_) + 1;
  }
  std::size_t coefficients(std::size_t level, std::size_t node) const {
    return std::min(stride(level), leaves_ - (node << level) + 1);
  }

  std::size_t leaves_;
  std::size_t most_;
  std::vector<std::vector<double>> levels_;
};

/// Products of polynomials, with room to pad them.
class Multiplier {
 public:
  /// out += a b, up to the degree of `out`.
  void add_product(Polynomial a, Polynomial b, std::span<double> out) {
    if (a.size() == b.size() && out.size() == 2 * a.size() - 1) {  // nodes of 1, 2, 4 categories
      if (a.size() == 2) return add_product_of<2>(a.data(), b.data(), out.data());
      if (a.size() == 3) return add_product_of<3>(a.data(), b.data(), out.data());
      if (a.size() == 5) return add_product_of<5>(a.data(), b.data(), out.data());
    }
    if (out.size() < kWidth) {
      for (std::size_t i = 0; i < std::min(a.size(), out.size()); ++i) {
        const std::size_t n = std::min(b.size(), out.size() - i);
        for (std::size_t j = 0; j < n; ++j) out[i + j] += a[i] * b[j];
      }
      return;
    }
    // out[n] += sum_i a[i] b[n - i]
    padded_.assign(out.size() + 2 * kWidth, 0);
    std::ranges::copy(b.first(std::min(b.size(), out.size())), padded_.begin() + kWidth);
    for (std::size_t n = 0; n < out.size(); n += kWidth) {
      const std::size_t first = n >= b.size() ? n - b.size() + 1 : 0;
      const std::size_t last = std::min(a.size(), n + kWidth);
      std::array<double, kWidth> sum{};
      for (std::size_t i = first; i < last; ++i) {
        add_multiple(a[i], padded_.data() + kWidth + n - i, sum);
      }
      add(sum, out.subspan(n));
    }
  }

  /// The transpose of out = a b: adds to the derivative by `a` what that by `out`, `slope`, says.
  void add_pulled(Polynomial slope, Polynomial b, std::span<double> by_a) {
    // by_a[i] += sum_j slope[i + j] b[j]
    if (by_a.size() == b.size() && slope.size() == 2 * b.size() - 1) {
      if (b.size() == 2) return add_pulled_of<2>(slope.data(), b.data(), by_a.data());
      if (b.size() == 3) return add_pulled_of<3>(slope.data(), b.data(), by_a.data());
      if (b.size() == 5) return add_pulled_of<5>(slope.data(), b.data(), by_a.data());
    }
    if (slope.size() < kWidth) {
      for (std::size_t j = 0; j < b.size(); ++j) {
        const std::size_t n = std::min(by_a.size(), slope.size() - j);
        for (std::size_t i = 0; i < n; ++i) by_a[i] += slope[i + j] * b[j];
      }
      return;
    }
    padded_.assign(slope.begin(), slope.end());
    padded_.resize(slope.size() + kWidth);
    for (std::size_t i = 0; i < by_a.size(); i += kWidth) {
      const std::size_t last = std::min(b.size(), slope.size() - i);
      std::array<double, kWidth> sum{};
      for (std::size_t j = 0; j < last; ++j) add_multiple(b[j], padded_.data() + i + j, sum);
      add(sum, by_a.subspan(i));
    }
  }

 private:
  /// Sums that stay in registers.
  static constexpr std::size_t kWidth = 8;

  template <std::size_t N>
  static void add_product_of(const double* a, const double* b, double* out) {
    std::array<double, 2 * N - 1> sum{};
    for (std::size_t i = 0; i < N; ++i) {
      for (std::size_t j = 0; j < N; ++j) sum[i + j] += a[i] * b[j];
    }
    for (std::size_t n = 0; n < sum.size(); ++n) out[n] += sum[n];
  }
  template <std::size_t N>
  static void add_pulled_of(const double* slope, const double* b, double* by_a) {
    for (std::size_t i = 0; i < N; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < N; ++j) sum += slope[i + j] * b[j];
      by_a[i] += sum;
    }
  }
  static void add_multiple(double factor, const double* x, std::array<double, kWidth>& sum) {
    for (std::size_t t = 0; t < kWidth; ++t) sum[t] += factor * x[t];
  }
  static void add(const std::array<double, kWidth>& sum, std::span<double> out) {
    for (std::size_t t = 0; t < std::min(kWidth, out.size()); ++t) out[t] += sum[t];
  }

  std::vector<double> padded_;
};

/// Calls visit(node, left, right) for each node of `level` that has two children, and
/// copy(node, child) for the last if it has one.
template <class Visit, class Copy>
void for_each_node(const Tree& tree, std::size_t level, const Visit& visit, const Copy& copy) {
  const std::size_t children = tree.nodes(level - 1);
  for (std::size_t node = 0; node < tree.nodes(level); ++node) {
    if (2 * node + 1 < children) {
      visit(node, 2 * node, 2 * node + 1);
    } else {
      copy(node, 2 * node);
    }
  }
}

}  // namespace partita
