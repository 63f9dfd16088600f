# SPDX-License-Identifier: Apache-2.0
"""Biased estimators for bits and one-hot vectors: gradients through relaxed samples, or through hard ones."""

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

    Parameters
    ----------
    samples : int
    """

    def __init__(self, samples: SupportsIndex = 1) -> None:
        super().__init__(_learn.straight_through, samples=samples)


class ReinMax(Estimator):
    """StraightThrough, accurate to second order (Liu et al. 2023): unbiased for quadratic f at temperature 1.

    Parameters
    ----------
    samples, temperature
        As in :class:`Concrete`.
    """

    def __init__(self, samples: SupportsIndex = 1, temperature: Any = 1.0) -> None:
        super().__init__(_learn.reinmax, samples=samples, temperature=temperature)
