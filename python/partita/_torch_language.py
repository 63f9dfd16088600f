# SPDX-License-Identifier: Apache-2.0
"""Language models of the part of the library that stands on libtorch."""

import partita.torch  # says what is missing, and imports torch before the compiled part
from partita._learn import LanguageModel, TorchScriptModel

__all__ = ["LanguageModel", "TorchScriptModel"]

for _each in (LanguageModel, TorchScriptModel):
    _each.__module__ = "partita"  # where users find it, in messages and pickles
