// SPDX-License-Identifier: Apache-2.0
// Shared by the distributions that have a matrix as a parameter. Internal.
#pragma once

#include "partita/learn/distributions/multivariate_normal.hpp"

namespace partita::distributions {

/// L^-1 columns, for a lower triangular L.
Tensor solve_lower(const Tensor& lower, const Tensor& columns);

/// @throws InvalidArgument naming the argument, unless its shape ends in `expected`.
void check_event(const char* distribution, const char* argument, const Tensor& tensor,
                 IntArrayRef expected);

/// The Cholesky factor. @throws InvalidArgument naming the argument if there is none.
Tensor cholesky(const char* distribution, const char* argument, const Tensor& matrix);

/// Python's name of the argument.
const char* name_of(Covariance::Form form);
Argument covariance_argument(const Covariance& covariance);

/// The Cholesky factor of the covariance.
Tensor scale_tril_of(const char* distribution, const Covariance& covariance);

}  // namespace partita::distributions
