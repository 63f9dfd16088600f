// SPDX-License-Identifier: Apache-2.0
#include "apps/report/pictures.hpp"

#include <algorithm>

#include "apps/report/figure.hpp"

namespace partita::app {

Grid tile(const std::vector<double>& images, std::size_t rows, std::size_t columns,
          std::size_t across, double background) {
  const std::size_t pixels = rows * columns;
  const std::size_t count = images.size() / pixels;
  const std::size_t down = (count + across - 1) / across;
  Grid grid{across * columns, down * rows, std::vector<double>(across * down * pixels, background)};
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t row = 0; row < rows; ++row) {
      const std::size_t from_below = down * rows - 1 - (i / across * rows + row);
      std::copy_n(images.begin() + static_cast<std::ptrdiff_t>(i * pixels + row * columns), columns,
                  grid.values.begin() + static_cast<std::ptrdiff_t>(from_below * grid.columns +
                                                                    i % across * columns));
    }
  }
  return grid;
}

std::string picture_svg(const Grid& grid, const std::string& title, double low, double high,
                        int width) {
  return to_svg(
      {.title = title,
       .x = {.min = 0, .max = 1},
       .y = {.min = 0, .max = 1},
       .heatmap = Heatmap{.columns = grid.columns,
                          .rows = grid.rows,
                          .values = grid.values,
                          .low = low,
                          .high = high,
                          .low_color = "#000000",
                          .high_color = "#ffffff"},
       .width = width,
       .height = static_cast<int>(static_cast<double>(width) * static_cast<double>(grid.rows) /
                                  static_cast<double>(grid.columns))});
}

}  // namespace partita::app
