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

/// @param directory holds IDX files; empty: digits in the DejaVu fonts.
/// @param rendered  number of digits to train on, if they are rendered.
/// @param stream    their random numbers.
/// @throws IoError, DataError; also if the sets differ in the size of their images
ImageSets load_image_sets(const std::string& directory, std::size_t rendered, const Stream& stream);

}  // namespace partita::app
