// SPDX-License-Identifier: Apache-2.0
// Partita's sampler in llama.cpp's chain: every filter, penalty and steered draw of settings.hpp as
// one llama_sampler, for programs that decode by themselves.
//
//   llama_sampler* chain = llama_sampler_chain_init(llama_sampler_chain_default_params());
//   llama_sampler_chain_add(chain, partita::make_llama_sampler(
//       llama_vocab_n_tokens(vocab), {.temperature = 0.7, .top_p = 0.95}, {.seed = 1}));
//   ...
//   const llama_token token = llama_sampler_sample(chain, context, -1);   // which also accepts it
//
// It chooses the token, as llama_sampler_init_dist() does, so it comes last. What samplers before
// it have removed stays impossible.
#pragma once

#include <cstddef>
#include <cstdint>

#include "partita/random/stream.hpp"
#include "partita/sampler/settings.hpp"

struct llama_sampler;

namespace partita {

/// A sampler whose draw after n accepted tokens is what sample() draws from child n of the stream:
/// the same tokens and logits give the same choice. llama_sampler_accept() appends to the history,
/// reset() goes back to that of `settings` and to its states, clone() copies all.
/// @param settings copied, with all that it points to; a state that it points to is where the
///                 sampler begins, and is not updated
/// @return to be given to a chain, or freed by llama_sampler_free()
/// @throws InvalidArgument if a setting is out of its range.
/// Where nothing can be chosen (logits of NaN or +inf, or none is left) `selected` stays -1, which
/// llama_sampler_sample() treats as fatal.
llama_sampler* make_llama_sampler(std::size_t vocabulary, const SamplerSettings& settings,
                                  const Stream& stream);

}  // namespace partita
