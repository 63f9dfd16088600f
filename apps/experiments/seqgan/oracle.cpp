// SPDX-License-Identifier: Apache-2.0
// The synthetic experiment of Yu et al. (2017), section 5.1.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "apps/experiments/device.hpp"
#include "apps/experiments/seqgan/experiment.hpp"
#include "apps/experiments/seqgan/phases.hpp"
#include "partita/learn/rows.hpp"

namespace partita::app {
namespace {

using seqgan::TokenPolicy;

/// Temperatures of a sweep, in hundredths.
constexpr int kHighest = 120;
constexpr int kLowest = 60;
constexpr int kStep = 5;

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

    const auto generator_network = network();
    const auto generator = policy(generator_network);
    const auto measure = [&](const std::string& name, const auto& trained) {
      result.quality.push_back(quality(name, *policy(trained)));
      result.sweeps.push_back(sweep(name, trained));
    };
    const auto drawn = [this](const TokenPolicy& of) { return [&] { return values(of); }; };
    result.phases.push_back(phases_.maximum_likelihood("MLE", generator, 1, drawn(*generator)));
    measure("MLE", generator_network);

    const auto scheduled_network = network();
    const auto scheduled = policy(scheduled_network);
    result.phases.push_back(phases_.maximum_likelihood("scheduled", scheduled,
                                                       options_.final_teacher, drawn(*scheduled)));
    measure("scheduled sampling", scheduled_network);

    for (SeqganPhase& phase : phases_.adversarial(generator, policy(network()), options_.vocabulary,
                                                  drawn(*generator))) {
      result.phases.push_back(std::move(phase));
    }
    measure("SeqGAN", generator_network);
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

  SeqganSweep sweep(const std::string& name,
                    const std::shared_ptr<language::LstmLanguageModel>& network) const {
    SeqganSweep swept{name};
    for (int hundredths = kHighest; hundredths >= kLowest; hundredths -= kStep) {
      swept.temperatures.push_back(hundredths / 100.0);
      swept.quality.push_back(quality(name, *policy(network, swept.temperatures.back())));
    }
    return swept;
  }

  /// What is measured as a generator learns, besides the NLL of held-out data.
  training::Values values(const TokenPolicy& policy) const {
    const Tensor sequences = drawn(policy);
    return {{"oracle_nll", oracle_nll(sequences).value}, {"distinct", distinct_share(sequences)}};
  }

  static constexpr std::int64_t kBlock = 64;

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

}  // namespace partita::app
