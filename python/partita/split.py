# SPDX-License-Identifier: Apache-2.0
"""Vocabularies that no process holds whole: their columns are split over the ranks of a group.

>>> import numpy as np
>>> from partita import split
>>> columns = split.SplitColumns(250_000)      # with group=..., this rank has a part of them
>>> own = np.zeros((2, columns.last - columns.first), np.float32)
>>> split.gumbel_top_k(own, 10, columns, seed=1).indices.shape
(2, 10)

Every rank calls the same functions in the same order, with its own columns of the same rows, and
gets the same results: the same bits for any number of ranks. A group is any object with

* ``rank`` and ``size``,
* ``all_gather(own)``: the float64 array [n] that each rank gives, as float64 [size, n].

``TorchGroup`` is one over torch.distributed. With mpi4py::

    class MpiGroup:
        def __init__(self, comm):
            self.comm, self.rank, self.size = comm, comm.Get_rank(), comm.Get_size()

        def all_gather(self, own):
            return np.stack(self.comm.allgather(own))
"""

from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from partita import _core
from partita._core import SplitColumns
from partita._group import Group
from partita._gumbel import TopKSample
from partita._sampler import Settings
from partita._search import PerturbedHypothesis, StochasticBeam
from partita._sequence_models import Model
from partita._types import Array, ArrayLike, Stream, Tokens

__all__ = [
    "Group",
    "SplitColumns",
    "TorchGroup",
    "cross_entropy",
    "entropy",
    "gumbel_max",
    "gumbel_top_k",
    "log_sum_exp",
    "sample_without_replacement",
    "stochastic_beam_search",
]

Group.__module__ = SplitColumns.__module__ = __name__


class TorchGroup:
    """A group over torch.distributed.

    Parameters
    ----------
    group : torch.distributed.ProcessGroup, optional
        None: the one that init_process_group made. Its backend must take tensors of the CPU, as Gloo.
    """

    def __init__(self, group: Any = None) -> None:
        from torch import distributed

        self._all_gather: Any = distributed.all_gather
        self._group = group
        self.rank: int = distributed.get_rank(group)
        self.size: int = distributed.get_world_size(group)

    def all_gather(self, own: NDArray[np.float64]) -> ArrayLike:
        """See :class:`Group`: what every rank gives as `own`."""
        import torch

        mine = torch.from_numpy(own)
        everyone = [torch.empty_like(mine) for _ in range(self.size)]
        self._all_gather(everyone, mine, group=self._group)
        return torch.stack(everyone)


def gumbel_top_k(logits: ArrayLike, k: SupportsIndex, columns: SplitColumns, *, seed: SupportsIndex,
                 stream: Stream = 0, threads: SupportsIndex = 1) -> TopKSample:
    """Draws k distinct categories of the whole vocabulary from each row.

    The distribution is that of :func:`partita.gumbel_top_k`; the draws are others, and depend on
    columns.shards. O(k) numbers a row travel, whatever the vocabulary.

    Parameters
    ----------
    logits : array [..., columns.last - columns.first]
        This rank's.
    k, seed, stream, threads
        As in :func:`partita.gumbel_top_k`, whose errors it has, on every rank.
    columns : SplitColumns

    Returns
    -------
    TopKSample
        On every rank.

    Examples
    --------
    >>> import numpy as np
    >>> from partita import split
    >>> columns = split.SplitColumns(4)
    >>> split.gumbel_top_k(np.log([0.1, 0.2, 0.3, 0.4]), 2, columns, seed=1).log_prob.shape
    (2,)
    """
    return TopKSample(*_core.split_gumbel_top_k(logits, k, columns, seed, stream, threads))


def gumbel_max(logits: ArrayLike, columns: SplitColumns, *, seed: SupportsIndex, stream: Stream = 0,
               threads: SupportsIndex = 1) -> Array:
    """Draws one category of the whole vocabulary from each row.

    Parameters
    ----------
    logits, columns, seed, stream, threads
        As in :func:`gumbel_top_k`.

    Returns
    -------
    int64 [...]
    """
    return gumbel_top_k(logits, 1, columns, seed=seed, stream=stream, threads=threads).indices[..., 0]


def sample_without_replacement(logits: ArrayLike, k: SupportsIndex, columns: SplitColumns, settings: Settings = None,
                               *, seed: SupportsIndex, stream: Stream = 0,
                               threads: SupportsIndex = 1) -> TopKSample:
    """k distinct categories of each row, from what the settings leave of the whole vocabulary.

    The draws are those of :func:`partita.sample_without_replacement` for the whole rows, where the
    settings filter anything.

    Parameters
    ----------
    logits, k, columns, seed, stream, threads
        As in :func:`gumbel_top_k`.
    settings
        As in :func:`partita.sample`, of the whole rows, the same on every rank.

    Returns
    -------
    TopKSample
    """
    return TopKSample(*_core.split_sample_without_replacement(logits, k, columns, settings, seed, stream, threads))


def log_sum_exp(logits: ArrayLike, columns: SplitColumns, *, threads: SupportsIndex = 1) -> Array:
    """log sum exp(z) of the whole rows.

    Parameters
    ----------
    logits, columns, threads
        As in :func:`gumbel_top_k`.

    Returns
    -------
    float64 [...]

    Examples
    --------
    >>> import numpy as np
    >>> from partita import split
    >>> float(split.log_sum_exp(np.zeros(4), split.SplitColumns(4)))
    1.3862943611198906
    """
    return _core.split_log_sum_exp(logits, columns, threads)


def entropy(logits: ArrayLike, columns: SplitColumns, *, threads: SupportsIndex = 1) -> Array:
    """Entropy of the whole rows' softmax, in nats.

    Parameters
    ----------
    logits, columns, threads
        As in :func:`gumbel_top_k`.

    Returns
    -------
    float64 [...]
    """
    return _core.split_entropy(logits, columns, threads)


def cross_entropy(logits: ArrayLike, targets: ArrayLike, columns: SplitColumns, *,
                  threads: SupportsIndex = 1) -> Array:
    """-log p of each row's target, of the whole vocabulary, in nats.

    Parameters
    ----------
    logits, columns, threads
        As in :func:`gumbel_top_k`.
    targets : array of int [...]
        The same on every rank.

    Returns
    -------
    float64 [...]
    """
    return _core.split_cross_entropy(logits, targets, columns, threads)


def stochastic_beam_search(model: Model, k: SupportsIndex, columns: SplitColumns, *, seed: SupportsIndex,
                           stream: SupportsIndex | None = None, prompt: Tokens = (),
                           max_length: SupportsIndex = 256, threads: SupportsIndex = 1) -> StochasticBeam:
    """k distinct sequences of a model of which each rank computes the logits of its own columns.

    The distribution is that of :func:`partita.stochastic_beam_search`; the draws are others.

    Parameters
    ----------
    model : SequenceModel or callable
        What it gives for n prefixes is [n, columns.last - columns.first]. Its end_token is one of the
        whole vocabulary.
    k, seed, stream, prompt, max_length, threads
        As in :func:`partita.stochastic_beam_search`.
    columns : SplitColumns

    Returns
    -------
    StochasticBeam

    Examples
    --------
    >>> import numpy as np
    >>> from partita import split
    >>> columns = split.SplitColumns(3)
    >>> uniform = lambda prefixes: np.zeros((len(prefixes), columns.last - columns.first))
    >>> len(split.stochastic_beam_search(uniform, 5, columns, seed=1, max_length=2).sequences)
    5
    """
    sequences, threshold, weights = _core.split_stochastic_beam_search(model, prompt, k, columns, seed, stream,
                                                                      max_length, threads)
    return StochasticBeam([PerturbedHypothesis(*each) for each in sequences], threshold, weights)
