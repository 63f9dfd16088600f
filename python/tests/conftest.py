# SPDX-License-Identifier: Apache-2.0
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch")


@pytest.fixture
def at_once() -> Callable[..., list[Any]]:
    """What a function returns, or raises, in threads of Python that begin together."""

    def run(function: Callable[[], Any], threads: int = 8) -> list[Any]:
        start = threading.Barrier(threads)

        def begin(_: int) -> Any:
            start.wait()
            return function()

        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(begin, range(threads)))

    return run


@pytest.fixture(scope="session")
def command_path() -> str:
    """The partita command."""
    path = os.environ.get("PARTITA_COMMAND") or shutil.which("partita")
    if not path or not os.path.exists(path):
        pytest.skip("no partita command")
    return path


@pytest.fixture
def command(command_path: str) -> Callable[..., Any]:
    """Runs the partita command and returns the JSON that it prints."""

    def run(*arguments: object) -> Any:
        out = subprocess.run([command_path, *map(str, arguments)], check=True, capture_output=True, text=True).stdout
        return json.loads(out) if "--json" in arguments else out

    return run
