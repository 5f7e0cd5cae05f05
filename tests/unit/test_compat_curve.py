"""Token accuracy against the published score: where it is monotone, and where it is not."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from langspec.cli import main
from langspec.errors import LangspecError
from langspec.measurement.compat.curve import ERRORS, Curve, CurveOptions, curve_rows
from langspec.measurement.compat.paper_scores import error_correlation

ACCURACIES = (0.0, 0.3, 0.6, 0.9, 0.97, 1.0)


def codes(count: int) -> tuple[str, ...]:
    return tuple(f"l{i}" for i in range(count))


@pytest.mark.parametrize("errors", ERRORS)
def test_more_accuracy_of_one_kind_is_more_score(errors: str) -> None:
    curve = Curve(CurveOptions(languages=codes(6), lengths=(4, 9), sentences=60))
    points = [curve.point(accuracy, errors) for accuracy in ACCURACIES]
    assert [p.accuracy for p in points] == pytest.approx(ACCURACIES, abs=0.05)
    for values in ([p.macro_f1 for p in points], [p.whole for p in points]):
        assert values[-1] == 1
        assert (np.diff(values) >= -0.005).all()
    # No token is lost as accuracy grows, so no sentence is either.
    assert (np.diff([p.whole for p in points]) >= 0).all()


def test_whole_sentences_are_the_power_of_the_length() -> None:
    curve = Curve(CurveOptions(languages=codes(4), lengths=(7,), sentences=2000))
    assert curve.point(0.9, "iid").whole == pytest.approx(0.9**7, abs=0.015)
    single = Curve(CurveOptions(languages=codes(4), lengths=(1,), sentences=2000))
    assert single.point(0.9, "iid").macro_f1 == pytest.approx(0.9, abs=0.01)  # spans of one token


def test_every_length_has_its_share() -> None:
    for sentences in (4, 10):
        lengths = Curve(CurveOptions(codes(2), (3, 5, 7, 9), sentences)).lengths
        counts = np.unique(lengths[:sentences], return_counts=True)[1]
        assert len(counts) == 4
        assert np.ptp(counts) <= 1


def test_clustered_errors_keep_accuracy_and_raise_the_score() -> None:
    curve = Curve(CurveOptions(languages=codes(6), lengths=(20,), sentences=300))
    apart, together = (curve.point(0.9, kind) for kind in ERRORS)
    assert together.accuracy == pytest.approx(apart.accuracy, abs=0.02)
    assert together.macro_f1 > 2 * apart.macro_f1


def test_a_constant_outscores_seventeen_tokens_of_twenty() -> None:
    """The published languages and lengths: not monotone in accuracy over kinds of errors."""
    curve = Curve(CurveOptions(lengths=tuple(range(25, 91)), sentences=40))
    mostly, always = curve.point(0.85, "iid"), curve.constant()
    assert always.accuracy == pytest.approx(1 / 33, abs=0.005)
    assert mostly.accuracy > 0.84
    assert always.macro_f1 > 2 * mostly.macro_f1


def test_the_published_lengths_give_what_was_simulated_before() -> None:
    """33 languages, 25 to 90 tokens, errors anywhere: the fall is not the representation's."""
    curve = Curve(CurveOptions(lengths=tuple(range(25, 91)), sentences=66))
    found = [curve.point(accuracy, "iid").macro_f1 for accuracy in (0.8, 0.95, 0.99)]
    assert found == pytest.approx([0.0, 0.03, 0.40], abs=0.03)


def test_simulated_correlation_is_the_one_asked_for() -> None:
    curve = Curve(CurveOptions(codes(2), (12,), sentences=3000, correlation=0.3))
    predicted = {}
    curve._scored = lambda errors, found: predicted.setdefault(errors, found)  # type: ignore
    curve.point(0.8, "clustered")
    right = predicted["clustered"] == curve.gold
    assert error_correlation(right, curve.lengths) == pytest.approx(0.3, abs=0.03)


def test_equal_seeds_give_equal_rows() -> None:
    options = CurveOptions(languages=("en", "de"), lengths=(3,), sentences=9)
    rows = curve_rows(options, (0.5, 1), ERRORS)
    assert rows == curve_rows(options, (0.5, 1), ERRORS)
    other = CurveOptions(languages=("en", "de"), lengths=(3,), sentences=9, seed=1)
    assert rows != curve_rows(other, (0.5, 1), ERRORS)
    assert rows[-1]["prediction"] == "always en"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (CurveOptions(languages=("en",)), "languages: found en; expected two languages"),
        (CurveOptions(languages=("en", "en")), "languages: found en, en"),
        (CurveOptions(lengths=(0,)), r"length: found \[0\]"),
        (CurveOptions(sentences=0), "sentences: found 0"),
        (CurveOptions(correlation=1.0), "correlation: found 1"),
    ],
)
def test_what_cannot_be_simulated_is_refused(options: CurveOptions, message: str) -> None:
    with pytest.raises(LangspecError, match=message):
        Curve(options)


def printed(*arguments: str) -> str:
    done = CliRunner().invoke(main, ["seqeval-curve", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_command_needs_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = ("--length", "3,5-6", "--sentences", "20", "--accuracy", "0.5,1")
    text = printed(*given, "--languages", "de,he,en", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["length"] for row in rows] == ["3"] * 3 + ["5-6"] * 3
    assert {row["iid_seqeval_macro_f1"] for row in rows if row["prediction"].startswith("1")} == {
        "1"
    }
    table = printed(*given, "--languages", "de,he,en", "--errors", "clustered")
    assert "iid" not in table
    assert "Taken for one language by seqeval: de he." in table
    assert "Taken for" not in printed(*given, "--languages", "3")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--length", "9-3"), "--length: found '9-3'"),
        (("--accuracy", "0.5,most"), "--accuracy: found 'most'"),
        (("--accuracy", "1.5"), "accuracy: found 1.5"),
        (("--sentences", "9999999"), "--sentences: .* tokens to simulate, expected at most"),
        (("--languages", "1"), "languages: found l1"),
    ],
)
def test_bad_arguments_end_in_one_line(arguments: tuple[str, str], message: str) -> None:
    done = CliRunner().invoke(main, ["seqeval-curve", *arguments])
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    import re

    assert re.search(message, line)
