# SPDX-License-Identifier: Apache-2.0
"""What scikit-learn expects of an estimator, without importing it."""

import inspect
from typing import Any, TypeVar

Self = TypeVar("Self", bound="Estimator")


def _is_default(value: Any, default: Any) -> bool:
    """Of an array, which compares element by element, only if it is the very same."""
    return value is default or (not hasattr(value, "shape") and bool(value == default))


class Estimator:
    """Parameters are those of ``__init__``, kept as given; what is fitted ends in an underscore."""

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls).parameters]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name; `deep` is for scikit-learn."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self: Self, **params: Any) -> Self:
        """Sets parameters by name, and returns self."""
        for name, value in params.items():
            if name not in self._names():
                raise ValueError(f"{name}: expected one of {', '.join(self._names())}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self)).parameters
        given = [f"{name}={value!r}" for name, value in self.get_params().items()
                 if not _is_default(value, defaults[name].default)]
        return f"{type(self).__name__}({', '.join(given)})"

    def _fitted(self, name: str) -> Any:
        if name not in vars(self):
            raise ValueError(f"this {type(self).__name__} is not fitted: call fit first")
        return vars(self)[name]
