# SPDX-License-Identifier: Apache-2.0
"""Types of arguments and results, for annotations."""

from collections.abc import Sequence
from typing import Any, SupportsIndex, TypeAlias

#: A numpy array, a torch tensor, anything else with DLPack or the buffer protocol, or nested lists.
ArrayLike: TypeAlias = Any

#: A torch tensor where the first argument was one, else a numpy array (or a numpy scalar).
Array: TypeAlias = Any

#: An integer for all rows, or an array with one for each.
Stream: TypeAlias = SupportsIndex | Any

#: A list or an array of integers.
Tokens: TypeAlias = Sequence[int] | Any
