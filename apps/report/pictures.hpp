// SPDX-License-Identifier: Apache-2.0
// Gray images as pictures of a page.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace partita::app {

/// Values over a square of the plane, or the pixels of a picture: row by row, from below.
struct Grid {
  std::size_t columns = 0;
  std::size_t rows = 0;
  std::vector<double> values = {};
};

/// Images of rows x columns pixels, each from above, side by side from the top left, so many in a
/// row. What is missing in the last row is `background`.
Grid tile(const std::vector<double>& images, std::size_t rows, std::size_t columns,
          std::size_t across, double background = 0);

/// White where the value is `high`, black where it is `low`.
std::string picture_svg(const Grid& grid, const std::string& title, double low, double high,
                        int width);

}  // namespace partita::app
