// SPDX-License-Identifier: Apache-2.0
// The files of all commands: outputs are looked at before the work, inputs come in every form.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "command.hpp"
#include "gzip_bytes.hpp"
#include "partita/io/file.hpp"
#include "partita/io/npy.hpp"

namespace partita::testing {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kFailed = 1;
constexpr int kWronglyAsked = 2;

using Words = std::vector<std::string>;

/// A command that writes, and the option that says where. Its inputs do not exist: if they are what
/// it complains about, it did not look at its output first.
struct Writer {
  Words command;
  std::string option;
  std::string name;  // of a file that it could write
  bool of_learn = false;
};

std::vector<Writer> writers() {
  const Words calibrate = {"no.npy", "no-labels.npy"};
  const auto with = [](Words words, const Words& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  std::vector<Writer> all = {
      {{"sample", "no.npy"}, "-o", "out.npy"},
      {with({"calibrate", "fit"}, calibrate), "-o", "out.json"},
      {with({"calibrate", "fit", "-o", "unused.json"}, calibrate), "--report", "out.html"},
      {{"calibrate", "apply", "no.json", "no.npy"}, "-o", "out.npy"},
      {with({"calibrate", "evaluate"}, calibrate), "--report", "out.html"},
      {{"detect", "evaluate", "--in", "no.npy", "--out", "no2.npy", "--positive", "in"},
       "--report",
       "out.html"},
      {{"detect", "threshold", "--in", "no.npy"}, "-o", "out.json"},
      {{"detect", "apply", "no.json", "no.npy"}, "-o", "out.csv"},
      {{"embed", "train", "no.txt"}, "-o", "out.bin"},
      {{"embed", "convert", "no.txt"}, "-o", "out.npy"},
      {{"embed", "map", "no.bin"}, "--report", "out.html"},
      {{"lm", "train", "no.txt"}, "-o", "out.model"},
      {{"lm", "evaluate", "no.model", "no.txt"}, "--report", "out.html"},
  };
#ifdef PARTITA_LEARN
  const std::vector<std::pair<Words, Words>> learn = {
      {{"nce", "no.txt"}, {"--report"}},
      {{"openset", "train", "--data", "no"}, {"-o", "--report", "--checkpoint", "--log"}},
      {{"openset", "score", "no.model", "no.csv"}, {"-o", "--logits"}},
      {{"seqgan", "text", "no.txt"}, {"-o", "--report", "--checkpoint", "--log"}},
      {{"vae", "train", "--data", "no"}, {"-o", "--report", "--checkpoint", "--log"}},
      {{"vae", "sample", "no.model"}, {"-o", "--report"}},
      {{"vae", "reconstruct", "no.model"}, {"-o", "--report"}},
      {{"vae", "traverse", "no.model"}, {"-o", "--report"}},
      {{"lm", "train", "no.txt", "-o", "unused.model", "--kind", "lstm"},
       {"--checkpoint", "--log"}},
      // These read nothing: they would work for seconds, and be killed by the test's time limit.
      {{"gradients", "--problem", "gaussian"}, {"--report"}},
      {{"seqgan", "oracle", "--preset", "paper"}, {"--report", "--checkpoint", "--log"}},
  };
  for (const auto& [command, options] : learn) {
    for (const std::string& option : options) all.push_back({command, option, "out.npy", true});
  }
#endif
  return all;
}

class Files : public CommandTest {};

TEST_F(Files, OutputsAreLookedAtBeforeTheWork) {
  std::filesystem::create_directory(path("directory.npy"));
  for (const Writer& writer : writers()) {
    const auto refused = [&](const std::string& place) {
      Words words = writer.command;
      words.insert(words.end(), {writer.option, place});
      const std::string line = refusal(words, kFailed);
      EXPECT_THAT(line, StartsWith(place + ": cannot write: "))
          << writer.command[0] << " " << writer.option;
    };
    refused(path("none/" + writer.name));
    if (writer.of_learn) continue;  // which takes half a second to start
    refused(path(std::string(252, 'n') + std::filesystem::path(writer.name).extension().string()));
    const std::string directory = path("is-" + writer.name);
    std::filesystem::create_directories(directory);
    refused(directory);
    file("file", "");
    refused(path("file/" + writer.name));
  }
}

TEST_F(Files, AnOutputIsNoOtherFile) {
  const std::string z = logits(4, 3);
  const std::string copy = path("same.npy");
  std::filesystem::create_hard_link(z, copy);
  const std::filesystem::path same = z;
  const std::string roundabout = same.parent_path() / "." / same.filename();
  for (const std::string& output : {z, copy, roundabout}) {
    EXPECT_EQ(refusal({"sample", z, "-o", output}, kWronglyAsked),
              "--output: " + output + " is that of LOGITS, too");
  }
  EXPECT_THAT(
      refusal({"calibrate", "fit", z, path("y.npy"), "-o", path("a"), "--report", path("./a")},
              kWronglyAsked),
      EndsWith("/a is that of --output, too"));
  EXPECT_THAT(refusal({"calibrate", "evaluate", "-", "-"}, kWronglyAsked),
              EndsWith("standard input is that of LOGITS, too"));
}

TEST_F(Files, EveryFormOfAnArrayIsSampled) {
  const std::string z = logits(3, 5);
  const Words options = {"-k", "2", "--seed", "3", "--json"};
  const auto drawn = [&](const std::string& from) {
    Words words = {"sample", from};
    words.insert(words.end(), options.begin(), options.end());
    return json_of(words)["rows"];
  };
  const Json expected = drawn(z);
  EXPECT_EQ(drawn(file("z.npy.gz", gzip_bytes(read_file(z)))), expected);
  EXPECT_EQ(drawn(file("no-extension", read_file(z))), expected);
  EXPECT_EQ(run_partita({"sample", z, "-o", "out.txt"}).status, kWronglyAsked);
  // One dimension is one row here, and a row for each score elsewhere.
  std::string list = read_file(z);
  list.replace(list.find("(3, 5)"), 6, "(15,) ");
  EXPECT_EQ(drawn(file("list.npy", list)).size(), 1U);
}

TEST_F(Files, AnExtensionSaysWhatIsWritten) {
  const std::string z = logits(3, 5);
  EXPECT_EQ(run_partita({"sample", z, "-k", "2", "-o", path("a.npy")}).status, 0);
  EXPECT_EQ(run_partita({"sample", z, "-k", "2", "-o", path("a.csv")}).status, 0);
  const Outcome printed = run_partita({"sample", z, "-k", "2", "-o", "-"});
  EXPECT_EQ(printed.out, read_file(path("a.csv")));
  EXPECT_EQ(std::count(printed.out.begin(), printed.out.end(), '\n'), 3);
  EXPECT_THAT(read_file(path("a.npy")), StartsWith("\x93NUMPY"));
}

// N scores of one's own in a one-dimensional array were one row of N logits.
TEST_F(Files, OneDimensionIsAScoreForEachRow) {
  std::string in = "in\n";
  std::string out = "out\n";
  std::vector<double> known;
  std::vector<double> unknown;
  for (int i = 0; i < 20; ++i) {
    known.push_back(1.5 + 0.25 * i);
    unknown.push_back(0.5 + 0.31 * i);
    in += std::to_string(known.back()) + "\n";
    out += std::to_string(unknown.back()) + "\n";
  }
  const auto list = [&](const std::string& name, const std::vector<double>& values) {
    save_npy(path(name), std::span(values), values.size(), 1);
    std::string bytes = read_file(path(name));
    bytes.replace(bytes.find("(20, 1)"), 7, "(20,)  ");
    return file(name, bytes);
  };
  const auto auroc = [](const std::string& a, const std::string& b) {
    return json_of({"detect", "evaluate", "--in", a, "--out", b, "--positive", "in", "--score",
                    "max-logit", "--resamples", "0"});
  };
  const Json arrays = auroc(list("in.npy", known), list("out.npy", unknown));
  EXPECT_EQ(arrays["in"], 20);
  EXPECT_EQ(arrays["auroc"], auroc(file("in.csv", in), file("out.csv", out))["auroc"]);
  EXPECT_LT(arrays["auroc"].get<double>(), 0.9);
  EXPECT_THAT(refusal({"detect", "threshold", "--in", path("in.npy")}, kFailed),
              HasSubstr("1 column, but msp compares classes: expected 2 or more"));
}

// What a sigmoid gives is calibrated as two classes.
TEST_F(Files, OneColumnIsClassOneOfTwo) {
  std::string one = "p\n";
  std::string two = "p0,p1\n";
  std::string labels = "y\n";
  for (int i = 1; i < 16; ++i) {  // sixteenths, of which 1 - p is exact
    const std::string p = std::to_string(i / 16.0);
    one += p + "\n";
    two += std::to_string(1 - i / 16.0) + "," + p + "\n";
    labels += i > 7 || i == 3 ? "1\n" : "0\n";
  }
  const std::string y = file("y.csv", labels);
  const auto metrics = [&](const std::string& p) {
    return json_of(
        {"calibrate", "evaluate", p, y, "--probabilities", "--bins", "10", "--resamples", "0"});
  };
  EXPECT_EQ(metrics(file("one.csv", one)), metrics(file("two.csv", two)));
  EXPECT_THAT(refusal({"calibrate", "evaluate", file("p.csv", "0.5\n1.5\n"),
                       file("q.csv", "0\n1\n"), "--probabilities"},
                      kFailed),
              EndsWith("p.csv: row 1: expected a probability, got 1.5"));
}

TEST_F(Files, AThresholdIsOfItsNumberOfClasses) {
  const std::string ten = logits(8, 10);
  EXPECT_EQ(run_partita({"detect", "threshold", "--in", ten, "-o", path("t.json")}).status, 0);
  std::filesystem::rename(ten, path("ten.npy"));
  const std::string two = logits(8, 2);
  EXPECT_EQ(refusal({"detect", "apply", path("t.json"), two}, kFailed),
            two + ": 2 columns, expected 10 as " + path("t.json") + " was made with");
}

TEST_F(Files, WordVectorsAreConvertedAndAsked) {
  const std::string glove =
      file("glove.txt.gz", gzip_bytes("man 1 0 0\nking 1 1 0\nwoman 0 0 1\nqueen 0 1 1\n"
                                      "a -1 -1 -1\nman 5 5 5\ncaf\xC3 0 -1 0\n"));
  EXPECT_THAT(refusal({"embed", "convert", glove, "-o", path("v.bin")}, kFailed),
              EndsWith("line 7: invalid UTF-8 at byte 4"));
  for (const char* name : {"v.bin", "v.txt", "v.npy"}) {
    const Outcome outcome =
        run_partita({"embed", "convert", glove, "-o", path(name), "--encoding-errors", "replace"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("line 6: duplicate word man; the first counts"));
    const Json nearest = json_of({"embed", "nearest", path(name), "king - man + woman", "-k", "1"});
    EXPECT_EQ(nearest["nearest"]["king - man + woman"][0]["word"], "queen") << name;
  }
  EXPECT_EQ(json_of({"embed", "convert", glove, "-o", path("few.txt"), "--limit", "2"})["words"],
            2);
  EXPECT_EQ(run_partita({"embed", "convert", path("few.txt"), "-o", "-"}).out,
            "2 3\nman 1 0 0\nking 1 1 0\n");
}

TEST_F(Files, ALinkThatLeadsNowhereStaysALink) {
  std::filesystem::create_symlink("target.csv", path("link.csv"));
  EXPECT_EQ(run_partita({"sample", logits(2, 3), "-o", path("link.csv")}).status, 0);
  EXPECT_TRUE(std::filesystem::is_symlink(path("link.csv")));
  EXPECT_TRUE(std::filesystem::exists(path("target.csv")));
}

// What is left of a mapping whose file was shortened raises SIGBUS.
TEST_F(Files, AFileThatIsShortenedWhileItIsReadIsSaid) {
  constexpr std::uintmax_t kRows = 4'000'000;
  std::string bytes = read_file(logits(1, 100));
  bytes.replace(bytes.find("(1, 100), }      "), 17, "(4000000, 100), }");
  bytes.resize(bytes.size() - 400);
  const std::string name = file("large.npy", bytes);
  std::filesystem::resize_file(name, bytes.size() + kRows * 400);  // without a byte on the disk
  auto running = std::async(std::launch::async, [&] {
    return run_partita({"sample", name, "--threads", "1", "-o", path("out.npy")});
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  std::filesystem::resize_file(name, bytes.size());
  const Outcome outcome = running.get();
  EXPECT_EQ(outcome.status, kFailed);
  EXPECT_EQ(outcome.err, "partita: " + name + ": became shorter while it was read\n");
}

TEST_F(Files, TextsMayBeGzipped) {
  const std::string words = word_list();
  const std::string packed = file("words.txt.gz", gzip_bytes(read_file(words)));
  EXPECT_EQ(run_partita({"lm", "train", words, "-o", path("a.model")}).status, 0);
  EXPECT_EQ(run_partita({"lm", "train", packed, "-o", path("b.model")}).status, 0);
  EXPECT_EQ(read_file(path("a.model")), read_file(path("b.model")));
}

}  // namespace
}  // namespace partita::testing
