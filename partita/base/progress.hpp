// SPDX-License-Identifier: Apache-2.0
// How long-running work reports its progress. The library prints nothing: it calls a Progress, and
// an application decides what to show.
//
//   model = partita::train_ngram(units, words, {}, [](const partita::ProgressUpdate& p) {
//     std::cerr << '\r' << p.done << '/' << p.total << ' ' << p.unit;
//   });
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace partita {

struct ProgressUpdate {
  std::uint64_t done;     ///< units done so far
  std::uint64_t total;    ///< units in all; 0 if unknown
  std::string_view unit;  ///< "words", "sequences", ...
};

/// Called from the thread that called the library, a few times a second at most. May be empty.
using Progress = std::function<void(const ProgressUpdate&)>;

}  // namespace partita
