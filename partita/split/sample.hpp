// SPDX-License-Identifier: Apache-2.0
// Samples of rows whose columns are split over the ranks of a group (columns.hpp), with all of the
// sampler's settings (sampler/settings.hpp): bias, penalties, temperature, top-k, top-p ...
//
//   const SamplerSettings settings{.temperature = 0.7, .top_k = 40, .top_p = 0.95};
//   const auto drawn = partita::sample_without_replacement(own, 1, settings, stream, columns);
//
// Every rank edits its own columns and sends those that a filter may keep: of top-k the k largest,
// of others about as many as are kept, whatever the vocabulary. What is kept is then the same list
// on every rank, which draws from it as sample_without_replacement() of whole rows does. So it
// gives the same bits as that function (where the sum that a filter reads is not within a rounding
// of its limit, as it may be if categories tie), with 1, 2, 3 or 64 ranks. Steps before which
// nothing is filtered and that look at all categories (dynamic temperature, XTC, adaptive-p) make
// all columns travel.
//
// Rows that nothing filters are drawn as gumbel_top_k() of split rows, from the shards' streams; so
// are those whose only filter is XTC, where its coin says no.
#pragma once

#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/sampler/sample.hpp"
#include "partita/split/columns.hpp"

namespace partita {

/// k distinct categories of each row, drawn one after the other from what the settings leave, on
/// every rank; see sample_without_replacement() in sampler/sample.hpp.
/// @param own      [rows, columns.size()], finite or -inf
/// @param k        1 ... columns.columns()
/// @param settings of the whole rows, the same on every rank. Their states are read, not updated.
/// @param streams  the same on every rank
/// @throws InvalidArgument if k is out of range or `own` has another number of columns; bad rows
///         and settings are row errors, on every rank.
TopKSample sample_without_replacement(Rows own, std::size_t k, const RowSettings& settings,
                                      const Streams& streams, const SplitColumns& columns,
                                      const RowOptions& options = {});

}  // namespace partita
