// SPDX-License-Identifier: Apache-2.0
#include "partita/softmax/softmax.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "partita/base/error.hpp"
#include "partita/softmax/internal/convert.hpp"
#include "partita/softmax/internal/row_kernels.hpp"
#include "partita/softmax/internal/row_pass.hpp"

namespace partita {

using kernels::kBlock;

namespace {

constexpr const char* kNoCategory = "every category is impossible (all -inf)";

template <class E, class T>
void store(const T* values, std::size_t n, E* out, std::ptrdiff_t stride) {
  if (stride == 1) {
    if constexpr (std::is_same_v<E, T>) {
      std::copy(values, values + n, out);
      return;
    }
    if constexpr (sizeof(E) == 2 && std::is_same_v<T, float>)
      return kernels::narrow(values, n, out);
  }
  using Nearest = std::conditional_t<sizeof(E) == 2, float, E>;
  for (std::size_t i = 0; i < n; ++i, out += stride) *out = E(static_cast<Nearest>(values[i]));
}

/// One row of results, written from the front, in any format and stride.
template <class T>
class RowWriter {
 public:
  RowWriter(MutableRows rows, std::size_t row) : rows_(rows), row_(row) {}

  /// Where n results from column `first` on may be put at once; null if they must be converted or
  /// spread by write().
  T* place(std::size_t first, std::size_t n) const {
    const bool direct =
        rows_.dtype() == dtype_of<T> && rows_.column_stride() == 1 && first + n <= rows_.columns();
    return direct ? rows_.row_data<T>(row_) + first : nullptr;
  }

  /// Writes as many of values[0, kBlock) as there are columns from `first` on.
  void write(const T* values, std::size_t first) const {
    const std::size_t n = std::min(kBlock, rows_.columns() - first);
    const std::ptrdiff_t stride = rows_.column_stride();
    const auto offset = static_cast<std::ptrdiff_t>(first) * stride;
    visit(rows_.dtype(),
          [&]<Element Out>(Out) { store(values, n, rows_.row_data<Out>(row_) + offset, stride); });
  }

  /// Whether results keep only the digits of 16 bits.
  bool is_short() const { return rows_.dtype() == DType::bf16 || rows_.dtype() == DType::f16; }

  /// Where all results go as they are rounded to bfloat16; null if to another format, or spread.
  bfloat16* place_bf16() const {
    const bool direct = rows_.dtype() == DType::bf16 && rows_.column_stride() == 1;
    return direct ? rows_.row_data<bfloat16>(row_) : nullptr;
  }

  void fill_nan() const {
    T values[kBlock];
    std::fill(std::begin(values), std::end(values), std::numeric_limits<T>::quiet_NaN());
    for (std::size_t first = 0; first < rows_.columns(); first += kBlock) write(values, first);
  }

 private:
  MutableRows rows_;
  std::size_t row_;
};

void check_shape(Rows logits, MutableRows out, const char* name) {
  if (logits.rows() != out.rows() || logits.columns() != out.columns()) {
    throw InvalidArgument(
        name, fmt::format("expected the logits' shape [{}, {}], got [{}, {}]", logits.rows(),
                          logits.columns(), out.rows(), out.columns()));
  }
}

/// For float a fast sum serves the logarithm within its 2 ulp.
template <class T>
void sum_for_log(RowPass<T>& pass, const RowReader<T>& row) {
  std::is_same_v<T, double> ? pass.sum_exp_accurate(row) : pass.sum_exp(row);
}

template <class T>
struct Workspace {
  RowPass<T> pass;
  std::vector<T> terms;
};

/// Calls scan(pass, row), which finds the row's maximum, and then map(row, writer, workspace) on
/// every row.
template <class Scan, class Map>
void map_rows(Rows logits, MutableRows out, const RowOptions& options, const Scan& scan,
              const Map& map) {
  with_arithmetic_type(logits.dtype(), out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for_each_row<Workspace<T>>(logits.rows(), options, [&](std::size_t r, Workspace<T>& workspace) {
      const RowReader<T> row(logits, r);
      const RowWriter<T> writer(out, r);
      try {
        scan(workspace.pass, row);
        if (std::isinf(workspace.pass.max())) row.fail(kNoCategory);
      } catch (const InvalidArgument&) {
        writer.fill_nan();
        throw;
      }
      map(row, writer, workspace);
    });
  });
}

}  // namespace

std::vector<Normalizer> normalizers(Rows logits, const RowOptions& options) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  std::vector<Normalizer> result(logits.rows(), {kNaN, kNaN});
  with_arithmetic_type(logits.dtype(), logits.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for_each_row<RowPass<T>>(logits.rows(), options, [&](std::size_t r, RowPass<T>& pass) {
      const RowReader<T> row(logits, r);
      sum_for_log(pass, row);
      result[r] = {pass.max(), std::isinf(pass.max()) ? 0 : pass.log_sum(row)};
    });
  });
  return result;
}

std::vector<double> log_sum_exp(Rows logits, const RowOptions& options) {
  const std::vector<Normalizer> rows = normalizers(logits, options);
  std::vector<double> result(rows.size());
  std::transform(rows.begin(), rows.end(), result.begin(),
                 [](const Normalizer& row) { return row.max + row.log_sum; });
  return result;
}

void softmax(Rows logits, MutableRows probabilities, const RowOptions& options) {
  check_shape(logits, probabilities, "probabilities");
  map_rows(
      logits, probabilities, options, [](auto& pass, const auto& row) { pass.find_max(row); },
      []<class T>(const RowReader<T>& row, const RowWriter<T>& writer, Workspace<T>& workspace) {
        const T max = static_cast<T>(workspace.pass.max());
        const std::size_t n = row.columns();
        // The terms wait where the results go, if neither logits nor results are converted.
        const auto in_place = row.in_place();
        T* const place = in_place.empty() ? nullptr : writer.place(0, n);
        if (place == nullptr) workspace.terms.resize(kernels::round_up(n, kBlock));
        T* const terms = place != nullptr ? place : workspace.terms.data();
        CompensatedSum total;
        if (writer.is_short()) {
          row.visit_runs(row.blocks(), [&]<class E>(std::span<const E> z, std::size_t b) {
            total.add(kernels::row_kernels<E>().exp_lifted_for_sum(z.data(), z.size(), max,
                                                                   terms + b * kBlock));
          });
        } else {
          if (in_place.empty()) row.gather(0, 1, n, terms);
          const T* const z = in_place.empty() ? terms : in_place.data();
          total.add(kernels::of<T>().exp_lifted(z, n, max, terms));
        }
        const auto scale = total.inverse<T>();
        if constexpr (std::is_same_v<T, float>) {
          if (bfloat16* const out = writer.place_bf16()) {
            return kernels::scale_and_narrow(terms, n, scale.high, out);
          }
        }
        kernels::of<T>().scale(terms, n, scale, terms);
        if (place == nullptr) {
          for (std::size_t first = 0; first < n; first += kBlock)
            writer.write(terms + first, first);
        }
      });
}

void log_softmax(Rows logits, MutableRows log_probabilities, const RowOptions& options) {
  check_shape(logits, log_probabilities, "log_probabilities");
  map_rows(
      logits, log_probabilities, options,
      [](auto& pass, const auto& row) { sum_for_log(pass, row); },
      []<class T>(const RowReader<T>& row, const RowWriter<T>& writer, Workspace<T>& workspace) {
        const T max = static_cast<T>(workspace.pass.max());
        const T log_sum = static_cast<T>(workspace.pass.log_sum(row));
        T buffer[kBlock];
        const std::size_t group = writer.place(0, 0) != nullptr ? row.blocks() : 1;
        row.visit_runs(group, [&]<class E>(std::span<const E> z, std::size_t b) {
          const std::size_t first = b * kBlock;
          T* const place = writer.place(first, z.size());
          T* const out = place != nullptr ? place : buffer;
          kernels::row_kernels<E>().subtract(z.data(), z.size(), max, log_sum, out);
          if (place != nullptr) return;
          if constexpr (std::is_same_v<T, float>) {
            if (bfloat16* const short_out = writer.place_bf16()) {  // no result is NaN
              const std::size_t n = std::min(kBlock, row.columns() - first);
              return kernels::scale_and_narrow(buffer, n, 1, short_out + first);
            }
          }
          writer.write(buffer, first);
        });
      });
}

std::vector<std::int64_t> argmax(Rows logits, const RowOptions& options) {
  std::vector<std::int64_t> result(logits.rows(), -1);
  with_arithmetic_type(logits.dtype(), logits.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for_each_row<RowPass<T>>(logits.rows(), options, [&](std::size_t r, RowPass<T>& pass) {
      const RowReader<T> row(logits, r);
      pass.find_max(row);
      if (std::isinf(pass.max())) row.fail(kNoCategory);
      result[r] = static_cast<std::int64_t>(pass.argmax(row));
    });
  });
  return result;
}

}  // namespace partita
