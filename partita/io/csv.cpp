#include "partita/io/csv.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "partita/base/error.hpp"
#include "partita/io/file.hpp"

namespace partita {
namespace {

constexpr std::string_view kSpace = " \t\r";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

/// The text before the next `separator`, which is taken from the rest; nothing if there is no rest.
std::optional<std::string_view> next_piece(std::optional<std::string_view>& rest, char separator) {
  if (!rest) return std::nullopt;
  const std::size_t end = rest->find(separator);
  const std::string_view piece = rest->substr(0, end);
  rest = end == std::string_view::npos ? std::nullopt : std::optional(rest->substr(end + 1));
  return piece;
}

std::optional<double> number(std::string_view field) {
  if (field.starts_with('+')) field.remove_prefix(1);
  double value = 0;
  const char* const end = field.data() + field.size();
  const auto [stop, error] = std::from_chars(field.data(), end, value);
  if (stop != end || error == std::errc::invalid_argument) return std::nullopt;
  return value;  // out of range, it has become 0 or infinity
}

/// A field of the user's file, fit to be shown on one line.
std::string shown(std::string_view field) {
  std::string out;
  for (const char c : field.substr(0, 32)) out += c < ' ' || c > '~' ? '?' : c;
  return out.empty() ? "nothing" : out;
}

/// Appends the numbers of a line. Without `strict`, false if none of the fields is a number.
bool read_line(std::string_view name, std::size_t line_number, std::string_view line, bool strict,
               std::vector<double>& out) {
  std::optional<std::string_view> rest = line;
  std::vector<std::optional<double>> fields;
  std::string first_bad;
  std::size_t first_bad_field = 0;
  while (const auto piece = next_piece(rest, ',')) {
    fields.push_back(number(trimmed(*piece)));
    if (!fields.back() && first_bad_field == 0) {
      first_bad_field = fields.size();
      first_bad = shown(trimmed(*piece));
    }
  }
  if (first_bad_field > 0) {
    const bool names =
        std::none_of(fields.begin(), fields.end(), [](auto f) { return f.has_value(); });
    if (names && !strict) return false;
    throw DataError(name, fmt::format("line {}: field {}: expected a number, got {}", line_number,
                                      first_bad_field, first_bad));
  }
  for (const auto& field : fields) out.push_back(*field);
  return true;
}

}  // namespace

CsvTable parse_csv(std::string_view name, std::string_view bytes) {
  CsvTable table;
  if (bytes.starts_with(kByteOrderMark)) bytes.remove_prefix(kByteOrderMark.size());
  std::optional<std::string_view> rest = bytes;
  bool first = true;
  for (std::size_t line_number = 1; const auto line = next_piece(rest, '\n'); ++line_number) {
    const std::string_view text = trimmed(*line);
    if (text.empty() || text.starts_with('#')) continue;
    const std::size_t before = table.values.size();
    const bool numbers = read_line(name, line_number, text, !first, table.values);
    first = false;
    if (!numbers) continue;
    const std::size_t fields = table.values.size() - before;
    if (table.rows == 0) table.columns = fields;
    if (fields != table.columns) {
      throw DataError(name, fmt::format("line {}: {} fields, expected {} as in the lines before",
                                        line_number, fields, table.columns));
    }
    ++table.rows;
  }
  if (table.rows == 0)
    throw DataError(name, "no numbers, expected lines of comma-separated values");
  return table;
}

CsvTable read_csv(const std::filesystem::path& path) {
  const MappedFile file(path);
  return parse_csv(path.string(), file.bytes());
}

}  // namespace partita
