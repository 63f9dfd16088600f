// SPDX-License-Identifier: Apache-2.0
#include "partita/random/stream.hpp"

#include <bit>
#include <cmath>
#include <numbers>

#include "partita/base/internal/check.hpp"
#include "partita/random/internal/philox.hpp"

namespace partita {

double uniform_from_bits(std::uint64_t bits) {
  const std::uint64_t high = bits >> 11U;
  return high == 0 ? 0x1p-54 : static_cast<double>(high) * 0x1p-53;
}

double exponential_from_bits(std::uint64_t bits) {
  // Near 1 a double is 2^-53 coarse, near 0 it is not: take whichever of u and 1 - u is small.
  if (bits >> 63U == 0) return -std::log((static_cast<double>(bits) + 0.5) * 0x1p-64);
  return -std::log1p(-(static_cast<double>(~bits) + 0.5) * 0x1p-64);
}

namespace {

void append(std::array<std::uint64_t, 3>& path, std::uint64_t digit) {
  path[2] = path[2] << 4U | path[1] >> 60U;
  path[1] = path[1] << 4U | path[0] >> 60U;
  path[0] = path[0] << 4U | digit;
}

std::size_t hex_digits(std::uint64_t n) {
  return (static_cast<std::size_t>(std::bit_width(n | 1U)) + 3) / 4;
}

std::size_t hex_digits(const std::array<std::uint64_t, 3>& path) {
  for (std::size_t i = 3; i-- > 0;) {
    if (path[i] != 0) return 16 * i + hex_digits(path[i]);
  }
  return 0;
}

}  // namespace

Stream Stream::child(std::uint64_t n) const {
  const std::size_t digits = hex_digits(n);
  Stream child = *this;
  if (hex_digits(path) + 1 + digits > 48) {
    const auto [new_seed, new_id, unused, also_unused] = philox(*this, kNewKeyBlock);
    child = {.seed = new_seed, .id = new_id};
  }
  if (child.path == Stream{}.path) child.path[0] = 1;
  append(child.path, digits - 1);
  for (std::size_t i = digits; i-- > 0;) append(child.path, n >> (4 * i) & 15U);
  return child;
}

std::array<std::uint64_t, 4> Stream::words(std::uint64_t block) const {
  return philox(*this, block);
}

double Stream::normal(std::uint64_t position) const {
  const auto four = words(position / 4);
  const std::size_t pair = position % 4 & 2U;
  const double radius = std::sqrt(2 * exponential_from_bits(four[pair]));
  const double angle = 2 * std::numbers::pi * uniform_from_bits(four[pair + 1]);
  return radius * (position % 2 == 0 ? std::cos(angle) : std::sin(angle));
}

double Stream::gumbel(std::uint64_t position) const { return -std::log(exponential(position)); }

double Stream::logistic(std::uint64_t position) const {
  const std::uint64_t word = bits(position);
  const bool above = word >> 63U != 0;
  const double x = (static_cast<double>(above ? ~word : word) + 0.5) * 0x1p-64;
  const double low = std::log(x) - std::log1p(-x);
  return above ? -low : low;
}

double Draws::normal() {
  const double radius = std::sqrt(2 * exponential());
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

double Draws::gumbel() { return -std::log(exponential()); }

void Streams::check_covers(std::size_t rows) const {
  if (each_.data() != nullptr) {
    check_at_least("streams", each_.size(), rows, "one for each row");
  }
}

}  // namespace partita
