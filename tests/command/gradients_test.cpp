// SPDX-License-Identifier: Apache-2.0
// partita gradients: known figures, what is printed, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "browser.hpp"
#include "command.hpp"
#include "partita/io/file.hpp"

namespace partita::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr int kWronglyAsked = 2;

class Gradients : public CommandTest {
 protected:
  static Json gradients(const std::string& problem, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"gradients", "--problem", problem};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return json_of(arguments);
  }
};

TEST_F(Gradients, Json) {
  const Json json = gradients("bernoulli", {"--samples", "200", "--steps", "20", "--seed", "5"});
  EXPECT_THAT(keys(json),
              ElementsAre("problem", "variants", "samples", "steps", "runs", "report", "seed"));
  EXPECT_EQ(json["problem"], "bernoulli");
  EXPECT_EQ(json["seed"], 5);
  ASSERT_EQ(json["variants"].size(), 2U);
  for (const Json& variant : json["variants"]) {
    EXPECT_THAT(keys(variant),
                ElementsAre("name", "start", "exact_gradient", "best_value", "step_size",
                            "measurements", "optimization", "variance_over_theta"));
    for (const Json& m : variant["measurements"]) {
      EXPECT_THAT(keys(m),
                  ElementsAre("estimator", "temperature", "samples", "evaluations", "bias",
                              "bias_standard_error", "variance", "variance_standard_error",
                              "microseconds", "error_at_equal_evaluations", "error_at_equal_time"));
      EXPECT_GT(m["microseconds"], 0);
    }
    for (const Json& curve : variant["optimization"]) {
      EXPECT_THAT(keys(curve), ElementsAre("estimator", "step", "value", "standard_error"));
      EXPECT_EQ(curve["step"].size(), 21U);
      EXPECT_EQ(curve["value"].size(), 21U);
    }
  }
}

TEST_F(Gradients, DoNotDependOnThreadsAndDoOnTheSeed) {
  const std::map<std::string, std::string> chosen = {
      {"bernoulli", "score-moving-average,rebar,relax,unordered-set"},
      {"mdp", "reward-to-go,learned"}};
  for (const auto& [problem, estimators] : chosen) {
    const auto run = [&, name = problem, names = estimators](const char* seed,
                                                             const char* threads) {
      Json json = gradients(name, {"--estimators", names, "--samples", "100", "--steps", "5",
                                   "--seed", seed, "--threads", threads});
      for (Json& variant : json["variants"]) {
        for (Json& m : variant["measurements"]) {
          m.erase("microseconds");
          m.erase("error_at_equal_time");
        }
      }
      return json["variants"].dump();
    };
    const std::string one = run("1", "1");
    EXPECT_EQ(run("1", "2"), one) << problem;
    EXPECT_EQ(run("1", "7"), one) << problem;
    EXPECT_NE(run("2", "1"), one) << problem;
  }
}

/// |a - b| is under five standard errors: the seed is fixed, and a correct program draws a seed
/// that fails once in 1.7 million comparisons.
void expect_within(double a, double b, double error) { EXPECT_LT(std::abs(a - b), 5 * error); }

// E[z^2], z ~ N(2 theta + 3, 1) at theta = 0 and -1.5.
TEST_F(Gradients, GaussianHasItsClosedFormVariances) {
  const Json json = gradients("gaussian", {"--samples", "20000", "--steps", "300", "--estimators",
                                           "score,score-leave-one-out,pathwise"});
  const Json& first = json["variants"][0];
  EXPECT_EQ(first["exact_gradient"][0], 12);
  ASSERT_EQ(first["variance_over_theta"].size(), 2U);
  for (const Json& curve : first["variance_over_theta"]) {
    for (std::size_t i = 0; i < curve["theta"].size(); ++i) {
      expect_within(curve["variance"][i], curve["closed_form"][i], curve["standard_error"][i]);
    }
  }
  // 4 (3^4 + 14 3^2 + 15) and 16.
  EXPECT_NEAR(first["variance_over_theta"][0]["closed_form"].back(), 888, 1e-9);
  EXPECT_NEAR(first["variance_over_theta"][1]["closed_form"].back(), 16, 1e-9);
  for (const Json& m : first["measurements"]) expect_within(m["bias"], 0, m["bias_standard_error"]);
  for (const Json& curve : first["optimization"]) {  // all come near the least value, 1, from 10
    EXPECT_NEAR(curve["value"][0].get<double>(), 10, 1e-9);
    EXPECT_LT(curve["value"].back().get<double>(), 1.1) << curve["estimator"];
  }
}

// (b - t)^2 of one coin at theta = 0: a score-function estimate is f(b) (b - 1/2).
TEST_F(Gradients, BernoulliHasReinforcesVariance) {
  const Json json = gradients("bernoulli", {"--samples", "20000", "--steps", "10"});
  const Json& variant = json["variants"][0];
  EXPECT_EQ(variant["name"], "t = 0.499");
  EXPECT_NEAR(variant["exact_gradient"][0], 0.0005, 1e-15);
  const std::vector<std::string> biased = {"concrete", "straight-through-gumbel",
                                           "straight-through"};
  for (const Json& m : variant["measurements"]) {
    const std::string name = m["estimator"];
    if (name == "score") expect_within(m["variance"], 0.015625, m["variance_standard_error"]);
    if (name == "enumeration") {
      EXPECT_LT(m["variance"], 1e-30);
    }
    if (std::find(biased.begin(), biased.end(), name) == biased.end()) {
      // With two outcomes, some estimates are constant: then rounding is all that is left.
      expect_within(m["bias"], 0, m["bias_standard_error"].get<double>() + 1e-15);
    }
  }
  // At t = 0.45 the relaxation's bias shows: half of the gradient.
  for (const Json& m : json["variants"][1]["measurements"]) {
    if (m["estimator"] != "concrete" || m["temperature"] != 2) continue;
    EXPECT_LT(m["bias"].get<double>(), -10 * m["bias_standard_error"].get<double>());
  }
}

// The problem of Kool, van Hoof, Welling (2020), section 5.1 and figure 2.
TEST_F(Gradients, ThreeCoinsHaveThePublishedFigures) {
  const Json json = gradients("categorical", {"--samples", "20000", "--steps", "10", "--estimators",
                                              "unordered-set,sum-and-sample"});
  const Json& variant = json["variants"][0];
  EXPECT_EQ(variant["name"], "η = 0");
  EXPECT_NEAR(variant["exact_gradient"][0], -0.0450, 1e-12);
  std::map<int, double> variances;
  for (const Json& m : variant["measurements"]) {
    expect_within(m["bias"], 0, m["bias_standard_error"].get<double>() + 1e-15);
    if (m["estimator"] == "unordered-set") variances[m["samples"]] = m["variance"];
  }
  const std::map<int, double> published = {{2, 6.3e-3}, {3, 2.3e-3}, {4, 1.1e-3}, {6, 3.0e-4}};
  for (const auto& [k, variance] : published) {
    EXPECT_NEAR(variances[k] / variance, 1, 0.15) << "k = " << k;
  }
  EXPECT_LT(variances[8], 1e-25);  // all eight outcomes: exact
}

// The evidence bound of an image by its code: exact, with what is unbiased within its interval.
TEST_F(Gradients, CodesOfAnImageAreUnbiasedWhereTheyShouldBe) {
  for (const char* problem : {"bernoulli-vae", "categorical-vae"}) {
    const Json json = gradients(problem, {"--samples", "2000", "--steps", "100"});
    for (const Json& variant : json["variants"]) {
      std::map<std::string, double> variances;
      for (const Json& m : variant["measurements"]) {
        const std::string name = m["estimator"];
        const double errors = m["bias"].get<double>() / m["bias_standard_error"].get<double>();
        const bool relaxed = name == "concrete" || name.find("straight-through") == 0 ||
                             name == "gumbel-rao" || name == "decoupled-straight-through" ||
                             name == "reinmax" || name == "reinmax-rao";
        // The norm of eight or twelve means; its square is chi-square-like about its error's.
        if (!relaxed && name != "enumeration") {
          EXPECT_LT(errors, 6) << problem << name;
        }
        if (name == "concrete" && m["temperature"] == 2) {
          EXPECT_GT(errors, 6) << problem;
        }
        if (name == "decoupled-straight-through" && m["temperature"] == 0.1) {
          EXPECT_GT(errors, 6) << problem;
        }
        variances.emplace(name, m["variance"]);
      }
      EXPECT_LT(variances["enumeration"], 1e-20);
      EXPECT_LT(variances["score-leave-one-out"], variances["score"]);
      if (variant["name"] == "at the prior") {  // where bits are even, and slopes say much
        EXPECT_LT(variances["double-control-variates"], variances["score-leave-one-out"]);
      }
      for (const Json& curve : variant["optimization"]) {
        if (curve["estimator"] != "enumeration") continue;
        EXPECT_LT(curve["value"].back(), curve["value"][0]);
        EXPECT_GE(curve["value"].back(), variant["best_value"].get<double>() - 1e-3);
      }
    }
  }
}

// Sets of three of eight: the exact gradient is a sum over 56 of them.
TEST_F(Gradients, SubsetsAreUnbiasedWhereTheyShouldBe) {
  const Json json = gradients("subset", {"--samples", "3000", "--steps", "60"});
  const Json& variant = json["variants"][0];
  EXPECT_EQ(variant["exact_gradient"].size(), 8U);
  std::map<std::string, double> variances;
  for (const Json& m : variant["measurements"]) {
    const std::string name = m["estimator"];
    const double bias = m["bias"].get<double>() / (m["bias_standard_error"].get<double>() + 1e-15);
    // The norm of eight means; its square is chi-square-like about the square of its error.
    const bool relaxed = name == "relaxed-top-k" || name == "perturbed-top-k";
    if (name == "implicit-mle" || (relaxed && m["temperature"] == 2)) {
      EXPECT_GT(bias, 5) << name;
    } else if (name != "straight-through" && !relaxed) {
      EXPECT_LT(bias, 5) << name;
    }
    variances.emplace(name, m["variance"]);
  }
  EXPECT_LT(variances["enumeration"], 1e-20);
  EXPECT_LT(variances["straight-through"], variances["score-leave-one-out"] / 2);
  for (const Json& curve : variant["optimization"]) {
    if (curve["estimator"] != "enumeration" && curve["estimator"] != "straight-through") continue;
    EXPECT_LT(curve["value"].back(), curve["value"][0]) << curve["estimator"];
    EXPECT_GE(curve["value"].back(), variant["best_value"]);
  }
}

TEST_F(Gradients, PolicyGradientsAreUnbiasedAndImprove) {
  const Json json = gradients("mdp", {"--samples", "2000", "--steps", "60"});
  for (const Json& variant : json["variants"]) {
    EXPECT_EQ(variant["exact_gradient"].size(), 6U);
    std::map<std::string, double> variances;
    for (const Json& m : variant["measurements"]) {
      // The norm of six means; its square is chi-square-like about the square of its error.
      EXPECT_LT(m["bias"].get<double>(), 5 * m["bias_standard_error"].get<double>());
      variances[m["estimator"]] = m["variance"];
    }
    EXPECT_LT(variances["reward-to-go"], variances["whole-return"]);
    EXPECT_LT(variances["learned"], variances["reward-to-go"]);
    for (const Json& curve : variant["optimization"]) {
      EXPECT_GT(curve["value"].back(), curve["value"][0]) << curve["estimator"];
      EXPECT_LE(curve["value"].back(), variant["best_value"]);
    }
  }
}

TEST_F(Gradients, ReportNamesNoAddress) {
  const std::map<std::string, std::string> chosen = {{"gaussian", "score,pathwise"},
                                                     {"bernoulli", "score,concrete,enumeration"},
                                                     {"categorical", "score,rebar,unordered-set"},
                                                     {"mdp", "whole-return,reward-to-go"}};
  for (const auto& [problem, estimators] : chosen) {
    gradients(problem, {"--estimators", estimators, "--samples", "50", "--steps", "5", "--report",
                        path("report.html")});
    const std::string html = read_file(path("report.html"));
    EXPECT_THAT(html, HasSubstr("</html>")) << problem;
    EXPECT_THAT(html, HasSubstr("<svg")) << problem;
    for (const char* text : {"src=", "<link", "@import", "<script", "href=\"http"}) {
      EXPECT_THAT(html, Not(HasSubstr(text))) << problem;
    }
    EXPECT_EQ(problems_of_page(path("report.html")), "") << problem;
  }
}

TEST_F(Gradients, TextAndHelp) {
  const Outcome text = run_partita({"gradients", "--problem", "gaussian", "--samples", "50",
                                    "--steps", "5", "--estimators", "pathwise"});
  EXPECT_EQ(text.status, 0);
  EXPECT_THAT(text.out, AllOf(HasSubstr("θ = 0: exact gradient 12"), HasSubstr("pathwise"),
                              Not(HasSubstr("score"))));
  const Outcome help = run_partita({"gradients", "--help"});
  EXPECT_EQ(help.status, 0);
  for (const char* part : {"Example:\n  partita gradients", "--seed", "--threads", "--json"}) {
    EXPECT_THAT(help.out, HasSubstr(part));
  }
}

/// One state, where the second action gives 2 and the first nothing: the exact gradient of the
/// return of three steps is +-3 * 2 * (1/4), and the best is 6.
TEST_F(Gradients, ProcessFromAFile) {
  const std::string two =
      file("two.json", R"({"horizon": 3, "transitions": [[[1], [1]]], "rewards": [[0, 2]]})");
  const Json json = gradients("mdp", {"--mdp", two, "--samples", "2000", "--steps", "60"});
  const Json& variant = json["variants"][0];
  EXPECT_NEAR(variant["exact_gradient"][0].get<double>(), -1.5, 1e-9);
  EXPECT_NEAR(variant["exact_gradient"][1].get<double>(), 1.5, 1e-9);
  for (const Json& m : variant["measurements"]) {
    EXPECT_LT(m["bias"].get<double>(), 5 * m["bias_standard_error"].get<double>());
  }
  for (const auto& [text, complaint] : std::vector<std::pair<std::string, std::string>>{
           {"{", "not JSON at byte 2"},
           {"{\"horizon\": 1e999}", "a number that no double holds"},
           {"[]", "expected an object with transitions, rewards"},
           {R"({"gamma": 1})", "gamma: no such field (horizon, transitions, rewards, start)"},
           {R"({"rewards": [[1]]})", "horizon is missing"},
           {R"({"horizon": 0})", "horizon: expected a whole number of 1..10000, got 0"},
           {R"({"horizon": 1, "rewards": []})", "rewards: expected a list over states"},
           {R"({"horizon": 1, "rewards": [[1, 0], [1]], "transitions": [[[1, 0], [0, 1]], []]})",
            "rewards[1]: expected 2 actions, got 1"},
           {R"({"horizon": 1, "rewards": [["a"]], "transitions": [[[1]]]})",
            "rewards[0]: expected numbers, got \"a\""},
           {R"({"horizon": 1, "rewards": [[1]], "transitions": [[[0.5]]]})",
            "transitions[0][0]: probabilities sum to 0.5, not to 1"},
           {R"({"horizon": 1, "rewards": [[1]], "transitions": [[[1]]], "start": [-1]})",
            "start: -1 is no probability"}}) {
    const std::string bad = file("bad.json", text);
    EXPECT_EQ(refusal({"gradients", "--problem", "mdp", "--mdp", bad}, 1), bad + ": " + complaint);
  }
  EXPECT_EQ(refusal({"gradients", "--problem", "gaussian", "--mdp", two}, kWronglyAsked),
            "--mdp: only with --problem mdp");
}

TEST_F(Gradients, Refusals) {
  const auto refused = [](const std::vector<std::string>& more) {
    std::vector<std::string> all = {"gradients"};
    all.insert(all.end(), more.begin(), more.end());
    return refusal(all, kWronglyAsked);
  };
  EXPECT_EQ(refused({"--problem", "gaussian", "--estimators", "score,rebar"}),
            "--estimators: rebar does not fit the problem gaussian; these do: score, "
            "score-moving-average, score-leave-one-out, score-learned, score-control-variate, "
            "pathwise");
  EXPECT_THAT(refused({"--problem", "mdp", "--estimators", "guess"}),
              StartsWith("--estimators: guess does not fit the problem mdp; these do: "));
  EXPECT_THAT(refused({"--problem", "poisson"}), HasSubstr("--problem"));
  EXPECT_THAT(refused({}), HasSubstr("--problem"));
  EXPECT_THAT(refused({"--problem", "mdp", "--samples", "1"}),
              StartsWith("--samples: expected a whole number of 2..100000000, got 1"));
  EXPECT_THAT(refused({"--problem", "mdp", "--steps", "0"}),
              StartsWith("--steps: expected a whole number of 1..1000000, got 0"));
}

}  // namespace
}  // namespace partita::testing
