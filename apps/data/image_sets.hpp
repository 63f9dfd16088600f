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

inline constexpr const char* kRendered = "rendered";

/// @param data     kRendered: digits in this machine's fonts; else a directory of IDX files.
/// @param rendered digits to train on, where they are rendered.
/// @param stream   of what is rendered.
/// @throws IoError, DataError; also if the two sets differ in size of images
ImageSets load_image_sets(const std::string& data, std::size_t rendered, const Stream& stream);

}  // namespace partita::app
