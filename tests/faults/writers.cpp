// SPDX-License-Identifier: Apache-2.0
#include "writers.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "command.hpp"
#include "partita/io/file.hpp"
#include "partita/io/idx.hpp"
#include "partita/io/npy.hpp"
#include "partita/random/stream.hpp"

namespace partita::testing {
namespace {

namespace fs = std::filesystem;

void make_classifier(const fs::path& in) {
  constexpr std::size_t kRows = 400;
  constexpr std::size_t kClasses = 10;
  const Stream noise{.seed = 1};
  std::vector<float> logits;
  std::vector<std::int64_t> labels;
  for (std::size_t r = 0; r < kRows; ++r) {
    const std::size_t label = r % kClasses;
    labels.push_back(static_cast<std::int64_t>(label));
    for (std::size_t c = 0; c < kClasses; ++c) {
      logits.push_back(
          static_cast<float>(noise.normal(r * kClasses + c) + (c == label ? 2.0 : 0.0)));
    }
  }
  save_npy(in / "z.npy", std::span<const float>(logits), kRows, kClasses);
  for (float& z : logits) z *= 0.25F;
  save_npy(in / "unknown.npy", std::span<const float>(logits), kRows, kClasses);
  save_npy(in / "y.npy", std::span<const std::int64_t>(labels), kRows, 1);
}

std::string text(std::size_t lines) {
  const Stream noise{.seed = 2};
  std::string out;
  for (std::size_t i = 0; i < 8 * lines; ++i) {
    out += std::string(1, static_cast<char>('a' + noise.bits(i) % 6)) +
           std::string(1, static_cast<char>('a' + noise.bits(i) / 7 % 6)) +
           (i % 8 == 7 ? "\n" : " ");
  }
  return out;
}

void make_images(const fs::path& in) {
  for (const auto& [split, count] :
       {std::pair<std::string, std::size_t>("train", 200), {"t10k", 40}}) {
    IdxArray pixels{{count, 6, 5}, {}};
    IdxArray labels{{count}, {}};
    for (std::size_t i = 0; i < 30 * count; ++i) {
      pixels.bytes.push_back(static_cast<std::uint8_t>(Stream{3}.bits(i)));
    }
    for (std::size_t i = 0; i < count; ++i) {
      labels.bytes.push_back(static_cast<std::uint8_t>(i % 4));
    }
    save_idx(in / (split + "-images-idx3-ubyte"), pixels);
    save_idx(in / (split + "-labels-idx1-ubyte"), labels);
  }
}

#ifdef PARTITA_LEARN
void add_learn(std::vector<Writer>& all, const std::string& i, const std::string& o) {
  const auto trains = [&](Words command) {
    const Words more = {"-o",    o + "model", "--checkpoint",         o + "c", "--threads", "1",
                        "--log", o + "log",   "--checkpoint-seconds", "0.01"};
    command.insert(command.end(), more.begin(), more.end());
    all.push_back({command, {"model"}, "log", true});
  };
  trains({"lm", "train", i + "text", "--kind", "lstm", "--dim", "8", "--epochs", "40"});
  trains({"lm", "train", i + "text", "--kind", "transformer", "--dim", "8", "--heads", "2",
          "--epochs", "20"});
  trains({"vae", "train", "--data", i, "--hidden", "8", "--latent-dim", "2", "--batch", "20",
          "--epochs", "20"});
  trains({"openset", "train", "--data", "toy", "--steps", "60"});
  trains({"seqgan", "text",       i + "text", "--hidden",     "4",  "--filters",
          "1:4",    "--features", "4",        "--mle-epochs", "8",  "--pretraining",
          "4",      "--rollouts", "1",        "--negatives",  "64", "--samples",
          "20",     "--length",   "30",       "--iterations", "4"});
  all.push_back({{"nce", i + "text", "--steps", "40", "--report", o + "page.html"}, {"page.html"}});
}
#endif

}  // namespace

std::vector<Writer> make_writers(const fs::path& in, const fs::path& out) {
  const std::string i = in.string() + "/";
  const std::string o = out.string() + "/";
  make_classifier(in);
  make_images(in);
  write_file(in / "text", text(60));
  write_file(in / "corpus", text(4000));
  const auto made = [&](const Words& command) {
    const Outcome outcome = run_partita(command);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
  };
  made({"calibrate", "fit", i + "z.npy", i + "y.npy", "-o", i + "calibrator.json"});
  made({"detect", "threshold", "--in", i + "z.npy", "-o", i + "threshold.json"});
  made({"lm", "train", i + "text", "-o", i + "ngram"});
  made({"embed", "train", i + "corpus", "-o", i + "vectors.bin", "--dim", "8", "--min-count", "1",
        "--threads", "1", "--epochs", "1"});

  std::vector<Writer> all = {
      {{"sample", i + "z.npy", "-k", "2", "-o", o + "a.npy"}, {"a.npy"}},
      {{"sample", i + "z.npy", "-o", o + "a.csv"}, {"a.csv"}},
      {{"calibrate", "fit", i + "z.npy", i + "y.npy", "-o", o + "c.json", "--report",
        o + "page.html"},
       {"c.json", "page.html"}},
      {{"calibrate", "apply", i + "calibrator.json", i + "z.npy", "-o", o + "p.npy"}, {"p.npy"}},
      {{"calibrate", "evaluate", i + "z.npy", i + "y.npy", "--report", o + "page.html"},
       {"page.html"}},
      {{"detect", "threshold", "--in", i + "z.npy", "-o", o + "t.json"}, {"t.json"}},
      {{"detect", "apply", i + "threshold.json", i + "z.npy", "-o", o + "d.csv"}, {"d.csv"}},
      {{"detect", "evaluate", "--in", i + "z.npy", "--out", i + "unknown.npy", "--positive", "in",
        "--report", o + "page.html"},
       {"page.html"}},
      {{"embed", "train", i + "corpus", "-o", o + "v.bin", "--dim", "40", "--threads", "1",
        "--min-count", "1", "--checkpoint-seconds", "0.01", "--resume"},
       {"v.bin"},
       "",
       true},
      {{"embed", "convert", i + "vectors.bin", "-o", o + "v.npy"}, {"v.npy", "v.words.txt"}},
      {{"embed", "convert", i + "vectors.bin", "-o", o + "v.txt"}, {"v.txt"}},
      {{"embed", "map", i + "vectors.bin", "--report", o + "page.html"}, {"page.html"}},
      {{"lm", "train", i + "text", "-o", o + "ngram"}, {"ngram"}},
      {{"lm", "evaluate", i + "ngram", i + "text", "--report", o + "page.html"}, {"page.html"}},
  };
#ifdef PARTITA_LEARN
  add_learn(all, i, o);
#endif
  return all;
}

}  // namespace partita::testing
