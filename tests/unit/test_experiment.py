"""One training, whoever builds it; and its keys, which hold the code that computes it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from conftest import copy_code
from experiment_fixtures import prepared, small_config
from langspec import closure
from langspec.corpora.tables import TEXT_SPLITS, read_table
from langspec.errors import LangspecError
from langspec.evaluation.bench import Bench
from langspec.features.bank import Units
from langspec.measurement.leak import language_leak
from langspec.measurement.moves import drift
from langspec.measurement.rows import Origin
from langspec.modelling.vocabulary import TrimmedEmbedding
from langspec.objectives import get_method
from langspec.results import leak_rows, results_frame
from langspec.training.experiment import Workbench, training_code
from langspec.training.identity import SeedJob
from langspec.training.seeds import SeedTrainer
from langspec.tuning.space import with_values
from langspec.tuning.trial import TrialTrainer

pytestmark = pytest.mark.medium


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return prepared(tmp_path_factory.mktemp("experiment"))


@pytest.mark.parametrize("method", ["frozen", "finetune", "grl"])
def test_a_trial_is_the_training_that_it_searches_for(
    folders: tuple[Path, Path], tmp_path: Path, method: str
) -> None:
    """Rule, judged languages, parts and trimmed vocabulary; and the same weights in the end."""
    chosen = ("train.selection=mean_dev", "train.accumulate=4", "compute.trim_vocabulary=true")
    config = small_config(*chosen, "train.pos.epochs=1", f"tune.method={method}")
    seeds = SeedTrainer(config, "pos", method, *folders, tmp_path)
    trained = seeds.experiment(SeedJob(1, None))
    trials = TrialTrainer(config, *folders, with_values)
    tried = trials.experiment(config)
    for one in (trained, tried):
        assert one.rule.name == "mean_dev"
        assert sorted(one.judged) == ["de", "en", "ru"]
        assert one.parts == 4
        table = one.encoder.model.get_input_embeddings()
        assert isinstance(table, TrimmedEmbedding)
    assert trained.recipe == tried.recipe
    assert trained.key == tried.key
    first, second = (one.fit(one.model()) for one in (trained, tried))
    assert first.steps == second.steps
    assert all("val_macro_f1_de" in row for row in second.epochs)
    for name, tensor in first.tensors.items():
        assert torch.equal(tensor, second.tensors[name]), name
    # Measured at a rung and at its end, the trial trains the same.
    rungs = []
    found = trials({"tune.rungs": 2}, lambda rung, measured: rungs.append(rung))
    assert rungs == [1]
    assert found.more["best_epoch"] == first.best_epoch


def test_a_trial_takes_its_own_values_rows_and_epochs(folders: tuple[Path, Path]) -> None:
    config = small_config("tune.rows=10", "tune.epochs=1", "tune.method=grl")
    trials = TrialTrainer(config, *folders, with_values)
    values = {"train.methods.grl.overrides.pos.strength": 2.0,
              "train.methods.grl.retention.kind": "distil"}  # fmt: skip
    tried = trials.experiment(with_values(config, values))
    assert (len(tried.train), tried.recipe.epochs) == (10, 1)
    assert tried.objective.options.strength == 2.0
    assert tried.objective.options.retention.kind == "distil"
    assert len(tried.targets) == 2
    values["train.methods.grl.retention.kind"] = "mlm"
    with pytest.raises(LangspecError, match=r"grl\.retention\.kind: .* no masked-language head"):
        trials.experiment(with_values(config, values))


def test_no_probe_is_fitted_on_what_a_method_unlearns_on(folders: tuple[Path, Path]) -> None:
    """An adversary and a probe of one split: the leak is read low, of unlearned methods alone."""
    corpora, encoder = folders
    lines = {
        split: set(read_table(corpora, "text", split=split)["line"].to_pylist())
        for split in TEXT_SPLITS
    }
    config = small_config("tune.method=grl")
    read = Workbench(config, "pos", corpora, encoder).experiment(config, "grl", 1).language
    assert read is not None
    assert len(read) == 3 * len(lines["adversary"])  # of three languages
    trials = TrialTrainer(config, corpora, encoder, with_values)
    places: Any = SimpleNamespace(corpora=corpora, encoder=encoder)
    bench = Bench(config, places, trials.bench.task, 1)
    for rows in (trials.text_rows, bench.text_rows):
        assert not set(rows.lines.tolist()) & lines["adversary"]
    assert set(bench.text_rows.splits) == {"train", "dev", "test"}
    old = small_config("train.language_split=train")
    read = Workbench(old, "pos", corpora, encoder).experiment(old, "grl", 1).language
    assert read is not None
    assert len(read) == 3 * len(lines["train"])


def test_a_method_without_text_to_unlearn_on_is_refused() -> None:
    shares = {"train": 0.3, "adversary": 0.0, "dev": 0.3, "test": 0.4}
    none = [f"corpora.text_splits.{name}={share:g}" for name, share in shares.items()]
    assert small_config(*none).train.run == ["frozen", "finetune"]  # which read no text
    expected = r"language_split: grl reads split adversary .*text_splits\.adversary is 0; give"
    with pytest.raises(LangspecError, match=expected):
        small_config(*none, "train.run=[frozen, grl]")


def test_a_sweep_by_the_source_reads_no_dev_row_of_a_target_language(
    folders: tuple[Path, Path],
) -> None:
    config = small_config("tune.method=grl", "tune.selection=source_dev", "tune.epochs=1")
    trials = TrialTrainer(config, *folders, with_values)
    assert trials.experiment(config).targets == []
    measured = trials({}, lambda rung, measured: None)
    assert set(measured.more) == {"dev_en", "best_epoch"}
    assert 0 <= (measured.dev_source_accuracy or 0.0) <= 1
    assert (measured.dev_drift or 0.0) > 0
    tables = trials.bench._tables.items()
    assert {key[1] for key, rows in tables if rows is not None} == {"en"}


def test_a_trials_leak_is_the_leak_of_evaluate(folders: tuple[Path, Path]) -> None:
    """The same probe and metric of the same vectors, as the rows that the headline reads."""
    config = small_config()
    trials = TrialTrainer(config, *folders, with_values)
    text = trials.start
    units = Units(
        row=np.arange(len(text.labels)),
        unit=np.zeros(len(text.labels), np.int64),
        language=text.labels,
        line=np.arange(len(text.labels)),
        split=np.full(len(text.labels), -1),
        label=np.full(len(text.labels), -100),
    )
    for split, name in enumerate(("fit", "choose", "dev")):
        units.split[text.part[name]] = split
    bank: Any = SimpleNamespace(
        languages=("de", "en", "ru"),
        splits=("train", "dev", "test"),
        layers=(1,),
        token_meta=units,
        tokens=lambda layer: text.vectors,
    )
    rows = language_leak(
        bank,
        Origin("pos", "frozen", 1, "text", "test", "leak"),
        config.evaluate.probe,
        config.evaluate.bootstrap_options,
        units=("token",),
    )
    leaks = leak_rows(results_frame(rows))
    assert trials.leak(text) == pytest.approx(leaks["value"].iloc[0])
    assert drift(text.vectors, text.vectors) == 0.0
    assert drift(text.vectors, text.vectors + 1.0) > 0.0


# Keys.


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_code(tmp_path_factory.mktemp("copy") / "src") / "langspec"


def use(monkeypatch: pytest.MonkeyPatch, folder: Path) -> closure.SourceTree:
    tree = closure.SourceTree(folder)
    tree._imports = dict(closure.installed()._imports)  # an edit of ours imports nothing
    monkeypatch.setattr(closure, "installed", lambda: tree)
    return tree


def keys(folders: tuple[Path, Path]) -> dict[str, str]:
    """The key of a run, of one of its checkpoints, and the code of a study of trials."""
    from langspec.tuning.fingerprint import trial_code

    bench = Workbench(small_config(), "pos", *folders)
    experiment = bench.experiment(small_config(), "grl", 1)
    folder = experiment.facts.checkpoints(Path(), SeedJob(1, None)).name
    return {
        "run": experiment.facts.run_key,
        "checkpoint": folder,
        "trial": closure.code_hash(*trial_code("grl")),
    }


def test_keys_change_with_every_module_that_computes_and_with_no_other(
    folders: tuple[Path, Path], copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = use(monkeypatch, copied)
    training = {one.__module__ for one in training_code("grl")}
    inside = set(tree.closure(*training))
    trial = set(tree.closure("langspec.tuning.trial", get_method("grl").__module__))
    for name in ("modelling.model", "modelling.saved", "objectives.grl", "objectives.unlearning",
                 "objectives.retention", "training.loop", "tasks.token_task"):  # fmt: skip
        assert f"langspec.{name}" in inside
    assert inside < trial
    assert {"langspec.features.encode", "langspec.measurement.probe"} <= trial - inside
    before = tree.code_hash(*sorted(training))
    for name in sorted(inside):
        path = tree.modules[name]
        text = path.read_text(encoding="utf-8")
        path.write_text(text + "\n# edited\n", encoding="utf-8")
        edited = closure.SourceTree(copied)
        edited._imports = tree._imports
        assert edited.code_hash(*sorted(training)) != before, name
        path.write_text(text, encoding="utf-8")
    for name in ("langspec.report", "langspec.config", "langspec.objectives.adversary",
                 "langspec.measurement.probe"):  # fmt: skip
        assert name not in inside


def test_an_edit_of_the_heads_init_changes_the_keys(
    folders: tuple[Path, Path], copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, copied)
    before = keys(folders)
    file = copied / "modelling" / "model.py"
    text = file.read_text(encoding="utf-8")
    assert "nn.init.zeros_(self.linear.bias)" in text
    file.write_text(text.replace("nn.init.zeros_(self.linear.bias)", "pass"), encoding="utf-8")
    use(monkeypatch, copied)
    after = keys(folders)
    file.write_text(text, encoding="utf-8")
    assert all(before[name] != after[name] for name in before)
    # What the training does not run leaves them as they are.
    other = copied / "objectives" / "adversary.py"
    other.write_text(other.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")
    use(monkeypatch, copied)
    assert keys(folders) == before
