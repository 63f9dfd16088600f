// The synthetic experiment of Yu et al. (2017), section 5.1.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <memory>

#include "apps/experiments/device.hpp"
#include "apps/experiments/seqgan/experiment.hpp"
#include "apps/experiments/seqgan/phases.hpp"
#include "partita/learn/rows.hpp"

namespace partita::app {
namespace {

using seqgan::TokenPolicy;

constexpr double kLeastTemperature = 0.7;
constexpr double kTemperatureStep = 0.02;

class OracleExperiment {
 public:
  OracleExperiment(const SeqganOptions& options, const Phases& phases)
      : options_(options),
        device_(device_of(options.run.device)),
        oracle_(make_oracle()),
        real_(
            seqgan::sample(*oracle_, options.sequences, options.length, stream(SeqganDraw::real))),
        held_out_(seqgan::sample(*oracle_, options.sequences, options.length,
                                 stream(SeqganDraw::held_out))),
        phases_(options, real_, held_out_, phases) {}

  SeqganOracleResult run() {
    SeqganOracleResult result;
    result.quality.push_back(quality("oracle", *oracle_));
    result.quality.push_back(random());

    const auto mle_network = network();
    const auto mle = policy(mle_network);
    result.phases.push_back(phases_.maximum_likelihood("MLE", mle, 1, evaluation(*mle)));
    result.quality.push_back(quality("MLE", *mle));
    for (double t = 1; t > kLeastTemperature - kTemperatureStep / 2; t -= kTemperatureStep) {
      result.temperatures.push_back(
          quality(fmt::format("MLE, temperature {:.2f}", t), *policy(mle_network, t)));
    }

    const auto scheduled = policy(network());
    result.phases.push_back(phases_.maximum_likelihood(
        "scheduled", scheduled, options_.final_teacher, evaluation(*scheduled)));
    result.quality.push_back(quality("scheduled sampling", *scheduled));

    for (SeqganPhase& phase :
         phases_.adversarial(mle, policy(network()), options_.vocabulary, evaluation(*mle))) {
      result.phases.push_back(std::move(phase));
    }
    result.quality.push_back(quality("SeqGAN", *mle));
    add_tuned_temperature(result);
    return result;
  }

 private:
  Stream stream(SeqganDraw draw) const { return seqgan_stream(options_, draw); }

  /// A network as the generator begins.
  std::shared_ptr<language::LstmLanguageModel> network() const {
    auto made = std::make_shared<language::LstmLanguageModel>(
        language::LstmOptions{
            .vocabulary = options_.vocabulary, .dim = options_.hidden, .tied = false},
        stream(SeqganDraw::generator));
    made->to(device_);
    return made;
  }

  static std::shared_ptr<TokenPolicy> policy(std::shared_ptr<language::LanguageModel> network,
                                             double temperature = 1) {
    return std::make_shared<TokenPolicy>(std::move(network),
                                         seqgan::TokenPolicyOptions{.temperature = temperature});
  }

  /// Every parameter a standard normal. torch's LSTM has two biases that it adds; one of them is 0.
  std::shared_ptr<TokenPolicy> make_oracle() const {
    const auto made = network();
    const at::NoGradGuard no_grad;
    const Random random(stream(SeqganDraw::oracle));
    for (auto& item : made->named_parameters()) {
      Tensor& weight = item.value();
      if (item.key() == "bias_hh_l0") {
        weight.zero_();
      } else {
        weight.copy_(random.normal(weight.sizes(), at::kFloat));
      }
    }
    return policy(made);
  }

  /// NLL of sequences under the oracle: mean and its standard error.
  Mean oracle_nll(const Tensor& sequences) const {
    const at::NoGradGuard no_grad;
    std::vector<Tensor> each;
    for (const Tensor& some : sequences.split(kBlock)) {
      each.push_back(-oracle_->log_prob(some).to(at::kDouble).mean(-1));
    }
    return mean_of(to_vector(at::cat(each)));
  }

  Tensor drawn(const TokenPolicy& policy) const {
    return seqgan::sample(policy, options_.samples, options_.length, stream(SeqganDraw::measured));
  }

  SeqganQuality quality(const std::string& name, const TokenPolicy& policy) const {
    const Tensor sequences = drawn(policy);
    const auto [nll, error] = oracle_nll(sequences);
    return {name, nll, error, seqgan::nll_of(policy, held_out_), distinct_share(sequences)};
  }

  SeqganQuality random() const {
    const Tensor sequences =
        Random(stream(SeqganDraw::random))
            .categorical(at::zeros({options_.samples, options_.vocabulary}), options_.length)
            .t()
            .contiguous()
            .to(device_);
    const auto [nll, error] = oracle_nll(sequences);
    return {"random", nll, error, std::log(static_cast<double>(options_.vocabulary)),
            distinct_share(sequences)};
  }

  training::Evaluate evaluation(const TokenPolicy& policy) const {
    return [this, &policy]() -> training::Values {
      const SeqganQuality q = quality("", policy);
      return {{"oracle_nll", q.oracle_nll},
              {"oracle_held_out_nll", q.held_out_nll},
              {"distinct", q.distinct}};
    };
  }

  /// The highest temperature at which MLE's samples are as good as SeqGAN's, before SeqGAN.
  static void add_tuned_temperature(SeqganOracleResult& result) {
    const double reached = result.quality.back().oracle_nll;
    for (const SeqganQuality& tempered : result.temperatures) {
      if (tempered.oracle_nll > reached) continue;
      result.quality.insert(result.quality.end() - 1, tempered);
      return;
    }
    result.quality.insert(result.quality.end() - 1, result.temperatures.back());
  }

  static constexpr std::int64_t kBlock = 256;

  const SeqganOptions& options_;
  at::Device device_;
  std::shared_ptr<TokenPolicy> oracle_;
  Tensor real_;
  Tensor held_out_;
  SeqganPhases phases_;
};

}  // namespace

SeqganOracleResult run_seqgan_oracle(const SeqganOptions& options, const Phases& phases) {
  use_threads(options.threads);
  return OracleExperiment(options, phases).run();
}

SeqganOptions seqgan_paper_preset() {
  SeqganOptions paper;
  paper.vocabulary = 5000;
  paper.sequences = 10'000;
  paper.filters = {{1, 100}, {2, 200}, {3, 200}, {4, 200},  {5, 200},  {6, 100},
                   {7, 100}, {8, 100}, {9, 100}, {10, 100}, {15, 160}, {20, 160}};
  paper.features = 64;
  paper.mle_epochs = 120;
  paper.patience = 0;
  paper.pretraining = 50;
  paper.iterations = 200;
  paper.final_teacher = 0.76;  // falls by 0.002 in each of 120 passes
  paper.reward = SeqganReward::probability;
  paper.rollouts = 16;
  paper.g_steps = 1;
  paper.d_steps = 5;
  paper.d_epochs = 3;
  paper.negatives = 10'000;
  paper.g_rate = 1e-2;
  paper.d_rate = 1e-4;
  // In that code the delayed copy's update comes after its graph is built, and has no effect.
  paper.update_rate = 0;
  paper.final_rate = 1;
  paper.baseline = SeqganBaseline::none;
  paper.loss = SeqganLoss::sum;
  paper.d_batches = SeqganBatches::mixed;
  paper.d_clip_norm = std::numeric_limits<double>::infinity();
  paper.samples = 10'000;
  return paper;
}

SeqganOptions seqgan_text_defaults() {
  SeqganOptions text;
  text.length = 16;
  text.hidden = 128;
  text.mle_epochs = 10;
  return text;
}

}  // namespace partita::app
