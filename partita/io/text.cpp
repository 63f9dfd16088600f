// SPDX-License-Identifier: Apache-2.0
#include "partita/io/text.hpp"

#include <fmt/format.h>

#include "partita/base/error.hpp"
#include "partita/io/file.hpp"

namespace partita {
namespace {

struct Decoded {
  char32_t code_point;
  std::size_t length;       // 0: not UTF-8
  std::size_t invalid = 0;  // if so: how many bytes are the beginning of a character, or 1
};

// The Unicode Standard, table 3-7: what the first byte says about length and range of the second.
Decoded decode_one(std::string_view bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first < 0xC2   ? 0
                             : first < 0xE0 ? 2
                             : first < 0xF0 ? 3
                             : first < 0xF5 ? 4
                                            : 0;
  if (length == 0) return {0, 0, 1};
  const unsigned lowest = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;  // no overlong form
  const unsigned highest = first == 0xED   ? 0x9F
                           : first == 0xF4 ? 0x8F
                                           : 0xBF;  // no surrogate, no end
  char32_t code_point = first & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    const bool continues = i < bytes.size() && (byte(i) & 0xC0U) == 0x80;
    if (!continues || (i == 1 && (byte(1) < lowest || byte(1) > highest))) return {0, 0, i};
    code_point = (code_point << 6U) | (byte(i) & 0x3FU);
  }
  return {code_point, length};
}

void append_utf8(std::string& out, char32_t c) {
  const auto put = [&](char32_t bits) { out += static_cast<char>(bits); };
  const auto tail = [&](unsigned shift) { put(0x80U | ((c >> shift) & 0x3FU)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0U | (c >> 6U));
    tail(0);
  } else if (c < 0x10000) {
    put(0xE0U | (c >> 12U));
    tail(6);
    tail(0);
  } else {
    put(0xF0U | (c >> 18U));
    tail(12);
    tail(6);
    tail(0);
  }
}

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t") == std::string_view::npos;
}

}  // namespace

std::optional<std::size_t> find_invalid_utf8(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size();) {
    const std::size_t length = decode_one(bytes.substr(i)).length;
    if (length == 0) return i;
    i += length;
  }
  return std::nullopt;
}

std::string repair_utf8(std::string_view bytes, std::string_view replacement) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size();) {
    const Decoded decoded = decode_one(bytes.substr(i));
    if (decoded.length == 0) {
      out += replacement;
      i += decoded.invalid;
    } else {
      out += bytes.substr(i, decoded.length);
      i += decoded.length;
    }
  }
  return out;
}

std::u32string decode_utf8(std::string_view bytes) {
  std::u32string out;
  out.reserve(bytes.size());
  for (std::size_t i = 0; i < bytes.size();) {
    const Decoded decoded = decode_one(bytes.substr(i));
    if (decoded.length == 0)
      throw InvalidArgument("bytes", fmt::format("invalid UTF-8 at byte {}", i));
    out += decoded.code_point;
    i += decoded.length;
  }
  return out;
}

std::string encode_utf8(std::u32string_view code_points) {
  std::string out;
  out.reserve(code_points.size());
  for (const char32_t c : code_points) {
    if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) {
      throw InvalidArgument("code_points",
                            fmt::format("U+{:04X} is not a character", static_cast<unsigned>(c)));
    }
    append_utf8(out, c);
  }
  return out;
}

TextLines read_lines(const std::filesystem::path& path, const TextOptions& options) {
  const MappedFile file(path);
  const std::string name = input_name(path);
  std::string_view rest = file.bytes();
  if (rest.empty()) throw DataError(name, "the file is empty, expected a line or more");

  TextLines text;
  if (rest.starts_with("\xEF\xBB\xBF")) {
    text.byte_order_mark = true;
    rest.remove_prefix(3);
  }
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const auto fail = [&](std::string_view what) {
      throw DataError(name, fmt::format("line {}: {}", number, what));
    };
    const std::size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (line.ends_with('\r')) {
      text.crlf = true;
      line.remove_suffix(1);
    }
    if (line.size() > options.longest_line) {
      fail(fmt::format("{} bytes long, expected {} or fewer (one word or sentence a line)",
                       line.size(), options.longest_line));
    }
    if (const auto nul = line.find('\0'); nul != std::string_view::npos) {
      fail(fmt::format("NUL at byte {}: not a text file", nul + 1));
    }
    if (const auto invalid = find_invalid_utf8(line)) {
      fail(fmt::format("invalid UTF-8 at byte {}", *invalid + 1));
    }
    if (is_blank(line)) {
      ++text.blank;
    } else {
      text.lines.emplace_back(line);
      text.line_number.push_back(number);
    }
  }
  if (text.lines.empty()) {
    throw DataError(
        name, fmt::format("no words: {} blank line{}", text.blank, text.blank == 1 ? "" : "s"));
  }

  const auto note = [&](std::string_view what) {
    text.notes.push_back(fmt::format("{}: {}", name, what));
  };
  if (text.byte_order_mark) note("byte order mark skipped");
  if (text.crlf) note("CRLF line endings, read as LF");
  if (text.blank > 0)
    note(fmt::format("{} blank line{} skipped", text.blank, text.blank == 1 ? "" : "s"));
  return text;
}

}  // namespace partita
