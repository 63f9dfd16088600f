# SPDX-License-Identifier: Apache-2.0
"""The wheel of what was built, without its part for libtorch, from outside: in an environment of its own."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import partita

SCRIPT = """
import base64, hashlib, importlib.metadata, json, sys
from pathlib import Path
import numpy as np
import partita
assert Path(partita.__file__).is_relative_to(sys.prefix), partita.__file__
assert importlib.metadata.version("partita") == partita.__version__
files = importlib.metadata.files("partita")
for file in files:
    if file.hash and "__pycache__" not in str(file):
        digest = hashlib.sha256(file.locate().read_bytes()).digest()
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == file.hash.value, file
try:
    partita.torch
except ImportError as error:
    assert "built without libtorch" in str(error)
else:
    raise AssertionError("partita.torch is there")
logits = np.arange(60, dtype=np.float32).reshape(3, 20) % 7
print(json.dumps({"files": [str(file) for file in files],
                  "drawn": partita.gumbel_top_k(logits, 5, seed=3).indices.tolist()}))
"""


def test_it_installs_and_imports(tmp_path: Path) -> None:
    build = os.environ.get("PARTITA_BUILD")
    if not build:
        pytest.skip("no build tree: PARTITA_BUILD is not set")
    if not find_spec("ensurepip"):
        pytest.skip("no python3-venv")
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "CMAKE_ARGS"))}
    outside["PYTHONDONTWRITEBYTECODE"] = "1"

    def run(*arguments: object) -> str:
        done = subprocess.run([str(each) for each in arguments], cwd=tmp_path, env=outside, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(sys.executable, "-m", "venv", "--system-site-packages", "env")  # the system's: numpy
    python = tmp_path / "env" / "bin" / "python"
    source = Path(__file__).resolve().parent.parent
    offline = ("--no-index", "--no-deps", "--no-cache-dir", "--disable-pip-version-check")
    run(python, "-m", "pip", "wheel", *offline, "--config-settings", f"build-dir={build}", source)
    [wheel] = tmp_path.glob("partita-*.whl")
    run(python, "-m", "pip", "install", *offline, "--ignore-installed", wheel)
    found = json.loads(run(python, "-c", SCRIPT))
    logits = np.arange(60, dtype=np.float32).reshape(3, 20) % 7
    assert found["drawn"] == partita.gumbel_top_k(logits, 5, seed=3).indices.tolist()
    # All that is in the package, but what stands on libtorch.
    here = {file.name for file in Path(partita.__path__[0]).iterdir() if not file.name.startswith(("_learn.", "__pycache__"))}
    assert {Path(file).name for file in found["files"] if file.startswith("partita/") and "__pycache__" not in file} >= here
