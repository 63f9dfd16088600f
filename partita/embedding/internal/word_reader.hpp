// SPDX-License-Identifier: Apache-2.0
// The words of a UTF-8 text, in order, from a stream of any length. Not installed.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string_view>

namespace partita {

inline constexpr std::size_t kLongestWord = 1U << 20U;  // in bytes

/// Reads a text, plain or gzip ("-": standard input), and calls on_word for each word and
/// on_line_end for each line end; the last line may lack one. See corpus.hpp for what a word is.
/// @throws IoError, DataError naming the line and the byte in it
void read_words(const std::filesystem::path& path,
                const std::function<void(std::string_view word)>& on_word,
                const std::function<void()>& on_line_end);

}  // namespace partita
