// A table of numbers as text: rows on lines, separated by commas.
//
//   partita::CsvTable table = partita::read_csv("logits.csv");
//   partita::Rows logits{table.values.data(), table.rows, table.columns};
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace partita {

struct CsvTable {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::vector<double> values;  ///< [rows, columns]
};

/// Numbers may be written as C++ or NumPy write them (1, -2.5, 3e-4, inf, nan), with spaces around.
/// Blank lines and lines that begin with # are skipped. So is a header: a first line without a
/// number.
/// @throws DataError naming the line and the field: not a number, or too few or too many fields; or
///         if there are no numbers at all
CsvTable parse_csv(std::string_view name, std::string_view bytes);

/// parse_csv of a file. @throws IoError, DataError
CsvTable read_csv(const std::filesystem::path& path);

}  // namespace partita
