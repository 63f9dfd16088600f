# SPDX-License-Identifier: Apache-2.0
"""Bootstrap intervals."""

from typing import NamedTuple


class Interval(NamedTuple):
    """The ends of a bootstrap interval.

    Attributes
    ----------
    low : float
    high : float
    """

    low: float
    high: float
