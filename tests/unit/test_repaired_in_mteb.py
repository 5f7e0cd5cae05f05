"""A repaired folder in the runner of the package mteb, beside langspec's own measures.

mteb is no dependency of langspec. To run this test: ``pip install mteb`` (tried with 2.26.24).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit_fixtures import biased_bert, write_judged_set, write_texts
from langspec.audit.options import EncoderChoice
from langspec.pool_search.judged import Judged, judged_rows, read_judged
from langspec.repair.repair_options import RepairOptions
from langspec.repair.repair_run import run_repair

mteb: Any = pytest.importorskip("mteb", reason="the package mteb is not installed")
library: Any = pytest.importorskip("sentence_transformers")
CODES = ("de", "en", "tr")


def task_of(judged: Judged) -> Any:
    """The set as a task of mteb; nothing is downloaded."""
    from datasets import Dataset
    from mteb.abstasks import AbsTaskRetrieval

    queries, corpus = judged.queries, judged.corpus
    relevant: dict[str, dict[str, int]] = {}
    for query, text, grade in zip(judged.query, judged.text, judged.grade, strict=True):
        relevant.setdefault(queries.ids[query], {})[corpus.ids[text]] = int(grade)

    class Toy(AbsTaskRetrieval):
        metadata = mteb.TaskMetadata(
            name="Toy",
            description="Translations of made-up lines.",
            reference=None,
            dataset={"path": "none", "revision": "none"},
            type="Retrieval",
            category="t2t",
            modalities=["text"],
            eval_splits=["test"],
            eval_langs=["eng-Latn", "deu-Latn", "tur-Latn"],
            main_score="ndcg_at_10",
            date=None,
            domains=None,
            task_subtypes=None,
            license=None,
            annotations_creators=None,
            dialect=None,
            sample_creation=None,
            bibtex_citation=None,
        )

        def load_data(self, **_: Any) -> None:
            split = {
                "queries": Dataset.from_dict({"id": queries.ids, "text": queries.texts}),
                "corpus": Dataset.from_dict(
                    {"id": corpus.ids, "text": corpus.texts, "title": [""] * len(corpus.ids)}
                ),
                "relevant_docs": relevant,
                "top_ranked": None,
            }
            self.dataset = {"default": {"test": split}}
            self.data_loaded = True

    return Toy()


def scores(folder: Path, judged: Judged) -> tuple[dict[str, float], Any]:
    """What mteb says of an encoder's folder, and langspec's rows of the same vectors."""
    model = library.SentenceTransformer(str(folder), device="cpu")
    result = mteb.evaluate(
        model, task_of(judged), cache=None, co2_tracker=False, show_progress_bar=False
    )
    (task,) = result.task_results
    vectors = [
        np.asarray(model.encode(list(side.texts))) for side in (judged.queries, judged.corpus)
    ]
    return task.scores["test"][0], judged_rows(judged, *vectors)


def test_mteb_runs_a_repaired_folder_and_says_what_langspec_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGSPEC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    text = write_texts(tmp_path / "text", CODES, 120)
    biased = biased_bert(tmp_path / "biased", text, 1.0)
    repaired = tmp_path / "repaired"
    run_repair(RepairOptions(EncoderChoice(str(biased)), None, text, repaired, methods="leace"))
    judged = read_judged(*write_judged_set(tmp_path, text))
    before, rows_before = scores(biased, judged)
    after, rows_after = scores(repaired, judged)
    for theirs, rows in ((before, rows_before), (after, rows_after)):
        assert theirs["ndcg_at_10"] == pytest.approx(rows["ndcg_10"].mean(), abs=1e-4)
        assert theirs["mrr_at_10"] == pytest.approx(rows["rr"].mean(), abs=1e-4)
        assert theirs["recall_at_10"] == pytest.approx(rows["recall_10"].mean(), abs=1e-4)
    assert after["ndcg_at_10"] > before["ndcg_at_10"] + 0.2
