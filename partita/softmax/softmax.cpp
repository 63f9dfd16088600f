#include "partita/softmax/softmax.hpp"

#include <fmt/format.h>

#include "partita/base/error.hpp"
#include "partita/softmax/kernels.hpp"
#include "partita/softmax/row_pass.hpp"

namespace partita {

using kernels::kBlock;

namespace {

constexpr const char* kNoCategory = "every category is impossible (all -inf)";

template <class E, class T>
void store(const T* values, std::size_t n, E* out, std::ptrdiff_t stride) {
  for (std::size_t i = 0; i < n; ++i, out += stride) {
    if constexpr (sizeof(E) == 2) {
      *out = E(static_cast<float>(values[i]));
    } else {
      *out = static_cast<E>(values[i]);
    }
  }
}

/// Where a block of results goes: straight to its place if that is contiguous T, else through a
/// buffer that flush() converts and spreads.
template <class T>
class BlockWriter {
 public:
  BlockWriter(MutableRows rows, std::size_t row) : rows_(rows), row_(row) {}

  T* target(std::size_t first, std::size_t padded) {
    direct_ = rows_.dtype() == dtype_of<T> && rows_.column_stride() == 1 &&
              first + padded <= rows_.columns();
    return direct_ ? rows_.row_data<T>(row_) + first : buffer_;
  }

  void flush(std::size_t first) const {
    if (direct_) return;
    const std::size_t n = std::min(kBlock, rows_.columns() - first);
    const std::ptrdiff_t stride = rows_.column_stride();
    const auto offset = static_cast<std::ptrdiff_t>(first) * stride;
    switch (rows_.dtype()) {
      case DType::f32:
        return store(buffer_, n, rows_.row_data<float>(row_) + offset, stride);
      case DType::f64:
        return store(buffer_, n, rows_.row_data<double>(row_) + offset, stride);
      case DType::bf16:
        return store(buffer_, n, rows_.row_data<bfloat16>(row_) + offset, stride);
      case DType::f16:
        return store(buffer_, n, rows_.row_data<float16>(row_) + offset, stride);
    }
  }

  void fill(T value) {
    std::fill(buffer_, buffer_ + kBlock, value);
    direct_ = false;
    for (std::size_t first = 0; first < rows_.columns(); first += kBlock) flush(first);
  }

 private:
  MutableRows rows_;
  std::size_t row_;
  bool direct_ = false;
  T buffer_[kBlock];
};

void check_shape(Rows logits, MutableRows out, const char* name) {
  if (logits.rows() != out.rows() || logits.columns() != out.columns()) {
    throw InvalidArgument(
        name, fmt::format("expected the logits' shape [{}, {}], got [{}, {}]", logits.rows(),
                          logits.columns(), out.rows(), out.columns()));
  }
}

/// For float a fast sum serves the logarithm within its 2 ulp; probabilities and double need
/// better.
template <class T>
void sum_for_log(RowPass<T>& pass, const RowReader<T>& row) {
  std::is_same_v<T, double> ? pass.sum_exp_accurate(row) : pass.sum_exp(row);
}

/// Sums each row with sum(pass, row), then lets map(z, n, max, rest, out) turn its blocks into
/// results.
template <class Sum, class Map>
void map_rows(Rows logits, MutableRows out, const RowOptions& options, const Sum& sum,
              const Map& map) {
  with_arithmetic_type(logits.dtype(), out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for_each_row<RowPass<T>>(logits.rows(), options, [&](std::size_t r, RowPass<T>& pass) {
      const RowReader<T> row(logits, r);
      BlockWriter<T> writer(out, r);
      try {
        sum(pass, row);
        if (std::isinf(pass.max())) row.fail(kNoCategory);
      } catch (const InvalidArgument&) {
        writer.fill(std::numeric_limits<T>::quiet_NaN());
        throw;
      }
      const auto max = static_cast<T>(pass.max());
      const Rest rest = pass.rest(row);
      T buffer[kBlock];
      for (std::size_t b = 0; b < row.blocks(); ++b) {
        const auto z = row.block(b, buffer);
        map(z.data(), z.size(), max, rest, writer.target(b * kBlock, z.size()));
        writer.flush(b * kBlock);
      }
    });
  });
}

}  // namespace

std::vector<double> log_sum_exp(Rows logits, const RowOptions& options) {
  std::vector<double> result(logits.rows(), std::numeric_limits<double>::quiet_NaN());
  with_arithmetic_type(logits.dtype(), logits.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for_each_row<RowPass<T>>(logits.rows(), options, [&](std::size_t r, RowPass<T>& pass) {
      const RowReader<T> row(logits, r);
      sum_for_log(pass, row);
      result[r] = std::isinf(pass.max()) ? pass.max() : pass.max() + pass.rest(row).log_sum();
    });
  });
  return result;
}

void softmax(Rows logits, MutableRows probabilities, const RowOptions& options) {
  check_shape(logits, probabilities, "probabilities");
  map_rows(
      logits, probabilities, options,
      [](auto& pass, const auto& row) { pass.sum_exp_accurate(row); },
      [](const auto* z, std::size_t n, auto max, const Rest& rest, auto* out) {
        kernels::exp_scaled(z, n, max, rest.inverse<decltype(max)>(), out);
      });
}

void log_softmax(Rows logits, MutableRows log_probabilities, const RowOptions& options) {
  check_shape(logits, log_probabilities, "log_probabilities");
  map_rows(
      logits, log_probabilities, options,
      [](auto& pass, const auto& row) { sum_for_log(pass, row); },
      [](const auto* z, std::size_t n, auto max, const Rest& rest, auto* out) {
        kernels::subtract(z, n, max, static_cast<decltype(max)>(rest.log_sum()), out);
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
