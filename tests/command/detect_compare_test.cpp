// SPDX-License-Identifier: Apache-2.0
// partita detect with a last layer, and partita detect compare.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "browser.hpp"
#include "command.hpp"
#include "partita/io/file.hpp"
#include "partita/io/npy.hpp"
#include "partita/random/stream.hpp"

namespace partita::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kFailed = 1;
constexpr int kWronglyAsked = 2;
constexpr std::size_t kClasses = 3;
constexpr std::size_t kColumns = 6;

/// Features after a ReLU: of known inputs around one axis for each of three classes, of unknown
/// ones around the fourth.
class DetectCompare : public CommandTest {
 protected:
  std::string matrix(const std::string& name, const std::vector<double>& values,
                     std::size_t columns) const {
    save_npy(path(name), std::span<const double>(values), values.size() / columns, columns);
    return path(name);
  }

  std::string features(const std::string& name, std::size_t rows, bool known,
                       std::uint64_t id) const {
    std::vector<double> values;
    const Stream stream{11, id};
    for (std::size_t i = 0; i < rows * kColumns; ++i) {
      const std::size_t axis = known ? i / kColumns % kClasses : kClasses;
      values.push_back(std::max(0.0, stream.normal(i) + (i % kColumns == axis ? 3 : 0.3)));
    }
    return matrix(name, values, kColumns);
  }

  std::string classes(std::size_t rows) const {
    std::vector<std::int64_t> values(rows);
    for (std::size_t i = 0; i < rows; ++i) values[i] = static_cast<std::int64_t>(i % kClasses);
    save_npy(path("y.npy"), std::span<const std::int64_t>(values), rows, 1);
    return path("y.npy");
  }

  std::string weight() const {
    std::vector<double> values(kClasses * kColumns);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = i % kColumns == i / kColumns ? 1.5 : 0.01 * static_cast<double>(i % 4);
    }
    return matrix("w.npy", values, kColumns);
  }

  const std::string training = features("training.npy", 90, true, 0);
  const std::string y = classes(90);
  const std::string w = weight();
  const std::string b = matrix("b.npy", {0.1, 0, -0.1}, 1);
  const std::string in = features("in.npy", 60, true, 1);
  const std::string out = features("out.npy", 60, false, 2);

  std::vector<std::string> with(const std::vector<std::string>& first,
                                const std::vector<std::string>& more) const {
    std::vector<std::string> all = first;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  /// The options that suit every score.
  const std::vector<std::string> everything = {
      "--features", training, "--labels", y, "--weight", w, "--bias", b, "-k", "5"};
};

TEST_F(DetectCompare, RanksEveryScore) {
  const std::string report = path("r.html");
  auto arguments = with({"detect", "compare", "--in", in, "--out", out, "--positive", "in",
                         "--resamples", "50", "--report", report},
                        everything);
  const Json json = json_of(arguments);
  EXPECT_THAT(keys(json),
              ElementsAre("detectors", "left_out", "positive", "in", "out", "report", "seed"));
  ASSERT_EQ(json["detectors"].size(), 19U) << json["left_out"];
  EXPECT_EQ(json["left_out"].size(), 0U);
  std::set<std::string> names;
  double last = 1;
  for (const Json& each : json["detectors"]) {
    names.insert(each["score"]);
    EXPECT_LE(each["auroc"], last);
    last = each["auroc"];
    EXPECT_LE(each["intervals"]["auroc"][0], each["auroc"]);
    EXPECT_LE(each["auroc_less_best"][0], each["auroc_less_best"][1]);
    EXPECT_EQ(each["may_be_best"], each["auroc_less_best"][1] >= 0);
  }
  EXPECT_EQ(names.size(), 19U);
  const Json& best = json["detectors"][0];
  EXPECT_EQ(best["auroc_less_best"], Json::parse("[0.0, 0.0]"));
  EXPECT_GT(best["auroc"], 0.9);
  for (const std::string score : {"energy", "vim", "nnguide"}) {
    const Json alone = json_of(
        with({"detect", "evaluate", "--score", score, "--in", in, "--out", out, "--positive", "in",
              "--weight", w, "--bias", b},
             score == "energy" ? std::vector<std::string>{}
                               : std::vector<std::string>{"--features", training, "-k", "5"}));
    const auto same = std::find_if(json["detectors"].begin(), json["detectors"].end(),
                                   [&](const Json& each) { return each["score"] == score; });
    EXPECT_EQ(alone["auroc"], (*same)["auroc"]) << score;
    EXPECT_EQ(alone["fpr_at_95_tpr"], (*same)["fpr_at_95_tpr"]) << score;
  }
  EXPECT_THAT(read_file(report), AllOf(HasSubstr("relative-mahalanobis"), HasSubstr("<svg")));
  EXPECT_EQ(problems_of_page(report), "");
  arguments.erase(std::find(arguments.begin(), arguments.end(), "--report"), arguments.end());
  EXPECT_THAT(run_partita(with(with(arguments, {"--threads", "2"}), everything)).out,
              AllOf(StartsWith("60 in, 60 out; positive: in\n"),
                    HasSubstr("\n" + best["score"].get<std::string>() + " is best")));
}

TEST_F(DetectCompare, TakesTheScoresThatTheFilesSuit) {
  const auto names = [&](const std::vector<std::string>& more) {
    const Json json = json_of(with(
        {"detect", "compare", "--in", in, "--out", out, "--positive", "out", "--resamples", "2"},
        more));
    std::set<std::string> found;
    for (const Json& each : json["detectors"]) found.insert(each["score"]);
    return found;
  };
  EXPECT_THAT(names({}), ElementsAre("energy", "entropy", "gen", "max-logit", "msp"));
  EXPECT_THAT(names({"--features", training}), ElementsAre("knn"));
  EXPECT_THAT(names({"--features", training, "--labels", y}),
              ElementsAre("knn", "mahalanobis", "relative-mahalanobis"));
  EXPECT_THAT(names({"--weight", w}), ElementsAre("ash-s", "energy", "entropy", "gen", "gradnorm",
                                                  "max-logit", "msp", "scale"));
  // What one score cannot take is no hindrance to the others, and said.
  std::vector<double> negative(kColumns, 1);
  negative[2] = -1;
  const Json json =
      json_of({"detect", "compare", "--in", matrix("negative.npy", negative, kColumns), "--out",
               out, "--weight", w, "--positive", "in", "--resamples", "2"});
  EXPECT_EQ(json["detectors"].size(), 6U);
  EXPECT_EQ(json["left_out"][0]["score"], "ash-s");
  EXPECT_EQ(json["left_out"][0]["reason"],
            path("negative.npy") + ": row 0: a negative feature at column 2");
}

TEST_F(DetectCompare, AThresholdKnowsItsLayer) {
  const Json found = json_of(with({"detect", "threshold", "--in", in, "--score", "vim",
                                   "--dimension", "4", "-o", path("t.json")},
                                  {"--features", training, "--weight", w, "--bias", b}));
  EXPECT_EQ(found["dimension"], 4);
  EXPECT_EQ(found["layer"], Json::parse("[3, 6]"));
  const std::vector<std::string> apply = {"detect", "apply",      path("t.json"),
                                          in,       "--features", training};
  EXPECT_EQ(json_of(with(apply, {"--weight", w, "--bias", b}))["in"].get<double>(),
            60 * found["accepted"].get<double>());
  EXPECT_EQ(refusal(apply, kWronglyAsked),
            "--weight: required: " + path("t.json") + " was made with a last layer");
  const std::string two = matrix("two.npy", std::vector<double>(2 * kColumns, 0.5), kColumns);
  EXPECT_EQ(
      refusal(with(apply, {"--weight", two}), kFailed),
      two + ": shape (2, 6), expected (3, 6): the layer that " + path("t.json") + " was made with");
  json_of({"detect", "threshold", "--in", in, "--score", "msp", "-o", path("m.json")});
  EXPECT_EQ(refusal({"detect", "apply", path("m.json"), in, "--weight", w}, kWronglyAsked),
            "--weight: not used: " + path("m.json") + " was made without a last layer");
}

TEST_F(DetectCompare, AConformalThresholdSaysSo) {
  const std::vector<std::string> threshold = {"detect",  "threshold", "--in", in,
                                              "--score", "energy",    "-o",   path("t.json")};
  const Json found = json_of(with(threshold, {"--alpha", "0.1"}));
  EXPECT_EQ(found["alpha"], 0.1);
  EXPECT_EQ(found["accepted"], 55 / 60.0);  // the 6th smallest of 60: floor(.1 * 61)
  EXPECT_EQ(json_of({"detect", "apply", path("t.json"), in})["in"], 55);
  EXPECT_EQ(refusal(with(threshold, {"--alpha", "0.01"}), kFailed),
            in + ": 60 rows, too few for --alpha 0.01: expected 99 or more");
  EXPECT_THAT(refusal(with(threshold, {"--alpha", "0.1", "--tpr", "0.9"}), kWronglyAsked),
              HasSubstr("--tpr"));
}

TEST_F(DetectCompare, FusesScores) {
  const std::string held_out = features("held-out.npy", 60, true, 3);
  const std::string fresh = features("fresh.npy", 40, true, 4);
  const auto fuse = with({"detect", "fuse", "--in", in, "--out", out, "--score", "energy",
                          "--score", "vim", "--new", fresh, "-o", path("f.csv")},
                         everything);
  const Json json = json_of(with(fuse, {"--held-out", held_out, "--alpha", "0.1"}));
  ASSERT_EQ(json["scores"].size(), 2U);
  EXPECT_EQ(json["scores"][1]["score"], "vim");
  EXPECT_GT(json["auroc"], 0.8);
  EXPECT_EQ(json["rows"], 40);
  EXPECT_GE(json["accepted"], 28);  // 36 expected, with a deviation of 2.5
  const std::string csv = read_file(path("f.csv"));
  EXPECT_THAT(csv, StartsWith("log_odds,in\n"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 41);
  EXPECT_EQ(json_of(fuse)["threshold"], 0.0);
  EXPECT_THAT(run_partita(fuse).out, AllOf(StartsWith("60 in, 60 out\n"), HasSubstr("\n  fused ")));
  EXPECT_EQ(refusal(with(fuse, {"--held-out", held_out, "--alpha", "0.01"}), kFailed),
            held_out + ": 60 rows, too few for --alpha 0.01: expected 99 or more");
  EXPECT_EQ(refusal(with(fuse, {"--score", "energy"}), kWronglyAsked),
            "--score: one score is a sum of others: leave it out");
  EXPECT_EQ(refusal({"detect", "fuse", "--in", in, "--out", out, "--score", "energy", "--score",
                     "knn", "--features", training},
                    kWronglyAsked),
            "--weight: required to fuse scores of logits and of features");
  EXPECT_EQ(refusal({"detect", "fuse", "--in", in, "--out", out, "--score", "energy", "--new", in},
                    kWronglyAsked),
            "--output: missing: --new and --output go together");
}

TEST_F(DetectCompare, Refuses) {
  const auto evaluate = [&](const std::vector<std::string>& more, int status = kWronglyAsked) {
    return refusal(with({"detect", "evaluate", "--in", in, "--out", out, "--positive", "in"}, more),
                   status);
  };
  EXPECT_EQ(evaluate({"--score", "gradnorm"}),
            "--weight: required by gradnorm: the weights of the last layer");
  EXPECT_EQ(evaluate({"--score", "vim", "--weight", w}),
            "--features: required by vim: features of the training set");
  EXPECT_EQ(evaluate({"--score", "kl-matching"}),
            "--features: required by kl-matching: logits of held-out rows");
  EXPECT_EQ(evaluate({"--score", "openmax"}),
            "--features: required by openmax: logits of the training set");
  EXPECT_THAT(evaluate({"--score", "openmax", "--tail", "1"}),
              StartsWith("--tail: expected a whole number"));
  EXPECT_EQ(evaluate({"--score", "energy", "--bias", b}),
            "--weight: required by energy: --bias goes with the weights");
  EXPECT_EQ(evaluate({"--score", "she", "--features", training, "--weight", w}),
            "--labels: required by she: classes of the training features");
  EXPECT_THAT(evaluate({"--score", "react", "--percentile", "100"}),
              StartsWith("--percentile: expected a number in [0, 100)"));
  EXPECT_EQ(evaluate({"--score", "vim", "--features", training, "--weight", w, "--dimension", "6"}),
            "--dimension: expected 0..5 (fewer than features), got 6");
  EXPECT_EQ(evaluate({"--score", "fdbd", "--features", training, "--weight",
                      matrix("flat.npy", std::vector<double>(12, 1.0), kColumns)},
                     kFailed),
            path("flat.npy") + ": classes 0 and 1 have the same weight: fdbd has no boundary");
  EXPECT_EQ(
      evaluate({"--score", "energy", "--weight", matrix("narrow.npy", {1, 2, 3, 4}, 2)}, kFailed),
      in + ": 6 columns, expected 2, as in " + path("narrow.npy"));
  EXPECT_EQ(evaluate({"--score", "energy", "--weight", w, "--bias",
                      matrix("square.npy", {1, 2, 3, 4}, 2)},
                     kFailed),
            path("square.npy") + ": shape (2, 2), expected one number for each class");
  EXPECT_EQ(refusal({"detect", "evaluate", "--logits", in, "--labels", y, "--positive", "in",
                     "--weight", w},
                    kWronglyAsked),
            "--logits: not used by msp, which scores features: give --in and --out");
  const auto compare = [&](const std::vector<std::string>& more) {
    return refusal(with({"detect", "compare", "--in", in, "--out", out, "--positive", "in"}, more),
                   kWronglyAsked);
  };
  EXPECT_EQ(compare({"--labels", y}), "--features: missing: --labels are their classes");
  EXPECT_EQ(compare({"--bias", b}), "--weight: missing: --bias goes with the weights");
  EXPECT_EQ(compare({"--probabilities", "--weight", w}), "--probabilities: not used with features");
  EXPECT_THAT(compare({"--resamples", "1"}), StartsWith("--resamples"));
}

}  // namespace
}  // namespace partita::testing
