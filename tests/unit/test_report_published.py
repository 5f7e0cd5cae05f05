"""Published numbers beside their measure and ours, from planted numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from langspec.errors import LangspecError
from langspec.report.headline_table import headline
from langspec.report.published_figures import seqeval_curve, three_columns
from langspec.report.published_tables import published_table, published_words, quantities
from langspec.report.run_results import Run, load_run
from published_rows import PUBLISHED, add_published
from report_files import build_made_up, tables_of_measures, write_run

pytestmark = pytest.mark.medium


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("run")
    write_run(root, seeds=(1,), points=4, languages=("en", "de", "tr"))
    for task in ("pos", "nli"):
        add_published(root, task)
    return root


def loaded(root: Path, published: Path | None = PUBLISHED) -> Run:
    return load_run(
        root / "results", root / "corpora", root / "encoder",
        name="made-up", tasks=("pos", "nli"), methods=("frozen", "finetune"), published=published,
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(root: Path) -> Run:
    return loaded(root)


def test_three_columns_for_each_method_and_quantity(run: Run) -> None:
    table = published_table(run, "pos")
    assert table is not None
    frame = table.frame.set_index(["quantity", "method"])
    text = frame.loc["Language identification on text, per token"]
    assert text["published"].tolist() == pytest.approx([0.5934136956, 0.0050719060])
    assert text["compat"].tolist() == pytest.approx([0.70, 0.24])
    assert text["sound"].tolist() == pytest.approx([0.991, 0.973])  # the leak, at the last layer
    assert text["sound_low"].iloc[1] == pytest.approx(0.969)
    assert text["published_ratio"].iloc[1] == pytest.approx(0.00855, abs=1e-5)
    assert text["compat_ratio"].iloc[1] == pytest.approx(0.343)
    assert text["sound_ratio"].iloc[1] == pytest.approx(0.982)
    task = frame.loc["Language identification on the task's text, per token"]
    assert task["published"].tolist() == pytest.approx([0.7831770290, 0.0029506171])
    assert task["sound"].tolist() == pytest.approx([0.979, 0.929])  # the converged probe's
    clusters = frame.loc["Clusters against language, text"]
    assert clusters["sound"].tolist() == pytest.approx([0.02, 0.02])
    assert clusters["sound_ratio"].isna().all()  # 0.02 is too little to divide by
    assert frame.loc["Task, micro-F1 or accuracy"]["published"].tolist() == pytest.approx(
        [0.6355578468, 0.7343421915]
    )
    assert "seqeval" in table.caption


def test_texts_are_compared_with_texts(run: Run) -> None:
    table = published_table(run, "nli")
    assert table is not None
    frame = table.frame.set_index(["quantity", "method"])
    text = frame.loc["Language identification on text, per text"]
    assert text["published"].tolist() == pytest.approx([0.9700, 0.9719], abs=5e-5)
    assert text["sound"].tolist() == pytest.approx([0.995, 0.995])  # per sentence
    assert "seqeval" not in table.caption
    assert "union" in table.caption


def test_the_four_settings_stand_beside_the_converged_probe(run: Run) -> None:
    table = tables_of_measures(run)["published_settings_pos"]
    rows = table.frame[table.frame.model == "finetune"].set_index("probe")
    assert list(rows.index) == ["published, of frozen", "published, of grl", "converged"]
    assert rows["text_accuracy"].tolist() == pytest.approx([0.85, 0.65, 0.94])
    assert rows.loc["published, of grl", "updates"] == 75
    assert pd.isna(rows.loc["converged", "updates"])


def test_the_words_keep_metric_and_optimiser_apart(run: Run) -> None:
    words = " ".join(published_words(run, "pos"))
    assert "published 0.593 → 0.005; by their measure here 0.700 → 0.240" in words
    assert "by the sound measure here 0.991 → 0.973" in words
    assert "accuracy goes 0.990 → 0.940" in words
    assert "very same predictions 0.900 → 0.580" in words
    assert "frozen 0.760 to 0.960; finetune 0.650 to 0.850" in words
    assert "What may not: that the published values are replicated or refuted" in words


def test_compatible_numbers_stay_out_of_every_other_table(run: Run, made_up_report: Path) -> None:
    plain = replace(
        run, **{
            key: frame[~frame["probe"].str.startswith("compat/")]
            for key, frame in (("results", run.results), ("summary", run.summary))
        },
    )  # fmt: skip
    pd.testing.assert_frame_equal(headline(run).frame, headline(plain).frame)
    assert published_table(plain, "pos") is None
    assert "published_settings_pos" not in tables_of_measures(plain)
    assert published_words(plain, "pos") == []
    # Without them the page neither draws published numbers nor misses them.
    assert quantities(run, "nli")
    assert not quantities(plain, "nli")
    assert not list(made_up_report.glob("figures/published*"))
    assert "published numbers" not in (made_up_report / "details.html").read_text(encoding="utf-8")


def test_figures_hold_the_numbers(run: Run) -> None:
    lines, curve = three_columns(run, "pos"), seqeval_curve(run, "pos")
    assert lines is not None
    assert curve is not None
    assert "language, text, published: frozen 0.593, finetune 0.005" in lines.alt
    assert "their measure here: frozen 0.700, finetune 0.240" in lines.alt
    assert "text, finetune: accuracy 0.940, score 0.580" in curve.alt
    assert "3 to 11 tokens" in curve.figure.axes[0].get_title()
    again = seqeval_curve(run, "pos")
    assert again is not None
    assert curve.render("svg") == again.render("svg")
    assert seqeval_curve(run, "nli") is None  # no tokens, no seqeval


def test_the_page_has_the_section_and_the_tables_their_files(root: Path, tmp_path: Path) -> None:
    build_made_up(root, tmp_path / "out", published=PUBLISHED)
    page = (tmp_path / "out" / "details.html").read_text(encoding="utf-8")
    assert "The published measure" in page
    assert 'id="table-published_pos"' in page
    assert (tmp_path / "out" / "tables" / "published_settings_pos.csv").is_file()
    assert (tmp_path / "out" / "figures" / "seqeval_pos.svg").is_file()


def test_without_the_published_files_their_column_is_empty_and_said(
    root: Path, tmp_path: Path
) -> None:
    bare = loaded(root, tmp_path)
    assert "data/published/tanti2021_results.csv" in bare.missing
    table = published_table(bare, "pos")
    assert table is not None
    assert table.frame["published"].isna().all()
    assert table.frame["compat"].notna().all()
    (tmp_path / "tanti2021_results.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(LangspecError, match="expected the columns task, method"):
        loaded(root, tmp_path)
