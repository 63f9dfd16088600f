// SPDX-License-Identifier: Apache-2.0
// The report of a draw. Not installed.
#pragma once

#include "partita/sampler/internal/row_sampler.hpp"
#include "partita/sampler/sample.hpp"

namespace partita::sampler {

/// @param row as it was given
Draw report(Rows logits, std::size_t row, std::int64_t index, RowSampler& sampler,
            const ReportOptions& options);

}  // namespace partita::sampler
