// SPDX-License-Identifier: Apache-2.0
#include "apps/experiments/openset/experiment.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <span>
#include <utility>

#include "apps/data/image_sets.hpp"
#include "apps/experiments/device.hpp"
#include "apps/experiments/openset/data.hpp"
#include "partita/base/error.hpp"
#include "partita/detection/logit_score.hpp"
#include "partita/learn/losses/losses.hpp"
#include "partita/learn/networks.hpp"
#include "partita/learn/openset/classifier_model.hpp"
#include "partita/learn/openset/confident_classifier.hpp"
#include "partita/learn/rows.hpp"
#include "partita/learn/training/batches.hpp"
#include "partita/learn/training/loop.hpp"

namespace partita::app {
namespace {

/// The children of the seed's stream.
enum class OpensetPurpose { data, weights, gan_weights, batches, out_batches, noise, shown };

Stream stream_of(const OpensetOptions& options, OpensetPurpose purpose) {
  return Stream{.seed = options.seed}.child(purpose);
}

constexpr std::int64_t kToyNoise = 8;
constexpr std::int64_t kToyHidden = 128;
constexpr std::int64_t kImageNoise = 100;
constexpr double kDecay = 0.1;
constexpr double kControlsEntropyWeight = 1;
constexpr double kHeldBeta = 3;  // of the control; with less, the generator stays among the known
constexpr std::int64_t kMapSide = 97;  // points per side
constexpr std::int64_t kCirclePoints = 720;
constexpr std::int64_t kShownPoints = 400;  // per kind, on a map
constexpr std::int64_t kShownImages = 8;    // samples in a row, and rows

/// One way to train, and its name in comparisons.
struct Way {
  std::string name;
  OpensetOptions options;
};

Way way_of(const OpensetOptions& options) {
  std::string name = name_of(kOpensetLosses, options.loss);
  if (options.loss == OpensetLoss::held) name = "classifier held";
  if (options.loss == OpensetLoss::confidence &&
      (is_toy(options) || options.out_set == OutSet::shell)) {
    name += fmt::format(", {}", name_of(kOutSets, options.out_set));
  }
  if (options.loss == OpensetLoss::joint) {
    if (options.generator_loss == openset::GeneratorLoss::fence) name += ", fence";
    if (options.entropy_weight > 0) name += ", entropy";
  }
  if (options.reject) name += ", reject";
  return {name, options};
}

/// The ways to train; the one that was asked for comes last.
std::vector<Way> ways(const OpensetOptions& options) {
  const Way asked = way_of(options);
  std::vector<Way> all;
  const auto add = [&](OpensetLoss loss, const std::function<void(OpensetOptions&)>& change = {}) {
    OpensetOptions control = options;
    control.loss = loss;
    control.reject = false;
    control.entropy_weight = 0;
    control.generator_loss = openset::GeneratorLoss::non_saturating;
    if (change) change(control);
    all.push_back(way_of(control));
  };
  if (options.controls) {
    add(OpensetLoss::cross_entropy);
    if (is_toy(options)) {
      for (const OutSet where : {OutSet::far, OutSet::near, OutSet::border, OutSet::shell}) {
        add(OpensetLoss::confidence, [&](OpensetOptions& o) { o.out_set = where; });
      }
      add(OpensetLoss::confidence, [](OpensetOptions& o) {
        o.out_set = OutSet::border;
        o.reject = true;
      });
      add(OpensetLoss::held, [](OpensetOptions& o) {  // equation 3, as it stands
        o.out_set = OutSet::box;
        o.beta = kHeldBeta;
        o.generator_loss = openset::GeneratorLoss::saturating;
      });
      add(OpensetLoss::joint);
      add(OpensetLoss::joint, [](OpensetOptions& o) { o.entropy_weight = kControlsEntropyWeight; });
      add(OpensetLoss::joint, [](OpensetOptions& o) {
        o.entropy_weight = kControlsEntropyWeight;
        o.generator_loss = openset::GeneratorLoss::fence;
      });
    }
    std::erase_if(all, [&](const Way& way) { return way.name == asked.name; });
  }
  all.push_back(asked);
  return all;
}

std::vector<double> confidence_of(const Tensor& logits) {
  return to_vector(std::get<0>(logits.softmax(-1).max(-1)));
}

Points points_of(const Tensor& x) {
  const Tensor shown = x.slice(0, 0, kShownPoints);
  return {to_vector(shown.select(1, 0)), to_vector(shown.select(1, 1))};
}

OpensetDetection detection(const std::string& set, LogitScore score, const Tensor& in,
                           const Tensor& out) {
  const std::vector<double> known = logit_scores(score, rows_of(in));
  const std::vector<double> unknown = logit_scores(score, rows_of(out));
  return {set, score, detection_metrics(known, unknown, Positive::in), roc_curve(known, unknown)};
}

/// Samples side by side, color ones in gray.
Grid sample_grid(const Tensor& images) {
  return tile(to_vector(images.mean(1)), static_cast<std::size_t>(images.size(2)),
              static_cast<std::size_t>(images.size(3)), kShownImages);
}

/// A classifier in training, with its data on the device.
class Trainee {
 public:
  Trainee(const Way& way, const OpensetData& data)
      : options_(way.options),
        name_(way.name),
        data_(data),
        device_(device_of(options_.run.device)),
        classifier_(untrained(data.architecture)),
        batches_(data.train.x.size(0), options_.batch, stream(OpensetPurpose::batches)),
        x_(data.train.x.to(device_)),
        y_(data.train.y.to(device_)) {
    classifier_.classifier->to(device_);
    if (options_.loss != OpensetLoss::cross_entropy && takes_features() &&
        options_.run.group->size() > 1) {  // before a warm-up is trained
      throw InvalidArgument("out_set",
                            "shell draws from the features of a whole batch: train in one process");
    }
    if (takes_given()) {
      given_ = is_toy(options_)
                   ? toy_out_set(options_.out_set, data.train, stream(OpensetPurpose::data))
                   : data.out_set;
      out_batches_.emplace(given_.size(0), options_.batch, stream(OpensetPurpose::out_batches));
      given_ = given_.to(device_);
    }
    model_ =
        has_gan() ? with_gan() : openset::ConfidentClassifier(classifier_.classifier, settings());
  }

  training::LoopResult train(const RunOptions& run, const Phases& phases) {
    return training::train(
        model_->parts(),
        {.steps = options_.steps,
         .files = {.checkpoint = run.checkpoint,
                   .checkpoint_seconds = run.checkpoint_seconds,
                   .run = facts(),
                   .log = run.log}},
        [this](std::uint64_t number) { return step(number); }, {}, begin(phases, name_));
  }

  OpensetVariant measure(const training::LoopResult& result) {
    const Tensor in = classifier_.logits(data_.test.x);
    OpensetVariant variant{
        .name = name_,
        .accuracy = (in.argmax(-1) == data_.test.y).to(at::kDouble).mean().item<double>(),
        .nll = losses::cross_entropy(in, data_.test.y).item<double>(),
        .confidence = {{"known", confidence_of(in)}},
        .detection = {},
        .steps = result.steps,
        .seconds = result.seconds};
    for (const auto& [name, x] : data_.unknown) {
      const Tensor out = classifier_.logits(x);
      variant.confidence.push_back({name, confidence_of(out)});
      for (const Named<LogitScore>& each : kLogitScores) {
        variant.detection.push_back(detection(name, each.value, in, out));
      }
    }
    show(variant);
    return variant;
  }

  void save(const std::string& path) {
    classifier_.classifier->to(at::kCPU);
    classifier_.save(path);
  }

 private:
  Stream stream(OpensetPurpose purpose) const { return stream_of(options_, purpose); }
  bool has_gan() const {
    return options_.loss == OpensetLoss::joint || options_.loss == OpensetLoss::held;
  }
  /// Whether the unknown is drawn from the features of each batch.
  bool takes_features() const { return !is_toy(options_) && options_.out_set == OutSet::shell; }
  bool takes_given() const {
    return (options_.loss == OpensetLoss::confidence || options_.loss == OpensetLoss::held) &&
           !takes_features();
  }

  openset::ClassifierModel untrained(openset::Architecture architecture) const {
    architecture.reject = options_.reject;
    return {architecture, data_.classes,
            openset::make_classifier(architecture, stream(OpensetPurpose::weights))};
  }

  openset::ConfidentClassifierOptions settings() const {
    return {.beta = options_.beta,
            .reject = options_.reject,
            .generator_loss = options_.generator_loss,
            .entropy_weight = options_.entropy_weight,
            .entropy = options_.entropy,
            .noise = is_toy(options_) ? kToyNoise : kImageNoise,
            .learning_rate = options_.learning_rate,
            .beta1 = options_.beta1,
            .gan_beta1 = options_.gan_beta1,
            .clip_norm = options_.clip_norm,
            .group = options_.run.group.get()};
  }

  openset::ConfidentClassifier with_gan() {
    const networks::ImageShape shape{.rows = data_.architecture.rows,
                                     .columns = data_.architecture.columns,
                                     .channels = data_.architecture.channels};
    const bool toy = is_toy(options_);
    torch::nn::Sequential generator =
        toy ? networks::mlp({kToyNoise, kToyHidden, kToyHidden, 2})
            : networks::dcgan_generator(shape, kImageNoise, data_.architecture.width);
    torch::nn::Sequential discriminator =
        toy ? networks::mlp({2, kToyHidden, kToyHidden, 1})
            : networks::dcgan_discriminator(shape, data_.architecture.width);
    const Random random(stream(OpensetPurpose::gan_weights));
    for (auto* network : {&generator, &discriminator}) {
      if (toy) {
        networks::initialize(*network, random);
      } else {
        networks::initialize_dcgan(*network, random);
      }
      (*network)->to(device_);
    }
    return {classifier_.classifier, generator, discriminator, settings()};
  }

  training::Losses step(std::uint64_t number) {
    const Tensor rows = batches_.at(number).to(device_);
    const Tensor x = x_.index_select(0, rows);
    const Tensor y = y_.index_select(0, rows);
    if (options_.decay > 0) model_->scale_learning_rate(number < options_.decay ? 1 : kDecay);
    if (options_.loss == OpensetLoss::cross_entropy || number < options_.warm_up) {
      return model_->cross_entropy_step(x, y);
    }
    const Random random = stream(OpensetPurpose::noise).child(number);
    if (options_.loss == OpensetLoss::joint) return model_->joint_step(x, y, random);
    if (options_.loss == OpensetLoss::held && 2 * number >= options_.steps) {
      return model_->gan_step(x, random);
    }
    if (takes_features()) return model_->shell_step(x, y, random);
    const Tensor unknown = given_.index_select(0, out_batches_->at(number).to(device_));
    return model_->confidence_step(x, y, unknown);
  }

  /// All that the weights depend on but the number of steps, more of which continue the same run,
  /// unless they say when the classifier is held.
  training::RunFacts facts() const {
    training::RunFacts facts;
    facts.add("way", name_)
        .add("examples", training::digest(data_.train.x))
        .add("labels", training::digest(data_.train.y))
        .add("out-set", given_.defined() ? training::digest(given_) : "none")
        .add("beta", options_.beta)
        .add("reject", options_.reject ? "yes" : "no")
        .add("generator loss", name_of(kGeneratorLosses, options_.generator_loss))
        .add("entropy", name_of(kEntropies, options_.entropy))
        .add("entropy weight", options_.entropy_weight)
        .add("learning rate", options_.learning_rate)
        .add("decay", options_.decay)
        .add("beta1", options_.beta1)
        .add("GAN's beta1", options_.gan_beta1)
        .add("warm-up", options_.warm_up)
        .add("clip norm", options_.clip_norm)
        .add("batch", options_.batch)
        .add("width", data_.architecture.width)
        .add("seed", options_.seed);
    if (options_.loss == OpensetLoss::held) facts.add("steps", options_.steps);
    return facts;
  }

  /// What a report shows for this classifier alone.
  void show(OpensetVariant& variant) {
    if (!is_toy(options_)) {
      if (has_gan()) {
        variant.samples = sample_grid(
            model_->generate(kShownImages * kShownImages, stream(OpensetPurpose::shown)).cpu());
      }
      return;
    }
    const Tensor side = at::linspace(-kToyHalfSide, kToyHalfSide, kMapSide);
    const Tensor plane = at::stack({side.repeat({kMapSide}), side.repeat_interleave(kMapSide)}, 1);
    const auto largest = [&](const Tensor& x) {
      return std::get<0>(classifier_.logits(x).softmax(-1).max(-1));
    };
    const Tensor sure = largest(plane);
    const auto mean_where = [&](const Tensor& where) {
      return sure.masked_select(where).mean().item<double>();
    };
    variant.map = {static_cast<std::size_t>(kMapSide), static_cast<std::size_t>(kMapSide),
                   to_vector(sure)};
    variant.confidence_around_classes = mean_where(toy_border(plane));
    variant.confidence_off_classes = mean_where(toy_off_classes(plane));
    variant.confidence_far_away =
        largest(toy_circle(kToyFarAway, kCirclePoints)).mean().item<double>();
    if (given_.defined()) variant.given = points_of(given_);
    if (has_gan()) {
      const Tensor generated = model_->generate(kShownPoints, stream(OpensetPurpose::shown)).cpu();
      variant.generated = points_of(generated);
      variant.generated_outside = toy_outside(generated).to(at::kDouble).mean().item<double>();
      variant.generated_directions = toy_directions(generated);
    }
  }

  const OpensetOptions& options_;
  const std::string& name_;
  const OpensetData& data_;
  at::Device device_;
  openset::ClassifierModel classifier_;
  training::Batches batches_;
  Tensor x_;
  Tensor y_;
  Tensor given_;
  std::optional<training::Batches> out_batches_;
  std::optional<openset::ConfidentClassifier> model_;
};

}  // namespace

std::string data_name(const OpensetOptions& options) {
  if (is_toy(options)) return "toy";
  return images_name(options.directory);
}

OpensetResult run_openset(const OpensetOptions& options, const Phases& phases) {
  use_threads(options.threads);
  const OpensetData data =
      is_toy(options) ? toy_data(width_of(options), stream_of(options, OpensetPurpose::data))
                      : image_data(options, stream_of(options, OpensetPurpose::data));
  OpensetResult result{.classes = data.classes};
  if (is_toy(options)) {
    for (std::int64_t k = 0; k < data.architecture.classes; ++k) {
      result.training.push_back(
          points_of(data.train.x.index_select(0, (data.train.y == k).nonzero().flatten())));
    }
  }
  const std::vector<Way> all = ways(options);
  for (const Way& way : all) {
    const bool asked = &way == &all.back();
    Trainee trainee(way, data);
    const auto trained = trainee.train(asked ? options.run : options.run.named(way.name), phases);
    result.variants.push_back(trainee.measure(trained));
    if (asked && !options.output.empty()) trainee.save(options.output);
  }
  return result;
}

}  // namespace partita::app
