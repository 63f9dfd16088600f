// SPDX-License-Identifier: Apache-2.0
// Rows of any bits, types and strides: a bad row fails alone and is named; the others have what
// plain code in long double computes, whatever the strides.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "partita/gumbel/addressed.hpp"
#include "partita/gumbel/categorical.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/softmax/divergence.hpp"
#include "partita/softmax/softmax.hpp"
#include "target.hpp"

using namespace partita;
using namespace partita::testing;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The elements behind a view, as doubles.
struct Plain {
  explicit Plain(Rows rows) : columns(rows.columns()) {
    visit(rows.dtype(), [&]<Element T>(T) {
      for (std::size_t r = 0; r < rows.rows(); ++r) {
        const T* const begin = rows.row_data<T>(r);
        for (std::size_t c = 0; c < columns; ++c) {
          values.push_back(
              static_cast<double>(begin[static_cast<std::ptrdiff_t>(c) * rows.column_stride()]));
        }
      }
    });
  }
  std::span<const double> row(std::size_t r) const {
    return std::span(values).subspan(r * columns, columns);
  }
  bool is_bad(std::size_t r) const {
    return std::any_of(row(r).begin(), row(r).end(),
                       [](double z) { return std::isnan(z) || z == kInfinity; });
  }
  std::size_t possible(std::size_t r) const {
    return static_cast<std::size_t>(
        std::count_if(row(r).begin(), row(r).end(), [](double z) { return z != -kInfinity; }));
  }
  double max(std::size_t r) const { return *std::max_element(row(r).begin(), row(r).end()); }

  std::size_t columns;
  std::vector<double> values;
};

/// Whether a row is among the errors.
bool failed(const std::vector<RowError>& errors, std::size_t row) {
  return std::any_of(errors.begin(), errors.end(), [&](const auto& e) { return e.row == row; });
}

void check_sums(Rows z, const Plain& plain) {
  std::vector<RowError> errors;
  const std::vector<double> lse = log_sum_exp(z, {.errors = &errors});
  std::vector<double> p(z.rows() * z.columns());
  std::vector<RowError> ignored;
  softmax(z, {p.data(), z.rows(), z.columns()}, {.errors = &ignored});
  const std::vector<double> h = entropy(z, {.errors = &ignored});
  const std::vector<std::int64_t> best = argmax(z, {.errors = &ignored});
  for (std::size_t r = 0; r < z.rows(); ++r) {
    require(failed(errors, r) == plain.is_bad(r));
    if (plain.is_bad(r)) continue;
    const double max = plain.max(r);
    if (max == -kInfinity) {
      require(lse[r] == -kInfinity);
      continue;
    }
    long double others = 0;  // 1 + them may be 1, and its logarithm not 0
    long double total = 0;
    for (std::size_t c = 0; c < z.columns(); ++c) {
      if (static_cast<std::int64_t>(c) == best[r]) continue;
      others += std::exp(static_cast<long double>(plain.row(r)[c]) - max);
    }
    const auto expected = static_cast<double>(max + std::log1p(others));
    // 2 ulp of float, or of double.
    const double ulp = z.dtype() == DType::f64 ? 0x1p-52 : 0x1p-23;
    require(std::abs(lse[r] - expected) <= 2 * ulp * std::max(std::abs(max), std::abs(lse[r])));
    for (std::size_t c = 0; c < z.columns(); ++c) total += p[r * z.columns() + c];
    require(std::abs(static_cast<double>(total) - 1) < 1e-5);
    require(h[r] >= 0 && h[r] <= std::log(static_cast<double>(plain.possible(r))) + 1e-12);
    require(plain.row(r)[static_cast<std::size_t>(best[r])] == max);
    require(std::find(plain.row(r).begin(), plain.row(r).end(), max) - plain.row(r).begin() ==
            best[r]);
  }
}

void check_samples(Rows z, const Plain& plain, std::size_t k, const Stream& stream) {
  std::vector<RowError> errors;
  const TopKSample sample = gumbel_top_k(z, k, stream, {.errors = &errors});
  std::vector<RowError> addressed_errors;
  const TopKSample addressed = addressed_gumbel_top_k(z, k, stream, {.errors = &addressed_errors});
  std::vector<RowError> categorical_errors;
  const auto drawn = categorical(z, 2, stream, {.errors = &categorical_errors});
  for (std::size_t r = 0; r < z.rows(); ++r) {
    const bool bad = plain.is_bad(r);
    require(failed(errors, r) == (bad || plain.possible(r) < k));
    require(failed(addressed_errors, r) == failed(errors, r));
    require(failed(categorical_errors, r) == (bad || plain.possible(r) == 0));
    if (!failed(categorical_errors, r)) {
      for (const std::int64_t c : {drawn[2 * r], drawn[2 * r + 1]}) {
        require(plain.row(r)[static_cast<std::size_t>(c)] != -kInfinity);
      }
    }
    if (failed(errors, r)) continue;
    for (const TopKSample* each : {&sample, &addressed}) {
      std::vector<std::int64_t> ids(each->indices.begin() + static_cast<std::ptrdiff_t>(r * k),
                                    each->indices.begin() + static_cast<std::ptrdiff_t>(r * k + k));
      for (std::size_t j = 0; j < k; ++j) {
        const double log_prob = each->log_prob[r * k + j];
        // Logits of ±1e308 may lie further apart than a double can say.
        const double below = plain.row(r)[static_cast<std::size_t>(ids[j])] - plain.max(r);
        require(log_prob <= 1e-12 && (log_prob > -kInfinity || below == -kInfinity));
        require(j == 0 || each->perturbed[r * k + j] <= each->perturbed[r * k + j - 1]);
        require(each->threshold[r] <= each->perturbed[r * k + j]);
        require(plain.row(r)[static_cast<std::size_t>(ids[j])] != -kInfinity);
      }
      std::sort(ids.begin(), ids.end());
      require(std::adjacent_find(ids.begin(), ids.end()) == ids.end());
    }
  }
}

/// A view of the bytes with any strides that stay within them, and one without.
template <Element T>
void check(Input& input) {
  const std::size_t rows = 1 + input.below(4);
  const std::size_t columns = 1 + input.below(80);
  const std::size_t k = 1 + input.below(columns);
  const Stream stream{input.bits<std::uint8_t>()};
  const auto row_stride = static_cast<std::ptrdiff_t>(input.below(2 * columns));
  const std::ptrdiff_t column_stride = static_cast<std::ptrdiff_t>(input.below(5)) - 2;
  const bool down = input.flag();
  const std::ptrdiff_t reach = static_cast<std::ptrdiff_t>(rows - 1) * row_stride +
                               static_cast<std::ptrdiff_t>(columns - 1) * std::abs(column_stride);
  std::vector<T> values(static_cast<std::size_t>(reach) + 1);
  const std::string_view bytes = input.rest().substr(0, values.size() * sizeof(T));
  if (bytes.empty()) return;
  for (std::size_t i = 0; i < values.size() * sizeof(T); ++i) {  // again and again
    reinterpret_cast<char*>(values.data())[i] = bytes[i % bytes.size()];
  }
  const T* begin = values.data();
  if (column_stride < 0) begin -= static_cast<std::ptrdiff_t>(columns - 1) * column_stride;
  if (down) begin += static_cast<std::ptrdiff_t>(rows - 1) * row_stride;
  const Rows z(begin, rows, columns, down ? -row_stride : row_stride, column_stride);
  const Plain plain(z);
  check_sums(z, plain);
  check_samples(z, plain, k, stream);
  // The same numbers without strides have the same answers.
  std::vector<T> copy;
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) {
      copy.push_back(z.row_data<T>(r)[static_cast<std::ptrdiff_t>(c) * column_stride]);
    }
  }
  const Rows dense(copy.data(), rows, columns);
  std::vector<RowError> errors;
  std::vector<RowError> dense_errors;
  require(gumbel_top_k(z, k, stream, {.errors = &errors}).indices ==
          gumbel_top_k(dense, k, stream, {.errors = &dense_errors}).indices);
  require(errors.size() == dense_errors.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  switch (input.below(4)) {
    case 0:
      check<float>(input);
      break;
    case 1:
      check<double>(input);
      break;
    case 2:
      check<bfloat16>(input);
      break;
    default:
      check<float16>(input);
  }
  return 0;
}
