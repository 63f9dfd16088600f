// SPDX-License-Identifier: Apache-2.0
// Text: the lines of a UTF-8 file, and code points.
//
//   partita::TextLines words = partita::read_lines("words.txt");
//   for (const std::string& note : words.notes) std::cerr << note << '\n';   // "...: CRLF ..."
//   for (const std::string& word : words.lines) {
//     std::u32string code_points = partita::decode_utf8(word);
//   }
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace partita {

/// Where a byte string first stops being UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing
/// above U+10FFFF): the offset of the first invalid byte, or nothing.
std::optional<std::size_t> find_invalid_utf8(std::string_view bytes);

/// The bytes with `replacement` for every piece that is not UTF-8: a character that is cut short is
/// one piece, as in Python's errors="replace" (the Unicode Standard, section 3.9, U+FFFD
/// substitution of maximal subparts).
std::string repair_utf8(std::string_view bytes, std::string_view replacement);

/// The code points of a UTF-8 string. @throws InvalidArgument if it is not UTF-8.
std::u32string decode_utf8(std::string_view bytes);

/// @throws InvalidArgument for a surrogate or a value above U+10FFFF.
std::string encode_utf8(std::u32string_view code_points);

struct TextLines {
  std::vector<std::string> lines;        ///< without line endings; no line is blank
  std::vector<std::size_t> line_number;  ///< each line's number in the file, from 1
  std::size_t blank = 0;                 ///< lines skipped: empty, or only spaces and tabs
  bool crlf = false;                     ///< whether some line ended in CRLF (read as LF)
  bool byte_order_mark = false;          ///< whether there was one; it is skipped
  std::vector<std::string> notes;        ///< the three fields above as messages, one line each
};

struct TextOptions {
  std::size_t longest_line = 1U << 20U;  ///< in bytes
};

/// The lines of a UTF-8 text file.
/// @throws IoError
/// @throws DataError naming the line if it is not UTF-8 ("words.txt: line 3: invalid UTF-8 at byte
///         5", bytes counted in the line from 1), holds a NUL byte or is longer than allowed; or if
///         no line holds a word.
TextLines read_lines(const std::filesystem::path& path, const TextOptions& options = {});

}  // namespace partita
