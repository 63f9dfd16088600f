// SPDX-License-Identifier: Apache-2.0
#include "apps/experiments/vae/experiment.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "apps/data/image_sets.hpp"
#include "apps/experiments/device.hpp"
#include "apps/experiments/make_estimator.hpp"
#include "apps/experiments/vae/model.hpp"
#include "partita/embedding/principal_components.hpp"
#include "partita/learn/rows.hpp"
#include "partita/learn/vae/vae_model.hpp"
#include "partita/learn/vae/vae_training.hpp"

namespace partita::app {
namespace {

/// The children of the seed's stream.
enum class VaePurpose { images, weights, training, test_bits, test_samples, spread, shown };

constexpr std::int64_t kTestSamplesEach = 10;
constexpr std::int64_t kShownImages = 10;  // reconstructions, and pictures per row
constexpr std::int64_t kMapped = 1500;     // points on a map
constexpr std::int64_t kTraversed = 10;
constexpr std::int64_t kControlHidden = 50;
constexpr std::size_t kRenderedTrain = 10'000;

/// The settings of a preset, with the options that override them.
struct Settings {
  std::vector<std::int64_t> hidden;
  std::int64_t latent_dim;
  vae::TrainingOptions training;
};

/// The terms of the ELBO that are left in.
enum class Terms : std::uint8_t { both, without_regularizer, without_reconstruction };

constexpr auto kTerms = names<Terms>({{"both terms", Terms::both},
                                      {"without regularizer", Terms::without_regularizer},
                                      {"without reconstruction", Terms::without_reconstruction}});

vae::Objective objective_of(const VaeTrainOptions& options, Terms terms) {
  if (terms == Terms::without_reconstruction) return vae::Objective::without_reconstruction;
  if (terms == Terms::without_regularizer) return vae::Objective::without_regularizer;
  return options.objective == VaeObjective::iwae ? vae::Objective::iwae : vae::Objective::elbo;
}

Settings settle(const VaeTrainOptions& options) {
  const bool iwae = options.preset == VaePreset::iwae_1l;
  Settings settings{
      .hidden = options.hidden.empty() ? std::vector<std::int64_t>{200, 200} : options.hidden,
      .latent_dim = options.latent_dim.value_or(iwae ? 50 : 20),
      .training = {.epochs = options.epochs.value_or(iwae ? 3280 : 20),
                   .batch = options.batch.value_or(iwae ? 20 : 64),
                   .learning_rate = options.learning_rate.value_or(1e-3),
                   .epsilon = iwae ? 1e-4 : 1e-8,
                   .held_out = options.held_out.value_or(iwae ? 0 : 0.05),
                   .patience = options.patience,
                   .device = device_of(options.run.device),
                   .group = options.run.group.get()}};
  if (iwae) settings.training.schedule = vae::Schedule::iwae;
  return settings;
}

EstimatorKind estimator_of(const VaeTrainOptions& options) {
  if (options.latent == VaeLatent::gaussian) return EstimatorKind::pathwise;
  return options.estimator.value_or(options.objective == VaeObjective::iwae
                                        ? EstimatorKind::score_leave_one_out
                                        : EstimatorKind::concrete);
}

std::string estimator_name(EstimatorKind kind) {
  return kind == EstimatorKind::pathwise ? name_of(kind) : name_of(kVaeEstimators, kind);
}

/// An auto-encoder in training.
class Trainee {
 public:
  Trainee(const VaeTrainOptions& options, const Settings& settings, const ImageSets& sets,
          Terms terms)
      : options_(options),
        settings_(settings),
        terms_(terms),
        train_(image_rows(sets.train,
                          options.train_images == 0 ? sets.train.size() : options.train_images)) {
    settings_.training.objective = objective_of(options, terms_);
    model_ = {static_cast<std::int64_t>(sets.train.rows),
              static_cast<std::int64_t>(sets.train.columns), nullptr};
    const bool gaussian = options.latent == VaeLatent::gaussian;
    model_.vae = std::make_shared<vae::Vae>(
        vae::VaeOptions{.inputs = train_.size(1),
                        .hidden = settings.hidden,
                        .latent = gaussian ? vae::Latent::gaussian : vae::Latent::categorical,
                        .latent_dim = settings.latent_dim,
                        .categories = options.categories,
                        .decoder = decoder()},
        stream(VaePurpose::weights));
    model_.vae->start_from_mean(train_.to(at::kFloat).mean(0) / 255);
    test_ = vae::evaluation_images(image_rows(sets.test, sets.test.size()), decoder(),
                                   stream(VaePurpose::test_bits));
    make_estimator_and_samples();
  }

  std::size_t train_images() const { return static_cast<std::size_t>(train_.size(0)); }
  std::int64_t samples() const { return samples_; }

  VaeVariant train(const RunOptions& run, const Phases& phases) {
    const auto per_epoch = std::max<std::uint64_t>(
        1, static_cast<std::uint64_t>(train_.size(0) / settings_.training.batch));
    const double steps = settings_.training.epochs * static_cast<double>(per_epoch);
    constexpr double kEntries = 200;  // entries per curve
    settings_.training.log_every =
        std::max<std::uint64_t>(1, static_cast<std::uint64_t>(steps / kEntries));
    const auto result = vae::train(model_.vae, train_, *estimator_, stream(VaePurpose::training),
                                   settings_.training,
                                   {.checkpoint = run.checkpoint,
                                    .checkpoint_seconds = run.checkpoint_seconds,
                                    .run = facts(),
                                    .log = run.log},
                                   begin(phases, name_of(kTerms, terms_)));
    return curves(result);
  }

  void measure(VaeVariant& variant, const Phases& phases) {
    const vae::Bounds seen =
        vae::evaluate(*model_.vae, test_, stream(VaePurpose::test_samples),
                      {.samples = kTestSamplesEach, .batch = 200}, begin(phases, "test images"));
    const Mean elbo = mean_of(to_vector(seen.elbo()));
    variant.elbo = elbo.value;
    variant.elbo_error = elbo.standard_error;
    variant.reconstruction = -seen.reconstruction.mean().item<double>();
    variant.kl = seen.divergence.mean().item<double>();
    const at::NoGradGuard no_grad;
    const Tensor x = test_.to(model_.vae->parameters().front().device());
    variant.spread =
        model_.vae->posterior(x)->sample(stream(VaePurpose::spread)).std(0).mean().item<double>();
  }

  /// Fills in what a report shows.
  void show(VaeVariant& variant, bool latent_map) {
    vae::Vae& vae = *model_.vae;
    const Tensor shown = test_.slice(0, 0, kShownImages);
    variant.originals = to_vector(shown);
    const at::NoGradGuard no_grad;
    const Random random(stream(VaePurpose::shown));
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
  Stream stream(VaePurpose purpose) const { return Stream{.seed = options_.seed}.child(purpose); }

  vae::Decoder decoder() const {
    return options_.decoder == VaeDecoder::gaussian ? vae::Decoder::gaussian
                                                    : vae::Decoder::bernoulli;
  }

  void make_estimator_and_samples() {
    const EstimatorKind kind = estimator_of(options_);
    const bool iwae = options_.objective == VaeObjective::iwae;
    samples_ = options_.samples > 0 ? options_.samples : iwae ? 5 : least_samples(kind);
    settings_.training.importance_samples = samples_;
    EstimatorSettings chosen{.samples = iwae ? least_samples(kind) : samples_,
                             .temperature = options_.temperature};
    const bool straight_through = kind == EstimatorKind::straight_through_gumbel;
    if (iwae && (kind == EstimatorKind::concrete || straight_through)) {
      settings_.training.relaxation = vae::Relaxation{.temperature = options_.temperature,
                                                      .straight_through = straight_through};
      estimator_ = make_estimator(EstimatorKind::pathwise, chosen);
      return;
    }
    if (kind == EstimatorKind::relax) {
      chosen.relax =
          control_network(settings_.latent_dim * options_.categories, kControlHidden,
                          at::TensorOptions(at::kFloat).device(device_of(options_.run.device)));
      chosen.relax.temperature = options_.temperature;
    }
    estimator_ = make_estimator(kind, chosen);
  }

  /// What vae::train() does not see of a run.
  training::RunFacts facts() const {
    training::RunFacts facts{{"estimator", estimator_name(estimator_of(options_))}};
    return facts.add("temperature", options_.temperature).add("samples of the estimator", samples_);
  }

  VaeVariant curves(const vae::TrainingResult& result) const {
    VaeVariant variant{.name = name_of(kTerms, terms_),
                       .steps = result.loop.steps,
                       .seconds = result.loop.seconds};
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
  Terms terms_;
  Tensor train_;  // uint8
  Tensor test_;   // as evaluated
  vae::VaeModel model_;
  std::shared_ptr<estimators::Estimator> estimator_;
  std::int64_t samples_ = 1;
};

}  // namespace

VaeResult run_vae(const VaeTrainOptions& options, const Phases& phases) {
  use_threads(options.threads);
  const Settings settings = settle(options);
  const std::size_t rendered = options.train_images == 0 ? kRenderedTrain : options.train_images;
  const ImageSets sets = load_image_sets(options.directory, rendered,
                                         Stream{.seed = options.seed}.child(VaePurpose::images));
  VaeResult result{
      .rows = sets.train.rows,
      .columns = sets.train.columns,
      .test_images = sets.test.size(),
      .estimator = estimator_name(estimator_of(options)),
      .latent_dim = settings.latent_dim,
      .epochs = settings.training.epochs,
      .map_is_latent = options.latent == VaeLatent::gaussian && settings.latent_dim == 2};
  for (std::size_t i = 0; i < std::min<std::size_t>(kMapped, sets.test.size()); ++i) {
    result.labels.push_back(fmt::to_string(sets.test.labels[i]));
  }
  std::vector<Terms> all = {Terms::both};
  if (options.ablations) {
    all.insert(all.end(), {Terms::without_regularizer, Terms::without_reconstruction});
  }
  for (const Terms terms : all) {
    const bool asked = terms == Terms::both;
    Trainee trainee(options, settings, sets, terms);
    result.train_images = trainee.train_images();
    result.samples = trainee.samples();
    VaeVariant variant =
        trainee.train(asked ? options.run : options.run.named(name_of(kTerms, terms)), phases);
    if (asked && !options.output.empty()) trainee.save(options.output);
    trainee.measure(variant, phases);
    if (options.pictures) trainee.show(variant, result.map_is_latent);
    result.variants.push_back(std::move(variant));
  }
  return result;
}

}  // namespace partita::app
