"""Closed-form erasure of language from features: fit on training text, apply to anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from langspec.erasure.base import Eraser, ErasureMap
from langspec.erasure.by_language import LIR, Centring
from langspec.erasure.inlp import INLP
from langspec.erasure.leace import LEACE
from langspec.erasure.lsar import LSAR
from langspec.errors import LangspecError


@dataclass(frozen=True)
class EraserOptions:
    """Options of all erasers.

    Attributes:
        lir_rank: singular directions that LIR removes of each language.
        lsar_rank: directions that LSAR removes; None: one less than the languages.
        inlp_rounds: most rounds of INLP.
        anchor: language whose mean stays where it is; None: the mean of everything stays.
    """

    lir_rank: int = 1
    lsar_rank: int | None = None
    inlp_rounds: int = 10
    anchor: str | None = None


_MAKERS: dict[str, Callable[[EraserOptions], Eraser]] = {
    "centring": lambda options: Centring(anchor=options.anchor),
    "centring_oracle": lambda options: Centring(gold=True, anchor=options.anchor),
    "lir": lambda options: LIR(rank=options.lir_rank),
    "lir_oracle": lambda options: LIR(rank=options.lir_rank, gold=True),
    "lsar": lambda options: LSAR(rank=options.lsar_rank, anchor=options.anchor),
    "inlp": lambda options: INLP(rounds=options.inlp_rounds, anchor=options.anchor),
    "leace": lambda options: LEACE(anchor=options.anchor),
}
ERASERS = tuple(_MAKERS)


def make_eraser(
    name: str, options: EraserOptions | None = None, *, place: str = "evaluate.erasers.run"
) -> Eraser:
    """An unfitted eraser by name.

    Raises:
        LangspecError: no such eraser.
    """
    if name not in _MAKERS:
        raise LangspecError(
            f"unknown eraser {name!r}; expected one of {', '.join(ERASERS)}", place=place
        )
    return _MAKERS[name](options or EraserOptions())


__all__ = [
    "ERASERS",
    "INLP",
    "LEACE",
    "LIR",
    "LSAR",
    "Centring",
    "Eraser",
    "EraserOptions",
    "ErasureMap",
    "make_eraser",
]
