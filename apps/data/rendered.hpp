// SPDX-License-Identifier: Apache-2.0
// Images of characters in six fonts, turned, sheared, scaled, moved and made noisy: a training set
// where no other is available.
//
//   partita::LabeledImages digits = render_characters("0123456789", 10'000, {.seed = 1});
//   partita::LabeledImages letters = render_characters(kCapitals, 1000, {2});
#pragma once

#include <cstddef>
#include <string_view>

#include "partita/io/idx.hpp"
#include "partita/random/stream.hpp"

namespace partita::app {

inline constexpr std::string_view kDigits = "0123456789";
/// Without I and O, which look like 1 and 0 in many fonts.
inline constexpr std::string_view kCapitals = "ABCDEFGHJKLMNPQRSTUVWXYZ";

/// The fonts, those of Debian's fonts-dejavu-core: no others that a machine may have, so that a
/// seed gives the same images everywhere.
inline constexpr std::string_view kFonts =
    "DejaVu Sans, DejaVu Sans Mono and DejaVu Serif, regular and bold";

/// `count` images of 28 x 28 pixels, white on black, each of a random one of `characters` in a
/// random font; its label is the character's place among them. The character, in a box of 20 pixels
/// as MNIST has it, is turned by up to 15 degrees, sheared by up to 0.2, scaled by 0.8 to 1.1 and
/// by 0.85 to 1.15 in width, and moved by up to 2 pixels; then each pixel gets normal noise of
/// deviation 0.05 (12.75 of 255). Image i is a function of the stream and i.
/// @param characters ASCII, 1 to 255 of them
/// @throws InvalidArgument for no or too many characters, or one that is not printable ASCII
/// @throws IoError if the machine lacks one of the fonts
LabeledImages render_characters(std::string_view characters, std::size_t count,
                                const Stream& stream);

}  // namespace partita::app
