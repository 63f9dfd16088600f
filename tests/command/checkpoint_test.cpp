// SPDX-License-Identifier: Apache-2.0
// A checkpoint continues its own run: with another option that matters, or other data, a command
// refuses it and says what differs. What may change on purpose is listed in docs/generative.md.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "command.hpp"
#include "partita/io/file.hpp"
#include "partita/io/idx.hpp"
#include "partita/random/stream.hpp"

namespace partita::testing {
namespace {

using ::testing::HasSubstr;

constexpr int kFailed = 1;

using Words = std::vector<std::string>;

Words joined(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

class Checkpoint : public CommandTest {
 protected:
  std::string text(std::uint64_t seed) const {
    std::string lines;
    for (std::uint64_t i = 0; i < 300; ++i) {
      const Stream stream = Stream{seed}.child(i);
      for (std::uint64_t c = 0; c < 3 + stream.bits(0) % 6; ++c) {
        lines += static_cast<char>('a' + stream.bits(c + 1) % 8);
      }
      lines += '\n';
    }
    return file("text", lines);
  }
  std::string images(std::uint64_t seed) const {
    for (const auto& [split, count] :
         {std::pair<std::string, std::size_t>("train", 200), {"t10k", 20}}) {
      IdxArray pixels{{count, 6, 5}, {}};
      IdxArray labels{{count}, {}};
      for (std::size_t i = 0; i < count * 30; ++i) {
        pixels.bytes.push_back(static_cast<std::uint8_t>(Stream{seed}.bits(i)));
      }
      for (std::size_t i = 0; i < count; ++i) labels.bytes.push_back(i % 4);
      save_idx(path(split + "-images-idx3-ubyte"), pixels);
      save_idx(path(split + "-labels-idx1-ubyte"), labels);
    }
    return path("");
  }

  /// Runs a command to its end, then with each change in turn. A later option wins over an earlier
  /// one only for values; so the command's own must not be repeated.
  void expect_other_runs(const Words& command, const std::vector<Words>& others,
                         const std::vector<Words>& same, const std::string& suffix = "") const {
    const Words whole = joined(command, {"--checkpoint", path("c"), "--threads", "1"});
    const Outcome first = run_partita(whole);
    ASSERT_EQ(first.status, 0) << first.err;
    for (const Words& change : others) {
      EXPECT_THAT(refusal(joined(whole, change), kFailed),
                  HasSubstr(path("c") + suffix + ": is from another run: "))
          << command[0] << " " << change[0];
    }
    for (const Words& change : same) {
      const Outcome again = run_partita(joined(whole, change));
      EXPECT_EQ(again.status, 0) << command[0] << " " << change[0] << " " << again.err;
    }
  }
  void expect_other_data(const Words& command) const {
    EXPECT_THAT(refusal(joined(command, {"--checkpoint", path("c"), "--threads", "1"}), kFailed),
                HasSubstr(": is from another run: "));
  }
};

TEST_F(Checkpoint, OfALanguageModel) {
  const Words command = {"lm",    "train", text(1),   "-o", path("m"),  "--kind", "transformer",
                         "--dim", "8",     "--batch", "32", "--epochs", "1"};
  expect_other_runs(command,
                    {{"--dropout", "0.1"},
                     {"--heads", "2"},
                     {"--layers", "1"},
                     {"--loss", "sampled"},
                     {"--length", "9"},
                     {"--learning-rate", "0.01"},
                     {"--held-out", "0.2"},
                     {"--patience", "3"},
                     {"--units", "word"},
                     {"--seed", "1"}},
                    {{"--checkpoint-seconds", "1"}, {"--log", path("log")}});
  text(2);
  expect_other_data(command);
  file("text", read_file(path("text")) + "xyz\n");  // another vocabulary
  expect_other_data(command);
}

TEST_F(Checkpoint, OfAVae) {
  const Words command = {"vae",     "train",    "--data", images(1), "-o",
                         path("m"), "--hidden", "8",      "--batch", "50"};
  const Words one = joined(command, {"--epochs", "1", "--latent-dim", "2"});
  expect_other_runs(one,
                    {{"--latent", "concrete"},
                     {"--decoder", "gaussian"},
                     {"--objective", "iwae"},
                     {"--samples", "2"},
                     {"--learning-rate", "0.01"},
                     {"--held-out", "0.2"},
                     {"--patience", "3"},
                     {"--train-images", "100"},
                     {"--preset", "iwae-1l"},
                     {"--seed", "1"}},
                    {{"--checkpoint-seconds", "1"}, {"--report", path("page.html")}});
  // More epochs are the same run; fewer than it has done are not.
  const Words checkpoint = {"--checkpoint", path("c"), "--threads", "1", "--latent-dim", "2"};
  EXPECT_EQ(run_partita(joined(joined(command, checkpoint), {"--epochs", "2"})).status, 0);
  EXPECT_THAT(refusal(joined(joined(command, checkpoint), {"--epochs", "1"}), kFailed),
              HasSubstr("is from another run: it has done 8 steps, more than the 4 of this run"));
  images(2);
  expect_other_data(one);
}

TEST_F(Checkpoint, OfAnOpenSetClassifier) {
  const Words command = {"openset", "train", "--data", "toy", "-o", path("m"), "--steps", "3"};
  expect_other_runs(command,
                    {{"--loss", "joint"},
                     {"--beta", "0.5"},
                     {"--learning-rate", "0.01"},
                     {"--batch", "10"},
                     {"--clip-norm", "1"},
                     {"--seed", "1"}},
                    {{"--checkpoint-seconds", "1"}});
}

TEST_F(Checkpoint, OfSeqgan) {
  const Words small = {"--hidden",     "4",  "--filters",     "1:4", "--features", "4",
                       "--mle-epochs", "1",  "--pretraining", "1",   "--rollouts", "1",
                       "--negatives",  "64", "--samples",     "20"};
  const Words command =
      joined({"seqgan", "text", text(1), "-o", path("m"), "--held-out", "0.2"}, small);
  const Words twice = joined(command, {"--iterations", "2"});
  expect_other_runs(
      twice, {{"--batch", "32"}, {"--patience", "1"}, {"--mle-rate", "0.1"}, {"--seed", "1"}}, {},
      ".MLE");
  const Words files = {"--checkpoint", path("c"), "--threads", "1"};
  for (const Words& change : std::vector<Words>{{"--iterations", "3"},
                                                {"--iterations", "2", "--g-rate", "0.1"},
                                                {"--iterations", "2", "--reward", "probability"},
                                                {"--iterations", "2", "--update-rate", "0.5"}}) {
    EXPECT_THAT(refusal(joined(joined(command, files), change), kFailed),
                HasSubstr(": is from another run: "))
        << change[0] << " " << change[1];
  }
  text(2);
  expect_other_data(twice);
}

}  // namespace
}  // namespace partita::testing
