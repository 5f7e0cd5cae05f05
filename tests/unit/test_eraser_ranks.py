"""A dry run refuses an eraser that would leave nothing of the encoder's width."""

from __future__ import annotations

import re

import pytest

from langspec.config import Config
from langspec.errors import LangspecError
from langspec.evaluation.eraser_ranks import check_ranks
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
