"""The table of erased encoders and the trade-off figure, from planted numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from langspec.report.headline_table import headline
from langspec.report.run_results import Run, load_run, over_seeds
from langspec.report.sentences import limits
from langspec.report.table import MARK
from langspec.report.tradeoff import tradeoff
from langspec.report.tradeoff_points import path_table, tradeoff_points
from langspec.results import Result, read_results, results_frame
from langspec.tracking.history import evaluation_points
from report_files import tables_of_measures, write_run

pytestmark = pytest.mark.medium

LEAKS = {"leace": 0.08, "centring_oracle": 0.06}


def erased_rows() -> list[Result]:
    rows = []
    for eraser, leak in LEAKS.items():
        for seed in (1, 2):
            shift = 0.01 * (2 * seed - 3)  # symmetric about the planted value

            def add(language, layer, probe, unit, metric, value, eraser=eraser, seed=seed):
                corpus = "text" if probe else "pos"
                # What was removed is a number, not a sample: it has no interval.
                ends = {} if probe == "erasure" else {"low": value - 0.02, "high": value + 0.02}
                rows.append(
                    Result(task="pos", method="finetune", seed=seed, eraser=eraser, corpus=corpus,
                           split="test", language=language, layer=layer, measure="erasure",
                           probe=probe, unit=unit, metric=metric, value=value, n=900, **ends)
                )  # fmt: skip

            for layer in (0, 4):
                for unit in ("token", "sentence"):
                    for metric in ("macro_f1", "accuracy"):
                        value = leak + shift + 0.1 * (layer == 0)
                        add("all", layer, "linear", unit, metric, value)
                    add("all", layer, "erasure", unit, "variance_removed", 0.07)
                    add("all", layer, "erasure", unit, "rank_removed", 5.0)
            for language, value in (("mean_targets", 0.83), ("en", 0.95)):
                for metric in ("accuracy", "macro_f1"):
                    add(language, -1, "", "token", metric, value + shift)
    return rows


READ = {"linear_sample": 0.06, "mlp": 0.9, "rbf": 0.7, "strongest": 0.9, "majority": 0.05}


def attacked_rows() -> list[Result]:
    """What attackers read of one seed; on task text the MLP behind LEACE did not converge."""
    return [
        Result(
            task="pos", method="finetune", seed=1, eraser=eraser, corpus=corpus, split="test",
            language="all", layer=4, measure="attack", probe=probe, unit="token", metric=metric,
            value=number, n=900, train_n=0 if probe == "majority" else 1800,
        )
        for eraser in ("", *LEAKS)
        for corpus in ("text", "pos")
        for probe, value in READ.items()
        for metric, number in {
            "macro_f1": value - 0.1 * (corpus == "pos" and probe != "majority"),
            "accuracy": value,
            "converged": float((eraser, corpus) != ("leace", "pos")
                               or probe not in ("mlp", "strongest")),
        }.items()
        if (probe, metric) != ("majority", "converged")
    ]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("run")
    write_run(root, tasks=("pos",), seeds=(1, 2), points=4, languages=("en", "de", "tr"))
    path = root / "results" / "evaluate" / "pos" / "results.csv"
    both = pd.concat([read_results(path), results_frame(erased_rows() + attacked_rows())])
    both.to_csv(path, index=False)
    return load_run(
        root / "results", root / "corpora", root / "encoder",
        name="made-up", tasks=("pos",), methods=("frozen", "finetune"),
    )  # fmt: skip


def test_erased_methods_stand_apart_from_trained_ones(run: Run) -> None:
    assert not headline(run).frame["method"].str.contains("leace").any()
    table = tables_of_measures(run)["leak_pos"]
    assert not any("leace" in column for column in table.frame.columns)


def test_the_table_sets_erasers_below_their_method(run: Run) -> None:
    table = tables_of_measures(run)["erased_pos"]
    rows = table.frame.set_index("method")
    assert list(rows.index) == ["finetune", *(f"finetune+{eraser}" for eraser in sorted(LEAKS))]
    assert set(rows["base"]) == {"finetune"}
    leace = rows.loc["finetune+leace"]
    assert leace["eraser"] == "leace"
    # The last layer, not the first, and the mean over the two seeds.
    assert leace["token_leak_macro_f1"] == pytest.approx(0.08)
    assert leace["token_leak_macro_f1_low"] == pytest.approx(0.06)
    assert leace["targets_accuracy"] == pytest.approx(0.83)
    assert leace["source_accuracy"] == pytest.approx(0.95)
    assert leace["variance_removed"] == pytest.approx(0.07)
    assert leace["rank_removed"] == 5
    assert rows.loc["finetune", "token_leak_macro_f1"] == pytest.approx(0.973)
    assert pd.isna(rows.loc["finetune", "variance_removed"])
    assert rows.loc["finetune+centring_oracle", "eraser"] == "centring (oracle)"
    assert any("get the language" in note for note in table.notes)
    assert "0.048" in table.caption  # chance


def test_attackers_stand_beside_the_linear_leak_and_chance(run: Run) -> None:
    tables = tables_of_measures(run)
    rows = tables["erased_pos"].frame.set_index("method")
    assert rows.loc["finetune+leace", "text_strongest"] == pytest.approx(0.9)
    assert rows.loc["finetune+leace", "task_strongest"] == pytest.approx(0.8)
    assert rows.loc["finetune", "text_strongest"] == pytest.approx(0.9)
    assert rows.loc["finetune+leace", "token_leak_macro_f1"] == pytest.approx(0.08)
    (note,) = (note for note in tables["erased_pos"].notes if "still reads" in note)
    assert "language text, per token: centring_oracle 0.900 (MLP, linear 0.060), leace 0.9" in note
    attacked = tables["attacked_pos"].frame
    assert attacked["place"].tolist() == (
        ["language text, per token"] * 3 + ["task text, per token"] * 3
    )
    leace = attacked[attacked["method"] == "finetune+leace"].iloc[0]
    assert leace[["linear", "mlp", "rbf", "strongest", "chance", "train_n"]].tolist() == (
        pytest.approx([0.06, 0.9, 0.7, 0.9, 0.05, 1800])
    )


def test_no_table_says_that_language_was_erased_or_removed(run: Run) -> None:
    for name, table in tables_of_measures(run).items():
        if name.startswith(("erased", "attacked")):
            assert "linearly guarded" in table.title
            words = f"{table.title} {table.caption} {' '.join(c.label for c in table.columns)}"
            words += " ".join(column.group for column in table.columns)
            assert "removed" not in words.lower()
            assert "closed form" not in words


def test_an_attacker_that_did_not_converge_is_marked_and_counted(run: Run) -> None:
    table = tables_of_measures(run)["attacked_pos"]
    row = table.frame[table.frame["method"] == "finetune+leace"].iloc[1]
    assert row["mlp_unconverged"] == row["strongest_unconverged"] == 1
    assert pd.isna(row["rbf_unconverged"]) if "rbf_unconverged" in row else True
    assert any(MARK in note and "bound from below" in note for note in table.notes)
    assert any("1 of 18 probes and attackers behind erasers did not" in t for t in limits(run, []))


def test_attackers_have_names_of_their_own_in_mlflow() -> None:
    """Measure beyond logs probes of the same names at the same layer."""
    attacked = [row for row in attacked_rows() if row.eraser == "" and row.metric != "converged"]
    plain = ("linear_sample", "mlp", "rbf")
    same = [row for row in attacked if row.corpus == "text" and row.probe in plain]
    beyond = [replace(row, measure="beyond") for row in same]
    names = [point.name for point in evaluation_points(results_frame([*beyond, *attacked]))]
    assert len(set(names)) == len(names)
    assert "leak/mlp/layer_04/token_macro_f1" in names
    assert "attack/mlp/layer_04/token_macro_f1" in names
    assert "attack_task_text/strongest/layer_04/token_macro_f1" in names


def test_attackers_change_no_headline(run: Run) -> None:
    """Their linear probe has another name: the leak stays one row."""
    bare = of_rows(run, run.results[run.results["measure"] != "attack"])
    pd.testing.assert_frame_equal(headline(run).frame, headline(bare).frame)
    pd.testing.assert_frame_equal(tradeoff_points(run, "pos"), tradeoff_points(bare, "pos"))


def test_the_layers_table_has_every_layer_that_was_erased(run: Run) -> None:
    table = tables_of_measures(run)["erased_layers_pos"]
    assert set(table.frame["layer"]) == {0, 4}
    first = table.frame[(table.frame.layer == 0) & (table.frame.method == "finetune+leace")]
    assert first["macro_f1"].tolist() == pytest.approx([0.18, 0.18])


def test_the_tradeoff_has_a_point_a_method_and_seed(run: Run) -> None:
    points = tradeoff_points(run, "pos")
    counts = points.groupby(["method", "eraser"])["seed"].nunique().to_dict()
    erased = {("finetune", eraser): 2 for eraser in LEAKS}
    assert counts == {("frozen", ""): 2, ("finetune", ""): 2, **erased}
    frozen = points[points.method == "frozen"]
    assert frozen["leak"].tolist() == pytest.approx([0.991, 0.991])  # measured once for all seeds
    point = points[(points.eraser == "leace") & (points.seed == 2)].iloc[0]
    assert (point["leak"], point["score"]) == pytest.approx((0.09, 0.84))
    assert (point["leak_low"], point["score_high"]) == pytest.approx((0.07, 0.86))
    plot = tradeoff(run, "pos")
    assert plot is not None
    assert "finetune+leace: leak 0.080, accuracy 0.830" in plot.alt
    plot.render("svg")
    # Two figures, since one is laid out anew each time it is drawn.
    first, again = tradeoff(run, "pos"), tradeoff(run, "pos")
    assert first is not None
    assert again is not None
    assert first.render("svg") == again.render("svg")
    trained, strip, erased = plot.figure.axes
    # An error bar a method and eraser, its name beside it; no legend to look it up in.
    assert [len(axis.containers) for axis in plot.figure.axes] == [2, 1, 2]
    assert {text.get_text() for text in trained.texts} == {"frozen", "finetune"}
    assert {text.get_text() for text in erased.texts} == {
        "nothing erased", "leace", "chance"
    }  # fmt: skip
    assert [label.get_text() for label in strip.get_xticklabels()] == ["centring (oracle)"]
    assert not plot.figure.legends


def test_trained_unlearning_methods_are_points_too(run: Run) -> None:
    """Whatever method has a leak and a transfer score is drawn: no list of names."""
    rows = not_erased(run).results
    renamed = rows.assign(method=rows["method"].replace({"finetune": "grl", "frozen": "control"}))
    other = Run(run.name, run.tasks, ("control", "grl"), renamed, over_seeds(renamed))
    assert set(tradeoff_points(other, "pos")["method"]) == {"grl", "control"}


def test_a_run_without_erasers_has_no_such_table(run: Run) -> None:
    bare = not_erased(run)
    assert not {"erased_pos", "erased_layers_pos"} & set(tables_of_measures(bare))
    assert set(tradeoff_points(bare, "pos")["method"]) == {"frozen", "finetune"}


def of_rows(run: Run, rows: pd.DataFrame) -> Run:
    return replace(run, results=rows, summary=over_seeds(rows))


def not_erased(run: Run) -> Run:
    return of_rows(run, run.results[run.results["eraser"] == ""])


def with_path(run: Run) -> Run:
    """The run, its fine-tuning renamed grl (lambda .3, two seeds) and trained once at lambda 1."""
    rows = not_erased(run).results
    results = rows.assign(method=rows["method"].replace({"finetune": "grl"}))
    path = results[(results["method"] == "grl") & (results["seed"] == 1)]
    lower = path["value"].where(path["probe"] != "linear", path["value"] / 2)
    path = path.assign(strength=1.0, value=lower)
    return replace(
        of_rows(run, pd.concat([results, path], ignore_index=True)),
        methods=("frozen", "grl"),
        runs={("pos", "grl"): {"params": {"train.methods.grl.strength": 0.3}}},
    )


def test_a_lambda_path_joins_the_strengths_of_one_seed(run: Run) -> None:
    run = with_path(run)
    points = tradeoff_points(run, "pos")
    assert points[points.method == "grl"]["strength"].tolist() == [0.3, 0.3, 1.0]
    table = path_table(run, "pos")
    assert table is not None
    assert table.frame[["strength", "seed"]].to_numpy().tolist() == [[0.3, 1], [0.3, 2], [1, 1]]
    own, further = table.frame["leak"].iloc[0], table.frame["leak"].iloc[2]
    assert further == pytest.approx(own / 2)
    plot = tradeoff(run, "pos")
    assert plot is not None
    axis = plot.figure.axes[0]
    lines = [line for line in axis.lines if len(line.get_xdata()) == 2 and line.get_zorder() == 2]
    assert [list(line.get_xdata()) for line in lines] == [pytest.approx([own, further])]
    assert {text.get_text() for text in axis.texts} == {"λ 0.3", "λ 1", "frozen", "grl"}
    assert "Joined by a line" in plot.caption


def test_without_a_path_there_is_no_line(run: Run) -> None:
    assert path_table(run, "pos") is None
    plot = tradeoff(run, "pos")
    assert plot is not None
    assert not [text for text in plot.figure.axes[0].texts if "λ" in text.get_text()]
    assert "Joined" not in plot.caption


def test_a_failed_training_is_in_no_number_and_is_named(tmp_path: Path) -> None:
    write_run(tmp_path, seeds=(1, 2))
    file = tmp_path / "results" / "train" / "pos" / "finetune" / "run.json"
    run = json.loads(file.read_text())
    entry = next(one for one in run["seeds"] if one["seed"] == 2)
    entry |= {"status": "failed", "reason": "norm"}
    file.write_text(json.dumps(run))
    loaded = load_run(
        tmp_path / "results",
        tmp_path / "corpora",
        tmp_path / "encoder",
        name="demo",
        tasks=("pos", "nli"),
        methods=("frozen", "finetune"),
    )
    seeds = loaded.results.groupby(["task", "method"])["seed"].unique().map(set)
    assert seeds["pos", "finetune"] == {1}
    assert seeds["nli", "finetune"] == {1, 2}
    assert any("finetune, seed 2 failed (norm)" in text for text in limits(loaded, []))
