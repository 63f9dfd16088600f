// SPDX-License-Identifier: Apache-2.0
// The values of an enum and their names: options, files and pages use the same words.
//
//   enum class Latent : std::uint8_t { gaussian, concrete };
//   inline constexpr auto kLatents =
//       names<Latent>({{"gaussian", Latent::gaussian}, {"concrete", Latent::concrete}});
//
//   name_of(kLatents, Latent::concrete)                                   // "concrete"
//   value_named(kLatents, "concrete")                                     // Latent::concrete
//   add_choice(app, "--latent", options.latent, kLatents, "…")            // command/options.hpp
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace partita::app {

template <class E>
struct Named {
  const char* name;
  E value;
};

template <class E, std::size_t N>
constexpr std::array<Named<E>, N> names(const Named<E> (&all)[N]) {
  return std::to_array(all);
}

template <class E, std::size_t N>
constexpr const char* name_of(const std::array<Named<E>, N>& names, E value) {
  for (const Named<E>& each : names) {
    if (each.value == value) return each.name;
  }
  return "";
}

/// Nothing if no value has the name.
template <class E, std::size_t N>
constexpr std::optional<E> value_named(const std::array<Named<E>, N>& names,
                                       std::string_view name) {
  for (const Named<E>& each : names) {
    if (each.name == name) return each.value;
  }
  return std::nullopt;
}

}  // namespace partita::app
