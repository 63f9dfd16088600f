# SPDX-License-Identifier: Apache-2.0
"""The scripts of python/examples run, cell by cell, and find what they say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run(name: str, folder: Path) -> str:
    """What it prints."""
    alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "Agg"}  # threads would wait for each other
    done = subprocess.run([sys.executable, EXAMPLES / name], cwd=folder, env=alone, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_from_logits_to_reliability(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    printed = run("from_logits_to_reliability.py", tmp_path)
    errors = re.search(r"ECE (\S+) -> (\S+), log loss (\S+) -> (\S+)", printed)
    assert errors is not None
    ece_before, ece_after, loss_before, loss_after = (float(each.rstrip(",")) for each in errors.groups())
    assert ece_after < ece_before / 1.5 and loss_after < loss_before
    covered = re.search(r"([\d.]+)% of the sets", printed)
    assert covered is not None and 91 < float(covered[1]) < 99


@pytest.mark.parametrize("name", [each.name for each in EXAMPLES.glob("*.py")])
def test_cells(name: str) -> None:
    """A notebook's editor shows text between cells of code, and no line is too long for it."""
    lines = (EXAMPLES / name).read_text().splitlines()
    cells = [line for line in lines if line.startswith("# %%")]
    assert lines[1] == "# %% [markdown]" and set(cells) == {"# %%", "# %% [markdown]"}
    assert max(map(len, lines)) <= 130
