// SPDX-License-Identifier: Apache-2.0
#include "partita/llama/llama_sampler.hpp"

#include <llama.h>

#include <exception>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "partita/sampler/sample.hpp"

namespace partita {
namespace {

template <class T>
std::vector<T> copy_of(std::span<const T> values) {
  return {values.begin(), values.end()};
}

/// Settings together with what they point to, and where the draws are.
class Chooser {
 public:
  Chooser(std::size_t vocabulary, const SamplerSettings& settings, const Stream& stream)
      : values_(settings),
        order_(copy_of(settings.order)),
        logit_bias_(copy_of(settings.logit_bias)),
        allowed_(copy_of(settings.allowed)),
        dry_breakers_(copy_of(settings.dry_breakers)),
        begin_{copy_of(settings.history),
               settings.mirostat_state != nullptr ? *settings.mirostat_state : MirostatState{},
               settings.adaptive_state != nullptr ? *settings.adaptive_state : AdaptiveState{}, 0},
        now_(begin_),
        stream_(stream),
        row_(vocabulary) {
    view().check(vocabulary);
  }

  void accept(llama_token token) {
    now_.history.push_back(token);
    ++now_.accepted;
  }

  void reset() { now_ = begin_; }

  void choose(llama_token_data_array& candidates) {
    candidates.selected = -1;
    std::fill(row_.begin(), row_.end(), -std::numeric_limits<float>::infinity());
    const std::span<const llama_token_data> all(candidates.data, candidates.size);
    for (const llama_token_data& each : all)
      row_.at(static_cast<std::size_t>(each.id)) = each.logit;
    const Stream stream = stream_.child(now_.accepted);
    const std::int64_t token =
        sample(Rows(std::span<const float>(row_)), view(), std::span(&stream, 1)).front();
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].id == token) candidates.selected = static_cast<std::int64_t>(i);
    }
  }

 private:
  struct Position {
    std::vector<std::int32_t> history;
    MirostatState mirostat;
    AdaptiveState adaptive;
    std::uint64_t accepted;
  };

  /// Valid while this stays where it is.
  SamplerSettings view() {
    SamplerSettings s = values_;
    s.order = order_;
    s.logit_bias = logit_bias_;
    s.allowed = allowed_;
    s.dry_breakers = dry_breakers_;
    s.history = now_.history;
    s.mirostat_state = &now_.mirostat;
    s.adaptive_state = &now_.adaptive;
    return s;
  }

  SamplerSettings values_;
  std::vector<SamplerStep> order_;
  std::vector<LogitBias> logit_bias_;
  std::vector<std::uint8_t> allowed_;
  std::vector<std::int32_t> dry_breakers_;
  Position begin_;
  Position now_;
  Stream stream_;
  std::vector<float> row_;  // the candidates' logits, and -inf
};

Chooser& chooser(const llama_sampler* sampler) { return *static_cast<Chooser*>(sampler->ctx); }

llama_sampler* made_of(std::unique_ptr<Chooser> from) {
  static llama_sampler_i interface = [] {
    llama_sampler_i made{};  // what other versions have beside these stays null
    made.name = [](const llama_sampler*) { return "partita"; };
    made.accept = [](llama_sampler* s, llama_token token) { chooser(s).accept(token); };
    made.apply = [](llama_sampler* s, llama_token_data_array* candidates) {
      try {
        chooser(s).choose(*candidates);
      } catch (const std::exception&) {  // llama.cpp is C: selected says that there is none
        candidates->selected = -1;
      }
    };
    made.reset = [](llama_sampler* s) { chooser(s).reset(); };
    made.clone = [](const llama_sampler* s) {
      return made_of(std::make_unique<Chooser>(chooser(s)));
    };
    made.free = [](llama_sampler* s) { delete &chooser(s); };
    return made;
  }();
  llama_sampler* const sampler = llama_sampler_init(&interface, from.get());
  from.release();  // NOLINT(bugprone-unused-return-value): it is the sampler's
  return sampler;
}

}  // namespace

llama_sampler* make_llama_sampler(std::size_t vocabulary, const SamplerSettings& settings,
                                  const Stream& stream) {
  return made_of(std::make_unique<Chooser>(vocabulary, settings, stream));
}

}  // namespace partita
