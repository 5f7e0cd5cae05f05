"""Flat parameters, names of metrics, where the store lies."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langspec.errors import LangspecError
from langspec.results import Result, results_frame
from langspec.tracking.history import Point, evaluation_points, read_history
from langspec.tracking.store import checkout_root, open_client, tracking_store
from langspec.tracking.tags import LONGEST_PARAM, flatten, git_tags, param_text


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "LANGSPEC_ROOT"):
        monkeypatch.delenv(name, raising=False)


def test_flatten_gives_dotted_keys_and_keeps_flat_ones() -> None:
    nested = {"train": {"lr": 1e-3, "methods": {"grl": {"strength": 0.1}}}, "seeds": [1, 2]}
    flat = {"train.lr": 1e-3, "train.methods.grl.strength": 0.1, "seeds": [1, 2]}
    assert flatten(nested) == flat
    assert flatten(flat) == flat


@settings(max_examples=50)
@given(st.text(max_size=50), st.integers(1, 40))
def test_param_text_is_whole_or_says_that_it_is_cut(part: str, times: int) -> None:
    text = part * times
    shown = param_text(text)
    assert len(shown) <= LONGEST_PARAM
    if shown != text:
        assert f"({len(text)} characters" in shown
        assert hashlib.sha256(text.encode("utf-8")).hexdigest()[:12] in shown


def test_param_text_of_two_long_values_differs() -> None:
    assert param_text("a" * 999 + "b") != param_text("a" * 999 + "c")


def _row(**values: object) -> Result:
    row = {
        "task": "pos", "method": "finetune", "seed": 1, "corpus": "pos", "split": "test",
        "language": "de", "layer": -1, "measure": "m", "probe": "", "unit": "token",
        "metric": "accuracy",
        "value": 0.5, "n": 10,
    }  # fmt: skip
    return Result(**(row | values))  # type: ignore[arg-type]


def test_points_of_attackers_and_of_a_curve_do_not_meet_those_of_the_leak() -> None:
    probed = {"probe": "linear_sample", "language": "all", "layer": 2, "corpus": "text"}
    leak = {**probed, "probe": "linear", "metric": "macro_f1"}
    frame = results_frame(
        [
            _row(**probed, measure="beyond", train_n=120),
            _row(**probed, measure="attack", train_n=240),
            _row(**{**probed, "corpus": "pos"}, measure="attack", train_n=65),
            _row(**leak, measure="leak", train_n=240),
            _row(**leak, measure="leak_curve", train_n=60),
            _row(**leak, measure="leak_curve", train_n=120),
            _row(**{**leak, "metric": "gain"}, measure="leak_curve", train_n=240),
        ]
    )
    names = [point.name for point in evaluation_points(frame)]
    assert len(names) == len(set(names))
    assert {name for name in names if "layer_02" in name} == {
        "leak/linear_sample/layer_02/token_accuracy",
        "attack/linear_sample/layer_02/token_accuracy",
        "attack_task_text/linear_sample/layer_02/token_accuracy",
        "leak/linear/layer_02/token_macro_f1",
        "leak/linear/layer_02/token_gain",
    }


def test_evaluation_points_are_named_for_the_charts() -> None:
    frame = results_frame(
        [
            _row(value=0.9, low=0.8),
            *(
                _row(probe="linear", language="all", layer=layer, metric="macro_f1",
                     corpus="text", value=layer / 10)
                for layer in (10, 9)
            ),
            _row(probe="linear", language="de", layer=9, metric="recall", corpus="text"),
            _row(probe="majority", language="all", layer=-1, metric="accuracy", corpus="text"),
            _row(probe="linear", language="all", layer=10, metric="macro_f1", value=0.1),
        ]
    )  # fmt: skip
    assert evaluation_points(frame) == [
        Point("test/de/accuracy", 0.9, 0),
        Point("test/de/accuracy_low", 0.8, 0),
        Point("leak/linear/layer_10/token_macro_f1", 1.0, 0),
        Point("leak/linear/layer_09/token_macro_f1", 0.9, 0),
        Point("leak/majority/token_accuracy", 0.5, 0),
        Point("leak_task_text/linear/layer_10/token_macro_f1", 0.1, 0),
        Point("headline/leak", 1.0, 0),
        Point("leak/linear/by_layer/token_macro_f1", 0.9, 9),
        Point("leak/linear/by_layer/token_macro_f1", 1.0, 10),
        Point("leak_task_text/linear/by_layer/token_macro_f1", 0.1, 10),
    ]


def test_rows_that_differ_in_their_corpus_get_it_into_the_name() -> None:
    names = [p.name for p in evaluation_points(results_frame([_row(), _row(corpus="gsd")]))]
    assert names == ["test/de/accuracy:pos", "test/de/accuracy:gsd"]
    with pytest.raises(LangspecError, match="test/de/accuracy:pos"):
        evaluation_points(results_frame([_row(), _row(value=0.1)]))


def test_history_reads_groups_and_skips_empty_cells(tmp_path: Path) -> None:
    file = tmp_path / "steps.csv"
    file.write_text("step,epoch,loss,adversary,val_accuracy,val/f1\n1,1,2.5,,,\n2,1,1.5,3,0.5,1\n")
    assert list(read_history(file)) == [
        Point("train/loss", 2.5, 1),
        Point("train/loss", 1.5, 2),
        Point("train/adversary", 3.0, 2),
        Point("val/accuracy", 0.5, 2),
        Point("val/f1", 1.0, 2),
    ]


@pytest.mark.parametrize("text", ["step,loss\n1,2\n2,bad\n", "epoch,loss\n1,2\n1,2\n"])
def test_a_broken_history_is_told_by_its_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "steps.csv"
    file.write_text(text)
    with pytest.raises(LangspecError, match=r"steps\.csv:[23]: expected a column 'step'"):
        list(read_history(file))


def test_default_store_is_an_absolute_file_of_the_checkout(tmp_path: Path) -> None:
    checkout = tmp_path / "a path with spaces"
    (checkout / ".git").mkdir(parents=True)
    (checkout / "src").mkdir()
    store = tracking_store(root=checkout / "src")
    assert store.uri == f"sqlite:///{checkout}/mlflow.db"
    assert store.artifacts == checkout / "mlartifacts"


def test_a_temporary_copy_of_an_experiment_uses_the_checkout_it_was_made_from(
    tmp_path: Path,
) -> None:
    (tmp_path / ".git").mkdir()
    copy = tmp_path / ".dvc" / "tmp" / "exps" / "tmp1"
    (copy / ".git").mkdir(parents=True)
    (copy / "dvc.yaml").touch()
    assert checkout_root(copy) == tmp_path


def test_a_git_worktree_uses_the_main_checkout(tmp_path: Path) -> None:
    main, tree = tmp_path / "main", tmp_path / "tree"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(main)]
    main.mkdir()
    for command in (
        ["init", "-q"],
        ["commit", "-q", "--allow-empty", "-m", "x"],
        ["worktree", "add", "-q", str(tree)],
    ):
        subprocess.run([*git, *command], check=True)
    assert checkout_root(tree) == main
    tags = git_tags(tree)
    assert len(tags["mlflow.source.git.commit"]) == 40
    assert tags["langspec.git_dirty"] == "false"


def test_the_lock_that_dvc_writes_makes_no_checkout_dirty(tmp_path: Path) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path)]
    for name in ("dvc.lock", "params.yaml"):
        (tmp_path / name).write_text("a: 1\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *command], check=True)
    (tmp_path / "dvc.lock").write_text("a: 2\n")
    assert git_tags(tmp_path)["langspec.git_dirty"] == "false"
    (tmp_path / "params.yaml").write_text("a: 2\n")
    assert git_tags(tmp_path)["langspec.git_dirty"] == "true"


def test_git_tags_outside_git_are_empty(tmp_path: Path) -> None:
    assert git_tags(tmp_path) == {}


def test_configured_uri_wins_over_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///from-variable.db")
    assert tracking_store(root=tmp_path).uri == f"sqlite:///{tmp_path}/from-variable.db"
    store = tracking_store("http://127.0.0.1:5000", root=tmp_path)
    assert (store.uri, store.artifacts) == ("http://127.0.0.1:5000", None)


@pytest.mark.parametrize("uri", ["mlruns", "file:///tmp/mlruns"])
def test_a_folder_of_files_is_refused(uri: str, tmp_path: Path) -> None:
    with pytest.raises(LangspecError, match=r"tracking\.uri: .* no longer writes"):
        tracking_store(uri, root=tmp_path)


def test_a_server_that_is_down_is_told_at_once(tmp_path: Path) -> None:
    # Port 9 (discard) of the loopback: nothing listens there.
    with pytest.raises(LangspecError, match=r"127\.0\.0\.1:9: the tracking server does not"):
        open_client(tracking_store("http://127.0.0.1:9", root=tmp_path))


def test_a_store_that_mlflow_run_hands_on_is_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "a project"
    root.mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/a%20project/mlflow.db")
    handed_on = tracking_store(root=root)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert handed_on == tracking_store(f"sqlite:///{root}/mlflow.db", root=root)
