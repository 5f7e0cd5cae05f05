"""The worked examples of CONTRIBUTING.md, done in a copy of the code: each of them trains."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from conftest import CHECKOUT, contributing, copy_code
from experiment_fixtures import prepared
from forked import ForkServer

PAGE = contributing("Add a method")
BLOCKS = re.findall(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", PAGE, flags=re.DOTALL)
TRAIN = """
import sys
from pathlib import Path
from experiment_fixtures import small_config
from langspec.training.experiment import Workbench
from langspec.tuning.space import space_of

corpora, encoder, *changes = sys.argv[1:]
config = small_config(*changes)
method = config.tune.method
bench = Workbench(config, "pos", Path(corpora), Path(encoder))
experiment = bench.experiment(config, method, 1)
result = experiment.fit(experiment.model())
assert result.failure is None
print(len(result.steps), *sorted(result.steps[-1]))
print(*[f"{row['loss']:.9f}" for row in result.steps])
print(*[parameter.name for parameter in space_of(config).parameters])
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return prepared(tmp_path_factory.mktemp("example"))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the code, to add to."""
    copy_code(tmp_path / "src")
    return tmp_path


def trained(
    forked: ForkServer, copy: Path, folders: tuple[Path, Path], *changes: str
) -> list[list[str]]:
    """Train a few steps with the code of the copy; the words of its three lines."""
    paths = os.pathsep.join(map(str, [copy / "src", CHECKOUT / "tests"]))
    script = ["-c", TRAIN, *map(str, folders), *changes]
    done = forked.run(script, env=os.environ | {"PYTHONPATH": paths})
    assert done.returncode == 0, done.stderr[-3000:]
    return [line.split() for line in done.stdout.strip().splitlines()]


def add(copy: Path, new: str, text: str, values: str) -> None:
    """One new file, and its values in the preset."""
    assert not (CHECKOUT / new).exists()
    (copy / new).write_text(text, encoding="utf-8")
    preset = copy / "src" / "langspec" / "presets" / "demo.yaml"
    demo = preset.read_text(encoding="utf-8")
    assert demo.count("    finetune:") == 1
    demo = demo.replace("    finetune:", f"    {values.strip()}\n    finetune:")
    preset.write_text(demo, encoding="utf-8")


@pytest.mark.parametrize(
    ("number", "name", "metric"), [(0, "smoothed", "loss"), (2, "centres", "loss_language")]
)
def test_a_method_is_one_file_and_its_values(
    forked: ForkServer,
    copy: Path,
    folders: tuple[Path, Path],
    number: int,
    name: str,
    metric: str,
) -> None:
    (new, text), (preset, values) = BLOCKS[number : number + 2]
    assert (new, preset) == (
        f"src/langspec/objectives/{name}.py",
        "src/langspec/presets/demo.yaml",
    )
    add(copy, new, text, values)
    steps, losses, _ = trained(forked, copy, folders, f"tune.method={name}", f"train.run=[{name}]",
                               "train.also.run=[]")  # fmt: skip
    assert int(steps[0]) >= 4
    assert metric in steps
    assert len(losses) == int(steps[0])
    # Its options are checked like those of any other method.
    with pytest.raises(AssertionError, match=rf"train\.methods\.{name}\.share: found 2\.0"):
        trained(forked, copy, folders, f"tune.method={name}", f"train.methods.{name}.share=2.0")


@pytest.mark.slow
def test_a_hyper_parameter_is_two_files(
    forked: ForkServer, copy: Path, folders: tuple[Path, Path]
) -> None:
    """Declared and used in the file of the method; its value in the preset."""
    method = copy / "src" / "langspec" / "objectives" / "grl.py"
    text = method.read_text(encoding="utf-8")
    declared = "    path: list["
    used = "        return task + language\n"
    assert text.count(declared) == text.count(used) == 1
    gain = "    gain: Annotated[float, Field(gt=0), Search(0.5, 2.0)]\n"
    text = text.replace(declared, gain + declared)
    text = text.replace(used, "        return task + self.options.gain * language\n")
    method.write_text(text, encoding="utf-8")
    preset = copy / "src" / "langspec" / "presets" / "demo.yaml"
    demo = preset.read_text(encoding="utf-8")
    # The options of grl are those of grl_distil too, so both have the value.
    demo, changed = re.subn(r"(?m)^    grl(_distil)?:.*\n", r"\g<0>      gain: 1.0\n", demo)
    assert changed == 2
    preset.write_text(demo, encoding="utf-8")
    chosen = ("tune.method=grl", "train.methods.grl.schedule=constant")
    one = trained(forked, copy, folders, *chosen)
    two = trained(forked, copy, folders, *chosen, "train.methods.grl.gain=2.0")
    assert "gain" in one[2]  # a sweep tries it
    assert one[1][0] == two[1][0]  # the first step starts from the same weights
    assert one[1][1:] != two[1][1:]
