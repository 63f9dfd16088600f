// SPDX-License-Identifier: Apache-2.0
// Range checks of arguments: each says its range once, for the test and for the message. All throw
// InvalidArgument. Not installed.
//
//   check_at_least("resamples", n, 2);        // resamples: expected 2 or more, got 1
//   check_between("k", k, 1, 5, "classes");   // k: expected 1..5 (classes), got 6
//   check_index("token", token, 5);           // token: expected 0..4, got 5
//   check_size("labels", labels.size(), 5, "one for each row");
//                                             // labels: expected 5 (one for each row), got 4
//   check_in("top_p", p, "(0, 1]");           // top_p: expected a number in (0, 1], got nan
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace partita {

/// The real numbers between two ends, written as in mathematics: "(0, 1]", "[1, inf)". Read at
/// compile time, where a slip is an error. NaN is in no interval.
class RealInterval {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): the literal is the interval
  consteval RealInterval(const char* text) : text_(text) {
    const std::size_t comma = text_.find(", ");
    low_ = number(text_.substr(1, comma - 1));
    high_ = number(text_.substr(comma + 2, text_.size() - comma - 3));
    closed_low_ = closed(text_.front(), '[', '(');
    closed_high_ = closed(text_.back(), ']', ')');
  }

  constexpr bool contains(double x) const {
    return (closed_low_ ? x >= low_ : x > low_) && (closed_high_ ? x <= high_ : x < high_);
  }
  constexpr std::string_view text() const { return text_; }

 private:
  static constexpr double number(std::string_view text) {
    if (text.starts_with('-')) return -number(text.substr(1));
    if (text == "inf") return std::numeric_limits<double>::infinity();
    if (text.empty()) throw "expected a number at each end";
    double digits = 0;
    double scale = 0;  // a power of ten from the point on
    for (const char c : text) {
      if (c == '.' && scale == 0) {
        scale = 1;
        continue;
      }
      if (c < '0' || c > '9') throw "expected a decimal number, or inf";
      digits = 10 * digits + (c - '0');
      scale *= 10;
    }
    return scale == 0 ? digits : digits / scale;
  }
  static constexpr bool closed(char c, char closed, char open) {
    if (c != closed && c != open) throw "expected (, [, ) or ]";
    return c == closed;
  }

  std::string_view text_;
  double low_ = 0;
  double high_ = 0;
  bool closed_low_ = false;
  bool closed_high_ = false;
};

/// An integer of any type, so that sizes and signed numbers compare as numbers.
class Integer {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): every integer is one
  constexpr Integer(std::integral auto value)
      : negative_(std::cmp_less(value, 0)), bits_(static_cast<std::uint64_t>(value)) {}

  constexpr bool operator<(const Integer& other) const {
    return negative_ == other.negative_ ? bits_ < other.bits_ : negative_;
  }
  constexpr bool operator==(const Integer& other) const = default;
  std::string text() const {
    return negative_ ? std::to_string(static_cast<std::int64_t>(bits_)) : std::to_string(bits_);
  }

 private:
  bool negative_;
  std::uint64_t bits_;  ///< in two's complement
};

/// What the checks throw, kept out of their way. `range` is a format of the numbers that follow.
/// Exported, since partita_learn checks as well.
[[noreturn, gnu::cold, gnu::visibility("default")]] void refuse(std::string_view argument,
                                                                Integer got, std::string_view range,
                                                                Integer first, Integer second,
                                                                std::string_view what);
[[noreturn, gnu::cold, gnu::visibility("default")]] void refuse(std::string_view argument,
                                                                double got, RealInterval range);

/// value >= least. `what` says what is counted: "draws".
inline void check_at_least(std::string_view argument, Integer value, Integer least,
                           std::string_view what = {}) {
  if (value < least) refuse(argument, value, "{} or more", least, 0, what);
}

/// least <= value <= most.
inline void check_between(std::string_view argument, Integer value, Integer least, Integer most,
                          std::string_view what = {}) {
  if (value < least || most < value) refuse(argument, value, "{}..{}", least, most, what);
}

/// 0 <= index < size.
inline void check_index(std::string_view argument, Integer index, std::size_t size,
                        std::string_view what = {}) {
  if (index < 0 || !(index < size)) {
    refuse(argument, index, "0..{}", static_cast<std::int64_t>(size) - 1, 0, what);
  }
}

/// size == expected.
inline void check_size(std::string_view argument, Integer size, Integer expected,
                       std::string_view what) {
  if (size != expected) refuse(argument, size, "{}", expected, 0, what);
}

/// value is in the range: "(0, inf)" is positive and finite, "(-inf, inf)" finite.
inline void check_in(std::string_view argument, double value, RealInterval range) {
  if (!range.contains(value)) refuse(argument, value, range);
}

}  // namespace partita
