# SPDX-License-Identifier: Apache-2.0
"""Gradients through samples, losses over many outputs, and the distributions that torch lacks.

>>> import torch
>>> from partita.torch import UnorderedSet
>>> theta = torch.zeros(5, requires_grad=True)
>>> die = torch.distributions.Categorical(logits=theta)
>>> surrogate, value = UnorderedSet(samples=5)(die, lambda i: (i + 1.0) ** 2, seed=1)
>>> surrogate.backward()
>>> round(float(value), 4), theta.grad
(11.0, tensor([-2.0000, -1.4000, -0.4000,  1.0000,  2.8000]))

Needs torch, and a build with the part of the library that stands on libtorch. Tensors cross with
their gradients and are not copied.
"""

from importlib import import_module
from importlib.util import find_spec

import_module("torch")  # before the compiled part, which stands on it
if find_spec("partita._learn") is None:
    raise ImportError("partita.torch: this package was built without libtorch (PARTITA_LEARN)")

from partita._torch_distributions import distributions as _distributions
from partita._torch_distributions import kl_divergence
from partita._torch_estimators import (
    Arm,
    Arms,
    ControlVariate,
    DisArm,
    DoubleControlVariates,
    Enumeration,
    Estimator,
    GradientEstimate,
    Learned,
    LeaveOneOut,
    MovingAverage,
    Pathwise,
    Rebar,
    Relax,
    ScoreFunction,
    SumAndSample,
    UnorderedSet,
)
from partita._torch_families import (
    BetaBinomial,
    DirichletMultinomial,
    Frechet,
    GeneralizedExtremeValue,
    GeneralizedPareto,
    InverseGamma,
    Logistic,
    OrderedLogistic,
    PlackettLuce,
    Rademacher,
    RelaxedPlackettLuce,
    Subset,
    TruncatedGumbel,
    TruncatedNormal,
    ZeroInflated,
)
from partita._torch_hierarchical_softmax import HierarchicalSoftmaxLoss
from partita._torch_linear_softmax import linear_cross_entropy, linear_gumbel_top_k
from partita._torch_losses import (
    AdaptiveSoftmaxLoss,
    ConfidenceLoss,
    NCELoss,
    NegativeSamplingLoss,
    NoiseDistribution,
    SampledSoftmaxLoss,
    kl_from_uniform,
)
from partita._torch_perturbed_top_k import perturbed_top_k, perturbed_top_k_loss
from partita._torch_policy_ratios import (
    clipped_ratio_objective,
    group_advantages,
    reverse_kl,
    truncated_ratios,
)
from partita._torch_relaxations import (
    Concrete,
    GumbelRao,
    ImplicitMle,
    PerturbedTopK,
    ReinMax,
    ReinMaxRao,
    StraightThrough,
    StraightThroughGumbel,
)
from partita._torch_sparsemax import entmax15, entmax15_loss, sparsemax, sparsemax_loss

__all__ = [
    "AdaptiveSoftmaxLoss",
    "Arm",
    "Arms",
    "BetaBinomial",
    "Concrete",
    "ConfidenceLoss",
    "ControlVariate",
    "DirichletMultinomial",
    "DisArm",
    "DoubleControlVariates",
    "Enumeration",
    "Estimator",
    "Frechet",
    "GeneralizedExtremeValue",
    "GeneralizedPareto",
    "GradientEstimate",
    "GumbelRao",
    "HierarchicalSoftmaxLoss",
    "ImplicitMle",
    "InverseGamma",
    "Learned",
    "LeaveOneOut",
    "Logistic",
    "MovingAverage",
    "NCELoss",
    "NegativeSamplingLoss",
    "NoiseDistribution",
    "OrderedLogistic",
    "Pathwise",
    "PerturbedTopK",
    "PlackettLuce",
    "Rademacher",
    "Rebar",
    "ReinMax",
    "ReinMaxRao",
    "Relax",
    "RelaxedPlackettLuce",
    "SampledSoftmaxLoss",
    "ScoreFunction",
    "StraightThrough",
    "StraightThroughGumbel",
    "Subset",
    "SumAndSample",
    "TruncatedGumbel",
    "TruncatedNormal",
    "UnorderedSet",
    "ZeroInflated",
    "clipped_ratio_objective",
    "entmax15",
    "entmax15_loss",
    "group_advantages",
    "kl_divergence",
    "kl_from_uniform",
    "linear_cross_entropy",
    "linear_gumbel_top_k",
    "perturbed_top_k",
    "perturbed_top_k_loss",
    "reverse_kl",
    "sparsemax",
    "sparsemax_loss",
    "truncated_ratios",
]

for _family in (InverseGamma, Subset):  # of those above, the only ones that have it
    _distributions.kl.register_kl(_family, _family)(kl_divergence)


for _each in [globals()[_name] for _name in __all__]:
    _each.__module__ = "partita.torch"  # where users find it, in messages and pickles
