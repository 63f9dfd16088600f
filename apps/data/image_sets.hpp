// SPDX-License-Identifier: Apache-2.0
// Images to train and test on: from a directory, or rendered by the program itself.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "apps/data/rendered.hpp"
#include "partita/io/idx.hpp"
#include "partita/random/stream.hpp"

namespace partita::app {

struct ImageSets {
  LabeledImages train;
  LabeledImages test;
};

/// What to call the images of a directory, or the rendered ones.
inline std::string images_name(const std::string& directory) {
  return directory.empty() ? "rendered" : directory;
}

/// The same with what they were rendered in.
inline std::string images_text(const std::string& directory) {
  return directory.empty() ? fmt::format("images rendered in {}", kFonts)
                           : "images of " + directory;
}

/// Images of a directory: IDX files, or color images in one of the forms of load_color_images().
/// @throws IoError, DataError
LabeledImages load_images(const std::string& directory, bool test);
/// Whether a directory has the split.
bool has_images(const std::string& directory, bool test);

/// @param directory holds images, as for load_images(); empty: digits in the DejaVu fonts.
/// @param rendered  number of digits to train on, if they are rendered.
/// @param stream    their random numbers.
/// @throws IoError, DataError; also if the sets differ in the size of their images
ImageSets load_image_sets(const std::string& directory, std::size_t rendered, const Stream& stream);

}  // namespace partita::app
