// SPDX-License-Identifier: Apache-2.0
// partita vae evaluate, sample, reconstruct, traverse: uses of a trained model.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "apps/command/learn/vae.hpp"
#include "apps/command/options.hpp"
#include "apps/command/terminal.hpp"
#include "apps/data/image_sets.hpp"
#include "apps/experiments/device.hpp"
#include "apps/experiments/vae/model.hpp"
#include "apps/experiments/vae/report.hpp"
#include "apps/report/numbers.hpp"
#include "apps/report/page.hpp"
#include "partita/base/error.hpp"
#include "partita/io/array_file.hpp"
#include "partita/io/file.hpp"
#include "partita/learn/rows.hpp"
#include "partita/learn/vae/vae_model.hpp"
#include "partita/learn/vae/vae_training.hpp"

namespace partita::app {
namespace {

struct UseOptions {
  std::string model;
  std::string directory;     // holds IDX images; empty: digits in the DejaVu fonts
  std::uint64_t images = 0;  // how many test images to use; 0: all
  std::int64_t count = 0;
  std::string output;
  std::string report;
  Device device = Device::cpu;
  CommonOptions common;
};

/// The children of the seed's stream.
enum class UsePurpose { images, bits, samples };

Stream stream(const UseOptions& options, UsePurpose purpose) {
  return Stream{.seed = options.common.seed}.child(purpose);
}

vae::VaeModel open(const UseOptions& options) {
  use_threads(options.common.threads);
  vae::VaeModel model = vae::VaeModel::load(options.model);
  model.vae->to(device_of(options.device));
  return model;
}

/// Test images as the model sees them, where it is.
Tensor test_images(const UseOptions& options, const vae::VaeModel& model, std::size_t most) {
  constexpr std::size_t kNone = 1;  // rendered images to train on
  const LabeledImages images =
      load_image_sets(options.directory, kNone, stream(options, UsePurpose::images)).test;
  if (static_cast<std::int64_t>(images.rows) != model.rows ||
      static_cast<std::int64_t>(images.columns) != model.columns) {
    throw DataError(images_name(options.directory),
                    fmt::format("images of {} x {}, but the model's are {} x {}", images.rows,
                                images.columns, model.rows, model.columns));
  }
  return vae::evaluation_images(image_rows(images, most), model.vae->options().decoder,
                                stream(options, UsePurpose::bits))
      .to(device_of(options.device));
}

void evaluate(const UseOptions& options) {
  const vae::VaeModel model = open(options);
  const std::size_t most =
      options.images == 0 ? std::numeric_limits<std::size_t>::max() : options.images;
  const Tensor x = test_images(options, model, most);
  Meter meter("evaluating");
  const vae::Bounds seen = vae::evaluate(*model.vae, x, stream(options, UsePurpose::samples),
                                         {.samples = options.count}, meter.progress());
  const auto [elbo, elbo_error] = mean_of(to_vector(seen.elbo()));
  const auto [bound, bound_error] = mean_of(to_vector(seen.bound));
  const double reconstruction = -seen.reconstruction.mean().item<double>();
  const double kl = seen.divergence.mean().item<double>();
  if (options.common.json) {
    print_json({{"model", options.model},
                {"data", images_name(options.directory)},
                {"images", x.size(0)},
                {"samples", options.count},
                {"elbo", elbo},
                {"elbo_error", elbo_error},
                {"reconstruction", reconstruction},
                {"kl", kl},
                {"importance_weighted", bound},
                {"importance_weighted_error", bound_error},
                {"seed", options.common.seed}});
    return;
  }
  print(fmt::format(
      "{}, nats each\n"
      "  ELBO {} (reconstruction {:.2f}, KL {:.2f})\n"
      "  importance-weighted bound, k = {}: {}\n",
      counted(static_cast<std::uint64_t>(x.size(0)), "image"), with_error(elbo, elbo_error),
      reconstruction, kl, options.count, with_error(bound, bound_error)));
}

/// Writes pictures to a file and a page, as the options ask.
void give(const UseOptions& options, const vae::VaeModel& model, const Tensor& images,
          const std::string& what, const std::vector<CaptionedFigure>& figures) {
  if (!options.output.empty()) {
    const Tensor rows = images.to(at::kFloat).contiguous();
    save_array(
        options.output,
        std::span<const float>(rows.data_ptr<float>(), static_cast<std::size_t>(rows.numel())),
        static_cast<std::size_t>(rows.size(0)), static_cast<std::size_t>(rows.size(1)));
  }
  if (!options.report.empty()) {
    Page page(what, options.model);
    page.figures(figures);
    page.note(command_line());
    write_file(options.report, page.html());
  }
  if (options.common.json) {
    print_json({{"model", options.model},
                {"images", images.size(0)},
                {"rows", model.rows},
                {"columns", model.columns},
                {"output", options.output},
                {"report", options.report},
                {"seed", options.common.seed}});
  } else {
    print(fmt::format("{} of {} x {}\n",
                      counted(static_cast<std::uint64_t>(images.size(0)), "image"), model.rows,
                      model.columns));
  }
  for (const std::string& path : {options.output, options.report}) {
    if (!path.empty()) note("wrote " + path);
  }
}

CaptionedFigure figure_of(const vae::VaeModel& model, const Tensor& images, std::size_t across,
                          const std::string& title, const std::string& caption) {
  return image_figure(to_vector(images), static_cast<std::size_t>(model.rows),
                      static_cast<std::size_t>(model.columns), across, title, caption);
}

/// The number of images in a row of a square picture.
std::size_t side(std::int64_t count) {
  return static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(count))));
}

void sample(const UseOptions& options) {
  const vae::VaeModel model = open(options);
  const Random random(stream(options, UsePurpose::samples));
  const Tensor images = decode(*model.vae, model.vae->prior()->sample({options.count}, random));
  give(options, model, images, "Samples",
       {figure_of(model, images, side(options.count), "Samples",
                  "Mean pictures of codes drawn from the prior.")});
}

void reconstruct(const UseOptions& options) {
  const vae::VaeModel model = open(options);
  const Tensor x = test_images(options, model, options.images);
  const Random random(stream(options, UsePurpose::samples));
  const at::NoGradGuard no_grad;
  const Tensor images = decode(*model.vae, model.vae->posterior(x)->sample(random));
  const std::size_t across = side(x.size(0));
  give(options, model, images, "Reconstructions",
       {figure_of(model, x, across, "Test images", "Test images as the model sees them."),
        figure_of(model, images, across, "Reconstructions",
                  "Mean pictures of one code each, drawn from the posterior.")});
}

void traverse(const UseOptions& options) {
  const vae::VaeModel model = open(options);
  constexpr std::size_t kExamples = 500;
  const Tensor x = test_images(options, model, kExamples);
  const Traversal along = app::traverse(*model.vae, x, options.count);
  const Tensor images =
      at::tensor(along.images, at::kDouble).view({-1, model.rows * model.columns});
  give(options, model, images, "Traversal",
       {image_figure(along.images, static_cast<std::size_t>(model.rows),
                     static_cast<std::size_t>(model.columns), along.across, "Traversal",
                     along.caption)});
}

struct Use {
  const char* name;
  const char* description;
  const char* footer;
  void (*run)(const UseOptions&);
  std::int64_t count = 0;                    // default of -k; 0: no such option
  const char* count_of = "";                 // what -k counts
  std::optional<std::uint64_t> images = {};  // default of --images; none: takes no data
  bool pictures = true;
};

void add(CLI::App& vae, const Use& use) {
  auto* command = vae.add_subcommand(use.name, use.description);
  auto options = std::make_shared<UseOptions>();
  command->add_option("MODEL", options->model, "from partita vae train")
      ->option_text("FILE")
      ->required();
  if (use.images) {
    options->images = *use.images;
    add_image_data(*command, options->directory,
                   "a directory with t10k images as IDX, gzip or not; rendered: digits in the "
                   "DejaVu fonts (rendered)");
    command
        ->add_option("--images", options->images,
                     fmt::format("take the first N ({})",
                                 *use.images == 0 ? "all" : fmt::to_string(*use.images)))
        ->option_text("N")
        ->check(whole_number(1, 1U << 30U));
  }
  options->count = use.count;
  if (use.count > 0) {
    command->add_option("-k", options->count, fmt::format("{} ({})", use.count_of, use.count))
        ->option_text("N")
        ->check(whole_number(1, 1'000'000));
  }
  add_device(*command, options->device);
  add_common(*command, options->common);
  if (use.pictures) {
    add_output(*command, options->output, "the images, one per row: .npy or .csv",
               {".npy", ".csv"});
    add_report(*command, options->report, "the pictures");
  }
  command->footer(std::string("Example:\n  ") + use.footer);
  command->callback([options, run = use.run] { run(*options); });
}

}  // namespace

void add_vae_evaluate(CLI::App& vae) {
  add(vae, {.name = "evaluate",
            .description = "Bound the log-likelihood of test images",
            .footer = "partita vae evaluate vae.model --data mnist -k 5000 --images 1000",
            .run = evaluate,
            .count = 5000,
            .count_of = "samples of the importance-weighted bound",
            .images = 0,
            .pictures = false});
}

void add_vae_sample(CLI::App& vae) {
  add(vae, {.name = "sample",
            .description = "Draw images from the prior",
            .footer = "partita vae sample vae.model -k 100 --report samples.html --seed 1",
            .run = sample,
            .count = 100,
            .count_of = "images"});
}

void add_vae_reconstruct(CLI::App& vae) {
  add(vae, {.name = "reconstruct",
            .description = "Encode test images and decode them again",
            .footer = "partita vae reconstruct vae.model --data mnist --report page.html",
            .run = reconstruct,
            .images = 64});
}

void add_vae_traverse(CLI::App& vae) {
  add(vae, {.name = "traverse",
            .description = "Show what each latent variable means",
            .footer = "partita vae traverse vae.model --report page.html",
            .run = traverse,
            .count = 10,
            .count_of = "variables, the ones that tell most about an image",
            .images = 500});
}

}  // namespace partita::app
