// SPDX-License-Identifier: Apache-2.0
// partita vae: what is printed and written, resuming, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX
#include <sys/wait.h>

#include <chrono>
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

class VaeCommand : public CommandTest {
 protected:
  using Arguments = std::vector<std::string>;

  /// Images of 6 x 5 pixels in two classes: one half is light, and noise.
  std::string images() const {
    std::filesystem::create_directories(path("images"));
    for (const auto& [split, count] : {std::pair("train", 200U), std::pair("t10k", 60U)}) {
      IdxArray pixels{{count, 6, 5}, {}};
      IdxArray labels{{count}, {}};
      for (unsigned i = 0; i < count; ++i) {
        labels.bytes.push_back(static_cast<std::uint8_t>(i % 2));
        for (unsigned p = 0; p < 30; ++p) {
          const unsigned noise = (i * 7919U + p * 104729U) * 2654435761U >> 26U;
          const bool light = (p < 15) == (i % 2 == 0);
          pixels.bytes.push_back(static_cast<std::uint8_t>((light ? 180U : 0U) + noise));
        }
      }
      const std::string base = path("images/") + split;
      save_idx(base + "-images-idx3-ubyte", pixels);
      save_idx(base + "-labels-idx1-ubyte", labels);
    }
    return path("images");
  }

  /// A small model of images(), trained quickly.
  Arguments train(const Arguments& more, const std::string& epochs = "3") const {
    Arguments all = {"vae",       "train", "--data",  images(), "--hidden",        "8",
                     "--epochs",  epochs,  "--batch", "20",     "--learning-rate", "1e-2",
                     "--threads", "1"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  std::string model(const Arguments& more = {}) const {
    Arguments arguments = train({"--latent-dim", "2", "-o", path("model")});
    arguments.insert(arguments.end(), more.begin(), more.end());
    EXPECT_EQ(run_partita(arguments).status, 0);
    return path("model");
  }
};

TEST_F(VaeCommand, HelpOfEachSubcommandHasAnExample) {
  for (const char* name : {"train", "evaluate", "sample", "reconstruct", "traverse"}) {
    const Outcome help = run_partita({"vae", name, "--help"});
    EXPECT_EQ(help.status, 0);
    EXPECT_THAT(help.out, HasSubstr(std::string("partita vae ") + name + " "));
  }
}

TEST_F(VaeCommand, TrainsWithBothAblationsAndReports) {
  const Json json = json_of(train({"--latent-dim", "2", "--ablations", "--report",
                                   path("page.html"), "-o", path("model"), "--held-out", "0.1"}));
  EXPECT_THAT(keys(json), ElementsAre("data", "fonts", "train_images", "test_images", "latent",
                                      "latent_dim", "decoder", "objective", "estimator", "samples",
                                      "epochs", "variants", "model", "report", "seed"));
  EXPECT_EQ(json["test_images"], 60);
  ASSERT_EQ(json["variants"].size(), 3U);
  EXPECT_THAT(keys(json["variants"][0]),
              ElementsAre("name", "steps", "seconds", "train_loss", "elbo", "elbo_error",
                          "reconstruction", "kl", "spread"));
  EXPECT_EQ(json["variants"][0]["name"], "both terms");
  EXPECT_EQ(json["variants"][1]["name"], "without regularizer");
  EXPECT_EQ(json["variants"][2]["name"], "without reconstruction");
  EXPECT_LT(json["variants"][2]["kl"], json["variants"][0]["kl"]);
  const std::string page = read_file(path("page.html"));
  for (const char* text : {"Reconstructions", "Samples", "Along the latent variables",
                           "Where the classes lie", "Training, term by term"}) {
    EXPECT_THAT(page, HasSubstr(text));
  }
  EXPECT_EQ(problems_of_page(path("page.html")), "");
}

TEST_F(VaeCommand, EveryEstimatorIsThereByName) {
  for (const char* name :
       {"concrete", "st-gumbel", "reinforce-loo", "rebar", "relax", "unordered-set"}) {
    const Json json = json_of(train(
        {"--latent", "concrete", "--latent-dim", "2", "--categories", "3", "--estimator", name},
        "1"));
    EXPECT_EQ(json["estimator"], name);
    EXPECT_LT(json["variants"][0]["elbo"], 0);
  }
}

TEST_F(VaeCommand, ImportanceWeightedCodes) {
  for (const char* name : {"concrete", "st-gumbel", "reinforce-loo", "unordered-set"}) {
    const Json json =
        json_of(train({"--latent", "concrete", "--latent-dim", "2", "--categories", "3",
                       "--objective", "iwae", "--samples", "3", "--estimator", name},
                      "1"));
    EXPECT_EQ(json["estimator"], name);
    EXPECT_LT(json["variants"][0]["elbo"], 0);
  }
}

// 10^30 codes, of which k are drawn without looking at the others.
TEST_F(VaeCommand, UnorderedSetOfManyLatents) {
  const Json json = json_of(train({"--latent", "concrete", "--latent-dim", "30", "--categories",
                                   "10", "--estimator", "unordered-set", "--samples", "4"},
                                  "1"));
  EXPECT_LT(json["variants"][0]["elbo"], 0);
}

TEST_F(VaeCommand, AModelIsEvaluatedSampledReconstructedAndTraversed) {
  const std::string trained = model();
  const Json seen = json_of({"vae", "evaluate", trained, "--data", images(), "-k", "50"});
  EXPECT_THAT(keys(seen), ElementsAre("model", "data", "images", "samples", "elbo", "elbo_error",
                                      "reconstruction", "kl", "importance_weighted",
                                      "importance_weighted_error", "seed"));
  EXPECT_EQ(seen["images"], 60);
  EXPECT_GT(seen["importance_weighted"], seen["elbo"]);

  const auto pictures = [&](Arguments arguments, std::size_t count) {
    arguments.insert(arguments.begin(), "vae");
    arguments.insert(arguments.end(),
                     {trained, "-o", path("images.npy"), "--report", path("page.html")});
    const Json json = json_of(arguments);
    EXPECT_THAT(keys(json),
                ElementsAre("model", "images", "rows", "columns", "output", "report", "seed"));
    EXPECT_EQ(json["images"], count);
    EXPECT_EQ(problems_of_page(path("page.html")), "");
    const NpyFile file(path("images.npy"));
    EXPECT_EQ(file.rows().rows(), count);
    EXPECT_EQ(file.rows().columns(), 30U);
    EXPECT_THAT(read_file(path("page.html")), HasSubstr("<svg"));
  };
  pictures({"sample", "-k", "7"}, 7);
  pictures({"reconstruct", "--data", images(), "--images", "5"}, 5);
  pictures({"traverse", "--data", images()}, 225);
}

TEST_F(VaeCommand, SamplesAreAFunctionOfTheSeed) {
  const std::string trained = model();
  const auto sample = [&](const char* seed, const char* name) {
    EXPECT_EQ(run_partita({"vae", "sample", trained, "--seed", seed, "-o", path(name)}).status, 0);
    return read_file(path(name));
  };
  EXPECT_EQ(sample("1", "a.npy"), sample("1", "b.npy"));
  EXPECT_NE(sample("1", "a.npy"), sample("2", "b.npy"));
}

/// Killed as it trains, then started again: the file has the bytes of an undisturbed run.
TEST_F(VaeCommand, AKilledRunGoesOnAndEndsWithTheSameBytes) {
  const auto arguments = [&](const std::string& name) {
    return train({"--latent", "concrete", "--latent-dim", "2", "--estimator", "rebar", "-o",
                  path(name + ".model"), "--checkpoint", path(name + ".checkpoint"),
                  "--checkpoint-seconds", "0.05"},
                 "60");
  };
  ASSERT_EQ(run_partita(arguments("whole")).status, 0);
  const int process = start_partita(arguments("killed"));
  int status = 0;
  while (!std::filesystem::exists(path("killed.checkpoint")) &&
         ::waitpid(process, &status, WNOHANG) == 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ::kill(process, SIGKILL);
  ::waitpid(process, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status));
  ASSERT_EQ(run_partita(arguments("killed")).status, 0);
  EXPECT_EQ(read_file(path("killed.model")), read_file(path("whole.model")));
}

TEST_F(VaeCommand, RefusesWhatCannotBeAsked) {
  const auto wrong = [&](const Arguments& more) { return refusal(train(more), kWronglyAsked); };
  EXPECT_THAT(wrong({"--preset", "iwae-2l"}), StartsWith("--preset: "));
  EXPECT_EQ(wrong({"--estimator", "rebar"}), "--estimator: applies only to --latent concrete");
  EXPECT_EQ(wrong({"--objective", "iwae", "--ablations"}),
            "--ablations: applies only to --objective elbo, which has separate terms");
  EXPECT_THAT(wrong({"--objective", "iwae", "--latent", "concrete", "--estimator", "rebar"}),
              HasSubstr("expected concrete, st-gumbel, reinforce-loo or unordered-set"));
  EXPECT_THAT(wrong({"--patience", "2", "--held-out", "0"}), StartsWith("--patience: "));
  EXPECT_THAT(refusal({"vae", "train", "--data", path("nowhere")}, kFailed),
              StartsWith(path("nowhere") + ": has no train-images-idx3-ubyte"));
}

TEST_F(VaeCommand, RefusesDamagedModelsOtherImagesAndOtherRuns) {
  const std::string trained = model({"--checkpoint", path("c")});
  const std::string bytes = read_file(trained);
  EXPECT_THAT(refusal({"vae", "sample", file("bad", "nothing")}, kFailed),
              HasSubstr("not a Partita vae model"));
  EXPECT_THAT(refusal({"vae", "sample", file("short", bytes.substr(0, 600))}, kFailed),
              HasSubstr("cut short"));
  std::string flipped = bytes;
  flipped[700] = static_cast<char>(flipped[700] ^ 1);
  EXPECT_THAT(refusal({"vae", "sample", file("flipped", flipped)}, kFailed),
              StartsWith(path("flipped") + ": "));
  EXPECT_EQ(refusal({"vae", "evaluate", trained}, kFailed),
            "rendered: images of 28 x 28, but the model's are 6 x 5");
  EXPECT_THAT(refusal(train({"--latent-dim", "3", "--checkpoint", path("c")}), kFailed),
              StartsWith(path("c") + ": is from another run: latent dim was "));
}

}  // namespace
}  // namespace partita::testing
