# SPDX-License-Identifier: Apache-2.0
"""Conformal language modeling."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, SupportsIndex, TypeVar

import numpy as np
from numpy.typing import NDArray

from partita import _core
from partita._estimator import Estimator
from partita._types import ArrayLike

Candidate = TypeVar("Candidate")


class SampledSet(NamedTuple):
    """Which candidates of a prompt to keep.

    Attributes
    ----------
    kept : array
        Their indices, ascending.
    draws : int
        How many candidates were looked at.
    """

    kept: NDArray[np.int64]
    draws: int


class ConformalSampling(Estimator):
    """How many answers to draw from a generative model, and which to keep, so that one is admissible.

    With probability 1 - delta over the held-out prompts, at most a share epsilon of the sets of new prompts
    holds no admissible answer (Quach et al. 2024, "Conformal language modeling"), if prompts are independent
    draws of one distribution. Those of one prompt may depend on each other: they may be distinct, as those of
    :func:`partita.stochastic_beam_search` and :class:`partita.UniqueSampler` are.

    Parameters
    ----------
    seed : int
        Of the half of the prompts that tests rules; the other half proposes them.
    epsilon : float
        The largest share of sets without an admissible answer, in (0, 1).
    delta : float
        The probability that this promise is broken, in (0, 1).
    confidence : {"sum", "max", "first-k"}
        When to stop: by the sum of the qualities of those kept, by the highest of them, or by their number.

    Attributes
    ----------
    similarity_threshold_, quality_threshold_, confidence_threshold_ : float
        Above which similarity to one that is kept, and below which quality, a candidate is rejected; and at which
        confidence nothing more is drawn. Infinite: never.
    max_draws_ : int
        After so many candidates nothing more is drawn either.
    tested_, misses_ : int
        Prompts that tested the rule, and those of them without an admissible answer.
    p_value_ : float
        P(Binomial(tested_, epsilon) <= misses_), at most delta.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> quality = rng.uniform(size=(1000, 20))                  # of 20 answers to each of 1000 prompts
    >>> admissible = rng.uniform(size=(1000, 20)) < 0.5 * quality
    >>> rule = ConformalSampling(seed=1, epsilon=0.2).fit(quality[:500], admissible[:500])
    >>> sets = rule.predict_sets(quality[500:])
    >>> missed = np.mean([not right[each.kept].any() for right, each in zip(admissible[500:], sets)])
    >>> bool(0.08 < missed < 0.2), bool(np.mean([each.draws for each in sets]) < 10)
    (True, True)
    """

    def __init__(self, *, seed: SupportsIndex, epsilon: float = 0.1, delta: float = 0.05,
                 confidence: str = "sum") -> None:
        self.seed = seed
        self.epsilon = epsilon
        self.delta = delta
        self.confidence = confidence

    def _options(self) -> tuple[Any, ...]:
        return self.epsilon, self.delta, self.confidence

    def fit(self, X: Sequence[ArrayLike], y: Sequence[ArrayLike],
            similarity: Sequence[ArrayLike] | None = None) -> "ConformalSampling":
        """Fits to held-out prompts.

        Parameters
        ----------
        X : sequence of arrays [k]
            For each prompt the qualities of all candidates that one is ready to draw, in the order drawn:
            probabilities, say. Not negative if confidence is "sum".
        y : sequence of arrays [k]
            Whether each is admissible.
        similarity : sequence of arrays [k, k], optional
            How similar candidate i is to each j < i; what else it holds is not used.

        Raises
        ------
        ValueError
            If not even the sets of all candidates are shown to keep the promise.
        """
        self.fitted_ = _core.fit_sampling_rule(X, y, similarity, self.seed, *self._options())
        self.similarity_threshold_, self.quality_threshold_, self.confidence_threshold_ = self.fitted_[:3]
        self.max_draws_, self.tested_, self.misses_, self.p_value_ = self.fitted_[3:]
        return self

    def predict_sets(self, X: Sequence[ArrayLike], similarity: Sequence[ArrayLike] | None = None) -> list[SampledSet]:
        """The set of each prompt, from candidates drawn as those of :meth:`fit`: qualities X, and ``similarity`` if the
        rule rejects by it.
        """
        fitted = self._fitted("fitted_")
        return [SampledSet(*each) for each in _core.sampled_sets(X, similarity, fitted, *self._options())]

    def sample_set(self, candidates: Iterable[Candidate], quality: Callable[[Candidate], float],
                   similarity: Callable[[Candidate, Candidate], float] | None = None) -> list[Candidate]:
        """The set of one prompt, from candidates as they are drawn.

        Parameters
        ----------
        candidates : iterable
            Such as :class:`partita.UniqueSampler`. No more are taken than are needed.
        quality : callable
            Of a candidate.
        similarity : callable, optional
            Of a candidate to one drawn before it; needed if the rule rejects by it.
        """
        fitted = self._fitted("fitted_")
        source = iter(candidates)
        drawn: list[Candidate] = []

        def draw() -> float | None:
            for each in source:
                drawn.append(each)
                return quality(each)
            return None

        def compare(i: int, j: int) -> float:
            assert similarity is not None
            return similarity(drawn[i], drawn[j])

        kept, _ = _core.draw_set(draw, None if similarity is None else compare, fitted, *self._options())
        return [drawn[i] for i in kept]
