"""Fitting every method on the same training vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from langspec.erasure.choice import ERASERS, Erasers, eraser_classes, make_eraser
from langspec.erasure.inlp import InlpEraser
from langspec.erasure.leace import LeaceEraser
from langspec.errors import LangspecError
from langspec.presets import load_preset
from langspec.repair.unit_eraser import UnitEraser, unit

NOTHING = "nothing"
"""The name of the vectors as they are, in tables and among the rows that a choice is made from."""
METHODS = (
    "centring",
    "centring_oracle",
    "relative",
    "relative_oracle",
    "lir",
    "lir_oracle",
    "lsar",
    "inlp",
    "leace",
    "leace+leace",
    "lir+leace",
)
"""What is tried by default; ``a+b`` fits b on what a left, at length 1."""
_INLP = InlpEraser(space="raw", strengths=[0.1], rounds=6, train=200)


@dataclass(frozen=True)
class Labelled:
    """Vectors with the language and the line of each.

    Attributes:
        vectors: ``[N, H]``.
        languages: code of each, str ``[N]``.
        lines: int ``[N]``; translations share a line.
        parallel: does any line hold translations?
    """

    vectors: np.ndarray
    languages: np.ndarray
    lines: np.ndarray
    parallel: bool = True

    def at(self, rows: np.ndarray) -> Labelled:
        """Some rows, bool or int ``[M]``."""
        return Labelled(self.vectors[rows], self.languages[rows], self.lines[rows], self.parallel)


@dataclass(frozen=True)
class Fitted:
    """The fitted methods by name, and why others are left out."""

    maps: dict[str, UnitEraser] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def title_of(method: str) -> str:
    """A method's name for people, such as ``centring, language given``."""
    words = []
    for name in method.split("+"):
        if name == NOTHING:
            words.append("nothing erased")
        elif eraser_classes()[name].by_language:
            known = "given" if name.endswith("_oracle") else "predicted"
            words.append(f"{name.removesuffix('_oracle')}, language {known}")
        else:
            words.append(name)
    return ", then ".join(words)


def check_methods(names: Sequence[str], *, place: str = "--methods") -> None:
    """Refuse names that no eraser has.

    Raises:
        LangspecError: an unknown name, the same one twice, none.
    """
    if not names:
        raise LangspecError("names no method; leave it out for all", place=place)
    for method in names:
        for name in method.split("+"):
            if name not in ERASERS:
                raise LangspecError(
                    f"unknown method {name!r}; expected one of {', '.join(ERASERS)}, or two of "
                    "them joined by +",
                    place=place,
                )
        if list(names).count(method) > 1:
            raise LangspecError(f"{method} stands there twice", place=place)


def eraser_options() -> Erasers:
    """The options of the erasers: those of preset demo, with cheaper rounds of INLP.

    The covariance of LEACE is shrunk, because people have few texts and wide vectors.
    """
    values = load_preset("demo", []).evaluate.erasers
    leace = LeaceEraser(shrinkage="linear")
    return values.model_copy(update={"inlp": _INLP, "leace": leace})


def fit_all(train: Labelled, methods: Sequence[str] = METHODS) -> Fitted:
    """Fit every method on training vectors.

    A method that cannot be fitted (relative vectors without translations, more directions than
    the vectors vary in) is left out, with the reason.

    Args:
        train: vectors of at least two languages.
        methods: names of erasers, or several joined by ``+``.

    Raises:
        LangspecError: a name that no eraser has, one language, vectors that are not finite.
    """
    check_methods(methods)
    codes = np.unique(train.languages)
    if len(codes) < 2:
        raise LangspecError(f"vectors of one language only ({', '.join(codes)}); expected two")
    if not np.isfinite(train.vectors).all():
        raise LangspecError("vectors hold numbers that are not finite (NaN or infinite)")
    values = eraser_options()
    fitted = Fitted()
    for method in methods:
        try:
            fitted.maps[method] = _fit(method, train, values)
        except LangspecError as error:
            fitted.left_out[method] = str(error).removeprefix("evaluate.erasers.run: ")
    return fitted


def _fit(method: str, train: Labelled, values: Erasers) -> UnitEraser:
    vectors = unit(np.asarray(train.vectors, dtype=np.float64))
    steps = []
    for name in method.split("+"):
        if eraser_classes()[name].parallel and not train.parallel:
            raise LangspecError(f"{name} compares translations; give parallel text")
        eraser = make_eraser(name, values).fit(vectors, train.languages, train.lines)
        steps.append(eraser.map)
        vectors = UnitEraser(name, (eraser.map,)).apply(vectors, train.languages)
    return UnitEraser(method, tuple(steps))
