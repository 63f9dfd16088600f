// SPDX-License-Identifier: Apache-2.0
// The folder that the code of the documentation runs in, with the files that it reads:
//
//   logits.npy, labels.npy    float32 [2000, 10] of an overconfident classifier, int64
//   other.npy                 its logits for inputs of another kind
//   features.npy, classes.npy, new_features.npy    float32 [600, 8] of three classes; [200, 8]
//   weight.npy                float32 [3, 8]: the last layer of a classifier of such features
//   words.txt                 about 300 words, one per line
//   corpus.txt                3000 short sentences, lower case
//   similarity.txt            two words and a score per line
//   tiny.gguf                 a transformer of random weights over the letters
//   tokens.txt, model.ts      a vocabulary of 7 tokens, and a TorchScript module over them
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "temporary_directory.hpp"

namespace partita::testing {

void write_files(const std::filesystem::path& folder);

/// Runs in such a folder.
class FolderTest : public ::testing::Test {
 protected:
  FolderTest() {
    write_files(folder_.path());
    std::filesystem::current_path(folder_.path());
  }
  ~FolderTest() override { std::filesystem::current_path(before_); }

  const std::filesystem::path& folder() const { return folder_.path(); }

 private:
  std::filesystem::path before_ = std::filesystem::current_path();
  TemporaryDirectory folder_;
};

}  // namespace partita::testing
