"""Bootstrap intervals."""

from typing import NamedTuple


class Interval(NamedTuple):
    """The ends of a bootstrap interval."""

    low: float
    high: float
