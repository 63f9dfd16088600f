// SPDX-License-Identifier: Apache-2.0
// partita openset: what is printed and written, resuming, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX
#include <sys/wait.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "browser.hpp"
#include "command.hpp"
#include "partita/io/file.hpp"
#include "partita/io/idx.hpp"
#include "partita/io/npy.hpp"

namespace partita::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kFailed = 1;
constexpr int kWronglyAsked = 2;

class Openset : public CommandTest {
 protected:
  using Arguments = std::vector<std::string>;

  static Arguments train(const Arguments& more) {
    Arguments all = {"openset", "train"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  /// Images of 9 x 10 pixels in four classes: a bright quarter each, and noise.
  std::string images() const {
    std::filesystem::create_directories(path("images"));
    for (const auto& [split, count] : {std::pair("train", 200U), std::pair("t10k", 80U)}) {
      IdxArray pixels{{count, 9, 10}, {}};
      IdxArray labels{{count}, {}};
      for (unsigned i = 0; i < count; ++i) {
        const unsigned label = i % 4;
        labels.bytes.push_back(static_cast<std::uint8_t>(label));
        for (unsigned p = 0; p < 90; ++p) {
          const bool bright = (p / 10 > 4) == (label > 1) && (p % 10 > 4) == (label % 2 == 1);
          const unsigned noise = (i * 7919U + p * 104729U) * 2654435761U >> 26U;
          pixels.bytes.push_back(static_cast<std::uint8_t>((bright ? 180U : 0U) + noise));
        }
      }
      const std::string base = path("images/") + split;
      save_idx(base + "-images-idx3-ubyte", pixels);
      save_idx(base + "-labels-idx1-ubyte", labels);
    }
    return path("images");
  }

  static const Json& detection(const Json& variant, const std::string& score) {
    for (const Json& d : variant["detection"]) {
      if (d["score"] == score) return d;
    }
    ADD_FAILURE() << "no " << score;
    return variant;
  }
};

TEST_F(Openset, JsonOfTheToy) {
  const Json json = json_of(train({"--data", "toy", "--steps", "50", "--seed", "3"}));
  EXPECT_THAT(keys(json), ElementsAre("data", "fonts", "classes", "loss", "beta", "variants",
                                      "model", "report", "seed"));
  EXPECT_THAT(json["classes"], ElementsAre("left", "right"));
  ASSERT_EQ(json["variants"].size(), 1U);
  const Json& variant = json["variants"][0];
  EXPECT_THAT(keys(variant), ElementsAre("name", "accuracy", "nll", "confidence", "detection",
                                         "confidence_around_classes", "confidence_off_classes",
                                         "confidence_far_away", "steps", "seconds"));
  EXPECT_EQ(variant["steps"], 50);
  ASSERT_EQ(variant["detection"].size(), 8U);
  for (const Json& d : variant["detection"]) {
    EXPECT_THAT(keys(d), ElementsAre("set", "score", "auroc", "aupr_in", "aupr_out",
                                     "tnr_at_95_tpr", "detection_accuracy"));
  }
}

// Row B3 of the paper's figure 1: far-away examples leave the classifier sure near the classes,
// those along the border do not.
TEST_F(Openset, BorderExamplesTakeAwayConfidenceThatFarOnesLeave) {
  const auto around = [&](const std::string& loss, const std::string& out_set) {
    Arguments arguments = train({"--data", "toy", "--loss", loss, "--steps", "2500",
                                 "--learning-rate", "1e-3", "--threads", "1"});
    if (!out_set.empty()) arguments.insert(arguments.end(), {"--out-set", out_set});
    const Json variant = json_of(arguments)["variants"][0];
    EXPECT_GT(variant["accuracy"], 0.98);
    return variant["confidence_around_classes"].get<double>();
  };
  const double plain = around("cross-entropy", "");
  const double far = around("confidence", "far");
  const double border = around("confidence", "border");
  EXPECT_GT(plain, 0.95);
  EXPECT_LT(border, 0.66);
  EXPECT_GT(far, border + 0.15);
}

TEST_F(Openset, ImagesOfADirectory) {
  const Json json =
      json_of(train({"--data",  images(),     "--known",    "0-2",    "--unknown",       "3",
                     "--loss",  "confidence", "--evaluate", images(), "--steps",         "60",
                     "--batch", "20",         "--width",    "4",      "--learning-rate", "3e-3",
                     "-o",      path("model")}));
  EXPECT_THAT(json["classes"], ElementsAre("0", "1", "2"));
  const Json& variant = json["variants"][0];
  EXPECT_GT(variant["accuracy"], 0.95);
  EXPECT_THAT(variant["confidence"][0],
              ::testing::Eq(Json{
                  {"set", "known"}, {"examples", 60}, {"mean", variant["confidence"][0]["mean"]}}));
  EXPECT_EQ(variant["confidence"][1]["set"], "classes 3");
  EXPECT_EQ(variant["confidence"][2]["set"], "images");
  EXPECT_EQ(variant["confidence"][2]["examples"], 80);
  EXPECT_GT(detection(variant, "msp")["auroc"], 0.95);

  // The file scores each image as training did.
  const Json scored =
      json_of({"openset", "score", path("model"), path("images/t10k-images-idx3-ubyte"), "-o",
               path("scores.npy"), "--logits", path("logits.npy"), "--score", "max-logit"});
  EXPECT_THAT(keys(scored), ElementsAre("model", "data", "rows", "classes", "score", "mean", "min",
                                        "max", "output", "logits"));
  EXPECT_EQ(scored["rows"], 80);
  const NpyFile scores(path("scores.npy"));
  const NpyFile logits(path("logits.npy"));
  ASSERT_EQ(scores.rows().rows(), 80U);
  ASSERT_EQ(logits.rows().columns(), 3U);
  std::size_t right = 0;
  for (std::size_t i = 0; i < 80; ++i) {
    const float* row = logits.rows().row_data<float>(i);
    const float* most = std::max_element(row, row + 3);
    EXPECT_EQ(*scores.rows().row_data<double>(i), *most);
    if (i % 4 < 3 && static_cast<std::size_t>(most - row) == i % 4) ++right;
  }
  EXPECT_EQ(static_cast<double>(right) / 60, variant["accuracy"].get<double>());
}

/// The outskirts of the features of two classes, in place of given images, and a class for them.
TEST_F(Openset, TheShellOfImages) {
  const Arguments arguments = {
      "--data", images(),     "--known",    "0-2",     "--unknown", "3",
      "--loss", "confidence", "--out-set",  "shell",   "--reject",  "--steps",
      "60",     "--batch",    "20",         "--width", "4",         "--learning-rate",
      "3e-3",   "-o",         path("model")};
  const Json variant = json_of(train(arguments))["variants"][0];
  EXPECT_EQ(variant["name"], "confidence, shell, reject");
  EXPECT_GT(variant["accuracy"], 0.95);
  const Json scored =
      json_of({"openset", "score", path("model"), path("images/t10k-images-idx3-ubyte")});
  EXPECT_THAT(scored["classes"], ElementsAre("0", "1", "2"));
}

/// Images in CIFAR's format, all red, all green or all blue: two colors to learn and one unknown.
TEST_F(Openset, ColorImagesInCifarsFormat) {
  std::filesystem::create_directories(path("cifar"));
  const auto batch = [&](const std::string& name) {
    std::string bytes;
    for (std::size_t i = 0; i < 12; ++i) {
      std::string image(3072, '\0');
      image.replace(i % 3 * 1024, 1024, 1024, static_cast<char>(200 + 3 * i));
      bytes += static_cast<char>(i % 3) + image;
    }
    return file("cifar/" + name, bytes);
  };
  for (unsigned i = 1; i <= 5; ++i) batch("data_batch_" + std::to_string(i) + ".bin");
  const std::string test = batch("test_batch.bin");
  const Json json =
      json_of(train({"--data",  path("cifar"), "--known",   "0,1", "--unknown",       "2",
                     "--loss",  "joint",       "--warm-up", "60",  "--steps",         "64",
                     "--batch", "10",          "--width",   "8",   "--learning-rate", "2e-3",
                     "-o",      path("model")}));
  EXPECT_EQ(json["variants"][0]["accuracy"], 1);
  EXPECT_EQ(json_of({"openset", "score", path("model"), test})["rows"], 12);
  EXPECT_THAT(
      refusal({"openset", "score", path("model"), images() + "/t10k-images-idx3-ubyte"}, kFailed),
      HasSubstr("images of 1 x 9 x 10, expected 3 x 32 x 32 (channels, rows, columns)"));
}

TEST_F(Openset, JointTrainingOfRenderedDigitsWritesItsReport) {
  const Json json = json_of(train({"--loss", "joint", "--train-images", "100", "--steps", "4",
                                   "--width", "2", "--report", path("page.html")}));
  ASSERT_EQ(json["variants"].size(), 2U);
  EXPECT_EQ(json["variants"][0]["name"], "cross-entropy");
  EXPECT_EQ(json["variants"][1]["name"], "joint");
  const std::string page = read_file(path("page.html"));
  for (const char* text :
       {"What the generator draws", "data:image/png;base64,", "letters", "TNR at 95 % TPR"}) {
    EXPECT_THAT(page, HasSubstr(text));
  }
  EXPECT_EQ(problems_of_page(path("page.html")), "");
}

TEST_F(Openset, TheToysReportHasItsMaps) {
  const Json json =
      json_of(train({"--data", "toy", "--steps", "3", "--loss", "joint", "--generator-loss",
                     "saturating", "--report", path("page.html")}));
  std::vector<std::string> names;
  for (const Json& variant : json["variants"]) names.push_back(variant["name"]);
  EXPECT_THAT(names,
              ElementsAre("cross-entropy", "confidence, far", "confidence, near",
                          "confidence, border", "confidence, shell", "confidence, border, reject",
                          "classifier held", "joint, entropy", "joint, fence, entropy", "joint"));
  EXPECT_EQ(problems_of_page(path("page.html")), "");
  const std::string page = read_file(path("page.html"));
  for (const std::string& name : names) {
    EXPECT_THAT(page, HasSubstr(name + ": mean confidence "));
  }
}

/// Killed as it trains, then started again: the file has the bytes of an undisturbed run.
TEST_F(Openset, AKilledRunGoesOnAndEndsWithTheSameBytes) {
  const auto arguments = [&](const std::string& name) {
    return train({"--data", "toy", "--loss", "joint", "--steps", "1500", "--threads", "1", "--seed",
                  "4", "-o", path(name + ".model"), "--checkpoint", path(name + ".checkpoint"),
                  "--checkpoint-seconds", "0.05"});
  };
  ASSERT_EQ(run_partita(arguments("whole")).status, 0);
  int kills = 0;
  for (int attempt = 0; attempt < 3; ++attempt) {
    const int process = start_partita(arguments("killed"));
    const auto written = [&] {
      std::error_code none;
      return std::filesystem::last_write_time(path("killed.checkpoint"), none);
    };
    const auto before = written();
    int status = 0;
    while (written() == before && ::waitpid(process, &status, WNOHANG) == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ::kill(process, SIGKILL);
    ::waitpid(process, &status, 0);
    if (WIFSIGNALED(status)) ++kills;
  }
  EXPECT_GE(kills, 1);
  ASSERT_EQ(run_partita(arguments("killed")).status, 0);
  EXPECT_EQ(read_file(path("killed.model")), read_file(path("whole.model")));
}

TEST_F(Openset, RefusesOtherRunsCheckpointsAndDamagedFiles) {
  const auto toy = [&](const std::string& seed) {
    return train({"--data", "toy", "--steps", "2", "--seed", seed, "--checkpoint", path("c"), "-o",
                  path("model")});
  };
  ASSERT_EQ(run_partita(toy("1")).status, 0);
  const std::string other = refusal(toy("2"), kFailed);
  EXPECT_THAT(other, StartsWith(path("c") + ": is from another run: "));
  file("c", read_file(path("c")).substr(0, 1000));
  EXPECT_THAT(refusal(toy("1"), kFailed), HasSubstr("cut short"));
  const std::string points = file("points.csv", "0,1\n2,3\n");
  EXPECT_EQ(json_of({"openset", "score", path("model"), points})["rows"], 2);
  // ODIN without a step is the log of the tempered probability.
  const auto mean = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"openset", "score", path("model"), points, "--temperature", "10"});
    return json_of(more)["mean"].get<double>();
  };
  EXPECT_NEAR(mean({"--score", "odin", "--epsilon", "0"}), mean({}), 1e-6);
  EXPECT_GT(mean({"--score", "odin", "--epsilon", "0.1"}), mean({}));
  EXPECT_THAT(refusal({"openset", "score", path("model"), points, "--epsilon", "1"}, kWronglyAsked),
              HasSubstr("--epsilon: applies only to --score odin"));
  EXPECT_EQ(refusal({"openset", "score", path("model"), file("three.csv", "0,1,2\n")}, kFailed),
            path("three.csv") + ": 3 columns, expected 2");
  EXPECT_THAT(refusal({"openset", "score", file("bad", "nothing"), points}, kFailed),
              HasSubstr("not a Partita openset model"));
}

TEST_F(Openset, RefusesWhatCannotBeAsked) {
  const auto wrong = [](const Arguments& more) { return refusal(train(more), kWronglyAsked); };
  const std::string directory = images();
  EXPECT_EQ(wrong({"--data", "toy", "--known", "0-4"}),
            "--known: applies only to a directory of images as --data");
  EXPECT_EQ(wrong({"--data", "toy", "--loss", "confidence", "--out-set", "nearer"}),
            "--out-set: expected far, near, box, border or shell for toy, got nearer");
  EXPECT_EQ(wrong({"--data", "toy", "--out-set", "far"}),
            "--out-set: applies only to --loss confidence and held");
  EXPECT_EQ(wrong({"--loss", "confidence", "--out-set", "border"}),
            "--out-set: expected shell for rendered, got border");
  EXPECT_EQ(wrong({"--loss", "confidence", "--entropy-weight", "1"}),
            "--entropy-weight: applies only to --loss joint and held");
  EXPECT_EQ(wrong({"--reject"}), "--reject: applies only to losses with examples of the unknown");
  EXPECT_EQ(wrong({"--data", directory, "--known", "0-", "--unknown", "3"}),
            "--known: expected classes as 0-4,7, got 0-");
  EXPECT_EQ(wrong({"--data", directory, "--known", "0-2", "--unknown", "2,3"}),
            "--unknown: class 2 is also a known class");
  EXPECT_EQ(wrong({"--data", directory, "--known", "0-2", "--unknown", "7"}),
            "--unknown: " + directory + " has no images of these classes");
  EXPECT_THAT(wrong({"--beta", "-1"}), HasSubstr("expected a number in [0, inf), got -1"));
  EXPECT_THAT(refusal(train({"--data", path("nowhere")}), kFailed),
              StartsWith(path("nowhere") + ": has no train-images-idx3-ubyte"));
}

}  // namespace
}  // namespace partita::testing
