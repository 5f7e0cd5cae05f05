"""A trained seed, with an eraser or without, as a folder for other libraries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from langspec.erasure.base import Eraser, ErasureMap
from langspec.erasure.choice import ERASERS, ONE_MAP, check_eraser
from langspec.erasure.eraser_folder import load_eraser, weights_hash
from langspec.errors import LangspecError
from langspec.measurement.erased import fit_maps, require_languages
from langspec.release.assemble import LanguageText, TrainedSeed
from langspec.release.encoder_folder import check_empty

PLACE = "--eraser"


@dataclass(frozen=True)
class ExportErasers:
    """The erasers that an exported folder carries.

    Attributes:
        sentences: of sentence vectors of the last layer; None: no eraser.
        tokens: of the token vectors that the head reads; None: no head, or no token task.
        options: what both were made with; None where they come from a folder.
    """

    sentences: ErasureMap | None = None
    tokens: ErasureMap | None = None
    options: Mapping[str, Any] | None = None


def check_export(out: Path, eraser: str | None) -> None:
    """Refuse a folder that is not empty and an eraser that does not exist, before any work.

    Raises:
        LangspecError: either.
    """
    check_empty(out)
    if eraser is not None and eraser not in ERASERS and not Path(eraser).is_dir():
        check_eraser(eraser, place=PLACE)


def export_erasers(
    eraser: str | None,
    seed: TrainedSeed,
    text: LanguageText,
    make: Callable[[str], Eraser],
    languages: Sequence[str],
    *,
    with_head: bool,
) -> ExportErasers:
    """Fit an eraser on the training lines of the language text, or read one from a folder.

    Args:
        eraser: its name, or a folder that an earlier export wrote (``DIR/eraser``); None: none.
        seed: the trained seed.
        text: the language text.
        make: gives an unfitted eraser by its name.
        languages: codes that the text must have.
        with_head: fit the eraser of the head's token vectors too.

    Raises:
        LangspecError: an eraser that treats each language differently, or one that was fitted on
            another encoder; language text that no eraser can be fitted on.
    """
    if eraser is None:
        return ExportErasers()
    model, head = seed.encoder.model, seed.head
    last = int(model.config.num_hidden_layers)
    if eraser not in ERASERS:
        read = load_eraser(Path(eraser), encoder=weights_hash(model), unit="sentence", layer=last)
        return ExportErasers(_one_map(read))
    rows = text.text_rows
    require_languages(rows.languages, rows.splits, languages, place=PLACE)
    bank = seed.language_bank(text)
    sentences = fit_maps(bank, partial(make, eraser), ["sentence"], [last])["sentence", last]
    tokens = None
    if with_head and head.unit == "token":
        bank = seed.head_bank(text)
        maps = fit_maps(bank, partial(make, eraser), ["token"], [head.layer])
        tokens = maps["token", head.layer]
    return ExportErasers(_one_map(sentences), tokens, make(eraser).options())


def _one_map(eraser: ErasureMap) -> ErasureMap:
    if eraser.by_language:
        raise LangspecError(
            f"{eraser.name} treats each language differently, which no linear layer can "
            f"carry; expected one of {', '.join(ONE_MAP)}",
            place=PLACE,
        )
    return eraser
