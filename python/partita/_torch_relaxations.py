# SPDX-License-Identifier: Apache-2.0
"""Biased estimators for bits, one-hot vectors and sets: gradients through relaxed samples, or through hard ones."""

from typing import Any, SupportsIndex

from partita import _learn
from partita._torch_estimators import Estimator


class Concrete(Estimator):
    """The gradient of f at relaxed bits or one-hot vectors (Maddison, Mnih, Teh 2017). Biased.

    Parameters
    ----------
    samples : int
    temperature : float or torch.Tensor
        > 0; a tensor of the batch shape gives each row its own.
    """

    def __init__(self, samples: SupportsIndex = 1, temperature: Any = 0.5) -> None:
        super().__init__(_learn.concrete, samples=samples, temperature=temperature)


class StraightThroughGumbel(Estimator):
    """f at discrete samples, with the gradient of the relaxation (Jang, Gu, Poole 2017). Biased.

    Parameters
    ----------
    samples, temperature
        As in :class:`Concrete`.
    """

    def __init__(self, samples: SupportsIndex = 1, temperature: Any = 0.5) -> None:
        super().__init__(_learn.straight_through_gumbel, samples=samples, temperature=temperature)


class GumbelRao(Estimator):
    """StraightThroughGumbel, its Jacobian averaged over relaxed samples with the same discrete one. Biased.

    Paulus, Maddison, Krause (2021): f is still evaluated once, the bias is the same, the variance less.

    Parameters
    ----------
    samples, temperature
        As in :class:`Concrete`.
    inner : int
        Relaxed samples for each discrete one.
    """

    def __init__(self, samples: SupportsIndex = 1, temperature: Any = 0.5, inner: SupportsIndex = 10) -> None:
        super().__init__(_learn.gumbel_rao, samples=samples, temperature=temperature, inner=inner)


class StraightThrough(Estimator):
    """f at discrete samples, with the gradient passed on to the probabilities. Biased.

    Of a :class:`Subset` these are the marginals, and this is SIMPLE (Ahmed et al. 2023).

    Parameters
    ----------
    samples : int
    temperature : float or torch.Tensor
        > 0, of the way back alone: the gradient is that of softmax(logits / temperature), and the
        samples are as they were (decoupled straight-through, Shah et al. 2024).
    """

    def __init__(self, samples: SupportsIndex = 1, temperature: Any = 1.0) -> None:
        super().__init__(_learn.straight_through, samples=samples, temperature=temperature)


class ReinMax(Estimator):
    """StraightThrough, accurate to second order (Liu et al. 2023): unbiased for quadratic f at temperature 1.

    Parameters
    ----------
    samples, temperature
        As in :class:`Concrete`.
    """

    def __init__(self, samples: SupportsIndex = 1, temperature: Any = 1.0) -> None:
        super().__init__(_learn.reinmax, samples=samples, temperature=temperature)


class ReinMaxRao(Estimator):
    """ReinMax, one of its Jacobians averaged as in GumbelRao (Wang and Bui 2026). Biased.

    At a temperature near 1 it mostly has less variance than :class:`ReinMax`, and more bias.

    Parameters
    ----------
    samples, temperature, inner
        As in :class:`GumbelRao`.
    """

    def __init__(self, samples: SupportsIndex = 1, temperature: Any = 1.0, inner: SupportsIndex = 10) -> None:
        super().__init__(_learn.reinmax_rao, samples=samples, temperature=temperature, inner=inner)


class PerturbedTopK(Estimator):
    """f at :func:`perturbed_top_k`, and the gradient through it (Berthet et al. 2020). Biased.

    For a :class:`Subset`: f is taken at a point between sets. Linear f of the first k places of a
    :class:`PlackettLuce` of logits / epsilon have no bias.

    Parameters
    ----------
    samples : int
    inner : int
        >= 2 perturbed sets, of which f sees the mean.
    epsilon : float
        > 0, the size of the noise.
    """

    def __init__(self, samples: SupportsIndex = 1, inner: SupportsIndex = 100, epsilon: float = 1.0) -> None:
        super().__init__(_learn.perturbed_top_k_estimator, samples=samples, inner=inner, epsilon=epsilon)


class ImplicitMle(Estimator):
    """f at the k largest of perturbed logits, and how its slope moves them (I-MLE, Niepert et al. 2021). Biased.

    For a :class:`Subset`. For one whose marginals can be had, which :class:`StraightThrough` uses, it is the noisier way.

    Parameters
    ----------
    samples : int
    step : float
        > 0, how far f moves the logits: a small one has less bias and more variance.
    temperature : float
        > 0, of the noise.
    terms : int
        Of the noise, a sum of gamma variables.
    """

    def __init__(self, samples: SupportsIndex = 1, step: float = 1.0, temperature: float = 1.0,
                 terms: SupportsIndex = 10) -> None:
        super().__init__(_learn.implicit_mle, samples=samples, step=step, temperature=temperature, terms=terms)
