// SPDX-License-Identifier: Apache-2.0
#include "partita/io/csv.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/io/file.hpp"
#include "partita/io/internal/number.hpp"

namespace partita {
namespace {

constexpr std::string_view kSpace = " \t\r";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

/// The fields of a line, without spaces and quotation marks around them. A comma in quotation marks
/// separates nothing.
std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  bool quoted = false;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= line.size(); ++i) {
    if (i < line.size() && line[i] == '"') quoted = !quoted;
    if (i < line.size() && (quoted || line[i] != ',')) continue;
    std::string_view field = trimmed(line.substr(begin, i - begin));
    if (field.size() >= 2 && field.starts_with('"') && field.ends_with('"')) {
      field = trimmed(field.substr(1, field.size() - 2));
    }
    fields.push_back(field);
    begin = i + 1;
  }
  return fields;
}

/// A field of the user's file, fit to be shown on one line.
std::string shown(std::string_view field) {
  std::string out;
  for (const char c : field.substr(0, 32)) out += c < ' ' || c > '~' ? '?' : c;
  return out.empty() ? "nothing" : out;
}

bool is_number(std::string_view field) { return parse_number<double>(field).has_value(); }

/// Whether it is written like a count, in digits alone.
bool is_count(std::string_view field, std::size_t count) {
  std::size_t value = 0;
  const char* const end = field.data() + field.size();
  const auto parsed = std::from_chars(field.data(), end, value);
  return parsed.ec == std::errc{} && parsed.ptr == end && value == count;
}

/// Whether it is written like a real number: 1.0, 1e3, inf.
bool is_real(std::string_view field) {
  return field.find_first_of(".eEnN") != std::string_view::npos;
}

class Parser {
 public:
  explicit Parser(std::string_view name) : name_(name) {}

  void line(std::size_t number, std::string_view text) {
    std::vector<std::string_view> fields = fields_of(text);
    if (first_.empty()) {
      first_line_ = number;
      if (is_heading(fields)) {
        indexed_ = fields.size() > 1 && (fields[0].empty() || fields[0] == "Unnamed: 0");
        first_ = {"heading"};
        return;
      }
      first_.assign(fields.begin(), fields.end());
      counts_columns_ = true;
      for (std::size_t c = 0; c < fields.size(); ++c) counts_columns_ &= is_count(fields[c], c);
    } else {
      others_are_real_ = others_are_real_ && std::any_of(fields.begin(), fields.end(), is_real);
    }
    if (indexed_ && fields.size() > 1) fields.erase(fields.begin());
    counts_rows_ = counts_rows_ && is_count(fields[0], table_.rows);
    rest_is_real_ |= std::any_of(fields.begin() + 1, fields.end(), is_real);
    add(number, fields);
  }

  CsvTable finish() {
    const bool numbered = counts_columns_ && table_.rows > 1 && others_are_real_;
    if (numbered && table_.columns >= 3) {
      table_.values.erase(table_.values.begin(),
                          table_.values.begin() + static_cast<std::ptrdiff_t>(table_.columns));
      table_.line.erase(table_.line.begin());
      --table_.rows;
    } else if (numbered || (counts_columns_ && table_.columns >= 3 && table_.rows > 1)) {
      throw DataError(name_, fmt::format("line {}: may be a heading that numbers the columns, as "
                                         "pandas writes it, or numbers: remove it (header=False), "
                                         "or write 0.0",
                                         first_line_));
    }
    if (!indexed_ && counts_rows_ && rest_is_real_ && table_.rows >= 3) {
      throw DataError(name_, fmt::format("line {}: the first column may be an index that numbers "
                                         "the rows, as pandas writes it, or numbers: remove it "
                                         "(index=False), or write 0.0",
                                         first_line_));
    }
    if (table_.rows == 0)
      throw DataError(name_, "no numbers, expected lines of comma-separated values");
    return std::move(table_);
  }

 private:
  static bool is_heading(const std::vector<std::string_view>& fields) {
    if (std::none_of(fields.begin(), fields.end(), is_number)) return true;
    if (!fields[0].empty()) return false;
    for (std::size_t c = 1; c < fields.size(); ++c) {  // ,0,1,2
      if (!is_count(fields[c], c - 1)) return false;
    }
    return true;
  }

  void add(std::size_t line, const std::vector<std::string_view>& fields) {
    for (std::size_t c = 0; c < fields.size(); ++c) {
      const auto value = parse_number<double>(fields[c]);
      if (!value) {
        throw DataError(name_, fmt::format("line {}: field {}: expected a number, got {}", line,
                                           c + 1 + (indexed_ ? 1 : 0), shown(fields[c])));
      }
      table_.values.push_back(*value);
    }
    if (table_.rows == 0) table_.columns = fields.size();
    if (fields.size() != table_.columns) {
      throw DataError(name_, fmt::format("line {}: {} fields, expected {} as in the lines before",
                                         line, fields.size(), table_.columns));
    }
    table_.line.push_back(line);
    ++table_.rows;
  }

  std::string_view name_;
  CsvTable table_ = {};
  std::vector<std::string_view> first_ = {};  // what the first line holds
  std::size_t first_line_ = 0;
  bool indexed_ = false;
  bool counts_columns_ = false;  // whether the first line reads 0,1,2...
  bool others_are_real_ = true;  // whether all other lines hold reals
  bool counts_rows_ = true;      // whether the first column reads 0, 1, 2...
  bool rest_is_real_ = false;    // whether another column holds reals
};

template <class T>
void save(const std::filesystem::path& path, std::span<const T> values, std::size_t rows,
          std::size_t columns, std::string_view heading) {
  check_size("values", values.size(), rows * columns, "one for each row and column");
  constexpr std::size_t kBlock = 1U << 16U;
  write_file(path, [&](const Sink& sink) {
    std::string block(heading);
    if (!heading.empty()) block += '\n';
    for (std::size_t i = 0; i < values.size(); ++i) {
      fmt::format_to(std::back_inserter(block), "{}", values[i]);
      block += (i + 1) % columns == 0 ? '\n' : ',';
      if (block.size() < kBlock) continue;
      sink(block);
      block.clear();
    }
    sink(block);
  });
}

}  // namespace

CsvTable parse_csv(std::string_view name, std::string_view bytes) {
  if (bytes.starts_with(kByteOrderMark)) bytes.remove_prefix(kByteOrderMark.size());
  Parser parser(name);
  for (std::size_t number = 1; !bytes.empty(); ++number) {
    const std::string_view line = bytes.substr(0, bytes.find('\n'));
    bytes.remove_prefix(std::min(bytes.size(), line.size() + 1));
    const std::string_view text = trimmed(line);
    if (!text.empty() && !text.starts_with('#')) parser.line(number, text);
  }
  return parser.finish();
}

CsvTable read_csv(const std::filesystem::path& path) {
  const MappedFile file(path);
  return parse_csv(input_name(path), file.bytes());
}

void save_csv(const std::filesystem::path& path, std::span<const float> values, std::size_t rows,
              std::size_t columns, std::string_view heading) {
  save(path, values, rows, columns, heading);
}
void save_csv(const std::filesystem::path& path, std::span<const double> values, std::size_t rows,
              std::size_t columns, std::string_view heading) {
  save(path, values, rows, columns, heading);
}
void save_csv(const std::filesystem::path& path, std::span<const std::int64_t> values,
              std::size_t rows, std::size_t columns, std::string_view heading) {
  save(path, values, rows, columns, heading);
}

}  // namespace partita
