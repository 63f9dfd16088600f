# SPDX-License-Identifier: Apache-2.0
"""The package as such: what importing it costs, its annotations, its documentation."""

import doctest
import importlib
import inspect
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import partita

# Those of torch only where they are built.
LEFT_OUT = ("_core", "_learn", "lib") if find_spec("partita._learn") else ("_core", "lib", "torch", "_torch")
MODULES = ["partita", *(f"partita.{each.name}" for each in pkgutil.iter_modules(partita.__path__) if not each.name.startswith(LEFT_OUT))]


def run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_importing_it_imports_neither_torch_nor_sklearn() -> None:
    names = run("-c", "import sys, partita; print(*sys.modules)").split()
    assert not {"torch", "sklearn", "scipy", "matplotlib", "transformers", "pytest"} & set(names)


def test_importing_it_is_quick() -> None:
    """Beside numpy, which everybody has imported already; user time, the best of five."""
    script = """
import os, numpy
before = sum(os.times()[:2])
import partita
print(sum(os.times()[:2]) - before)
"""
    assert min(float(run("-c", script)) for _ in range(5)) < 0.2


def test_what_needs_libtorch_says_so(tmp_path: Path) -> None:
    """In a package without the compiled part that stands on it."""
    pytest.importorskip("torch")
    package = tmp_path / "partita"
    package.mkdir()
    for file in Path(partita.__path__[0]).iterdir():
        if not file.name.startswith(("_learn.", "__pycache__")):
            (package / file.name).symlink_to(file)
    script = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import partita
assert partita.__file__.startswith({str(tmp_path)!r})
for name in ("torch", "LanguageModel", "TorchScriptModel"):
    try:
        getattr(partita, name)
    except ImportError as error:
        assert "built without libtorch" in str(error)
    else:
        raise AssertionError(name)
import torch
z = torch.zeros(1, 3, requires_grad=True)
assert partita.entropy(z).requires_grad
with torch.no_grad():
    partita.replay_log_prob(z, [1], seed=1)
"""
    run("-c", script)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0


def test_compiled_methods_say_what_they_take() -> None:
    assert str(inspect.signature(partita.NGram.train)) == "(lines, *, order=None, units='char', vocabulary=0, progress=None)"
    assert str(inspect.signature(partita.NGram.save)) == "(self, path)"
    examples = doctest.DocTestParser().get_doctest(partita.NGram.__doc__ or "", {}, "NGram", None, None)
    assert doctest.DocTestRunner().run(examples) == (0, 5)


def public(module: Any) -> list[tuple[str, Any]]:
    return [(name, getattr(module, name)) for name in module.__all__]


@pytest.mark.parametrize("name", [name for name in MODULES if "._" not in name])
def test_everything_public_is_documented(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    for label, each in public(module):
        if not callable(each):
            continue
        assert inspect.getdoc(each), label
        assert each.__module__ == name, label
        if inspect.isclass(each):
            methods = [(n, m) for n, m in vars(each).items() if not n.startswith("_") and callable(m)]
            for method, body in methods:
                assert inspect.getdoc(getattr(each, method)), f"{label}.{method}"


@pytest.mark.parametrize("name", [name for name in MODULES if "._" not in name])
def test_help_names_every_parameter(name: str) -> None:
    for label, each in public(importlib.import_module(name)):
        if not callable(each):
            continue
        things = [(label, each, inspect.getdoc(each) or "")]
        if inspect.isclass(each):
            things += [(f"{label}.{n}", m, inspect.getdoc(getattr(each, n)) or "") for n, m in vars(each).items()
                       if not n.startswith("_") and inspect.isfunction(m)]
        for thing, body, text in things:
            try:
                parameters = inspect.signature(body).parameters
            except ValueError:  # of C++, whose docstrings have their signature
                continue
            if "made by its subclasses" in text:
                continue
            named = [p for p in parameters if p not in ("self", "args", "kwargs", "kwds") and not p.startswith("_")]
            assert all(re.search(rf"\b{p}\b", text) for p in named), f"{thing}: {named}"


def kept(name: str) -> Path:
    """Where mypy keeps what it knows of other packages, which takes it most of the time, from one run to the next."""
    return Path(os.environ["PARTITA_BUILD"], name) if "PARTITA_BUILD" in os.environ else Path("/dev/null")


def test_annotations_are_sound() -> None:
    pytest.importorskip("mypy")
    package = Path(partita.__path__[0])
    run("-m", "mypy", "--strict", "--cache-dir", str(kept("mypy")), "--follow-imports", "silent", "--ignore-missing-imports",
        "--no-error-summary", str(package))


def test_stubs_are_those_of_the_compiled_part(tmp_path: Path) -> None:
    pytest.importorskip("mypy.stubtest")
    (tmp_path / "allowed").write_text(r"partita\._(core|learn)\.[A-Za-z]+")  # classes have pybind11's metaclass
    for ours in kept("stubtest").glob("*/partita"):  # what is kept of a function is not enough to compare it
        shutil.rmtree(ours)
    settings = tmp_path / "mypy.ini"
    settings.write_text(f"[mypy]\nincremental = True\ncache_dir = {kept('stubtest')}\n")
    modules = ["partita._core", *(["partita._learn"] if find_spec("partita._learn") else [])]
    run("-m", "mypy.stubtest", *modules, "--allowlist", str(tmp_path / "allowed"), "--ignore-unused-allowlist",
        "--mypy-config-file", str(settings))
