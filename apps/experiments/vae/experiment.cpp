#include "apps/experiments/vae/experiment.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "apps/command/terminal.hpp"
#include "apps/data/image_sets.hpp"
#include "apps/experiments/device.hpp"
#include "apps/experiments/gradients/estimator_named.hpp"
#include "apps/experiments/vae/model.hpp"
#include "partita/base/error.hpp"
#include "partita/embedding/principal_components.hpp"
#include "partita/learn/estimators/pathwise.hpp"
#include "partita/learn/rows.hpp"
#include "partita/learn/vae/vae_model.hpp"
#include "partita/learn/vae/vae_training.hpp"

namespace partita::app {
namespace {

/// The children of the seed's stream.
enum Purpose : std::uint64_t {
  kImages,
  kWeights,
  kTraining,
  kTestBits,
  kTestSamples,
  kSpread,
  kShown
};

constexpr std::int64_t kTestSamplesEach = 10;
constexpr std::int64_t kShownImages = 10;  // reconstructions, and pictures in a row
constexpr std::int64_t kMapped = 1500;     // points of a map
constexpr std::int64_t kTraversed = 10;
constexpr std::int64_t kControlHidden = 50;
constexpr std::size_t kRenderedTrain = 10'000;

/// What a preset leaves to be given, settled.
struct Settings {
  std::vector<std::int64_t> hidden;
  std::int64_t latent_dim;
  vae::TrainingOptions training;
};

vae::Objective objective_of(const VaeTrainOptions& options, const std::string& without) {
  if (without == "reconstruction") return vae::Objective::without_reconstruction;
  if (!without.empty()) return vae::Objective::without_regularizer;
  return options.objective == "iwae" ? vae::Objective::iwae : vae::Objective::elbo;
}

/// iwae-1l: one stochastic layer of Burda, Grosse, Salakhutdinov (2016), their whole schedule.
Settings settle(const VaeTrainOptions& options) {
  const bool iwae = options.preset == "iwae-1l";
  Settings settings{
      .hidden = options.hidden.empty() ? std::vector<std::int64_t>{200, 200} : options.hidden,
      .latent_dim = options.latent_dim.value_or(iwae ? 50 : 20),
      .training = {.binarization = options.binarization == "fixed" ? vae::Binarization::fixed
                                                                   : vae::Binarization::dynamic,
                   .epochs = options.epochs.value_or(iwae ? 3280 : 20),
                   .batch = options.batch.value_or(iwae ? 20 : 64),
                   .learning_rate = options.learning_rate.value_or(1e-3),
                   .beta1 = options.beta1,
                   .beta2 = options.beta2,
                   .epsilon = options.epsilon.value_or(iwae ? 1e-4 : 1e-8),
                   .held_out = options.held_out.value_or(iwae ? 0 : 0.05),
                   .patience = options.patience,
                   .device = device_of(options.run.device)}};
  if (options.schedule.value_or(iwae ? "iwae" : "constant") == "iwae") {
    settings.training.schedule = vae::Schedule::iwae;
  }
  if (options.clip_norm > 0) settings.training.clip_norm = options.clip_norm;
  return settings;
}

std::string estimator_name(const VaeTrainOptions& options) {
  if (!options.estimator.empty()) return options.estimator;
  if (options.latent == "gaussian") return "pathwise";
  return options.objective == "iwae" ? "reinforce-loo" : "concrete";
}

void check(const VaeTrainOptions& options) {
  if (options.latent == "gaussian" && !options.estimator.empty()) {
    throw InvalidArgument("--estimator", "is for --latent concrete");
  }
  if (options.objective == "iwae" && (!options.without.empty() || options.ablations)) {
    throw InvalidArgument(options.ablations ? "--ablations" : "--without",
                          "is for --objective elbo, whose terms are apart");
  }
  if (options.objective == "iwae" &&
      (options.estimator == "rebar" || options.estimator == "relax")) {
    throw InvalidArgument("--estimator",
                          fmt::format("{} has a control variate for one code, and the bound of "
                                      "--objective iwae is of several together: expected concrete, "
                                      "st-gumbel, reinforce-loo or unordered-set",
                                      options.estimator));
  }
  if (options.ablations && !options.without.empty()) {
    throw InvalidArgument("--ablations", "trains both of them: leave --without out");
  }
  if (options.decoder == "gaussian" && options.binarization != "dynamic") {
    throw InvalidArgument("--binarization", "is for --decoder bernoulli");
  }
  if (options.patience > 0 && settle(options).training.held_out == 0) {
    throw InvalidArgument("--patience", "early stopping needs --held-out above 0");
  }
}

std::string variant_name(const std::string& without) {
  if (without.empty()) return "both terms";
  return without == "reconstruction" ? "without reconstruction" : "without regularizer";
}

/// An auto-encoder in training.
class Trainee {
 public:
  Trainee(const VaeTrainOptions& options, const Settings& settings, const ImageSets& sets,
          std::string without)
      : options_(options),
        settings_(settings),
        without_(std::move(without)),
        train_(image_rows(sets.train,
                          options.train_images == 0 ? sets.train.size() : options.train_images)) {
    settings_.training.objective = objective_of(options, without_);
    model_ = {static_cast<std::int64_t>(sets.train.rows),
              static_cast<std::int64_t>(sets.train.columns), nullptr};
    const bool gaussian = options.latent == "gaussian";
    model_.vae = std::make_shared<vae::Vae>(
        vae::VaeOptions{.inputs = train_.size(1),
                        .hidden = settings.hidden,
                        .latent = gaussian ? vae::Latent::gaussian : vae::Latent::categorical,
                        .latent_dim = settings.latent_dim,
                        .categories = options.categories,
                        .decoder = decoder()},
        stream(kWeights));
    model_.vae->start_from_mean(train_.to(at::kFloat).mean(0) / 255);
    test_ = vae::evaluation_images(image_rows(sets.test, sets.test.size()), decoder(),
                                   stream(kTestBits));
    make_estimator_and_samples();
  }

  std::size_t train_images() const { return static_cast<std::size_t>(train_.size(0)); }
  std::int64_t samples() const { return samples_; }

  VaeVariant train(const std::string& checkpoint, const std::string& log) {
    Meter meter(variant_name(without_));
    const auto per_epoch = std::max<std::uint64_t>(
        1, static_cast<std::uint64_t>(train_.size(0) / settings_.training.batch));
    const double steps = settings_.training.epochs * static_cast<double>(per_epoch);
    constexpr double kEntries = 200;  // of a curve
    settings_.training.log_every =
        std::max<std::uint64_t>(1, static_cast<std::uint64_t>(steps / kEntries));
    const auto result =
        vae::train(model_.vae, train_, *estimator_, stream(kTraining), settings_.training,
                   {.checkpoint = checkpoint,
                    .checkpoint_seconds = options_.run.checkpoint_seconds,
                    .run = run_name(),
                    .log = log},
                   meter.progress());
    return curves(result);
  }

  void measure(VaeVariant& variant) {
    Meter meter("test images");
    const vae::Bounds seen =
        vae::evaluate(*model_.vae, test_, stream(kTestSamples),
                      {.samples = kTestSamplesEach, .batch = 200}, meter.progress());
    const Tensor elbo = seen.elbo();
    variant.elbo = elbo.mean().item<double>();
    variant.elbo_error = elbo.std().item<double>() / std::sqrt(static_cast<double>(elbo.size(0)));
    variant.reconstruction = -seen.reconstruction.mean().item<double>();
    variant.kl = seen.divergence.mean().item<double>();
    const at::NoGradGuard no_grad;
    const Tensor x = test_.to(model_.vae->parameters().front().device());
    variant.spread = model_.vae->posterior(x)->sample(stream(kSpread)).std(0).mean().item<double>();
  }

  /// What a report shows.
  void show(VaeVariant& variant, bool latent_map) {
    vae::Vae& vae = *model_.vae;
    const Tensor shown = test_.slice(0, 0, kShownImages);
    variant.originals = to_vector(shown);
    const at::NoGradGuard no_grad;
    const Random random(stream(kShown));
    const Tensor z = vae.posterior(shown.to(vae.parameters().front().device()))->sample(random);
    variant.reconstructions = to_vector(decode(vae, z));
    variant.samples =
        to_vector(decode(vae, vae.prior()->sample({kShownImages * kShownImages}, random)));
    const Traversal along = traverse(vae, test_, kTraversed);
    variant.traversal_across = along.across;
    variant.traversal = along.images;
    variant.traversal_caption = along.caption;
    const Tensor at_codes = codes(vae, test_.slice(0, 0, kMapped));
    if (latent_map) {
      variant.map = to_vector(at_codes);
      return;
    }
    for (const Place& place : principal_components(rows_of(at_codes))) {
      variant.map.insert(variant.map.end(), {place.x, place.y});
    }
  }

  void save(const std::string& path) {
    model_.vae->to(at::kCPU);
    model_.save(path);
  }

 private:
  Stream stream(Purpose purpose) const { return Stream{.seed = options_.seed}.child(purpose); }

  vae::Decoder decoder() const {
    return options_.decoder == "gaussian" ? vae::Decoder::gaussian : vae::Decoder::bernoulli;
  }

  void make_estimator_and_samples() {
    const std::string name = estimator_name(options_);
    samples_ = options_.samples;
    const bool importance = options_.objective == "iwae";
    if (samples_ == 0) samples_ = importance ? 5 : name == "pathwise" ? 1 : least_samples(name);
    settings_.training.importance_samples = samples_;
    const std::int64_t each = importance ? least_samples(name) : samples_;
    const bool relaxed = importance && (name == "concrete" || name == "st-gumbel");
    if (relaxed) {
      settings_.training.relaxation = vae::Relaxation{.temperature = options_.temperature,
                                                      .straight_through = name == "st-gumbel"};
    }
    if (name == "pathwise" || relaxed) {
      estimator_ =
          std::make_shared<estimators::Pathwise>(estimators::PathwiseOptions{.samples = each});
      return;
    }
    EstimatorSettings chosen{.samples = each, .temperature = options_.temperature};
    chosen.relax =
        control_network(settings_.latent_dim * options_.categories, kControlHidden,
                        at::TensorOptions(at::kFloat).device(device_of(options_.run.device)));
    chosen.relax.temperature = options_.temperature;
    estimator_ = make_estimator(name, chosen);
  }

  /// Everything that the weights depend on but the number of steps.
  std::string run_name() const {
    const vae::TrainingOptions& t = settings_.training;
    return fmt::format(
        "data {}, {} images, latent {} {} x {}, decoder {}, hidden {}, {} {}, estimator {} {}, "
        "samples {}, {}, batch {}, learning rate {}, schedule {}, Adam {} {} {}, clip norm {}, "
        "held out {}, seed {}",
        options_.data, train_.size(0), options_.latent, settings_.latent_dim, options_.categories,
        options_.decoder, fmt::join(settings_.hidden, "-"), options_.objective,
        variant_name(without_), estimator_name(options_), options_.temperature, samples_,
        options_.binarization, t.batch, t.learning_rate,
        t.schedule == vae::Schedule::iwae ? "iwae" : "constant", t.beta1, t.beta2, t.epsilon,
        t.clip_norm, t.held_out, options_.seed);
  }

  VaeVariant curves(const vae::TrainingResult& result) const {
    VaeVariant variant{
        .name = variant_name(without_), .steps = result.loop.steps, .seconds = result.loop.seconds};
    for (const training::LogEntry& entry : result.loop.history) {
      const double epoch = static_cast<double>(entry.step) *
                           static_cast<double>(settings_.training.batch) /
                           static_cast<double>(result.images);
      const auto value = [&](const char* name) {
        const auto found = std::find_if(entry.values.begin(), entry.values.end(),
                                        [&](const auto& v) { return v.first == name; });
        return found == entry.values.end() ? std::nan("") : found->second;
      };
      variant.training.push_back({epoch, value("reconstruction"), value("kl")});
      variant.train_loss = value("loss");
      if (!std::isnan(value("held_out_kl"))) {
        variant.held_out.push_back({epoch, value("held_out_reconstruction"), value("held_out_kl")});
      }
    }
    return variant;
  }

  const VaeTrainOptions& options_;
  Settings settings_;
  std::string without_;
  Tensor train_;  // uint8
  Tensor test_;   // as evaluated
  vae::VaeModel model_;
  std::shared_ptr<estimators::Estimator> estimator_;
  std::int64_t samples_ = 1;
};

/// The one that was asked for has the plain name, those beside it one of their own.
std::string beside(const std::string& path, const std::string& without, bool asked) {
  return path.empty() || asked ? path : path + ".without-" + without;
}

}  // namespace

VaeResult run_vae(const VaeTrainOptions& options) {
  check(options);
  at::set_num_threads(options.threads);
  const Settings settings = settle(options);
  const std::size_t rendered = options.train_images == 0 ? kRenderedTrain : options.train_images;
  const ImageSets sets =
      load_image_sets(options.data, rendered, Stream{.seed = options.seed}.child(kImages));
  VaeResult result{.rows = sets.train.rows,
                   .columns = sets.train.columns,
                   .test_images = sets.test.size(),
                   .estimator = estimator_name(options),
                   .latent_dim = settings.latent_dim,
                   .epochs = settings.training.epochs,
                   .map_is_latent = options.latent == "gaussian" && settings.latent_dim == 2};
  for (std::size_t i = 0; i < std::min<std::size_t>(kMapped, sets.test.size()); ++i) {
    result.labels.push_back(fmt::to_string(sets.test.labels[i]));
  }
  std::vector<std::string> all = {options.without};
  if (options.ablations) all.insert(all.end(), {"regulariser", "reconstruction"});
  for (const std::string& without : all) {
    const bool asked = &without == &all.front();
    Trainee trainee(options, settings, sets, without);
    result.train_images = trainee.train_images();
    result.samples = trainee.samples();
    VaeVariant variant = trainee.train(beside(options.run.checkpoint, without, asked),
                                       beside(options.run.log, without, asked));
    if (asked && !options.output.empty()) trainee.save(options.output);
    trainee.measure(variant);
    if (!options.report.empty()) trainee.show(variant, result.map_is_latent);
    result.variants.push_back(std::move(variant));
  }
  return result;
}

}  // namespace partita::app
