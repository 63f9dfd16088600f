// SPDX-License-Identifier: Apache-2.0
#include "apps/data/image_sets.hpp"

#include <fmt/format.h>

#include "apps/data/rendered.hpp"
#include "partita/base/error.hpp"
#include "partita/io/color_images.hpp"

namespace partita::app {
namespace {

enum Purpose : std::uint64_t { kTrain, kTest };

constexpr std::size_t kRenderedTest = 2000;

const char* idx_split(bool test) { return test ? "t10k" : "train"; }
const char* color_split(bool test) { return test ? "test" : "train"; }

}  // namespace

LabeledImages load_images(const std::string& directory, bool test) {
  if (has_color_images(directory, color_split(test))) {
    return load_color_images(directory, color_split(test));
  }
  return load_labeled_images(directory, idx_split(test));
}

bool has_images(const std::string& directory, bool test) {
  return has_color_images(directory, color_split(test)) ||
         has_labeled_images(directory, idx_split(test));
}

ImageSets load_image_sets(const std::string& directory, std::size_t rendered,
                          const Stream& stream) {
  if (directory.empty()) {
    return {render_characters(kDigits, rendered, stream.child(kTrain)),
            render_characters(kDigits, kRenderedTest, stream.child(kTest))};
  }
  ImageSets sets{load_images(directory, /*test=*/false), load_images(directory, /*test=*/true)};
  if (sets.test.rows != sets.train.rows || sets.test.columns != sets.train.columns) {
    throw DataError(directory, fmt::format("images of {} x {}, expected {} x {}", sets.test.rows,
                                           sets.test.columns, sets.train.rows, sets.train.columns));
  }
  return sets;
}

}  // namespace partita::app
