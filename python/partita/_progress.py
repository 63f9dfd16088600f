# SPDX-License-Identifier: Apache-2.0
"""What the argument ``progress`` of long calls means."""

from collections.abc import Callable
from typing import Any, TypeAlias

#: True for a bar of tqdm's, or a function (done, total, unit) that is called a few times a second;
#: a total of 0 is unknown. What the function raises ends the call.
Progress: TypeAlias = bool | Callable[[int, int, str], object] | None


class Bar:
    """tqdm's bar, drawn anew for each kind of work that a call does."""

    def __init__(self) -> None:
        try:
            from tqdm.auto import tqdm
        except ImportError as error:
            raise ImportError("progress: a bar needs tqdm: install it, or pass a function (done, total, unit)") from error
        self._tqdm: Any = tqdm
        self._bar: Any = None

    def __call__(self, done: int, total: int, unit: str) -> None:
        if self._bar is None or self._bar.unit != f" {unit}":
            self.close()
            self._bar = self._tqdm(total=total or None, unit=f" {unit}", unit_scale=True)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Leaves the bar as it is."""
        if self._bar is not None:
            self._bar.close()


def report(progress: Any) -> Any:
    """None, a Bar to be closed, or the function itself."""
    if progress is None or progress is False:
        return None
    if progress is True:
        return Bar()
    if not callable(progress):
        raise TypeError(f"progress: expected True, or a function (done, total, unit), got {type(progress).__name__}")
    return progress
