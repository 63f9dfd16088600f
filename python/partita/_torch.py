# SPDX-License-Identifier: Apache-2.0
"""torch, untyped: type checkers of who imports partita need not read it."""

from importlib import import_module
from typing import Any

torch: Any = import_module("torch")
