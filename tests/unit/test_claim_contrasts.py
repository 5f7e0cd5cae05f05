"""The four contrasts of the study, on planted results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from langspec.cells.claim_contrasts import CLAIMS, Answer, answers, claims_text, read_contrasts
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.difference import JudgeOptions
from langspec.report.compared import SIZE, CompareOptions
from langspec.results import Result, write_results
from report_files import write_predictions, write_run

OPTIONS = CompareOptions(JudgeOptions(margin=0.5), BootstrapOptions(50, 0))
SEEDS = (1, 2, 3, 4, 5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five seeds; after fine-tuning clusters are gone, and retrieval is as it was."""
    languages = ("en", "de", "tr")
    write_run(tmp_path, tasks=("pos",), seeds=SEEDS, languages=languages)
    accuracies = {"frozen": 0.7, "finetune": 0.8, "control": 0.8, "grl": 0.8}
    results = tmp_path / "results"
    write_predictions(results, "pos", accuracies, seeds=SEEDS, languages=languages)
    return results


def plant(folder: Path, values: dict[str, tuple[float, float]]) -> None:
    """Write ``geometry.csv``: by metric the mean of frozen and of finetune, with little noise."""
    from langspec.report.compared import load_side

    rng = np.random.default_rng(0)
    layer = load_side(folder, "pos", "finetune").head_layer
    rows = []
    for metric, means in values.items():
        of_text = metric == "retrieval"
        for method, mean, seeds in zip(("frozen", "finetune"), means, ((0,), SEEDS), strict=True):
            rows += [
                Result(
                    task="pos",
                    method=method,
                    seed=seed,
                    corpus="text" if of_text else "pos",
                    split="test",
                    language="mean_targets" if of_text else "all",
                    layer=layer,
                    measure="geometry",
                    probe="centred" if of_text else "",
                    unit="sentence" if of_text else "token",
                    metric=metric,
                    value=mean + rng.normal() * 0.002,
                    n=100,
                )
                for seed in seeds
            ]
    write_results(folder / "evaluate" / "pos" / "geometry.csv", rows)


def test_each_claim_has_its_margin_and_its_verdict(folder: Path) -> None:
    plant(folder, {"ami_language": (0.5, 0.1), "retrieval": (0.9, 0.905)})
    present = {
        one.claim.quantity: one for one in answers(read_contrasts(folder, "pos", OPTIONS, "en"))
    }
    assert present["ami_language"].verdict == "lower"
    assert present["ami_language"].says == "holds"
    assert present["retrieval"].verdict == "equivalent"  # within .03, though OPTIONS says .5
    assert present["retrieval"].says == "does not hold"
    assert present["transfer"].compared is not None
    family = [one.judged for one in present.values() if one.judged is not None]
    assert {one.comparisons for one in family} == {len(family)}
    text = claims_text("pos", [*present.values()], 0.05)
    assert "no clusters by language (finetune - frozen, ami_language): -0.4" in text


def test_a_claim_without_its_cells_is_open(folder: Path) -> None:
    plant(folder, {"ami_language": (0.5, 0.1)})
    present = {
        one.claim.quantity: one for one in answers(read_contrasts(folder, "pos", OPTIONS, "en"))
    }
    assert present["retrieval"].says == "open"
    assert present["ami_language"].says == "holds"


def test_a_leak_that_depends_on_the_probe_decides_nothing(folder: Path) -> None:
    plant(folder, {"ami_language": (0.5, 0.1)})
    (known,) = [
        one
        for one in answers(read_contrasts(folder, "pos", OPTIONS, "en"))
        if one.claim.quantity == "ami_language"
    ]
    claim = next(claim for claim in CLAIMS if claim.quantity == "leak")
    for along, verdict in ((True, "lower"), (False, SIZE), (None, "undecided")):
        answer = Answer(claim, known.compared, known.judged, along)
        assert answer.verdict == verdict
        assert answer.says == ("holds" if along else "not decided")
