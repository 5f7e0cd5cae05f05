"""Adding a measure, or an eraser, is one file and its values: done in a copy of the package.

The files are those of CONTRIBUTING.md.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from conftest import CHECKOUT, contributing, copy_code
from forked import ForkServer

PAGE = contributing("Add a measure") + contributing("Add an eraser")
BLOCKS = re.findall(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", PAGE, flags=re.DOTALL)
MEASURE, MEASURE_VALUES, ERASER, ERASER_VALUES = BLOCKS


def copy_with(folder: Path, file: tuple[str, str], values: tuple[str, str], under: str) -> Path:
    """A copy of ``src`` with a new file, and a line of values below the line ``under``."""
    copy_code(folder)
    new, preset = (folder / one[0].removeprefix("src/") for one in (file, values))
    assert not new.exists()
    new.write_text(file[1], encoding="utf-8")
    text = preset.read_text(encoding="utf-8")
    assert text.count(under) == 1
    preset.write_text(text.replace(under, under + values[1]), encoding="utf-8")
    return folder


def run(forked: ForkServer, source: Path, script: str, *arguments: Path | str) -> str:
    paths = [source, CHECKOUT / "tests"]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    done = forked.run(["-c", script, *map(str, arguments)], env=variables)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


BEGIN = """
import sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np, pandas as pd
import langspec
from langspec.config import parse_config, parse_yaml, set_values
from langspec.errors import LangspecError
from langspec.measures.base import RUN, Shape, Subject
from langspec.measures.discovery import declared, measures
from langspec.evaluation.runner import walk
from langspec.evaluation.work import costs
from langspec import presets
from bank_fixtures import bank_of

SHAPE = Shape(
    encoders=4, passes=1, leaks=6, erased=2, layers=5, hidden=128, languages=6, labels=10,
    token=True,
)
assert str(langspec.__file__).startswith(sys.argv[1])
root, TINY = Path(sys.argv[2]), parse_yaml(presets.preset_text("tiny"))
"""

OF_A_MEASURE = (
    BEGIN
    + """
from langspec.evaluation.write import write_findings
from report_files import build_made_up, write_run

config = parse_config(TINY)
assert config.evaluate.longest.percentile == 99
try:
    parse_config(set_values(TINY, ["evaluate.longest.percentile=30"]))
except LangspecError as error:
    assert "evaluate.longest.percentile: found 30" in str(error), error
else:
    raise AssertionError("30 was accepted")
assert ["norms at 20 layers"] == [c.work for c in costs(config, SHAPE) if c.name == "longest"]

layers = np.ones((5, 30, 4)) * np.arange(1, 6)[:, None, None]
bank = bank_of(root, "bank", layers, np.arange(30) % 3)
bench = SimpleNamespace(
    config=config,
    task=SimpleNamespace(name="pos"),
    text_bank=lambda *of: bank,
    text_key={},
    cached=lambda kind, code, key, compute: compute(),
)
(one,) = (m for m in measures() if m.name == "longest")
subjects = [
    Subject(RUN, method, 1, model=SimpleNamespace(encoder=None), state=method, trained=True)
    for method in ("frozen", "finetune")
]
findings = walk(subjects, [one(bench)])
write_findings(root / "evaluated", [findings])
ours = pd.read_csv(root / "evaluated" / "results.csv")
assert ours["value"].tolist() == [2.0, 4.0, 6.0, 8.0, 10.0] * 2

made = root / "made"
write_run(made, tasks=("pos",), seeds=(1,), points=4, languages=("en", "de"))
place = made / "results" / "evaluate" / "pos" / "results.csv"
pd.concat([pd.read_csv(place), ours]).to_csv(place, index=False)
out = build_made_up(made, root / "report", declared=declared())
page = (out / "details.html").read_text(encoding="utf-8")
assert "the longest vectors by layer" in page
table = pd.read_csv(out / "tables" / "longest_pos.csv")
assert table["norm"].max() == 10.0
assert list((out / "figures").glob("longest_pos*"))
"""
)


@pytest.mark.slow
def test_a_measure_is_one_file_and_its_values(forked: ForkServer, tmp_path: Path) -> None:
    source = copy_with(tmp_path / "src", MEASURE, MEASURE_VALUES, "\nevaluate:\n  seed: 0\n")
    run(forked, source, OF_A_MEASURE, source, tmp_path)


OF_AN_ERASER = (
    BEGIN
    + """
from functools import partial
from langspec.erasure.choice import ERASERS
from langspec.measurement.erased import erased_leak, fit_maps
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.rows import Origin

assert "shrink" in ERASERS
config = parse_config(set_values(TINY, ["evaluate.erasers.run=[shrink]"]))
work = [c.work for c in costs(config, SHAPE) if c.name == "erasers"]
assert work and work[0].endswith("for 1 erasers"), work
try:
    parse_config(set_values(TINY, ["evaluate.erasers.shrink.share=2.0"]))
except LangspecError as error:
    assert "evaluate.erasers.shrink.share: found 2.0" in str(error), error
else:
    raise AssertionError("2.0 was accepted")

rng = np.random.default_rng(0)
language, line = np.arange(300) % 3, np.arange(300) // 3
vectors = rng.normal(size=(300, 8)) + 6 * np.eye(3, 8)[language]
split = np.array([2, 2, 2, 0, 1])[line % 5]
bank = bank_of(
    root, "bank", vectors[None], language, line=line, split=split, splits=("dev", "test", "train")
)
make = partial(config.evaluate.erasers.maker("en"), "shrink")
assert make().options() == {"anchor": "en", "share": 1.0}
maps = fit_maps(bank, make, ["sentence"], [0])
origin = Origin("pos", "finetune", 1, "text", "test", "erasure", eraser="shrink")
rows = erased_leak(
    bank, maps, origin, config.evaluate.probe, BootstrapOptions(20, 0), units=["sentence"]
)
(score,) = (row.value for row in rows if row.metric == "accuracy")
assert score < 0.6, score
"""
)


@pytest.mark.slow
def test_an_eraser_is_one_file_and_its_values(forked: ForkServer, tmp_path: Path) -> None:
    source = copy_with(tmp_path / "src", ERASER, ERASER_VALUES, "\n  erasers:\n")
    run(forked, source, OF_AN_ERASER, source, tmp_path)
