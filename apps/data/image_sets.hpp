// Images to train and test on: from a directory, or rendered by the program itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "partita/io/idx.hpp"
#include "partita/random/stream.hpp"

namespace partita::app {

struct ImageSets {
  LabeledImages train;
  LabeledImages test;
};

/// What to call the images of a directory, or those that no directory holds.
inline std::string images_name(const std::string& directory) {
  return directory.empty() ? "rendered" : directory;
}

/// @param directory of IDX files; empty: digits in the DejaVu fonts.
/// @param rendered  digits to train on, where they are rendered.
/// @param stream    where they are drawn from.
/// @throws IoError, DataError; also if the two sets differ in size of images
ImageSets load_image_sets(const std::string& directory, std::size_t rendered, const Stream& stream);

}  // namespace partita::app
