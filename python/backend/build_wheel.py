# SPDX-License-Identifier: Apache-2.0
"""Builds the wheel (PEP 517): CMake compiles and installs the package, and zip packs it.

CMAKE_ARGS in the environment is passed to CMake. The setting build-dir names a tree that was built
already, with PARTITA_PYTHON=ON; its part for libtorch is left out.
"""

import base64
import hashlib
import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
import zipfile
from pathlib import Path

PYTHON = Path(__file__).resolve().parent.parent
BUILD = PYTHON.parent / "build" / "wheel"


def metadata() -> dict[str, str]:
    project = tomllib.loads((PYTHON / "pyproject.toml").read_text())["project"]
    name, version = project["name"], project["version"]
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    tag = f"{tag}-{tag}-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
    info = f"{name}-{version}.dist-info"
    fields = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: {project['description']}",
              f"Requires-Python: {project['requires-python']}"]
    fields += [f"Requires-Dist: {each}" for each in project["dependencies"]]
    return {"wheel": f"{name}-{version}-{tag}.whl", "info": info,
            f"{info}/METADATA": "\n".join(fields) + "\n",
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: partita\nRoot-Is-Purelib: false\nTag: {tag}\n"}


def compile_package() -> None:
    options = ["PARTITA_PYTHON=ON", "PARTITA_LEARN=OFF", "PARTITA_APPS=OFF", "PARTITA_TESTS=OFF",
               "PARTITA_INSTALL=OFF", "PARTITA_PYTHON_INSTALL_DIR=.", "CMAKE_BUILD_TYPE=Release",
               f"Python_EXECUTABLE={sys.executable}"]
    subprocess.run(["cmake", "-S", PYTHON.parent, "-B", BUILD, *(f"-D{each}" for each in options),
                    *shlex.split(os.environ.get("CMAKE_ARGS", ""))], check=True)
    subprocess.run(["cmake", "--build", BUILD, "--target", "partita_python", "--parallel", str(os.cpu_count())], check=True)


def build_wheel(wheel_directory: str, config_settings: dict[str, str] | None = None,
                metadata_directory: str | None = None) -> str:
    build = (config_settings or {}).get("build-dir")
    if not build:
        compile_package()
    parts = metadata()
    with tempfile.TemporaryDirectory() as root:
        for component in ("python",) if build else ("python", "python_torch"):
            subprocess.run(["cmake", "--install", build or BUILD, "--component", component, "--strip", "--prefix", root],
                           check=True)
        [package] = Path(root).rglob("partita/__init__.py")
        contents = {str(file.relative_to(package.parent.parent)): file.read_bytes()
                    for file in sorted(package.parent.rglob("*")) if file.is_file()}
    needs_learn = not build and "-DPARTITA_LEARN=ON" in os.environ.get("CMAKE_ARGS", "")
    if needs_learn and not any("/_learn." in name for name in contents):
        raise SystemExit(f"partita.torch cannot be built: {sys.executable} has no torch, or not the libtorch that CMake found")
    contents |= {name: text.encode() for name, text in parts.items() if "/" in name}
    record = f"{parts['info']}/RECORD"
    lines = []
    with zipfile.ZipFile(Path(wheel_directory) / parts["wheel"], "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in contents.items():
            wheel.writestr(name, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            lines.append(f"{name},sha256={digest},{len(data)}")
        wheel.writestr(record, "\n".join([*lines, f"{record},,"]) + "\n")
    return parts["wheel"]
