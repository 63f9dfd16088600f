// SPDX-License-Identifier: Apache-2.0
// Stochastic beam search over a model that every rank of a group has whole, and asks about some of
// the prefixes: k distinct sequences, the same on every rank.
//
//   const auto beam = partita::stochastic_beam_search(model, {}, 100, stream, group);
//
// The noise below a prefix belongs to it, so it does not matter who draws it: the sample is that of
// one process, to the bit. Of a rank's prefixes the k largest children travel, 4 k + 1 numbers a
// step. A model that keeps a state goes on, on each rank, from what it has read there: should most
// of the beam descend from one prefix, its rank has most of the work. A model without one is asked
// about equally many prefixes on every rank.
#pragma once

#include "partita/base/group.hpp"
#include "partita/search/stochastic_beam.hpp"

namespace partita {

/// As stochastic_beam_search() of one process. Every rank calls it with the same arguments and a
/// model that gives the same logits.
/// @throws InvalidArgument as the other, on every rank
StochasticBeam stochastic_beam_search(const SequenceModel& model, const Sequence& prompt,
                                      std::size_t k, const Stream& stream, Group& group,
                                      const SearchOptions& options = {});

}  // namespace partita
