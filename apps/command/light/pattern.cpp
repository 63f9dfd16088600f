// SPDX-License-Identifier: Apache-2.0
#include "apps/command/light/pattern.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "partita/base/error.hpp"
#include "partita/io/text.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace partita::app {
namespace {

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

/// The text without the bytes of a last UTF-8 character that more are to follow.
std::string_view whole_characters(std::string_view text) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if (byte < 0x80) break;
    if (byte < 0xC0) continue;  // one that follows
    const std::size_t length = byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
    return length > back ? text.substr(0, text.size() - back) : text;
  }
  return text;
}

}  // namespace

struct Pattern::Compiled {
  explicit Compiled(pcre2_code* given) : code(given) {}
  ~Compiled() { pcre2_code_free(code); }
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;

  pcre2_code* code;
};

Pattern::Pattern(const std::string& option, const std::string& expression) {
  const auto compile = [&](const std::string& text) {
    int error = 0;
    std::size_t place = 0;
    pcre2_code* const code = pcre2_compile(bytes_of(text), text.size(), PCRE2_UTF | PCRE2_ANCHORED,
                                           &error, &place, nullptr);
    if (code == nullptr) {
      std::array<unsigned char, 256> message{};
      pcre2_get_error_message(error, message.data(), message.size());
      throw InvalidArgument(
          option, fmt::format("{} (at {} of '{}')", reinterpret_cast<const char*>(message.data()),
                              place, text));
    }
    return std::make_shared<const Compiled>(code);
  };
  compile(expression);  // as it stands, for its errors
  // PCRE2_ENDANCHORED would say this, but not together with partial matching.
  compiled_ = compile("(?:" + expression + ")\\z");
}

bool Pattern::allows(std::string_view text, bool complete) const {
  const std::string_view seen = complete ? text : whole_characters(text);
  if (seen.empty() && !complete) return true;  // PCRE2 calls only what has characters a beginning
  // Left to PCRE2, text would end where it stops being UTF-8, and \z match there.
  if (find_invalid_utf8(seen)) return false;
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(
      pcre2_match_data_create_from_pattern(compiled_->code, nullptr), pcre2_match_data_free);
  const int found =
      pcre2_match(compiled_->code, bytes_of(seen), seen.size(), 0,
                  PCRE2_NO_UTF_CHECK | (complete ? 0 : PCRE2_PARTIAL_HARD), data.get(), nullptr);
  if (found >= 0 || found == PCRE2_ERROR_PARTIAL) return true;
  if (found == PCRE2_ERROR_NOMATCH) return false;
  throw Error(fmt::format("--matching: PCRE2 gives up on a text of {} bytes (error {})",
                          seen.size(), found));
}

}  // namespace partita::app
