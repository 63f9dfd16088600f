# SPDX-License-Identifier: Apache-2.0
"""A softmax as decisions in a Huffman tree."""

from collections.abc import Sequence
from typing import Any, SupportsIndex

from partita import _learn
from partita._torch import torch


class HierarchicalSoftmaxLoss(torch.nn.Module):  # type: ignore[misc]
    """-log p(target) of decisions at the nodes of a Huffman tree, in O(log V) a step, with its weights.

    p(w) is the product, over the inner nodes on the way to w, of the probability of the turn there
    (Morin and Bengio 2005; Mikolov et al. 2013): normalized by itself, and another model than a
    softmax of V scores. The gradients of ``weight`` and ``bias`` are sparse, for an optimizer that
    takes them (SparseAdam, Adagrad, SGD).

    Parameters
    ----------
    in_features : int
        d, of a hidden state.
    counts : sequence of int
        How often each of the V outputs comes up: frequent ones get short ways.
    reduction : str
        "mean", "sum" or "none".

    Examples
    --------
    >>> import torch
    >>> from partita.torch import HierarchicalSoftmaxLoss
    >>> loss = HierarchicalSoftmaxLoss(16, [50, 20, 20, 5, 1])
    >>> hidden, targets = torch.ones(4, 16), torch.tensor([0, 1, 4, 0])
    >>> loss(hidden, targets).backward()
    >>> bool(torch.isclose(loss(hidden, targets), -loss.log_prob(hidden)[range(4), targets].mean()))
    True
    """

    def __init__(self, in_features: SupportsIndex, counts: Sequence[int], *, reduction: str = "mean") -> None:
        super().__init__()
        self.in_features, self.reduction = int(in_features), reduction
        self.counts = [int(each) for each in counts]
        self._tree = _learn.HuffmanTree(self.counts)
        inner = len(self.counts) - 1
        self.weight = torch.nn.Parameter(torch.zeros(inner, self.in_features))
        self.bias = torch.nn.Parameter(torch.zeros(inner))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_tree"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._tree = _learn.HuffmanTree(self.counts)

    def extra_repr(self) -> str:
        """The options, for repr()."""
        return f"{self.in_features}, outputs={len(self.counts)}, reduction={self.reduction!r}"

    def forward(self, hidden: Any, targets: Any) -> Any:
        """The loss in nats of hidden states [B, d] and targets [B]: their mean, sum, or [B]."""
        return _learn.hierarchical_softmax_loss(hidden, targets, self.weight, self.bias, self._tree, self.reduction)

    def log_prob(self, hidden: Any) -> Any:
        """The log-probabilities of all outputs after hidden states [..., d]: [..., V]."""
        return _learn.hierarchical_log_probs(hidden, self.weight, self.bias, self._tree)
