"""One training, whoever builds it; and its keys, which hold the code that computes it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from conftest import copy_code
from experiment_fixtures import prepared, small_config
from langspec import closure
from langspec.errors import LangspecError
from langspec.modelling.vocabulary import TrimmedEmbedding
from langspec.objectives import get_method
from langspec.training.experiment import Workbench, training_code
from langspec.training.identity import SeedJob
from langspec.training.seeds import SeedTrainer
from langspec.tuning.space import with_values
from langspec.tuning.trial import TrialTrainer


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
