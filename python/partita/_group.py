# SPDX-License-Identifier: Apache-2.0
"""Processes that compute one thing together."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from partita._types import ArrayLike


class Group(Protocol):
    """The ranks that hold a vocabulary, or rows, together."""

    @property
    def rank(self) -> int:
        """0 to size - 1."""

    @property
    def size(self) -> int:
        """How many ranks there are."""

    def all_gather(self, own: NDArray[np.float64]) -> ArrayLike:
        """What every rank gives as `own`, [n]: float64 [size, n], in the order of ranks."""
