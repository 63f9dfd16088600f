// SPDX-License-Identifier: Apache-2.0
#include "folder.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/io/file.hpp"
#include "partita/io/npy.hpp"
#include "partita/llama/llama_test_support.hpp"
#include "partita/onnx/onnx_test_support.hpp"
#include "partita/random/stream.hpp"

namespace partita::testing {
namespace {

constexpr std::size_t kRows = 2000;
constexpr std::size_t kClasses = 10;

/// [kRows, kClasses] logits, one class of each row standing out by `margin`, times `scale`.
std::vector<float> logits(double margin, double scale, std::uint64_t id) {
  const Stream noise{.seed = 11, .id = id};
  std::vector<float> z(kRows * kClasses);
  for (std::size_t i = 0; i < z.size(); ++i) {
    const bool stands_out = i % kClasses == i / kClasses % kClasses;
    z[i] = static_cast<float>(scale * (noise.normal(i) + (stands_out ? margin : 0)));
  }
  return z;
}

void write_classifier(const std::filesystem::path& folder) {
  // Labels are drawn from the logits' softmax, and the file has them twice as large: T = 2.
  const std::vector<float> z = logits(3, 1, 0);
  const std::vector<std::int64_t> labels =
      gumbel_max({z.data(), kRows, kClasses}, Stream{11, 1000});
  const auto save = [&](const char* name, const std::vector<float>& values) {
    save_npy(folder / name, std::span<const float>(values), kRows, kClasses);
  };
  save("logits.npy", logits(3, 2, 0));
  save("other.npy", logits(0.5, 2, 1));
  save_npy(folder / "labels.npy", std::span<const std::int64_t>(labels), kRows, 1);
}

void write_features(const std::filesystem::path& folder) {
  constexpr std::size_t kColumns = 8;
  constexpr std::size_t kTraining = 600;
  constexpr std::size_t kNew = 200;
  const Stream noise{.seed = 12};
  std::vector<float> rows((kTraining + kNew) * kColumns);
  std::vector<std::int64_t> classes;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::size_t row = i / kColumns;
    const bool own = row < kTraining && i % kColumns == row % 3;
    rows[i] = static_cast<float>(noise.normal(i) + (own ? 5 : 0));
  }
  for (std::size_t row = 0; row < kTraining; ++row) {
    classes.push_back(static_cast<std::int64_t>(row % 3));
  }
  const std::span<const float> all(rows);
  save_npy(folder / "features.npy", all.first(kTraining * kColumns), kTraining, kColumns);
  save_npy(folder / "new_features.npy", all.subspan(kTraining * kColumns), kNew, kColumns);
  save_npy(folder / "classes.npy", std::span<const std::int64_t>(classes), kTraining, 1);
  std::vector<float> weight(3 * kColumns);
  for (std::size_t c = 0; c < 3; ++c) weight[c * kColumns + c] = 1;
  save_npy(folder / "weight.npy", std::span<const float>(weight), 3, kColumns);
}

std::string word_list() {
  constexpr std::array kStems = {
      "walk",  "talk",  "turn", "hold", "ring", "sing", "lift", "sail", "roll",  "pull",  "bend",
      "read",  "drink", "play", "rain", "wind", "land", "farm", "cook", "fill",  "clean", "speak",
      "think", "hunt",  "burn", "melt", "grow", "sow",  "mow",  "plow", "build", "paint"};
  constexpr std::array kBefore = {"", "re", "un", "over"};
  constexpr std::array kAfter = {"", "s", "er", "ing"};
  std::string lines;
  for (const char* stem : kStems) {
    for (const char* before : kBefore) {
      for (const char* after : kAfter) lines += std::string(before) + stem + after + '\n';
    }
  }
  return lines;
}

std::string corpus() {
  constexpr std::array kNouns = {"whale", "fish",   "ship",  "boat",   "sailor",
                                 "king",  "farmer", "horse", "castle", "harbor"};
  constexpr std::array kVerbs = {"saw", "left", "found", "followed", "lost", "watched"};
  constexpr std::array kAdjectives = {"old", "white", "great", "small", "silent"};
  std::string text;
  Draws draws({.seed = 13});
  const auto one_of = [&](const auto& words) {
    return std::string(words[draws.bits() % words.size()]);
  };
  for (int line = 0; line < 3000; ++line) {
    text += "the " + one_of(kAdjectives) + " " + one_of(kNouns) + " " + one_of(kVerbs) + " the " +
            one_of(kNouns) + " by the sea\n";
  }
  return text;
}

}  // namespace

void write_files(const std::filesystem::path& folder) {
  write_classifier(folder);
  write_features(folder);
  write_file(folder / "words.txt", word_list());
  write_file(folder / "corpus.txt", corpus());
  write_file(folder / "similarity.txt",
             "whale\tfish\t8\nship\tboat\t9\nking\tcastle\t6\nhorse\tsea\t1\nwhale\tcastle\t0.5\n");
  TinyTransformer transformer{.vocabulary = 29};
  transformer.draw();
  write_gguf(transformer, folder / "tiny.gguf");
  TinyDecoder{.vocabulary = 29}.write(folder / "tiny.onnx");
  write_file(folder / "tokens.txt", "a\nb\nc\nd\ne\nf\n</s>\n");
  std::filesystem::copy_file(PARTITA_SOURCE "/tests/golden/torchscript/recurrent.ts",
                             folder / "model.ts");
}

}  // namespace partita::testing
