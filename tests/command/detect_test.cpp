// SPDX-License-Identifier: Apache-2.0
// partita detect: scores from files, figures, thresholds, marks, and what it refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
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
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kFailed = 1;
constexpr int kWronglyAsked = 2;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

class Detect : public CommandTest {
 protected:
  std::string matrix(const std::string& name, const std::vector<double>& values,
                     std::size_t columns) const {
    save_npy(path(name), std::span<const double>(values), values.size() / columns, columns);
    return path(name);
  }

  std::string labels(const std::string& name, const std::vector<std::int64_t>& values) const {
    save_npy(path(name), std::span<const std::int64_t>(values), values.size(), 1);
    return path(name);
  }

  /// Rows of two logits, (z, 0).
  std::string margins(const std::string& name, const std::vector<double>& z) const {
    std::vector<double> values;
    for (const double x : z) values.insert(values.end(), {x, 0});
    return matrix(name, values, 2);
  }

  /// Features around one point for each class (odd columns the other way), or around 0.
  std::string features(const std::string& name, std::size_t rows, bool known,
                       std::uint64_t id) const {
    std::vector<double> values;
    const Stream stream{7, id};
    for (std::size_t i = 0; i < rows * 4; ++i) {
      const double mean = known ? (i / 4 % 2 == 0 ? 6 : -6) * (i % 2 == 0 ? 1 : -1) : 0;
      values.push_back(mean + stream.normal(i));
    }
    return matrix(name, values, 4);
  }
};

TEST_F(Detect, EvaluateByHand) {
  // Four in, three out; one tie at 2. In beats out in 3 + 3 + 2.5 + 1 of 12 pairs.
  const std::vector<std::string> arguments = {"detect",    "evaluate",
                                              "--in",      margins("in.npy", {5, 4, 2, 1}),
                                              "--out",     margins("out.npy", {3, 2, 0.5}),
                                              "--positive"};
  const auto evaluate = [&](const std::vector<std::string>& more) {
    auto all = arguments;
    all.insert(all.end(), more.begin(), more.end());
    return json_of(all);
  };
  for (const std::string score : {"msp", "max-logit", "entropy", "energy"}) {
    const Json json = evaluate({"in", "--score", score});
    EXPECT_THAT(keys(json), ElementsAre("auroc", "aupr_in", "aupr_out", "fpr_at_95_tpr",
                                        "detection_accuracy", "intervals", "positive", "score",
                                        "temperature", "in", "out", "report", "seed"));
    EXPECT_DOUBLE_EQ(json["auroc"].get<double>(), (3 + 3 + 1.5 + 1) / 12) << score;
    // Recall in steps of 1/4: at 5, 4, 2 (with the tie) and 1.
    EXPECT_DOUBLE_EQ(json["aupr_in"].get<double>(), (1 + 1 + 3 / 5.0 + 4 / 6.0) / 4) << score;
    EXPECT_DOUBLE_EQ(json["aupr_out"].get<double>(), (1 + 2 / 4.0 + 3 / 5.0) / 3) << score;
    EXPECT_DOUBLE_EQ(json["fpr_at_95_tpr"].get<double>(), 2 / 3.0) << score;
    EXPECT_DOUBLE_EQ(json["detection_accuracy"].get<double>(), 0.75) << score;
    EXPECT_EQ(json["in"], 4);
    EXPECT_EQ(json["out"], 3);
    EXPECT_THAT(keys(json["intervals"]),
                ElementsAre("level", "resamples", "auroc", "aupr_in", "aupr_out", "fpr_at_95_tpr",
                            "detection_accuracy"));
    EXPECT_LE(json["intervals"]["auroc"][0], json["auroc"]);
    EXPECT_GE(json["intervals"]["auroc"][1], json["auroc"]);
  }
  const Json out = evaluate({"out"});
  EXPECT_EQ(out["score"], "msp");
  EXPECT_DOUBLE_EQ(out["fpr_at_95_tpr"].get<double>(), 0.5);
  EXPECT_TRUE(evaluate({"in", "--resamples", "0"})["intervals"].is_null());
  EXPECT_EQ(evaluate({"in", "--seed", "3", "--threads", "1"}),
            evaluate({"in", "--seed", "3", "--threads", "3"}));
  // With seven scores, most resamples have the same quantiles whatever the seed.
  EXPECT_NE(evaluate({"in", "--resamples", "20", "--seed", "3"})["intervals"],
            evaluate({"in", "--resamples", "20", "--seed", "4"})["intervals"]);

  auto text = arguments;
  text.emplace_back("in");
  const Outcome outcome = run_partita(text);
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("msp: 4 in, 3 out; positive: in"),
                                 HasSubstr("auroc                0.70833")));
}

TEST_F(Detect, ErrorsOfAClassifier) {
  // Rows 0, 1 and 3 are classified correctly; the wrong one has the second largest margin.
  const std::string logits = margins("z.npy", {4, -1, 3, 0.5});
  const std::string y = labels("y.npy", {0, 1, 1, 0});
  const auto evaluate = [&](const std::string& positive) {
    return json_of(
        {"detect", "evaluate", "--logits", logits, "--labels", y, "--positive", positive});
  };
  const Json json = evaluate("in");
  EXPECT_EQ(json["in"], 3);
  EXPECT_EQ(json["out"], 1);
  EXPECT_DOUBLE_EQ(json["auroc"].get<double>(), 1 / 3.0);
  EXPECT_EQ(json["fpr_at_95_tpr"], 1);
  EXPECT_DOUBLE_EQ(evaluate("out")["fpr_at_95_tpr"].get<double>(), 2 / 3.0);
  const Outcome text =
      run_partita({"detect", "evaluate", "--logits", logits, "--labels", y, "--positive", "in"});
  EXPECT_THAT(text.out, HasSubstr("3 correct, 1 wrong"));
}

TEST_F(Detect, ProbabilitiesAreTakenAsTheyStand) {
  // Rounded probabilities that tie at 0.75, though one row sums to 1.001.
  const std::string in = matrix("p.npy", {0.75, 0.25, 0.75, 0.251}, 2);
  const std::string out = matrix("q.npy", {0.25, 0.75}, 2);
  const Json json = json_of(
      {"detect", "evaluate", "--in", in, "--out", out, "--positive", "in", "--probabilities"});
  EXPECT_EQ(json["auroc"], 0.5);
  // Impossible categories are no error: entropy of (1, 0) is 0, which nothing beats.
  const std::string sure = matrix("sure.npy", {1, 0}, 2);
  EXPECT_EQ(json_of({"detect", "evaluate", "--in", sure, "--out", out, "--positive", "in",
                     "--probabilities", "--score", "entropy"})["auroc"],
            1);
  const Outcome warned =
      run_partita({"detect", "evaluate", "--in", sure, "--out", out, "--positive", "in"});
  EXPECT_EQ(warned.status, 0);
  EXPECT_THAT(warned.err, HasSubstr("--probabilities"));
  EXPECT_THAT(refusal({"detect", "evaluate", "--in", margins("z.npy", {5}), "--out", out,
                       "--positive", "in", "--probabilities"},
                      kFailed),
              AllOf(StartsWith(path("z.npy") + ": row 0: "), HasSubstr("probabilit")));
}

TEST_F(Detect, ScoresOfFeatures) {
  const std::string training = features("training.npy", 100, true, 0);
  std::vector<std::int64_t> classes(100);
  for (std::size_t i = 0; i < 100; ++i) classes[i] = static_cast<std::int64_t>(i % 2);
  const std::string y = labels("classes.npy", classes);
  const std::string in = features("in.npy", 50, true, 1);
  const std::string out = features("out.npy", 50, false, 2);
  for (const std::string score : {"mahalanobis", "knn"}) {
    const std::vector<std::string> base = {"--in", in,           "--score", score, "--labels",
                                           y,      "--features", training,  "-k",  "5"};
    auto evaluate = base;
    evaluate.insert(evaluate.begin(), {"detect", "evaluate", "--out", out, "--positive", "out"});
    const Json figures = json_of(evaluate);
    // Far from both classes, but for direction: knn sees no more than that.
    EXPECT_GT(figures["auroc"], score == "knn" ? 0.9 : 0.999) << score;
    EXPECT_FALSE(figures.contains("temperature"));

    auto threshold = base;
    threshold.insert(threshold.begin(), {"detect", "threshold", "-o", path("t.json")});
    const Json found = json_of(threshold);
    EXPECT_EQ(found, Json::parse(read_file(path("t.json"))));
    EXPECT_EQ(found["features"], Json::parse("[100, 4]"));
    const Json marks =
        json_of({"detect", "apply", path("t.json"), in, "--features", training, "--labels", y});
    EXPECT_EQ(marks["in"].get<double>(), 50 * found["accepted"].get<double>());
    EXPECT_EQ(marks["score"], score);

    EXPECT_THAT(refusal({"detect", "apply", path("t.json"), in}, kWronglyAsked),
                StartsWith("--features: required by " + score));
    EXPECT_EQ(refusal({"detect", "apply", path("t.json"), in, "--features", in, "--labels",
                       labels("fifty.npy", std::vector<std::int64_t>(50, 1))},
                      kFailed),
              in + ": shape (50, 4), expected (100, 4): the features that " + path("t.json") +
                  " was made with");
    EXPECT_EQ(refusal({"detect", "apply", path("t.json"), margins("z.npy", {5}), "--features",
                       training, "--labels", y},
                      kFailed),
              path("z.npy") + ": 2 columns, expected 4, as in " + training);
  }
}

TEST_F(Detect, ThresholdAndMarks) {
  std::vector<double> z;
  for (int i = 0; i < 20; ++i) z.push_back(i);
  const std::string in = margins("in.npy", z);
  const Json json = json_of({"detect", "threshold", "--in", in, "--score", "max-logit", "--tpr",
                             "0.95", "-o", path("t.json")});
  EXPECT_THAT(keys(json), ElementsAre("format", "version", "score", "temperature", "threshold",
                                      "tpr", "accepted", "rows", "columns"));
  EXPECT_EQ(json["threshold"], 1);
  EXPECT_EQ(json["accepted"], 0.95);
  EXPECT_EQ(json["rows"], 20);

  const std::string other = margins("other.npy", {0.5, 1, 7});
  const Json marks = json_of({"detect", "apply", path("t.json"), other, "-o", path("m.npy")});
  EXPECT_THAT(keys(marks),
              ElementsAre("rows", "in", "out", "score", "temperature", "threshold", "output"));
  EXPECT_EQ(marks["in"], 2);
  EXPECT_EQ(marks["out"], 1);
  const NpyFile npy(path("m.npy"));
  ASSERT_EQ(npy.rows().rows(), 3U);
  ASSERT_EQ(npy.rows().columns(), 2U);
  const auto* table = npy.rows().row_data<double>(0);
  EXPECT_THAT(std::vector<double>(table, table + 6), ElementsAre(0.5, 0, 1, 1, 7, 1));
  EXPECT_EQ(run_partita({"detect", "apply", path("t.json"), other, "-o", path("m.csv")}).status, 0);
  EXPECT_EQ(read_file(path("m.csv")), "score,in\n0.5,0\n1,1\n7,1\n");
  EXPECT_THAT(run_partita({"detect", "apply", path("t.json"), other}).out,
              StartsWith("2 of 3 rows are in, 1 out (max-logit >= 1)"));

  // Settings travel with the threshold, to the last digit.
  const Json energy = json_of({"detect", "threshold", "--in", in, "--score", "energy",
                               "--temperature", "2.5", "--tpr", "1", "-o", path("e.json")});
  EXPECT_EQ(energy["temperature"], 2.5);
  EXPECT_EQ(energy["threshold"].get<double>(), 2.5 * std::log(2));
  EXPECT_EQ(json_of({"detect", "apply", path("e.json"), in})["in"], 20);
  EXPECT_THAT(run_partita({"detect", "threshold", "--in", in, "--score", "max-logit"}).out,
              StartsWith("max-logit >= 1: 95 % of 20 rows"));
}

TEST_F(Detect, Report) {
  const std::string report = path("r.html");
  EXPECT_EQ(
      json_of({"detect", "evaluate", "--in", margins("in.npy", {5, 4, 2, 1}), "--out",
               margins("out.npy", {3, 2, 0.5}), "--positive", "in", "--report", report})["report"],
      report);
  const std::string page = read_file(report);
  EXPECT_THAT(page, AllOf(StartsWith("<!DOCTYPE html>"), HasSubstr("AUROC"), HasSubstr("0.7083"),
                          HasSubstr("detection accuracy"), HasSubstr("95 % interval"),
                          HasSubstr("4 rows of in.npy (in) against 3 of out.npy (out)")));
  std::size_t figures = 0;
  for (std::size_t at = page.find("<svg"); at != std::string::npos; at = page.find("<svg", at + 1))
    ++figures;
  EXPECT_EQ(figures, 3U);
  EXPECT_EQ(problems_of_page(report), "");
  // Scores that are all the same can be plotted as well.
  EXPECT_EQ(run_partita({"detect", "evaluate", "--in", margins("a.npy", {1}), "--out",
                         margins("b.npy", {1}), "--positive", "out", "--report", report})
                .status,
            0);
}

TEST_F(Detect, RefusesWrongOptions) {
  const std::string in = margins("in.npy", {1, 2});
  const auto evaluate = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = {"detect", "evaluate"};
    all.insert(all.end(), more.begin(), more.end());
    return refusal(all, kWronglyAsked);
  };
  EXPECT_THAT(
      refusal({"detect"}, kWronglyAsked),
      StartsWith("expected a command (evaluate, compare, fuse, threshold, apply), got none"));
  EXPECT_THAT(evaluate({"--in", in, "--out", in}), StartsWith("--positive"));
  EXPECT_THAT(evaluate({"--in", in, "--out", in, "--positive", "both"}), HasSubstr("--positive"));
  EXPECT_THAT(evaluate({"--positive", "in"}),
              StartsWith("--in: missing: give --in and --out, or --logits and --labels"));
  EXPECT_THAT(evaluate({"--in", in, "--positive", "in"}), HasSubstr("--out"));
  EXPECT_THAT(evaluate({"--logits", in, "--positive", "in"}), HasSubstr("--labels"));
  EXPECT_THAT(
      evaluate({"--logits", in, "--labels", in, "--in", in, "--out", in, "--positive", "in"}),
      HasSubstr("--logits"));
  const std::vector<std::string> files = {"--in", in, "--out", in, "--positive", "in"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), files.begin(), files.end());
    return evaluate(more);
  };
  EXPECT_THAT(with({"--score", "odds"}), HasSubstr("--score"));
  EXPECT_THAT(with({"--temperature", "0"}),
              StartsWith("--temperature: expected a number in (0, inf)"));
  EXPECT_THAT(with({"--score", "knn"}),
              "--features: required by knn: features of the training set");
  EXPECT_THAT(with({"--score", "mahalanobis", "--features", in}),
              "--labels: required by mahalanobis: classes of the training features");
  EXPECT_THAT(with({"--features", in}), "--features: not used by msp, which scores logits");
  EXPECT_THAT(with({"--score", "knn", "--features", in, "-k", "3"}),
              "-k: expected 1..2 (training rows), got 3");
  EXPECT_THAT(with({"--score", "knn", "--features", in, "--probabilities"}),
              StartsWith("--probabilities: not used by knn"));
  EXPECT_THAT(evaluate({"--logits", in, "--labels", in, "--positive", "in", "--score", "knn",
                        "--features", in}),
              StartsWith("--logits: not used by knn"));
  EXPECT_THAT(with({"--shrinkage", "2"}), StartsWith("--shrinkage: expected a number in [0, 1]"));
  for (const char* tpr : {"0", "1.5", "nan"}) {
    EXPECT_THAT(refusal({"detect", "threshold", "--in", in, "--tpr", tpr}, kWronglyAsked),
                StartsWith("--tpr: expected a number in (0, 1]"));
  }
  EXPECT_THAT(refusal({"detect", "threshold"}, kWronglyAsked), HasSubstr("--in"));
  EXPECT_EQ(run_partita({"detect", "threshold", "--in", in, "-o", path("t.json")}).status, 0);
  EXPECT_EQ(
      refusal({"detect", "apply", path("t.json"), in, "-o", path("marks.txt")}, kWronglyAsked),
      "--output: expected an extension of .csv or .npy, got " + path("marks.txt") +
          " (see partita detect apply --help)");
}

TEST_F(Detect, RefusesBadFiles) {
  const std::string good = margins("good.npy", {1, 2, 3});
  const auto refused = [&](const std::string& in, const std::string& out) {
    const std::string line =
        refusal({"detect", "evaluate", "--in", in, "--out", out, "--positive", "in"}, kFailed);
    EXPECT_EQ(refusal({"detect", "threshold", "--in", out == good ? in : out}, kFailed), line);
    return line;
  };
  const std::string nan = margins("nan.npy", {1, kNan});
  EXPECT_EQ(refused(nan, good), nan + ": row 1: NaN at column 0");
  EXPECT_EQ(refused(good, nan), nan + ": row 1: NaN at column 0");
  const std::string impossible = matrix("inf.npy", {1, 2, -INFINITY, -INFINITY}, 2);
  EXPECT_THAT(refused(impossible, good),
              impossible + ": row 1: every category is impossible (all -inf)");
  const std::string bytes = read_file(good);
  EXPECT_THAT(refused(file("cut.npy", bytes.substr(0, bytes.size() - 5)), good),
              AllOf(StartsWith(path("cut.npy")), HasSubstr("cut short")));
  EXPECT_THAT(refused(good, file("empty.npy", "")), HasSubstr("the file is empty"));
  EXPECT_THAT(refused(path("none.npy"), good), HasSubstr("No such file"));
  EXPECT_THAT(refused(file("x.txt", "1 2"), good), HasSubstr("unknown format"));
  EXPECT_THAT(refused(file("none.csv", "a,b\n"), good), StartsWith(path("none.csv")));

  const std::string wide = matrix("wide.npy", {1, 2, 3}, 3);
  EXPECT_EQ(
      refusal({"detect", "evaluate", "--in", good, "--out", wide, "--positive", "in"}, kFailed),
      wide + ": 3 columns, expected 2, as in " + good);
  const auto errors = [&](const std::vector<std::int64_t>& y) {
    return refusal({"detect", "evaluate", "--logits", good, "--labels", labels("y.npy", y),
                    "--positive", "in"},
                   kFailed);
  };
  EXPECT_THAT(errors({0, 1}), AllOf(StartsWith(path("y.npy")), HasSubstr("2 labels")));
  EXPECT_THAT(errors({0, 1, 2}), AllOf(StartsWith(path("y.npy")), HasSubstr("expected 0..1")));
  EXPECT_THAT(errors({0, 1, -1}), HasSubstr("expected 0..1"));

  const std::string training = matrix("training.npy", {1, 2, 1, kNan}, 2);
  EXPECT_EQ(refusal({"detect", "threshold", "--in", good, "--score", "knn", "-k", "1", "--features",
                     training},
                    kFailed),
            training + ": row 1: NaN at column 1");
  EXPECT_EQ(refusal({"detect", "threshold", "--in", good, "--score", "mahalanobis", "--features",
                     good, "--labels", labels("y.npy", {0})},
                    kFailed),
            path("y.npy") + ": expected 3 (one for each row), got 1");
}

TEST_F(Detect, OneSideEmpty) {
  const std::string good = margins("good.npy", {1, 2, 3});
  for (const std::int64_t label : {0, 1}) {
    const Outcome outcome =
        run_partita({"detect", "evaluate", "--logits", good, "--labels",
                     labels("y.npy", {label, label, label}), "--positive", "in"});
    EXPECT_EQ(outcome.status, kFailed);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, EndsWith("partita: " + path("y.npy") + ": every row of " + good +
                                      " is classified " + (label == 0 ? "correctly" : "wrongly") +
                                      ": nothing to tell apart\n"));
  }
}

}  // namespace
}  // namespace partita::testing
