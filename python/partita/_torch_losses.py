# SPDX-License-Identifier: Apache-2.0
"""Losses of a softmax over many outputs, and of a classifier that is to be unsure of the unknown."""

from collections.abc import Sequence
from typing import Any, ClassVar, SupportsIndex

from partita import _learn
from partita._torch import torch
from partita._types import ArrayLike


class NoiseDistribution:
    """The distribution that the sampled losses draw their noise from, in constant time a draw.

    Parameters
    ----------
    weights : array [V]
        Finite and 0 or more; q(w) is weights[w] / sum(weights).

    Examples
    --------
    >>> from partita.torch import NoiseDistribution
    >>> NoiseDistribution.unigram([8, 1, 1], alpha=1.0).log_prob([0]).exp()
    tensor([0.8000], dtype=torch.float64)
    """

    def __init__(self, weights: ArrayLike) -> None:
        self._make("noise", torch.as_tensor(weights, dtype=torch.float64).tolist())

    def _make(self, function: str, *arguments: Any) -> None:
        self._recipe = (function, *arguments)  # for pickle
        self._native: _learn.NoiseDistribution = getattr(_learn, function)(*arguments)

    @classmethod
    def _from(cls, function: str, *arguments: Any) -> "NoiseDistribution":
        new = cls.__new__(cls)
        new._make(function, *arguments)
        return new

    def __reduce__(self) -> tuple[Any, ...]:
        return NoiseDistribution._from, self._recipe

    @classmethod
    def uniform(cls, categories: SupportsIndex) -> "NoiseDistribution":
        """q(w) = 1 / categories."""
        return cls._from("uniform_noise", int(categories))

    @classmethod
    def log_uniform(cls, categories: SupportsIndex) -> "NoiseDistribution":
        """q(w) in proportion to log((w + 2) / (w + 1)): for words sorted by frequency, without their counts."""
        return cls._from("log_uniform_noise", int(categories))

    @classmethod
    def unigram(cls, counts: ArrayLike, alpha: float = 0.75) -> "NoiseDistribution":
        """q(w) in proportion to counts[w]^alpha: 0.75 is word2vec's, 1 the unigram distribution."""
        return cls._from("unigram_noise", counts, alpha)

    def __len__(self) -> int:
        return self._native.size

    def sample(self, sample_shape: Any = (), *, seed: SupportsIndex, stream: SupportsIndex = 0) -> Any:
        """Draws categories, an int64 tensor of shape sample_shape, which seed and stream determine."""
        return self._native.draw(list(sample_shape), seed, stream)

    def log_prob(self, categories: ArrayLike) -> Any:
        """log q of categories."""
        return self._native.log_prob(torch.as_tensor(categories))


class _OutputLoss(torch.nn.Module):  # type: ignore[misc]
    """What the losses of an output layer share."""

    _loss: ClassVar[str]

    def __init__(self, noise_distribution: NoiseDistribution, noise: SupportsIndex, shared_noise: bool,
                 mask_accidental_hits: bool, reduction: str) -> None:
        super().__init__()
        if not isinstance(noise_distribution, NoiseDistribution):
            raise TypeError(f"noise_distribution: expected a NoiseDistribution, got {type(noise_distribution).__name__}")
        self.noise_distribution = noise_distribution
        self.noise = int(noise)
        self.shared_noise = shared_noise
        self.mask_accidental_hits = mask_accidental_hits
        self.reduction = reduction

    def extra_repr(self) -> str:
        """The options, for repr()."""
        return (f"{len(self.noise_distribution)} outputs, noise={self.noise}, shared_noise={self.shared_noise}, "
                f"mask_accidental_hits={self.mask_accidental_hits}, reduction={self.reduction!r}")

    def forward(self, hidden: Any, targets: Any, weight: Any, bias: Any = None, *, seed: SupportsIndex,
                stream: SupportsIndex = 0) -> Any:
        """The loss of hidden states [B, d] and targets [B] under an output layer.

        Parameters
        ----------
        hidden : torch.Tensor [B, d]
        targets : torch.Tensor [B]
            Integers in [0, V).
        weight : torch.Tensor [V, d]
            Output embedding. Its gradient is sparse: only rows that were looked at.
        bias : torch.Tensor [V], optional
        seed, stream : int
            The noise is a function of both; let the stream say which step it is.

        Returns
        -------
        torch.Tensor
            In nats: the mean over rows, their sum, or [B], as ``reduction`` says.
        """
        return self._of(hidden, targets, weight, bias, seed, stream)

    def _of(self, hidden: Any, targets: Any, weight: Any, bias: Any, seed: Any, stream: Any, *, log_z: Any = None,
            contexts: Any = None) -> Any:
        return _learn.output_loss(self._loss, self.noise_distribution._native, self.noise, bool(self.shared_noise),
                                  bool(self.mask_accidental_hits), log_z, hidden, targets, weight, bias, contexts,
                                  seed, stream, self.reduction)


class NCELoss(_OutputLoss):
    """Noise-contrastive estimation (Gutmann and Hyvarinen 2012; Mnih and Teh 2012).

    -log sigmoid(D(target)) - sum over the noise of log sigmoid(-D(noise)), where D = score - log Z -
    log(k q). Its optimum is exp(score) / Z = p, normalized by itself; a step's cost does not depend on V.

    Parameters
    ----------
    noise_distribution : NoiseDistribution
        q, over the V outputs.
    noise : int
        k, draws of noise for each row.
    shared_noise : bool
        One set of draws for all rows of a batch.
    mask_accidental_hits : bool
        Leave out noise that equals the row's target. A mistake in NCE, for comparison.
    log_z : torch.nn.Parameter, optional
        A number, or [C] with one for each context. If not given, Z = 1.
    reduction : str
        "mean", "sum" or "none".

    Examples
    --------
    >>> import torch
    >>> from partita.torch import NCELoss, NoiseDistribution
    >>> loss = NCELoss(NoiseDistribution.uniform(10_000), noise=25)
    >>> weight = torch.zeros(10_000, 16, requires_grad=True)
    >>> loss(torch.ones(8, 16), torch.arange(8), weight, seed=1, stream=0).backward()
    >>> weight.grad.is_sparse                                   # only the rows that were looked at
    True
    """

    _loss = "nce"

    def __init__(self, noise_distribution: NoiseDistribution, noise: SupportsIndex = 25, *, shared_noise: bool = False,
                 mask_accidental_hits: bool = False, log_z: Any = None, reduction: str = "mean") -> None:
        super().__init__(noise_distribution, noise, shared_noise, mask_accidental_hits, reduction)
        self.log_z = log_z

    def forward(self, hidden: Any, targets: Any, weight: Any, bias: Any = None, *, contexts: Any = None,
                seed: SupportsIndex, stream: SupportsIndex = 0) -> Any:
        """The loss of hidden states [B, d] and targets [B] under an output layer.

        Parameters
        ----------
        hidden, targets, weight, bias, seed, stream
            As in :meth:`SampledSoftmaxLoss.forward`.
        contexts : torch.Tensor [B], optional
            Which of the numbers of log_z each row has; needed if there are several.
        """
        return self._of(hidden, targets, weight, bias, seed, stream, log_z=self.log_z, contexts=contexts)


class NegativeSamplingLoss(_OutputLoss):
    """Negative sampling (Mikolov et al. 2013): NCE as if k q were 1.

    softmax(score) is not p at its optimum: scores learn how much likelier an output is than noise.

    Parameters
    ----------
    noise_distribution, noise, shared_noise, mask_accidental_hits, reduction
        As in :class:`SampledSoftmaxLoss`.
    """

    _loss = "negative_sampling"

    def __init__(self, noise_distribution: NoiseDistribution, noise: SupportsIndex = 5, *, shared_noise: bool = False,
                 mask_accidental_hits: bool = False, reduction: str = "mean") -> None:
        super().__init__(noise_distribution, noise, shared_noise, mask_accidental_hits, reduction)


class SampledSoftmaxLoss(_OutputLoss):
    """-log softmax(score - log(k q)) of the target among itself and k draws of noise.

    Maximum likelihood without a sum over V (Bengio and Senecal 2008; Jean et al. 2015).

    Parameters
    ----------
    noise_distribution : NoiseDistribution
    noise : int
        k, draws of noise for each row.
    shared_noise : bool
        One set of draws for all rows of a batch.
    mask_accidental_hits : bool
        Leave out noise that equals the row's target.
    reduction : str
        "mean", "sum" or "none".
    """

    _loss = "sampled_softmax"

    def __init__(self, noise_distribution: NoiseDistribution, noise: SupportsIndex = 100, *, shared_noise: bool = False,
                 mask_accidental_hits: bool = True, reduction: str = "mean") -> None:
        super().__init__(noise_distribution, noise, shared_noise, mask_accidental_hits, reduction)


class AdaptiveSoftmaxLoss(torch.nn.Module):  # type: ignore[misc]
    """-log p(target) of a softmax in clusters, exact and cheap (Grave et al. 2017), with its weights.

    Outputs are numbered by falling frequency. Those below the first cutoff are in the head; from one
    cutoff to the next they share a tail, which has a quarter of the dimensions of the one before, and
    which only its own targets pay for. Model and state_dict are those of
    torch.nn.AdaptiveLogSoftmaxWithLoss with div_value=4: each loads the other's.

    Parameters
    ----------
    in_features : int
        d, of a hidden state.
    n_classes : int
        V, the outputs.
    cutoffs : sequence of int, optional
        Ascending, in (0, V); V / 20 and V / 5 if not given.
    head_bias : bool
    reduction : str
        "mean", "sum" or "none".
    seed : int, optional
        Of the initial weights; without it, torch's default generator makes them.

    Examples
    --------
    >>> import torch
    >>> from partita.torch import AdaptiveSoftmaxLoss
    >>> loss = AdaptiveSoftmaxLoss(16, 1000, seed=1)
    >>> hidden, targets = torch.ones(8, 16), torch.arange(8)
    >>> loss(hidden, targets).backward()
    >>> bool(torch.isclose(loss(hidden, targets), -loss.log_prob(hidden)[range(8), targets].mean()))
    True
    """

    def __init__(self, in_features: SupportsIndex, n_classes: SupportsIndex, cutoffs: Sequence[int] | None = None, *,
                 head_bias: bool = False, reduction: str = "mean", seed: SupportsIndex | None = None) -> None:
        super().__init__()
        self.in_features, self.n_classes = int(in_features), int(n_classes)
        self.cutoffs = _learn.default_cutoffs(n_classes) if cutoffs is None else [int(each) for each in cutoffs]
        self.reduction = reduction
        head, *tails = _learn.adaptive_weights(n_classes, in_features, self.cutoffs, seed)
        self.head = _linear(head, torch.zeros(len(head)) if head_bias else None)
        self.tail = torch.nn.ModuleList(torch.nn.Sequential(_linear(projection), _linear(weight))
                                        for projection, weight in zip(tails[::2], tails[1::2], strict=True))

    def extra_repr(self) -> str:
        """The options, for repr()."""
        return f"cutoffs={self.cutoffs}, reduction={self.reduction!r}"

    def _weights(self) -> tuple[Any, Any, list[tuple[Any, Any]]]:
        return self.head.weight, self.head.bias, [(tail[0].weight, tail[1].weight) for tail in self.tail]

    def forward(self, hidden: Any, targets: Any) -> Any:
        """The loss in nats of hidden states [B, d] and targets [B]: their mean, sum, or [B]."""
        return _learn.adaptive_softmax_loss(hidden, targets, *self._weights(), self.reduction)

    def log_prob(self, hidden: Any) -> Any:
        """The log-probabilities of all outputs after hidden states [..., d]: [..., V]."""
        return _learn.adaptive_log_probs(hidden, *self._weights())


def _linear(weight: Any, bias: Any = None) -> Any:
    """torch.nn.Linear with these weights."""
    out, into = weight.shape
    layer = torch.nn.Linear(into, out, bias=bias is not None, device="meta")
    layer.weight = torch.nn.Parameter(weight)
    if bias is not None:
        layer.bias = torch.nn.Parameter(bias)
    return layer


class ConfidenceLoss(torch.nn.Module):  # type: ignore[misc]
    """Be right about known classes, and sure of nothing elsewhere (Lee et al. 2018, equation 1).

    The mean of -log p(y | x) over known examples, plus beta times that of KL(U || p(. | x)) over unknown.

    Parameters
    ----------
    beta : float
        0 or more.

    Examples
    --------
    >>> import torch
    >>> from partita.torch import ConfidenceLoss
    >>> known, labels, unknown = torch.tensor([[9.0, 0.0]]), torch.tensor([0]), torch.tensor([[1.0, 1.0]])
    >>> float(ConfidenceLoss(beta=0.5)(known, labels, unknown)) < 1e-3
    True
    """

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        self.beta = beta

    def extra_repr(self) -> str:
        """The options, for repr()."""
        return f"beta={self.beta}"

    def forward(self, in_logits: Any, labels: Any, out_logits: Any) -> Any:
        """The loss of in_logits [N, K] of known classes, their labels [N], and out_logits [M, K] of the unknown."""
        return _learn.confidence_loss(in_logits, labels, out_logits, self.beta)


def kl_from_uniform(logits: Any, *, reduction: str = "mean") -> Any:
    """KL(U || softmax(logits)), from the uniform distribution: how sure a prediction is.

    Parameters
    ----------
    logits : torch.Tensor [..., K]
    reduction : str
        "mean", "sum" or "none".

    Returns
    -------
    torch.Tensor
        0 where all logits are equal, inf where one is -inf; its gradient by a row is p - 1/K.

    Examples
    --------
    >>> import torch
    >>> from partita.torch import kl_from_uniform
    >>> kl_from_uniform(torch.tensor([[0.0, 0.0], [0.0, 2.0]]), reduction="none")
    tensor([0.0000, 0.4338])
    """
    return _learn.kl_from_uniform(logits, reduction)
