// SPDX-License-Identifier: Apache-2.0
// Whether tests of SentencePiece can run: it is optional.
#pragma once

#include "partita/base/error.hpp"
#include "partita/text/sentence_pieces.hpp"

namespace partita::testing {

inline bool has_sentencepiece() {
  try {
    SentencePieces("model", "none");
  } catch (const DataError&) {
    return true;
  } catch (const Error&) {
  }
  return false;
}

}  // namespace partita::testing
