// SPDX-License-Identifier: Apache-2.0
#include "blocks.hpp"

#include <fstream>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace partita::testing {
namespace {

constexpr std::string_view kFence = "```";
constexpr std::string_view kSetup = "<!-- setup";
constexpr std::string_view kNotRun = "<!-- not run: ";
constexpr std::string_view kEnd = "-->";

class Reader {
 public:
  explicit Reader(const std::filesystem::path& page) : page_(page), in_(page) {
    if (!in_) throw std::runtime_error("cannot read " + page.string());
  }

  std::vector<Block> blocks() {
    while (next()) {
      if (line_.starts_with(kFence)) {
        read_block();
      } else if (line_.starts_with(kSetup)) {
        pending_.setup = lines_until(kEnd);
        waiting_ = true;
      } else if (line_.starts_with(kNotRun)) {
        pending_.not_run = line_.substr(kNotRun.size(), line_.find(kEnd) - kNotRun.size());
        waiting_ = true;
      } else if (line_.find(kFence) != std::string::npos) {
        fail("a fence must stand at the beginning of its line");
      } else if (!line_.empty()) {
        if (waiting_) fail("a block must follow the comment above");
        pending_.follows = false;
      }
    }
    if (waiting_) fail("a block must follow the comment above");
    return std::move(blocks_);
  }

 private:
  bool next() {
    ++number_;
    return static_cast<bool>(std::getline(in_, line_));
  }

  std::string lines_until(std::string_view end) {
    const std::size_t begin = number_;
    std::string lines;
    while (next()) {
      if (line_ == end) return lines;
      lines += line_ + '\n';
    }
    number_ = begin;
    fail("is not closed");
  }

  void read_block() {
    Block block = std::exchange(pending_, {.follows = true});
    waiting_ = false;
    block.language = line_.substr(kFence.size());
    block.line = number_ + 1;
    block.code = lines_until(kFence);
    blocks_.push_back(std::move(block));
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw std::runtime_error(page_.string() + ":" + std::to_string(number_) + ": " + what);
  }

  std::filesystem::path page_;
  std::ifstream in_;
  std::string line_;
  std::size_t number_ = 0;
  Block pending_;  // what the comments before the next block have said
  bool waiting_ = false;
  std::vector<Block> blocks_;
};

}  // namespace

std::vector<Block> read_blocks(const std::filesystem::path& page) { return Reader(page).blocks(); }

std::string name_of(const std::filesystem::path& page, const Block& block) {
  return page.stem().string() + "_" + std::to_string(block.line);
}

}  // namespace partita::testing
