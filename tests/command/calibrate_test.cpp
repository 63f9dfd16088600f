// SPDX-License-Identifier: Apache-2.0
// partita calibrate, as a user runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
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

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::StartsWith;

class Calibrate : public CommandTest {
 protected:
  static constexpr std::size_t kRows = 400;
  static constexpr std::size_t kClasses = 3;

  std::string save(const std::string& name, const std::vector<double>& values,
                   std::size_t columns = kClasses) const {
    save_npy(path(name), std::span(values), values.size() / columns, columns);
    return path(name);
  }
  std::string save_labels(const std::string& name, const std::vector<std::int64_t>& labels) const {
    save_npy(path(name), std::span(labels), labels.size(), 1);
    return path(name);
  }

  /// Logits that are twice too large, and labels.
  void SetUp() override {
    for (std::size_t r = 0; r < kRows; ++r) {
      Draws draws({.seed = 1, .id = r});
      double best = -INFINITY;
      for (std::size_t k = 0; k < kClasses; ++k) {
        const double z = 2 * draws.normal();
        const double perturbed = z + draws.gumbel();
        if (k == 0) labels_.push_back(0);
        if (perturbed > best) labels_.back() = static_cast<std::int64_t>(k);
        best = std::max(best, perturbed);
        logits_.push_back(2 * z);
      }
    }
    logits_file_ = save("z.npy", logits_);
    labels_file_ = save_labels("y.npy", labels_);
  }

  std::string fit_refusal(const std::string& logits, const std::string& labels,
                          const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = {"calibrate", "fit", logits, labels, "-o", path("c.json")};
    all.insert(all.end(), more.begin(), more.end());
    const std::string line = refusal(all, 1);
    EXPECT_FALSE(std::filesystem::exists(path("c.json")));
    return line;
  }

  std::vector<double> logits_;
  std::vector<std::int64_t> labels_;
  std::string logits_file_;
  std::string labels_file_;
};

const std::vector<std::string> kMetricKeys = {"accuracy", "confidence",    "nll",          "ece",
                                              "mce",      "classwise_ece", "adaptive_ece", "brier"};

TEST_F(Calibrate, FitApplyEvaluate) {
  const Json fit = json_of({"calibrate", "fit", logits_file_, labels_file_, "-o", path("c.json"),
                            "--report", path("r.html")});
  EXPECT_NEAR(fit.at("temperature").get<double>(), 2, 0.5);
  EXPECT_EQ(fit.at("status"), "converged");
  EXPECT_GT(fit.at("iterations").get<int>(), 1);
  EXPECT_LT(fit.at("gradient_residual").get<double>(), 1e-10);
  EXPECT_THAT(keys(fit.at("before")), IsSupersetOf(kMetricKeys));
  EXPECT_THAT(keys(fit.at("after")), IsSupersetOf(kMetricKeys));
  EXPECT_LT(fit.at("after").at("nll").get<double>(), fit.at("before").at("nll").get<double>());
  const auto ece = fit.at("intervals").at("before").at("ece");
  EXPECT_LT(ece.at(0).get<double>(), ece.at(1).get<double>());
  const std::string page = read_file(path("r.html"));
  EXPECT_THAT(page, HasSubstr("Reliability diagram before"));
  EXPECT_THAT(page, HasSubstr("Negative log-likelihood against temperature"));
  EXPECT_EQ(problems_of_page(path("r.html")), "");

  // What is applied is what was measured after, however it is passed on.
  EXPECT_EQ(
      run_partita({"calibrate", "apply", path("c.json"), logits_file_, "-o", path("a.npy")}).status,
      0);
  const Json after = json_of({"calibrate", "evaluate", path("a.npy"), labels_file_});
  for (const std::string& key : kMetricKeys) {
    EXPECT_NEAR(after.at(key).get<double>(), fit.at("after").at(key).get<double>(), 1e-12) << key;
  }
  EXPECT_EQ(after.at("bins").size(), 15U);
  EXPECT_EQ(
      json_of({"calibrate", "evaluate", path("a.npy"), labels_file_, "--bins", "7", "--equal-mass"})
          .at("bins")
          .size(),
      7U);
}

TEST_F(Calibrate, ProbabilitiesInProbabilitiesOut) {
  std::vector<double> p = logits_;
  for (std::size_t r = 0; r < kRows; ++r) {
    double total = 0;
    for (std::size_t k = 0; k < kClasses; ++k) total += p[r * 3 + k] = std::exp(p[r * 3 + k]);
    for (std::size_t k = 0; k < kClasses; ++k) p[r * 3 + k] /= total;
  }
  const std::string file = save("p.npy", p);
  const Json of_logits = json_of({"calibrate", "fit", logits_file_, labels_file_, "-o", path("c")});
  const Json of_p =
      json_of({"calibrate", "fit", file, labels_file_, "--probabilities", "-o", path("d.json")});
  EXPECT_NEAR(of_p.at("temperature").get<double>(), of_logits.at("temperature").get<double>(),
              1e-10);
  EXPECT_EQ(run_partita({"calibrate", "apply", path("d.json"), file, "--probabilities", "-o",
                         path("q.npy")})
                .status,
            0);
  const NpyFile q(path("q.npy"));
  const double* row = q.rows().row_data<double>(0);
  EXPECT_NEAR(row[0] + row[1] + row[2], 1, 1e-12);

  const Outcome warned = run_partita({"calibrate", "evaluate", file, labels_file_});
  EXPECT_EQ(warned.status, 0);
  EXPECT_THAT(warned.err, HasSubstr("every row sums to one"));
  EXPECT_THAT(run_partita({"calibrate", "evaluate", logits_file_, labels_file_}).err,
              Not(HasSubstr("adds up")));
}

TEST_F(Calibrate, EveryMethodAndSplitIsAFunctionOfTheSeed) {
  for (const std::string method : {"temperature", "vector", "matrix", "isotonic", "histogram"}) {
    const auto fit = [&](const std::string& seed, const std::string& threads) {
      return json_of({"calibrate", "fit", logits_file_, labels_file_, "--method", method, "--split",
                      "0.5", "--seed", seed, "--threads", threads, "--resamples", "40", "-o",
                      path("c.json")});
    };
    const Json one = fit("1", "1");
    EXPECT_EQ(one.at("status"), "converged") << method;
    EXPECT_EQ(one.at("fitted_rows"), kRows / 2);
    EXPECT_EQ(one.at("evaluated_rows"), kRows / 2);
    EXPECT_EQ(fit("1", "3"), one) << method;
    EXPECT_NE(fit("2", "1").at("before"), one.at("before")) << method;
  }
}

TEST_F(Calibrate, OtherFormats) {
  std::string csv = "a,b,c\n";
  std::string labels = "label\n";
  for (std::size_t r = 0; r < kRows; ++r) {
    csv += std::to_string(logits_[r * 3]) + "," + std::to_string(logits_[r * 3 + 1]) + "," +
           std::to_string(logits_[r * 3 + 2]) + "\n";
    labels += std::to_string(labels_[r]) + "\n";
  }
  const Json json = json_of(
      {"calibrate", "evaluate", file("z.csv", csv), file("y.csv", labels), "--resamples", "0"});
  const Json npy =
      json_of({"calibrate", "evaluate", logits_file_, labels_file_, "--resamples", "0"});
  EXPECT_NEAR(json.at("nll").get<double>(), npy.at("nll").get<double>(), 1e-5);
  EXPECT_FALSE(json.contains("intervals"));
}

TEST_F(Calibrate, WhatCannotBeCalibrated) {
  const auto with = [&](std::size_t at, double value) {
    std::vector<double> z = logits_;
    z[at] = value;
    return save("bad.npy", z);
  };
  const auto labels_with = [&](std::size_t at, std::int64_t value) {
    std::vector<std::int64_t> y = labels_;
    y[at] = value;
    return save_labels("bad-y.npy", y);
  };
  EXPECT_EQ(
      fit_refusal(logits_file_, labels_with(7, 3)),
      path("bad-y.npy") + ": row 7: label 3, expected 0..2 (the classes of " + logits_file_ + ")");
  EXPECT_THAT(fit_refusal(logits_file_, labels_with(7, -1)),
              HasSubstr("row 7: label -1, expected"));
  EXPECT_EQ(fit_refusal(with(16, NAN), labels_file_), path("bad.npy") + ": row 5: NaN at column 1");
  EXPECT_EQ(
      fit_refusal(logits_file_, save_labels("few.npy", {0, 1})),
      path("few.npy") + ": 2 labels, expected one for each of the 400 rows of " + logits_file_);
  EXPECT_EQ(fit_refusal(save("one.npy", std::vector<double>(kRows, 2.0), 1),
                        save_labels("zero.npy", std::vector<std::int64_t>(kRows))),
            path("zero.npy") + ": every label is 0, but the one column of " + path("one.npy") +
                " is that of class 1 of two: expected labels of both");
}

TEST_F(Calibrate, WhereNoTemperatureIsBest) {
  std::vector<std::int64_t> right;
  std::vector<std::int64_t> wrong;
  for (std::size_t r = 0; r < kRows; ++r) {
    const double* z = &logits_[r * kClasses];
    right.push_back(std::max_element(z, z + kClasses) - z);
    wrong.push_back(std::min_element(z, z + kClasses) - z);
  }
  EXPECT_THAT(fit_refusal(logits_file_, save_labels("right.npy", right)),
              HasSubstr("no calibrator (zero-temperature): every label has the largest logit"));
  EXPECT_THAT(fit_refusal(logits_file_, save_labels("wrong.npy", wrong)),
              HasSubstr("no calibrator (infinite-temperature): "));
  EXPECT_THAT(fit_refusal(save("flat.npy", std::vector<double>(kRows * 3, 2.0)), labels_file_),
              HasSubstr("no calibrator (undetermined): all logits of a row are equal"));
  // With --json, programs can read the status as well.
  const Outcome outcome = run_partita(
      {"calibrate", "fit", logits_file_, path("right.npy"), "-o", path("c.json"), "--json"});
  EXPECT_EQ(outcome.status, 1);
  const Json json = Json::parse(outcome.out);
  EXPECT_EQ(json.at("status"), "zero-temperature");
  EXPECT_TRUE(json.at("temperature").is_null());
  EXPECT_TRUE(json.at("after").is_null());
}

TEST_F(Calibrate, ZerosAreNotClipped) {
  const std::string p = save("p.npy", {1, 0, 0, .5, .25, .25, 0, .5, .5, .25, .5, .25});
  const std::string possible = save_labels("ok.npy", {0, 1, 1, 1});
  const std::string impossible = save_labels("no.npy", {1, 1, 1, 0});
  EXPECT_EQ(json_of({"calibrate", "fit", p, possible, "--probabilities", "-o", path("c.json"),
                     "--resamples", "0"})
                .at("status"),
            "converged");
  std::filesystem::remove(path("c.json"));
  EXPECT_EQ(fit_refusal(p, impossible, {"--probabilities"}),
            impossible + ": row 0: label 1 is impossible (probability 0) at every temperature");
  const Outcome outcome = run_partita(
      {"calibrate", "evaluate", p, impossible, "--probabilities", "--resamples", "0", "--json"});
  EXPECT_TRUE(Json::parse(outcome.out).at("nll").is_null());
  EXPECT_THAT(outcome.err, HasSubstr("nll is infinite"));
  EXPECT_EQ(
      fit_refusal(save("q.npy", {.5, .6, .2}), save_labels("y1.npy", {0}), {"--probabilities"}),
      path("q.npy") + ": row 0: probabilities add up to 1.3, expected 1");
  EXPECT_EQ(
      fit_refusal(save("q.npy", {-.5, .6, .2}), save_labels("y1.npy", {0}), {"--probabilities"}),
      path("q.npy") + ": row 0: expected a probability, got -0.5 at column 0");
}

TEST_F(Calibrate, WrongOptionsAndFiles) {
  EXPECT_THAT(refusal({"calibrate", "fit", logits_file_, labels_file_}, 2), HasSubstr("--output"));
  EXPECT_THAT(
      refusal({"calibrate", "fit", logits_file_, labels_file_, "-o", path("c"), "--split", "1.5"},
              2),
      StartsWith("--split: expected a number in (0, 1], got 1.5"));
  EXPECT_THAT(refusal({"calibrate", "evaluate", logits_file_, labels_file_, "--bins", "0"}, 2),
              StartsWith("--bins: expected a whole number"));
  EXPECT_THAT(refusal({"calibrate", "evaluate", logits_file_, labels_file_, "--resamples", "1"}, 2),
              StartsWith("--resamples: expected a whole number"));
  EXPECT_THAT(
      refusal({"calibrate", "apply", file("c.json", "{}"), logits_file_, "-o", path("o.npy")}, 1),
      EndsWith("c.json: not a calibrator: format: expected a string"));
  std::filesystem::remove(path("c.json"));
  json_of({"calibrate", "fit", logits_file_, labels_file_, "-o", path("c.json")});
  EXPECT_EQ(refusal({"calibrate", "apply", path("c.json"), save("two.npy", {1, 2}, 2), "-o",
                     path("o.npy")},
                    1),
            path("two.npy") + ": 2 classes, expected 3 as " + path("c.json") + " has");
  EXPECT_THAT(
      refusal({"calibrate", "evaluate", file("cut.npz", "PK\x03\x04 and no more"), labels_file_},
              1),
      EndsWith("cut.npz: cut short: the directory at the end of the archive is missing"));
}

TEST_F(Calibrate, ComparesByCrossValidation) {
  const std::vector<std::string> compare = {"calibrate",  "compare",     logits_file_,
                                            labels_file_, "--resamples", "100"};
  const Json json = json_of(compare);
  EXPECT_THAT(keys(json), ElementsAre("methods", "use", "rows", "folds", "resamples", "seed"));
  ASSERT_EQ(json["methods"].size(), 8U);
  double last = 0;
  for (const Json& each : json["methods"]) {
    if (each["nll"].is_null()) continue;  // infinite
    EXPECT_GE(each["nll"], last);
    last = each["nll"];
  }
  EXPECT_EQ(json["use"], "temperature");
  const Outcome text = run_partita(compare);
  EXPECT_THAT(text.out, AllOf(HasSubstr("each calibrated without its own fold of 5"),
                              HasSubstr("\nuse temperature")));
  EXPECT_THAT(refusal({"calibrate", "compare", logits_file_, labels_file_, "--folds", "1"}, 2),
              StartsWith("--folds: expected"));
}

TEST_F(Calibrate, ComparesToNoCalibration) {
  // Logits whose probabilities are right, and ones that no method can make better.
  std::vector<double> right = logits_;
  for (double& z : right) z /= 2;
  const Outcome some = run_partita(
      {"calibrate", "compare", save("right.npy", right), labels_file_, "--resamples", "100"});
  EXPECT_THAT(some.out, HasSubstr("\ncalibrate nothing: "));
  const Outcome all =
      run_partita({"calibrate", "compare", save("two.npy", {1, 0, 0, 1, 1, 0, 0, 1}, 2),
                   save_labels("y2.npy", {0, 0, 1, 1}), "--folds", "4"});
  EXPECT_THAT(all.out, HasSubstr("\ncalibrate nothing: every method is worse"));
}

TEST_F(Calibrate, DirichletIsRegularized) {
  const auto fit = [&](const char* weight) {
    return json_of({"calibrate", "fit", logits_file_, labels_file_, "--method", "dirichlet",
                    "--off-diagonal", weight, "--resamples", "0", "-o",
                    path("d.json")})["after"]["nll"]
        .get<double>();
  };
  const double free = fit("0");
  EXPECT_LT(free, fit("100"));
  const Json file = Json::parse(read_file(path("d.json")));
  EXPECT_EQ(file["method"], "dirichlet");
  EXPECT_LT(std::abs(file["weights"][1].get<double>()), 0.01);
}

TEST_F(Calibrate, TemperaturesOfSeveralKindsOfRows) {
  std::vector<double> logits = logits_;  // twice too large; those of odd rows twenty times
  std::vector<double> kinds;
  for (std::size_t r = 0; r < kRows; ++r) {
    kinds.push_back(static_cast<double>(r % 2));
    for (std::size_t k = 0; k < kClasses; ++k) logits[r * kClasses + k] *= r % 2 == 1 ? 10 : 1;
  }
  const std::string z = save("kinds-z.npy", logits);
  const std::string by = save("kinds.npy", kinds, 1);
  const Json found =
      json_of({"calibrate", "compare", z, labels_file_, "--method", "temperature", "--method",
               "binned-temperature", "--by", by, "--bins", "2", "--resamples", "50"});
  EXPECT_EQ(found["methods"].size(), 3U);
  EXPECT_EQ(found["use"], "binned-temperature");
  const std::vector<std::string> fit = {
      "calibrate", "fit",          z,      labels_file_, "--bins",      "2",
      "-o",        path("b.json"), "--by", by,           "--resamples", "0"};
  EXPECT_EQ(refusal(fit, 2), "--by: used by --method binned-temperature alone");
  std::vector<std::string> binned = fit;
  binned.insert(binned.end(), {"--method", "binned-temperature"});
  EXPECT_THAT(run_partita(binned).out,
              AllOf(HasSubstr("number up to 0\n"), HasSubstr("number above 0\n")));
  const Json file = Json::parse(read_file(path("b.json")));
  EXPECT_NEAR(file["temperatures"][0].get<double>(), 2, 0.6);
  EXPECT_NEAR(file["temperatures"][1].get<double>(), 20, 6);
  const std::vector<std::string> apply = {"calibrate", "apply", path("b.json"),
                                          z,           "-o",    path("out.npy")};
  EXPECT_EQ(refusal(apply, 2), "--by: required: " + path("b.json") + " was fitted with it");
  std::vector<std::string> with = apply;
  with.insert(with.end(), {"--by", by});
  EXPECT_EQ(run_partita(with).status, 0);
  with.back() = save("few.npy", {1, 2}, 1);
  EXPECT_EQ(refusal(with, 1),
            path("few.npy") + ": 2 numbers, expected one for each of the 400 rows of " + z);
}

TEST_F(Calibrate, SetsHoldTheRightClass) {
  const std::vector<std::string> sets = {"calibrate",  "sets",       logits_file_,
                                         labels_file_, logits_file_, "--new-labels",
                                         labels_file_, "-o",         path("s.csv")};
  const auto with = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = sets;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  const Json json = json_of(with({"--alpha", "0.2", "--score", "lac"}));
  EXPECT_EQ(json["covered"], 321.0 / kRows);  // ceil(401 * .8), on the held-out rows themselves
  EXPECT_LT(json["expected"][0], 0.8);
  EXPECT_GT(json["expected"][1], 0.8);
  EXPECT_EQ(json["covered_by_class"].size(), kClasses);
  const std::string csv = read_file(path("s.csv"));
  EXPECT_THAT(csv, StartsWith("size,classes\n"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 401);
  for (const std::string coverage : {"marginal", "class-conditional", "clustered"}) {
    EXPECT_THAT(run_partita(with({"--coverage", coverage})).out,
                AllOf(StartsWith("400 rows: sets of "), HasSubstr(coverage + " for 90 % by 400"),
                      HasSubstr("hold the right class")));
  }
  // Weights that are all alike change nothing but the noise of ties, which lac does not have.
  const std::string ones = save("w.npy", std::vector<double>(kRows, 1), 1);
  const Json weighted =
      json_of(with({"--alpha", "0.2", "--score", "lac", "--weights", ones, "--new-weights", ones}));
  EXPECT_EQ(weighted["covered"], json["covered"]);
  EXPECT_EQ(weighted["effective_rows"], 400);
  EXPECT_EQ(refusal(with({"--weights", ones}), 2),
            "--new-weights: missing: those of held-out and new rows go together");
  EXPECT_EQ(refusal(with({"--weights", ones, "--new-weights", save("v.npy", {1, -1}, 1)}), 1),
            path("v.npy") + ": expected 400 (one for each row), got 2");
  EXPECT_EQ(refusal(with({"--weights", ones, "--new-weights", ones, "--coverage", "clustered"}), 2),
            "--coverage: expected marginal with --weights");
  EXPECT_EQ(refusal({"calibrate", "sets", logits_file_, labels_file_, save("two.npy", {1, 2}, 2),
                     "-o", path("t.csv")},
                    1),
            path("two.npy") + ": 2 classes, expected 3 as in " + logits_file_);
}

}  // namespace
}  // namespace partita::testing
