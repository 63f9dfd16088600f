// SPDX-License-Identifier: Apache-2.0
// From unconstrained numbers to what a constraint allows: so that an optimizer may move freely.
//
//   const TransformPtr to = transform_to(constraints::positive());
//   Tensor x = to->inverse(initial_scale).set_requires_grad(true);   // optimize x
//   Normal(0, (*to)(x))
//
// The names, and the maps themselves, are those of Python's
// torch.distributions.constraint_registry.
#pragma once

#include "partita/learn/distributions/constraint.hpp"
#include "partita/learn/distributions/transforms.hpp"

namespace partita::distributions {

/// A transform onto the set that the constraint describes, from all tensors of some shape; not
/// necessarily one to one (SoftmaxTransform for the simplex), but easy to optimize through.
/// @throws InvalidArgument for a set that cannot be reached by one: a discrete one, or one that is
///         only known by its check.
TransformPtr transform_to(const Constraint& constraint);

/// The same, one to one and with a Jacobian: as a change of variables needs (StickBreakingTransform
/// for the simplex).
/// @throws InvalidArgument likewise, and for lower_cholesky and positive_definite.
TransformPtr biject_to(const Constraint& constraint);

}  // namespace partita::distributions
