// SPDX-License-Identifier: Apache-2.0
#include "apps/command/learn/openset_score.hpp"
#include "apps/report/numbers.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/command/options.hpp"
#include "apps/command/terminal.hpp"
#include "apps/experiments/device.hpp"
#include "apps/experiments/openset/data.hpp"
#include "partita/base/error.hpp"
#include "partita/detection/logit_score.hpp"
#include "partita/io/array_file.hpp"
#include "partita/io/color_images.hpp"
#include "partita/io/file.hpp"
#include "partita/io/idx.hpp"
#include "partita/learn/openset/classifier_model.hpp"
#include "partita/learn/openset/odin.hpp"
#include "partita/learn/rows.hpp"

namespace partita::app {
namespace {

constexpr auto kScores = names<std::optional<LogitScore>>({{"msp", LogitScore::msp},
                                                           {"max-logit", LogitScore::max_logit},
                                                           {"entropy", LogitScore::entropy},
                                                           {"energy", LogitScore::energy},
                                                           {"odin", std::nullopt}});

struct ScoreOptions {
  std::string model;
  std::string data;
  std::optional<LogitScore> score = LogitScore::msp;  // none: odin
  std::optional<double> temperature;                  // none: odin's own, or 1 for the others
  std::optional<double> epsilon;                      // for odin
  std::string output;
  std::string logits;
  Device device = Device::cpu;
};

/// Points as rows of a .npy, .npz, .safetensors or .csv file.
Tensor read_points(const std::string& path, std::int64_t columns) {
  const ArrayFile file(path);
  const Rows rows = file.rows();
  if (static_cast<std::int64_t>(rows.columns()) != columns) {
    throw DataError(path,
                    fmt::format("{}, expected {}", counted(rows.columns(), "column"), columns));
  }
  return to_tensor(rows).to(at::kFloat);
}

/// Gray images of an IDX file, or color ones of a binary file of CIFAR.
LabeledImages read_images(const std::string& path) {
  if (path.ends_with(".bin")) {
    constexpr std::size_t kRecord = 3073;  // CIFAR-10's; CIFAR-100's are one byte longer
    const MappedFile file(path);
    return parse_cifar(path, file.bytes(), file.bytes().size() % kRecord == 0 ? 1 : 2);
  }
  IdxArray array = load_idx(path);
  if (array.shape.size() != 3) {
    throw DataError(
        path, fmt::format("{} dimensions, expected 3 (images, rows, columns)", array.shape.size()));
  }
  return {.rows = array.shape[1], .columns = array.shape[2], .pixels = std::move(array.bytes)};
}

Tensor images_for(const openset::Architecture& expected, const std::string& path) {
  const LabeledImages images = read_images(path);
  const Tensor x = image_tensor(images.pixels, images.rows, images.columns, images.channels);
  if (x.size(1) != expected.channels || x.size(2) != expected.rows ||
      x.size(3) != expected.columns) {
    throw DataError(path, fmt::format("images of {} x {} x {}, expected {} x {} x {} (channels, "
                                      "rows, columns)",
                                      images.channels, images.rows, images.columns,
                                      expected.channels, expected.rows, expected.columns));
  }
  return x;
}

/// ODIN's scores, a block of examples at a time, since each takes a gradient.
std::vector<double> odin(openset::ClassifierModel& model, const Tensor& x, at::Device device,
                         const ScoreOptions& options) {
  constexpr std::int64_t kBlock = 256;
  openset::OdinOptions odin;
  odin.temperature = options.temperature.value_or(odin.temperature);
  odin.epsilon = options.epsilon.value_or(odin.epsilon);
  const openset::Classifier classify = [&](const Tensor& rows) { return model.forward(rows); };
  std::vector<Tensor> blocks;
  for (const Tensor& block : x.split(kBlock)) {
    blocks.push_back(openset::odin_scores(classify, block.to(device), odin));
  }
  return to_vector(at::cat(blocks));
}

void score(const ScoreOptions& options, const CommonOptions& common) {
  if (options.epsilon && options.score) {
    throw InvalidArgument("--epsilon", "applies only to --score odin");
  }
  use_threads(common.threads);
  openset::ClassifierModel model = openset::ClassifierModel::load(options.model);
  const Tensor x = model.architecture.images
                       ? images_for(model.architecture, options.data)
                       : read_points(options.data, model.architecture.columns);
  const at::Device device = device_of(options.device);
  model.classifier->to(device);
  const Tensor logits = model.logits(x);
  const auto rows = static_cast<std::size_t>(logits.size(0));
  const auto classes = static_cast<std::size_t>(logits.size(1));
  const std::span<const float> values(logits.data_ptr<float>(), rows * classes);
  const std::vector<double> scores =
      options.score ? logit_scores(*options.score, rows_of(logits), options.temperature.value_or(1),
                                   {.threads = common.threads})
                    : odin(model, x, device, options);
  if (!options.output.empty()) save_array(options.output, std::span<const double>(scores), rows, 1);
  if (!options.logits.empty()) save_array(options.logits, values, rows, classes);
  const auto [least, most] = std::minmax_element(scores.begin(), scores.end());
  const double mean =
      std::accumulate(scores.begin(), scores.end(), 0.0) / static_cast<double>(rows);
  if (common.json) {
    print_json({{"model", options.model},
                {"data", options.data},
                {"rows", rows},
                {"classes", model.classes},
                {"score", name_of(kScores, options.score)},
                {"mean", mean},
                {"min", *least},
                {"max", *most},
                {"output", options.output},
                {"logits", options.logits}});
  } else {
    print(fmt::format("{}, {}: mean {:.4f}, from {:.4f} to {:.4f}\n", counted(rows, "row"),
                      name_of(kScores, options.score), mean, *least, *most));
  }
}

}  // namespace

void add_openset_score(CLI::App& openset) {
  auto* command = openset.add_subcommand(
      "score", "Score examples: the larger, the more like what the classifier was trained on");
  auto options = std::make_shared<ScoreOptions>();
  auto common = std::make_shared<CommonOptions>();
  command->add_option("MODEL", options->model, "from partita openset train")
      ->option_text("FILE")
      ->required();
  command
      ->add_option(
          "DATA", options->data,
          "images as IDX, gzip or not, or as a .bin of CIFAR; points as rows of .npy, .npz, "
          ".safetensors or .csv")
      ->option_text("FILE")
      ->required();
  add_choice(*command, "--score", options->score, kScores,
             "msp: log of the largest probability; max-logit; entropy: negated; energy: "
             "log-sum-exp; odin: msp of an input moved toward its class (msp)");
  command
      ->add_option("--temperature", options->temperature,
                   "divide the logits by T > 0 (1; 1000 for odin)")
      ->option_text("T");
  command
      ->add_option("--epsilon", options->epsilon,
                   "how far odin moves each number of an input; pixels go from -1 to 1 (0.0014)")
      ->option_text("E")
      ->check(number("[0, inf)"));
  add_output_option(*command, "--logits", options->logits, "write the logits: .npy or .csv",
                    {".npy", ".csv"});
  add_device(*command, options->device);
  add_common(*command, *common);
  add_output(*command, options->output, "the scores, one per row: .npy or .csv", {".npy", ".csv"});
  command->footer(
      "Example:\n"
      "  partita openset score digits.model t10k-images-idx3-ubyte.gz -o scores.npy");
  command->callback([options, common] { score(*options, *common); });
}

}  // namespace partita::app
