# SPDX-License-Identifier: Apache-2.0

_WHY = {
    "zero-temperature": "every label has its row's largest logit, and the likelihood rises as the temperature goes to 0",
    "infinite-temperature": "the labels' logits are on average no larger than the others': the logits say nothing",
    "undetermined": "all logits of a row are equal, in every row",
    "not-attained": "the likelihood has no maximum: a class has no label, or the scaled logits are right about every row",
    "iteration-limit": "the search did not end",
}


class FitError(ValueError):
    """There are no parameters that fit best; `status` says why, as the command does."""

    def __init__(self, status: str) -> None:
        super().__init__(f"no fit ({status}): {_WHY.get(status, status)}")
        self.status = status

    def __reduce__(self) -> tuple[type["FitError"], tuple[str]]:
        return FitError, (self.status,)
