// SPDX-License-Identifier: Apache-2.0
// What libpartita_sentencepiece.so does for sentence_pieces.cpp. Not installed.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "partita/text/sentence_pieces.hpp"

namespace partita {

class SentencePieces::Model {
 public:
  Model() = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  virtual ~Model() = default;

  virtual int size() const = 0;
  virtual int start() const = 0;  // -1: none
  virtual int end() const = 0;    // -1: none
  virtual int unknown() const = 0;
  virtual int find(std::string_view piece) const = 0;  // the token of <unk> if absent
  virtual std::vector<int> encode(std::string_view text) const = 0;
  virtual std::string decode(const std::vector<int>& tokens) const = 0;
};

/// Each throws std::runtime_error with what SentencePiece says.
struct SentencePieceFunctions {
  std::string (*train)(std::span<const std::string> lines, std::size_t vocabulary);
  std::unique_ptr<const SentencePieces::Model> (*load)(std::string_view model);
};

/// The one symbol of the library.
constexpr const char* kSentencePieceFunctions = "partita_sentencepiece_functions";

}  // namespace partita
