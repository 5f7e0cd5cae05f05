"""A dry run refuses what an evaluation would refuse, and says what it would lower."""

from __future__ import annotations

import re

import pytest

from langspec.config import Config
from langspec.errors import LangspecError
from langspec.evaluation.planned_bounds import check_curve, check_ranks, lowered
from langspec.measures.base import Shape
from langspec.presets import load_preset

WIDTH = 128


def config(run: str, kind: str, rank: int) -> Config:
    chosen = [f"evaluate.erasers.run=[{run}]", f"evaluate.erasers.{kind}.rank={rank}"]
    return load_preset("demo", chosen)


@pytest.mark.parametrize(
    ("run", "kind"), [("lir", "lir"), ("lir_oracle", "lir"), ("rlace", "rlace")]
)
def test_a_rank_of_the_width_is_refused(run: str, kind: str) -> None:
    place = re.escape(f"evaluate.erasers.{kind}.rank: found {WIDTH}, expected less than")
    with pytest.raises(LangspecError, match=place):
        check_ranks(config(run, kind, WIDTH), WIDTH)
    check_ranks(config(run, kind, WIDTH - 1), WIDTH)


def test_lsar_removes_at_most_what_languages_span() -> None:
    six_languages = config("lsar", "lsar", 9999)
    check_ranks(six_languages, WIDTH)
    with pytest.raises(LangspecError, match="lsar"):
        check_ranks(six_languages, 5)


def test_a_rank_of_an_eraser_that_does_not_run_is_not_read() -> None:
    check_ranks(config("leace", "rlace", WIDTH), WIDTH)


@pytest.mark.parametrize(
    "key", ["features.tokens.train", "features.sentences.train", "corpora.limits.text"]
)
def test_fewer_training_vectors_than_points_of_the_curve_are_refused(key: str) -> None:
    check_curve(load_preset("demo", [f"{key}=3"]))
    with pytest.raises(LangspecError, match=f"{key}: found 2, expected at least 3"):
        check_curve(load_preset("demo", [f"{key}=2"]))


def test_all_lines_of_a_split_are_enough() -> None:
    check_curve(load_preset("demo", ["features.sentences.train=null"]))


SIX = Shape(
    encoders=1, leaks=1, erased=0, layers=5, hidden=WIDTH, languages=6, labels=3, token=False,
    passes=1,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("projection.perplexity=47", []),  # of 6 x 3 classes, 8 of each: (144 - 1) / 3
        ("projection.perplexity=48", ["projection.perplexity: 48 is lowered to at most 47.6667"]),
        ("projection.perplexity=1e9", ["projection.perplexity: 1e+09 is lowered to at most 47"]),
        ("geometry.neighbours=359", []),  # of 6 languages, 60 of each
        ("geometry.neighbours=360", ["geometry.neighbours: 360 is lowered to at most 359"]),
    ],
)
def test_what_is_lowered_is_said(change: str, said: list[str]) -> None:
    lines = lowered(load_preset("demo", [f"evaluate.{change}"]), SIX)
    assert len(lines) == len(said)
    assert all(f"evaluate.{one}" in line for one, line in zip(said, lines, strict=True))


def test_a_measure_that_is_off_lowers_nothing() -> None:
    off = ["evaluate.geometry.run=false", "evaluate.geometry.neighbours=9999"]
    assert lowered(load_preset("demo", off), SIX) == []
