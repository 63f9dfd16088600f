// SPDX-License-Identifier: Apache-2.0
// The fenced code blocks of a Markdown page, and what hidden comments say about them.
//
//   for (const Block& block : read_blocks("docs/sampling.md")) …
//
// docs/contributing.md says how a page is written; every block has a language:
//
//   cpp      compiled as the body of a function, its #include lines before it, and run
//   sh       run by sh; the blocks of a page in one folder, one after the other
//   text     what the sh block right before it prints ("…" stands for anything), or no code at all
//   cmake    lines of tests/install/outside/CMakeLists.txt, whose project is built
//   python   run as one script, where Python has what it imports
//   math     a formula, in TeX
//
//   <!-- setup                               before a block: code that it needs and readers do
//   std::vector<float> logits(100);          not
//   -->
//   <!-- not run: it takes ten minutes -->   cpp is still compiled, and the options of a command
//                                            are looked up in its --help
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace partita::testing {

struct Block {
  std::string language = {};
  std::string code = {};  ///< ends with a newline
  std::size_t line = 0;   ///< that of the first line of code, from 1
  std::string setup = {};
  std::string not_run = {};  ///< why; empty: it is run
  bool follows = false;      ///< nothing but empty lines between it and the block before it
};

/// @throws std::runtime_error naming page and line, for a fence that is indented or not closed, and
///         for a comment that no block follows.
std::vector<Block> read_blocks(const std::filesystem::path& page);

/// Its file name without .md, and the line: "sampling_12".
std::string name_of(const std::filesystem::path& page, const Block& block);

}  // namespace partita::testing
