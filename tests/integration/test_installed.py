"""`pip install .` works outside the checkout: presets, the demo's files and page travel along."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import CHECKOUT

pytestmark = pytest.mark.slow


def test_an_installed_copy_prepares_the_demo_elsewhere(tmp_path: Path) -> None:
    site, work = tmp_path / "site", tmp_path / "a folder"
    work.mkdir()
    # A copy: building must not leave build/ and *.egg-info in the checkout.
    source = tmp_path / "source"
    subprocess.run(["git", "clone", "-q", str(CHECKOUT), str(source)], check=True)
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--target", str(site), str(source)], check=True)
    assert (site / "langspec" / "presets" / "tiny.yaml").is_file()
    assert list((site / "langspec" / "report").glob("*.html"))
    assert not (site / "demo").exists()  # the grammar stays in the checkout
    variables = {**os.environ, "PYTHONPATH": str(site)}

    def run(*arguments: str) -> str:
        command = [sys.executable, "-P", "-m", "langspec", *arguments]
        done = subprocess.run(
            command, cwd=work, env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    where = [sys.executable, "-P", "-c", "import langspec; print(langspec.__file__)"]
    found = subprocess.run(where, cwd=work, env=variables, capture_output=True, text=True)
    assert found.stdout.startswith(str(site))
    assert "tiny" in run("preset")
    run("preset", "tiny")
    run("corpora")
    assert (work / "data" / "corpora" / "tiny" / "card.json").is_file()
    run("encoder", "--set", "encoder.pretrain.steps=1")
    assert (work / "data" / "encoders" / "tiny" / "model.safetensors").is_file()
    run("preset", "demo")
    run("corpora")
    assert (work / "data" / "corpora" / "demo" / "card.json").is_file()
