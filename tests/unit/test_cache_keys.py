"""A change of code is never answered from a cache that other code wrote."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

from conftest import CHECKOUT, copy_code
from langspec.attackers.known_attackers import attacker_classes
from langspec.closure import PACKAGE, SourceTree
from langspec.features.bank import CODE as BANK
from langspec.measures.base import AUDIT
from langspec.measures.beyond_linear import BeyondLinear
from langspec.measures.discovery import measures
from langspec.presets import load_preset
from langspec.training.experiment import training_code
from langspec.tuning.fingerprint import trial_code

pytestmark = pytest.mark.medium

BENCH = "langspec.evaluation.bench"
TEXT_BENCH = "langspec.audit.text_bench"
KINDS = {
    "bank": (BANK,),
    "predictions": (BENCH,),
    **{one.name: (BENCH, one.__module__) for one in measures() if one.name != "trajectory"},
    **{f"audit: {one.name}": (TEXT_BENCH, one.__module__) for one in measures(AUDIT)},
    "erasure": (BENCH, "langspec.measures.erased_leak", "langspec.erasure.leace"),
    "trajectory": (BENCH, "langspec.measures.leak_trajectory", "langspec.stages.retrain"),
    "checkpoint": tuple(one.__module__ for one in training_code("grl")),
    "trial": trial_code("grl"),
}


class Edited(SourceTree):
    """A tree after a comment was added to one module: it imports what it did before."""

    def __init__(self, before: SourceTree, module: str) -> None:
        self.before, self.modules, self._imports = before, before.modules, before._imports
        self._digests = {name: one for name, one in before._digests.items() if name != module}

    def closure(self, *roots: str) -> tuple[str, ...]:
        """As before."""
        return _closure(self.before, roots)


@cache
def _closure(tree: SourceTree, roots: tuple[str, ...]) -> tuple[str, ...]:
    return tree.closure(*roots)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> SourceTree:
    """A copy of the package that may be edited."""
    return SourceTree(copy_code(tmp_path_factory.mktemp("copy") / "src") / PACKAGE)


def keys(tree: SourceTree) -> dict[str, str]:
    return {kind: tree.code_hash(*roots) for kind, roots in KINDS.items()}


def test_an_edit_changes_the_keys_that_the_edited_module_is_under(tree: SourceTree) -> None:
    before = keys(tree)
    under = {kind: set(tree.closure(*roots)) for kind, roots in KINDS.items()}
    assert all(0 < len(modules) < len(tree.modules) for modules in under.values())
    for module, path in tree.modules.items():
        source = path.read_bytes()
        path.write_bytes(source + b"\n# edited\n")
        after = keys(Edited(tree, module))
        path.write_bytes(source)
        changed = {kind for kind in KINDS if after[kind] != before[kind]}
        assert changed == {kind for kind in KINDS if module in under[kind]}, module


def test_a_bank_depends_on_pooling_and_not_on_the_report() -> None:
    modules = SourceTree(CHECKOUT / "src" / PACKAGE).closure(BANK)
    assert "langspec.modelling.pooling" in modules
    assert "langspec.encoders.forward" in modules
    assert not [name for name in modules if name.startswith("langspec.report")]


def test_a_changed_pooling_is_a_changed_bank(tree: SourceTree) -> None:
    """Vectors of another ``pool()`` are not read again."""
    path: Path = tree.modules["langspec.modelling.pooling"]
    source = path.read_text(encoding="utf-8")
    before = tree.code_hash(BANK)
    path.write_text(source.replace("    return", "    return 0 *", 1), encoding="utf-8")
    assert SourceTree(tree.folder).code_hash(BANK) != before
    path.write_text(source, encoding="utf-8")
    assert SourceTree(tree.folder).code_hash(BANK) == before


def test_a_changed_table_of_a_module_is_changed_code(tree: SourceTree) -> None:
    table = tree.folder / "languages.tsv"
    content = table.read_bytes()
    before = tree.code_hash("langspec.languages")
    table.write_bytes(content + b"# edited\n")
    assert SourceTree(tree.folder).code_hash("langspec.languages") != before
    table.write_bytes(content)
    assert SourceTree(tree.folder).code_hash("langspec.languages") == before


PUBLISHED = "langspec.measures.published_measure"


def test_a_changed_measure_is_measured_again(tree: SourceTree) -> None:
    """With every accuracy 0 in the published measure, its cached rows are not read again."""
    path: Path = tree.modules[PUBLISHED]
    source = path.read_text(encoding="utf-8")
    before = keys(tree)
    changed = source.replace('"accuracy": accuracy(', '"accuracy": 0 * accuracy(')
    assert changed != source
    path.write_text(changed, encoding="utf-8")
    after = keys(SourceTree(tree.folder))
    path.write_text(source, encoding="utf-8")
    assert {kind for kind in KINDS if after[kind] != before[kind]} == {"published"}


def test_a_trial_is_keyed_by_its_training_its_probe_and_its_bank() -> None:
    modules = set(SourceTree(CHECKOUT / "src" / PACKAGE).closure(*KINDS["trial"]))
    training = set(SourceTree(CHECKOUT / "src" / PACKAGE).closure(*KINDS["checkpoint"]))
    assert training < modules
    for name in ("tuning.trial", "tuning.score", "features.encode", "measurement.probe"):
        assert f"langspec.{name}" in modules - training
    # Who claims a trial and who asks for it change no number of it; nor does another method.
    for name in ("tuning.claims", "tuning.trial_processes", "objectives.adversary"):
        assert f"langspec.{name}" not in modules


def test_the_key_of_a_measure_holds_what_it_computes_with() -> None:
    closure = SourceTree(CHECKOUT / "src" / PACKAGE).closure
    assert "langspec.measurement.compat.paper_probe" in closure(*KINDS["published"])
    # Another eraser is in the keys of its own values alone.
    assert "langspec.erasure.leace" in closure(*KINDS["erasure"])
    assert "langspec.erasure.lsar" not in closure(*KINDS["erasure"])
    assert "langspec.measurement.probe" in closure(*KINDS["leak"])
    assert "langspec.erasure.leace" not in closure(*KINDS["leak"])
    assert {"langspec.training.loop", "langspec.objectives"} <= set(closure(*KINDS["trajectory"]))
    for kind, roots in KINDS.items():
        if kind != "trajectory":
            named = closure(*roots)
            assert not [name for name in named if name.startswith("langspec.report")], kind
            assert "langspec.config" not in named, kind


def test_the_keys_of_attackers_hold_their_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """The probes beyond the linear one are keyed by the attackers that ran, and by no other."""
    config = load_preset("tiny", [])
    bench = SimpleNamespace(
        config=config, text_key={}, probe_key={}, beyond_probe=config.evaluate.beyond
    )
    measure = BeyondLinear.__new__(BeyondLinear)
    measure.bench, measure.values = bench, config.evaluate.beyond
    given: list[object] = []
    monkeypatch.setattr(
        BeyondLinear,
        "cached_rows",
        lambda _, kind, key, compute, *code, **named: given.extend(code),
    )
    measure._rows(SimpleNamespace(), ["mdl", "rbf"], "frozen", 1, "state")
    assert given == [attacker_classes()["rbf"]]
