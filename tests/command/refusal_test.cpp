// SPDX-License-Identifier: Apache-2.0
// What the command does with bad input: one clear line, the right exit status, no output.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "command.hpp"
#include "partita/io/file.hpp"

namespace partita::testing {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::size_t kTenMillion = 10'000'000;
constexpr int kFailed = 1;
constexpr int kWronglyAsked = 2;

class Refusal : public CommandTest {};

TEST_F(Refusal, WrongOptions) {
  const std::string input = logits(2, 5);
  const auto sample = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = {"sample", input};
    all.insert(all.end(), more.begin(), more.end());
    return refusal(all, kWronglyAsked);
  };
  EXPECT_EQ(sample({"-k", "6"}), "-k: expected 1..5 (the categories of " + input + "), got 6");
  EXPECT_EQ(sample({"-k", "0"}),
            "-k: expected a whole number of 1 or more, got 0 (see partita sample --help)");
  for (const char* k : {"-3", "2.5", "ten", "99999999999999999999", ""}) {
    EXPECT_THAT(sample({"-k", k}), HasSubstr("expected a whole number of 1 or more, got")) << k;
  }
  for (const char* t : {"0", "-1", "nan", "NaN", "inf", "warm", "1e400"}) {
    EXPECT_EQ(sample({"--temperature", t}), "--temperature: expected a number in (0, inf), got " +
                                                std::string(t) + " (see partita sample --help)");
  }
  EXPECT_THAT(sample({"--top-k", "0"}),
              StartsWith("--top-k: expected a whole number of 1 or more"));
  for (const char* p : {"0", "1.01", "nan", "-0.5"}) {
    EXPECT_THAT(sample({"--top-p", p}), StartsWith("--top-p: expected a number in (0, 1]"));
    EXPECT_THAT(sample({"--typical-p", p}), StartsWith("--typical-p: expected a number in (0, 1]"));
  }
  for (const char* p : {"1.01", "nan", "-0.5"}) {
    EXPECT_THAT(sample({"--min-p", p}), StartsWith("--min-p: expected a number in [0, 1]"));
  }
  EXPECT_THAT(sample({"--threads", "0"}),
              StartsWith("--threads: expected a whole number of 1..1024"));
  EXPECT_THAT(sample({"--seed", "-1"}), StartsWith("--seed: expected a whole number of 0 or more"));
  EXPECT_THAT(sample({"--json", "-o", path("out.npy")}), HasSubstr("--json"));
  EXPECT_EQ(sample({"-k"}), "-k: expected a value (see partita sample --help)");
  EXPECT_EQ(sample({"-k", "2", "-k", "3"}),
            "-k: may be given only once (see partita sample --help)");
  EXPECT_THAT(sample({"--frobnicate"}), HasSubstr("--frobnicate"));
  EXPECT_FALSE(std::filesystem::exists(path("out.npy")));
}

TEST_F(Refusal, WrongCommands) {
  const auto all =
      StartsWith("expected a command (sample, lm, generate, watermark, calibrate");  // or more
  EXPECT_THAT(refusal({}, kWronglyAsked), AllOf(all, EndsWith("), got none (see partita --help)")));
  EXPECT_THAT(refusal({"frobnicate"}, kWronglyAsked),
              AllOf(all, EndsWith("), got frobnicate (see partita --help)")));
  EXPECT_EQ(refusal({"lm"}, kWronglyAsked),
            "expected a command (train, evaluate), got none (see partita lm --help)");
  EXPECT_EQ(refusal({"lm", "forget"}, kWronglyAsked),
            "expected a command (train, evaluate), got forget (see partita lm --help)");
  EXPECT_THAT(refusal({"sample"}, kWronglyAsked), HasSubstr("LOGITS"));
  EXPECT_THAT(refusal({"generate", "-k", "3"}, kWronglyAsked), HasSubstr("--model"));
  EXPECT_THAT(refusal({"generate", "--model", model(), "--method", "guess"}, kWronglyAsked),
              HasSubstr("--method"));
  EXPECT_THAT(refusal({"generate", "--model", model(), "--max-length", "0"}, kWronglyAsked),
              HasSubstr("--max-length"));
  EXPECT_THAT(
      refusal({"lm", "train", word_list(), "-o", path("m"), "--order", "17"}, kWronglyAsked),
      StartsWith("--order: expected a whole number of 1..16, got 17"));
  EXPECT_THAT(
      refusal({"lm", "train", word_list(), "-o", path("m"), "--kind", "parrot"}, kWronglyAsked),
      HasSubstr("--kind"));
  EXPECT_FALSE(std::filesystem::exists(path("m")));
}

TEST_F(Refusal, LogitsFilesThatAreNone) {
  const std::string good = read_file(logits(2, 5));
  const auto sample = [&](const std::string& bytes) {
    const std::string name = file("bad.npy", bytes);
    const std::string line = refusal({"sample", name, "-k", "2"}, kFailed);
    EXPECT_THAT(line, StartsWith(name + ": "));
    return line.substr(name.size() + 2);
  };
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string bytes = good;
    return bytes.replace(bytes.find(from), from.size(), to);
  };
  EXPECT_THAT(sample(""), HasSubstr("the file is empty"));
  EXPECT_THAT(sample(std::string(4096, '\0')), HasSubstr("not a .npy file"));
  EXPECT_EQ(sample(good.substr(0, good.size() - 1)),
            "cut short: 39 bytes of data, expected 40 for shape (2, 5)");
  EXPECT_THAT(sample(good.substr(0, 60)), HasSubstr("cut short in the header"));
  EXPECT_THAT(sample(good + "x"), HasSubstr("1 bytes too many"));
  EXPECT_THAT(sample(replaced("<f4", "<i4")),
              HasSubstr("elements are int32, expected float16, float32 or float64"));
  const std::size_t header = 128;
  EXPECT_THAT(sample(replaced("(2, 5)", "(0, 5)").substr(0, header)), HasSubstr("no elements"));
  EXPECT_THAT(refusal({"sample", path("none.npy")}, kFailed),
              HasSubstr("none.npy: cannot open: No such file or directory"));
  EXPECT_THAT(refusal({"sample", path("")}, kFailed), HasSubstr("Is a directory"));
}

TEST_F(Refusal, ABadRowOfLogitsIsNamed) {
  std::string bytes = read_file(logits(3, 5));
  const std::string bad_bytes =
      std::string(bytes).replace(bytes.size() - 32, 4, std::string("\x00\x00\xC0\x7F", 4));
  const std::string name = file("nan.npy", bad_bytes);
  EXPECT_EQ(refusal({"sample", name, "-k", "2"}, kFailed), name + ": row 1: NaN at column 2");
  EXPECT_THAT(refusal({"sample", name, "-k", "2", "--temperature", "2"}, kFailed),
              AllOf(StartsWith(name + ": row 1: "), HasSubstr("NaN at column 2")));
  EXPECT_THAT(refusal({"sample", name, "-k", "2", "-o", path("out.npy")}, kFailed),
              HasSubstr("row 1"));
  EXPECT_FALSE(std::filesystem::exists(path("out.npy")));
  // Fewer categories than k are left by the filter.
  EXPECT_THAT(refusal({"sample", logits(3, 5), "-k", "3", "--top-k", "2"}, kFailed),
              HasSubstr("row 0: "));
}

TEST_F(Refusal, ModelFilesCutAnywhereOrChanged) {
  const std::string bytes = read_file(model());
  const auto generate = [&](const std::string& changed) {
    const std::string name = file("bad.model", changed);
    const std::string line = refusal({"generate", "--model", name, "-k", "2"}, kFailed);
    EXPECT_THAT(line, StartsWith(name + ": "));
    return line.substr(name.size() + 2);
  };
  EXPECT_EQ(generate(""), "the file is empty");
  EXPECT_THAT(generate(std::string(4096, '\0')), HasSubstr("not a Partita ngram model"));
  EXPECT_THAT(generate(bytes + "x"), HasSubstr("1 bytes too many"));
  for (std::size_t size = 1; size < bytes.size(); size += 1 + bytes.size() / 40) {
    EXPECT_THAT(generate(bytes.substr(0, size)), HasSubstr("cut short")) << size;
  }
  for (std::size_t at = 40; at < bytes.size(); at += 1 + bytes.size() / 20) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    EXPECT_THAT(generate(changed), HasSubstr("damaged: checksum")) << at;
  }
  EXPECT_THAT(refusal({"generate", "--model", word_list(), "-k", "2"}, kFailed),
              HasSubstr("not a Partita ngram model"));
}

TEST_F(Refusal, WordListsThatAreNone) {
  const auto train = [&](const std::string& bytes) {
    const std::string name = file("bad.txt", bytes);
    const std::string line = refusal({"lm", "train", name, "-o", path("m")}, kFailed);
    EXPECT_FALSE(std::filesystem::exists(path("m")));
    EXPECT_THAT(line, StartsWith(name + ": "));
    return line.substr(name.size() + 2);
  };
  EXPECT_EQ(train("one\ntwo\nthr\xC3\x28\n"), "line 3: invalid UTF-8 at byte 4");
  EXPECT_EQ(train("\n"), "no words: 1 blank line");
  EXPECT_EQ(train("\r\n"), "no words: 1 blank line");
  EXPECT_THAT(train(""), HasSubstr("the file is empty"));
  EXPECT_THAT(train(std::string(4096, '\0')), HasSubstr("line 1: NUL at byte 1"));
  EXPECT_THAT(train(std::string(kTenMillion, 'x')),
              HasSubstr("line 1: 10000000 bytes long, expected 1048576 or fewer"));
}

TEST_F(Refusal, PlacesThatCannotBeWritten) {
  const std::string nowhere = path("none/out.npy");
  EXPECT_THAT(refusal({"sample", logits(2, 5), "-o", nowhere}, kFailed),
              StartsWith(nowhere + ": cannot write: No such file"));
  EXPECT_THAT(refusal({"lm", "train", word_list(), "-o", nowhere}, kFailed),
              StartsWith(nowhere + ": cannot write"));
  if (std::filesystem::exists("/dev/full")) {
    EXPECT_THAT(refusal({"sample", logits(2, 5), "-o", "/dev/full"}, kFailed),
                HasSubstr("No space left on device"));
  }
}

// Deeper than the stack is long, and longer than a message.
TEST_F(Refusal, JsonOfAnyDepth) {
  constexpr std::size_t kDeep = 1'000'000;
  const std::string deep = std::string(kDeep, '[') + std::string(kDeep, ']');
  const std::string settings = file("s.jsonl", "{\"top_k\": " + deep + "}\n");
  EXPECT_EQ(refusal({"sample", logits(1, 5), "--settings", settings}, kFailed),
            settings + ": line 1: top_k: expected a whole number, got a list");
  const std::string text = file("t.jsonl", R"({"top_p": ")" + std::string(kDeep, 'x') + "\"}\n");
  EXPECT_EQ(refusal({"sample", logits(1, 5), "--settings", text}, kFailed),
            text + ": line 1: top_p: cannot be \"" + std::string(59, 'x') + "...");
  const std::string samples = file("samples.jsonl", "{\"x\": " + deep + "}\n");
  EXPECT_EQ(
      refusal({"calibrate", "samples", samples, samples, "-o", path("o.jsonl"), "--epsilon", "0.1"},
              kFailed),
      samples + ": line 1: values nested too deep");
}

}  // namespace
}  // namespace partita::testing
