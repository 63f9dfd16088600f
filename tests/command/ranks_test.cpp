// SPDX-License-Identifier: Apache-2.0
// Commands that several processes run together: partita launch -n N -- COMMAND.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <limits>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "command.hpp"
#include "partita/io/file.hpp"
#include "partita/io/npy.hpp"
#include "partita/random/stream.hpp"

namespace partita::testing {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

constexpr int kWronglyAsked = 2;
constexpr int kKilled = 128 + 9;

using Words = std::vector<std::string>;

class Ranks : public CommandTest {
 protected:
  static Words on(int ranks, const Words& command) {
    Words words = {"launch", "-n", std::to_string(ranks), "--"};
    words.insert(words.end(), command.begin(), command.end());
    return words;
  }

  std::string text() const {
    std::string lines;
    for (std::uint64_t i = 0; i < 400; ++i) {
      const Stream stream = Stream{5}.child(i);
      for (std::uint64_t c = 0; c < 3 + stream.bits(0) % 12; ++c) {
        lines += static_cast<char>('a' + stream.bits(c + 1) % 8);
      }
      lines += '\n';
    }
    return file("text", lines);
  }
  Words language_model(const std::string& name, const Words& more = {}) const {
    Words words = {
        "lm",       "train", text(),     "--kind",    "lstm",      "--dim", "16",
        "--epochs", "20",    "--batch",  "16",        "--dropout", "0.1",   "--seed",
        "3",        "-o",    path(name), "--threads", "1",         "--log", path(name + ".log")};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  std::vector<Json> log(const std::string& name) const {
    std::istringstream in(read_file(path(name + ".log")));
    std::vector<Json> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(Json::parse(line));
    return lines;
  }
  /// That two runs had the same losses, to 1e-6 of them.
  void expect_same_losses(const std::string& a, const std::string& b) const {
    const auto one = log(a);
    const auto other = log(b);
    ASSERT_EQ(one.size(), other.size());
    for (std::size_t i = 0; i < one.size(); ++i) {
      for (const auto& [key, value] : one[i].items()) {
        if (key == "seconds") continue;
        const auto expected = value.get<double>();
        EXPECT_NEAR(other[i].at(key).get<double>(), expected, 1e-6 * expected)
            << key << " in line " << i + 1;
      }
    }
  }

  /// Runs it on some ranks and kills one of them once it has written its checkpoint and `after`
  /// seconds have passed.
  Outcome killed(int ranks, int victim, double after, const Words& command) const {
    std::string line;
    for (const std::string& word : command) line += " '" + word + "'";
    const std::string folder = path(fmt::format("ranks{}{}", ranks, victim));
    std::filesystem::create_directory(folder);
    const std::string program = PARTITA_COMMAND;
    return run_program(
        {"/bin/sh", "-c",
         fmt::format(
             "touch {2}/start\n"
             "{0} launch -n {1} -- /bin/sh -c 'echo $$ > {2}/$RANK; exec {0} \"$@\"' sh {3} &\n"
             "while kill -0 $! && ! test {4} -nt {2}/start; do sleep .05; done; sleep {5}\n"
             "kill -9 $(cat {2}/{6}); wait $!",
             program, ranks, folder, line, path("checkpoint"), after, victim)});
  }
};

TEST_F(Ranks, AModelOfKilledRunsIsThatOfOneProcess) {
  ASSERT_EQ(run_partita(language_model("one")).status, 0);
  const Words command =
      language_model("many", {"--checkpoint", path("checkpoint"), "--checkpoint-seconds", "0"});
  struct Death {
    int ranks;
    int victim;
    double after;
  };
  for (const auto& [ranks, victim, after] : {Death{2, 1, 0.1}, Death{4, 0, 0.4}}) {
    const auto start = std::chrono::steady_clock::now();
    const Outcome outcome = killed(ranks, victim, after, command);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
    EXPECT_EQ(outcome.status, kKilled) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err,
                HasSubstr(fmt::format("partita: rank {} was ended by signal 9", victim)));
    EXPECT_THAT(outcome.err,
                ContainsRegex(fmt::format("partita: rank [0-9]: rank {}.* has gone", victim)));
  }
  const Outcome last = run_partita(on(2, command));
  EXPECT_EQ(last.status, 0) << last.err;
  expect_same_losses("one", "many");
}

/// Logits of 4 classes, of three quarters of which the label is the largest.
TEST_F(Ranks, MeasureRowsTogether) {
  constexpr std::size_t kRows = 1001;
  std::vector<float> logits;
  std::vector<std::int64_t> labels;
  for (std::size_t i = 0; i < 4 * kRows; ++i) {
    logits.push_back(static_cast<float>(4 * Stream{8}.normal(i)));
  }
  for (std::size_t r = 0; r < kRows; ++r) {
    const auto* const row = &logits[4 * r];
    const auto largest = std::max_element(row, row + 4) - row;
    labels.push_back(Stream{9}.uniform(r) < 0.75 ? largest : (largest + 1) % 4);
  }
  save_npy(path("z.npy"), std::span<const float>(logits), kRows, 4);
  save_npy(path("y.npy"), std::span<const std::int64_t>(labels), kRows, 1);
  const auto printed = [&](int ranks, Words command) {
    command.insert(command.end(), {"--json", "--resamples", "0"});
    const Outcome outcome = run_partita(ranks == 1 ? command : on(ranks, command));
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return Json::parse(outcome.out).flatten();
  };
  const auto same = [&](const Words& command) {
    const Json one = printed(1, command);
    const Json many = printed(2, command);
    for (const auto& [key, value] : many.items()) {
      if (!value.is_number_float()) {
        EXPECT_EQ(value, one.at(key)) << key;
      } else if (key != "/gradient_residual") {
        EXPECT_NEAR(value.get<double>(), one.at(key).get<double>(), 1e-11) << key;
      }
    }
    EXPECT_GT(many.size(), 8U);
  };
  same({"calibrate", "fit", path("z.npy"), path("y.npy"), "-o", path("c.json")});
  same({"calibrate", "evaluate", path("z.npy"), path("y.npy"), "--equal-mass"});
  same({"detect", "evaluate", "--logits", path("z.npy"), "--labels", path("y.npy"), "--positive",
        "in"});

  const Outcome split = run_partita(on(2, {"calibrate", "fit", path("z.npy"), path("y.npy"), "-o",
                                           path("d.json"), "--split", "0.5"}));
  EXPECT_EQ(split.status, kWronglyAsked);
  EXPECT_THAT(split.err, HasSubstr("--split"));
  logits[4 * (kRows - 1)] = std::numeric_limits<float>::quiet_NaN();
  save_npy(path("bad.npy"), std::span<const float>(logits), kRows, 4);
  const Outcome bad = run_partita(on(2, {"calibrate", "evaluate", path("bad.npy"), path("y.npy")}));
  EXPECT_EQ(bad.status, 1);
  EXPECT_THAT(bad.err, HasSubstr("bad.npy: rank 1: row 500: "));
  EXPECT_THAT(bad.err, HasSubstr("NaN"));
}

TEST_F(Ranks, OneSpeaksForAll) {
  const std::string corpus = [&] {
    std::string words;
    for (std::uint64_t i = 0; i < 3000; ++i) words += fmt::format("w{} ", Stream{7}.bits(i) % 40);
    return file("corpus", words);
  }();
  const Words seqgan = {"seqgan",   "text",         text(), "--hidden",     "8",   "--filters",
                        "1:4",      "--length",     "16",   "--mle-epochs", "1",   "--pretraining",
                        "1",        "--iterations", "2",    "--negatives",  "64",  "--d-steps",
                        "1",        "--rollouts",   "2",    "--held-out",   "0.1", "--json",
                        "--output", path("g")};
  const Words openset = {"openset", "train", "--data", "toy", "--steps", "50", "--json"};
  const Words nce = {"nce", corpus, "--dim", "8", "--steps", "20", "--largest", "0", "--json"};
  const Words embed = {"embed", "train", corpus,      "-o", path("v.txt"),
                       "--dim", "8",     "--threads", "1",  "--json"};
  for (const Words& command : {seqgan, openset, embed}) {
    const Outcome outcome = run_partita(on(2, command));
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_TRUE(Json::accept(outcome.out)) << outcome.out;
    EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 1);
  }
  EXPECT_TRUE(std::filesystem::exists(path("g")));
  EXPECT_TRUE(std::filesystem::exists(path("v.txt")));
  const Json one = Json::parse(run_partita(nce).out);
  const Json two = Json::parse(run_partita(on(2, nce)).out);
  for (std::size_t i = 0; i < one["losses"].size(); ++i) {
    EXPECT_EQ(two["losses"][i]["name"], one["losses"][i]["name"]);
    EXPECT_EQ(two["losses"][i]["perplexity"], one["losses"][i]["perplexity"]);
  }
}

TEST_F(Ranks, DifferentCommandsAreRefused) {
  std::string line;
  for (const std::string& word : language_model("m")) {
    line += word == "3" ? " $RANK" : " '" + word + "'";
  }
  const Outcome outcome = run_partita(on(2, {"/bin/sh", "-c", "exec " PARTITA_COMMAND + line}));
  EXPECT_EQ(outcome.status, kWronglyAsked);
  EXPECT_THAT(outcome.err, HasSubstr("partita: command line: expected the same on every rank"));
}

}  // namespace
}  // namespace partita::testing
