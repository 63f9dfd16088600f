// SPDX-License-Identifier: Apache-2.0
// partita embed, as a user runs it: files that other programs read, inputs that are not texts, runs
// that are killed, memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "browser.hpp"
#include "command.hpp"
#include "partita/io/file.hpp"
#include "partita/io/word_vectors.hpp"
#include "partita/random/stream.hpp"

namespace partita::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

constexpr int kFailed = 1;
constexpr int kWronglyAsked = 2;

class Embed : public CommandTest {
 protected:
  /// Lines about one of three topics each, ten words per topic.
  std::string corpus(std::size_t lines) const {
    std::string text;
    std::uint64_t position = 0;
    const auto below = [&](std::uint64_t n) { return Stream{5}.bits(position++) % n; };
    for (std::size_t line = 0; line < lines; ++line) {
      const auto topic = static_cast<char>('a' + below(3));
      for (int i = 0; i < 12; ++i) text += std::string(1, topic) + std::to_string(below(10)) + ' ';
      text += '\n';
    }
    return file("corpus.txt", text);
  }
  std::vector<std::string> train(const std::string& text, const std::string& output,
                                 const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = {"embed", "train", text, "-o", output};
    const std::vector<std::pair<std::string, std::string>> defaults = {{"--dim", "20"},
                                                                       {"--threads", "1"},
                                                                       {"--sample", "0"},
                                                                       {"--min-count", "1"},
                                                                       {"--epochs", "3"}};
    for (const auto& [option, value] : defaults) {
      if (std::find(more.begin(), more.end(), option) != more.end()) continue;
      all.insert(all.end(), {option, value});
    }
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

TEST_F(Embed, TrainEvalNearestAndMap) {
  const std::string text = corpus(2000);
  const Json json = json_of(train(text, path("v.bin")));
  EXPECT_THAT(keys(json), ElementsAre("vectors", "words", "dim", "corpus_words", "epochs",
                                      "words_per_second", "loss", "seed"));
  EXPECT_EQ(json["words"], 30);
  EXPECT_EQ(json["corpus_words"], 24000);
  EXPECT_FALSE(std::filesystem::exists(path("v.bin.checkpoint")));

  const Json nearest = json_of({"embed", "nearest", path("v.bin"), "a1", "B2", "-k", "9"});
  for (const Json& neighbor : nearest["nearest"]["a1"]) {
    EXPECT_EQ(neighbor["word"].get<std::string>()[0], 'a');
  }
  EXPECT_EQ(nearest["nearest"]["B2"].size(), 9U);
  EXPECT_THAT(refusal({"embed", "nearest", path("v.bin"), "z"}, kFailed),
              EndsWith("v.bin: z has no vector"));

  const std::string people = file("people.txt", "a1 a2 9\na1 b1 1\nb2 b3 9\nb4 c2 1\na1 zz 5\n");
  const std::string questions = file("questions.txt", ": t\na1 a2 a3 a4\nq a b c\n");
  const Json eval =
      json_of({"embed", "eval", path("v.bin"), "--similarity", people, "--analogies", questions});
  EXPECT_EQ(eval["similarity"][0]["pairs"], 4);
  EXPECT_EQ(eval["similarity"][0]["lines"], 5);
  // Ranks of two ties each: .894 if pairs of one topic come before the others, else at most .447.
  EXPECT_GT(eval["similarity"][0]["spearman"].get<double>(), 0.7);
  EXPECT_EQ(eval["analogies"]["questions"], 1);
  EXPECT_THAT(refusal({"embed", "eval", path("v.bin")}, kWronglyAsked), HasSubstr("--analogies"));

  const Json map = json_of({"embed", "map", path("v.bin"), "--report", path("map.html")});
  EXPECT_EQ(map["words"].size(), 30U);
  EXPECT_THAT(read_file(path("map.html")), HasSubstr(">c7</text>"));
  EXPECT_EQ(problems_of_page(path("map.html")), "");
}

TEST_F(Embed, FormatsHoldTheSameVectors) {
  const std::string text = corpus(300);
  for (const char* name : {"v.txt", "v.bin", "v.npy"}) {
    EXPECT_EQ(run_partita(train(text, path(name))).status, 0);
  }
  const WordVectors txt = load_word_vectors(path("v.txt"));
  EXPECT_EQ(load_word_vectors(path("v.bin")).values, txt.values);
  EXPECT_EQ(load_word_vectors(path("v.npy")).values, txt.values);
  EXPECT_EQ(load_word_vectors(path("v.npy")).words, txt.words);
}

TEST_F(Embed, EveryModelAndLossIsReproducible) {
  const std::string text = corpus(700);
  for (const std::vector<std::string>& kind : std::vector<std::vector<std::string>>{
           {"--loss", "nce"}, {"--loss", "full"}, {"--model", "cbow"}, {"--deterministic"}}) {
    EXPECT_EQ(run_partita(train(text, path("a.txt"), kind)).status, 0);
    std::vector<std::string> again = kind;
    if (kind[0] == "--deterministic") again.insert(again.end(), {"--threads", "3"});
    EXPECT_EQ(run_partita(train(text, path("b.txt"), again)).status, 0);
    EXPECT_EQ(read_file(path("a.txt")), read_file(path("b.txt"))) << kind.back();
  }
}

TEST_F(Embed, KilledRunsGoOnToTheSameBits) {
  const std::string text = corpus(40'000);
  const auto whole = train(text, path("whole.bin"), {"--dim", "100"});
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(run_partita(whole).status, 0);
  const auto time = std::chrono::steady_clock::now() - start;
  auto part =
      train(text, path("part.bin"), {"--dim", "100", "--checkpoint-seconds", "0.01", "--resume"});
  int kills = 0;
  int resumed = 0;
  for (int attempt = 0; attempt < 40 && !std::filesystem::exists(path("part.bin")); ++attempt) {
    resumed += std::filesystem::exists(path("part.bin.checkpoint")) ? 1 : 0;
    const pid_t child = start_partita(part);
    std::this_thread::sleep_for(time * (4 + attempt) / 8);
    ::kill(child, SIGKILL);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    ++kills;
  }
  EXPECT_GE(kills, 1);
  EXPECT_GE(resumed, 1);
  if (!std::filesystem::exists(path("part.bin"))) {
    ASSERT_EQ(run_partita(part).status, 0);
  }
  EXPECT_EQ(read_file(path("part.bin")), read_file(path("whole.bin")));
}

TEST_F(Embed, TextsThatAreNone) {
  const auto refused = [&](const std::string& bytes, const std::vector<std::string>& more = {}) {
    const std::string text = file("bad.txt", bytes);
    const std::string line = refusal(train(text, path("v.txt"), more), kFailed);
    EXPECT_FALSE(std::filesystem::exists(path("v.txt")));
    EXPECT_TRUE(line.starts_with(text + ": ")) << line;
    return line.substr(std::min(line.size(), text.size() + 2));
  };
  EXPECT_EQ(refused(""), "no words");
  const std::string one =
      "only one word occurs 1 times or more (min-count): there is nothing to predict";
  EXPECT_EQ(refused("word"), one);
  std::string many;
  for (int i = 0; i < 1'000'000; ++i) many += "word ";
  EXPECT_EQ(refused(many), one);
  EXPECT_EQ(refused("a b\nc \xFF d"), "line 2: invalid UTF-8 at byte 3");
  EXPECT_EQ(refused(std::string("a b\0c", 5)), "line 1: NUL at byte 4: not a text file");
  EXPECT_EQ(refused("a b a", {"--min-count", "9"}),
            "no word occurs 9 times (min-count): of 2, the most frequent occurs 2 times");
}

TEST_F(Embed, LongWordsAndLinesAreFine) {
  const std::string word(10'000, 'x');
  std::string text = word + " " + word;
  for (int i = 0; i < 100'000; ++i) text += " w" + std::to_string(i % 7);
  EXPECT_EQ(json_of(train(file("long.txt", text), path("v.txt")))["corpus_words"], 100'002);
  EXPECT_EQ(load_word_vectors(path("v.txt")).words[7], word);
}

TEST_F(Embed, WhereNothingCanBeWrittenTheOldFileStays) {
  const std::string text = corpus(50);
  EXPECT_THAT(refusal(train(text, path("none/v.txt")), kFailed),
              HasSubstr("cannot write: No such file"));
  EXPECT_THAT(refusal(train(text, path("")), kWronglyAsked), HasSubstr("expected an extension of"));
  EXPECT_THAT(refusal(train(text, path("v.doc")), kWronglyAsked),
              HasSubstr("expected an extension of"));
  EXPECT_THAT(refusal(train(path("none.txt"), path("v.txt")), kFailed),
              EndsWith("none.txt: cannot open: No such file or directory"));
  if (std::filesystem::exists("/dev/full")) {
    std::filesystem::create_symlink("/dev/full", path("full.txt"));
    EXPECT_THAT(refusal(train(text, path("full.txt")), kFailed),
                HasSubstr("No space left on device"));
  }
  const std::string old = file("v.txt", "old");
  EXPECT_EQ(refusal(train(text, old, {"--alpha", "1e30", "--epochs", "50"}), kFailed),
            "the weights are no longer finite: lower alpha");
  EXPECT_EQ(read_file(old), "old");
}

TEST_F(Embed, WrongOptions) {
  const std::string text = corpus(50);
  EXPECT_THAT(refusal(train(text, path("v.txt"), {"--dim", "0"}), kWronglyAsked),
              HasSubstr("--dim"));
  EXPECT_THAT(refusal(train(text, path("v.txt"), {"--loss", "hs"}), kWronglyAsked),
              HasSubstr("--loss"));
  EXPECT_THAT(refusal(train(text, path("v.txt"), {"--alpha", "0"}), kWronglyAsked),
              HasSubstr("--alpha"));
  EXPECT_THAT(refusal({"embed"}, kWronglyAsked),
              HasSubstr("expected a command (train, eval, nearest, map, convert), got none"));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// Two matrices of 30,000 x 128 floats are 31 MB; the text is ten times as large.
TEST_F(Embed, MemoryIsThatOfTheWeights) {
  constexpr std::size_t kWords = 30'000;
  constexpr std::size_t kDim = 128;
  constexpr std::size_t kMatrices = 2 * kWords * kDim * sizeof(float);
  std::string text;
  for (std::uint64_t i = 0; text.size() < 10 * kMatrices; ++i) {
    text += "word" + std::to_string(i * i * 31 % kWords) + ' ';
  }
  for (std::size_t i = 0; i < kWords; ++i) text += "word" + std::to_string(i) + ' ';
  const std::string name = file("large.txt", text);
  text = {};
  text.shrink_to_fit();
  const auto memory = [&](const std::vector<std::string>& arguments) {
    const pid_t child = start_partita(arguments);
    int status = 0;
    rusage usage{};
    EXPECT_EQ(::wait4(child, &status, 0, &usage), child);
    EXPECT_EQ(status, 0);
    return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
  };
  const std::size_t training = memory({"embed", "train", name, "-o", path("v.txt"), "--dim", "128",
                                       "--min-count", "1", "--epochs", "1", "--sample", "1e-9",
                                       "--threads", "1", "--checkpoint-seconds", "0.2"});
  // Beside the program itself; a copy of one matrix more would be half as much again.
  const std::size_t vocabulary = kWords * 60;
  EXPECT_LT(training, memory({"--version"}) + 12 * (kMatrices + vocabulary) / 10);
}
#endif

}  // namespace
}  // namespace partita::testing
