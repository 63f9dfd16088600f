#include "apps/data/image_sets.hpp"

#include <fmt/format.h>

#include "apps/data/rendered.hpp"
#include "partita/base/error.hpp"

namespace partita::app {
namespace {

enum Purpose : std::uint64_t { kTrain, kTest };

constexpr std::size_t kRenderedTest = 2000;

}  // namespace

ImageSets load_image_sets(const std::string& directory, std::size_t rendered,
                          const Stream& stream) {
  if (directory.empty()) {
    return {render_characters(kDigits, rendered, stream.child(kTrain)),
            render_characters(kDigits, kRenderedTest, stream.child(kTest))};
  }
  ImageSets sets{load_labeled_images(directory, "train"), load_labeled_images(directory, "t10k")};
  if (sets.test.rows != sets.train.rows || sets.test.columns != sets.train.columns) {
    throw DataError(directory, fmt::format("images of {} x {}, expected {} x {}", sets.test.rows,
                                           sets.test.columns, sets.train.rows, sets.train.columns));
  }
  return sets;
}

}  // namespace partita::app
