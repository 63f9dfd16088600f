// SPDX-License-Identifier: Apache-2.0
#include "partita/llama/llama_sampler.hpp"

#include <llama.h>

#include <exception>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "partita/sampler/owned_settings.hpp"
#include "partita/sampler/sample.hpp"

namespace partita {
namespace {

/// The settings as the text so far has left them, and where the draws are.
class Chooser {
 public:
  Chooser(std::size_t vocabulary, const SamplerSettings& settings, const Stream& stream)
      : begin_(settings), now_(begin_), stream_(stream), row_(vocabulary) {
    now_.settings().check(vocabulary);
  }

  void accept(llama_token token) {
    now_.history.push_back(token);
    ++accepted_;
  }

  void reset() {
    now_ = begin_;
    accepted_ = 0;
  }

  void choose(llama_token_data_array& candidates) {
    candidates.selected = -1;
    std::fill(row_.begin(), row_.end(), -std::numeric_limits<float>::infinity());
    const std::span<const llama_token_data> all(candidates.data, candidates.size);
    for (const llama_token_data& each : all) {
      row_.at(static_cast<std::size_t>(each.id)) = each.logit;
    }
    const Stream stream = stream_.child(accepted_);
    const std::int64_t token =
        sample(Rows(std::span<const float>(row_)), now_.settings(), std::span(&stream, 1)).front();
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].id == token) candidates.selected = static_cast<std::int64_t>(i);
    }
  }

 private:
  OwnedSamplerSettings begin_;
  OwnedSamplerSettings now_;
  std::uint64_t accepted_ = 0;
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
