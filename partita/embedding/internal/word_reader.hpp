// SPDX-License-Identifier: Apache-2.0
// The words of a UTF-8 text, in order, from a stream of any length. Not installed.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string_view>

namespace partita {

inline constexpr std::size_t kLongestWord = 1U << 20U;  // in bytes

/// The index-th of `count` parts of a file, about equally large, which are cut after white space.
struct FilePart {
  std::size_t index = 0;
  std::size_t count = 1;
};

/// Whether a file can be read in parts: it is a regular one, and not gzip. @throws IoError
bool is_divisible(const std::filesystem::path& path);

/// Reads a text, plain or gzip ("-": standard input), or a part of one that is_divisible(), and
/// calls on_word for each word and on_line_end for each line end; the last line may lack one. See
/// corpus.hpp for what a word is.
/// @throws IoError, DataError naming the line of the file and the byte in it
void read_words(const std::filesystem::path& path, const FilePart& part,
                const std::function<void(std::string_view word)>& on_word,
                const std::function<void()>& on_line_end);

}  // namespace partita
