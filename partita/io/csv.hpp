// SPDX-License-Identifier: Apache-2.0
// A table of numbers as text: rows on lines, separated by commas.
//
//   partita::CsvTable table = partita::read_csv("logits.csv");
//   partita::Rows logits{table.values.data(), table.rows, table.columns};
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace partita {

struct CsvTable {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::vector<double> values;     ///< [rows, columns]
  std::vector<std::size_t> line;  ///< of each row, from 1
};

/// Numbers may be written as C++ or NumPy write them (1, -2.5, 3e-4, inf, nan), in quotation marks,
/// with spaces around. Blank lines and lines that begin with # are skipped. So is a heading: a
/// first line without a number, or one that numbers three columns or more, 0,1,2, as pandas does,
/// over numbers with a decimal point. A column without a name in the heading holds pandas' index,
/// and is left out.
/// @throws DataError naming the line and the field: not a number, or too few or too many fields; or
///         if there are no numbers at all; or if 0,1,2... in the first line or in the first column
///         may be pandas' or numbers
CsvTable parse_csv(std::string_view name, std::string_view bytes);

/// parse_csv of a file. @throws IoError, DataError
CsvTable read_csv(const std::filesystem::path& path);

/// Writes [rows, columns], each number in the fewest digits that read back to it, under a heading
/// unless that is empty; see write_file.
/// @throws InvalidArgument unless values.size() = rows * columns; IoError
void save_csv(const std::filesystem::path& path, std::span<const float> values, std::size_t rows,
              std::size_t columns, std::string_view heading = "");
void save_csv(const std::filesystem::path& path, std::span<const double> values, std::size_t rows,
              std::size_t columns, std::string_view heading = "");
void save_csv(const std::filesystem::path& path, std::span<const std::int64_t> values,
              std::size_t rows, std::size_t columns, std::string_view heading = "");

}  // namespace partita
