"""From the ``encoder`` section to an encoder folder; and what that will cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langspec.encoders.load import Encoder, EncoderCard
    from langspec.encoders.pretrain import StepRecord
    from langspec.encoders.recipe import EncoderSection

HISTORY = "steps.csv"
# For the estimate of --dry-run: tokens a second through 1 M weights (forward, backward, update) on
# one busy core of a server processor, fp32; what imports, reading and the vocabulary take besides.
_TOKENS_TIMES_MILLIONS = 8_000
_START_SECONDS = 15
_LIBRARIES_MB = 600  # torch, transformers and the tables in memory


def build_encoder(
    section: EncoderSection,
    text: Path | None,
    out: Path,
    *,
    on_record: Callable[[StepRecord], None] | None = None,
) -> EncoderCard:
    """Make the encoder that ``section`` describes and write it to the folder ``out``.

    Args:
        section: the kind, and what it needs.
        text: the folder with the text for pre-training; only kind ``demo`` reads it.
        out: the encoder folder, replaced. Kind ``demo`` also writes ``steps.csv``, the history of
            its loss, into it.
        on_record: gets the rows of the history as they come.

    Returns:
        the card as written.

    Raises:
        LangspecError: what the kind needs is not there.
    """
    import torch

    from langspec.encoders.download import local_folder
    from langspec.encoders.load import check_positions, check_prefix
    from langspec.encoders.mlm import copy_mlm_head
    from langspec.encoders.pretrain import STORED
    from langspec.encoders.save_folder import save_encoder

    dtype = STORED if section.kind == "demo" else torch.float32
    files: dict[str, str] = {}
    if section.kind == "demo":
        assert text is not None
        encoder, files[HISTORY] = _pretrained(text, section, on_record)
    elif section.kind == "e5":
        from langspec.encoders.e5 import e5_encoder

        encoder = e5_encoder()
    else:
        encoder = _published(section)
    given = encoder.card
    card = replace(
        given,
        name=section.name,
        kind=section.kind,
        prefix=given.prefix if section.prefix is None else section.prefix,
        pooling=given.pooling if section.pooling is None else section.pooling,
        max_tokens=section.max_tokens,
    )
    check_positions(card, encoder.model, place="encoder.max_tokens")
    check_prefix(card, encoder.tokenizer, place="encoder.prefix")
    written = save_encoder(out, encoder.model, encoder.tokenizer, card, dtype=dtype, files=files)
    if section.kind in ("folder", "hub"):
        copy_mlm_head(local_folder(section), out)
    return written


def _pretrained(
    text: Path, section: EncoderSection, on_record: Callable[[StepRecord], None] | None
) -> tuple[Encoder, str]:
    """The encoder of kind ``demo``, and the history of its loss as CSV."""
    from langspec.encoders.pretrain import StepRecord, pretrain

    rows = [",".join(field.name for field in fields(StepRecord))]

    def record(row: StepRecord) -> None:
        rows.append(",".join(f"{value:.6g}" for value in asdict(row).values()))
        if on_record is not None:
            on_record(row)

    return pretrain(text, section, on_record=record), "\n".join(rows) + "\n"


def _published(section: EncoderSection) -> Encoder:
    """The encoder of kind ``folder`` or ``hub``."""
    from langspec.encoders.download import local_folder
    from langspec.encoders.published_encoder import published_encoder

    encoder = published_encoder(
        local_folder(section),
        prefix=section.prefix,
        pooling=section.pooling,
        max_tokens=section.max_tokens,
    )
    if section.kind == "hub":
        encoder.card = replace(encoder.card, source=f"{section.repo}@{section.revision}")
    return encoder


def parameters(section: EncoderSection) -> int:
    """How many weights an encoder that is pre-trained here has, its masked-LM head left out."""
    recipe = section.pretrain
    hidden = recipe.hidden
    layer = 12 * hidden * hidden + 13 * hidden
    return (recipe.vocabulary + section.max_tokens + 4) * hidden + recipe.layers * layer


def estimate(section: EncoderSection) -> dict[str, float]:
    """What building will take: ``seconds`` on one core, ``disk_mb`` and ``memory_mb``."""
    if section.kind == "e5":
        return {"seconds": 20, "disk_mb": 480, "memory_mb": 2200}
    if section.kind in ("folder", "hub"):
        from langspec.encoders.download import weight_bytes

        size = weight_bytes(section) / 1e6
        return {"seconds": 10 + size / 100, "disk_mb": size, "memory_mb": _LIBRARIES_MB + 2 * size}
    recipe = section.pretrain
    weights = parameters(section) / 1e6
    work = recipe.steps * recipe.batch_tokens * weights
    return {
        "seconds": round(_START_SECONDS + work / _TOKENS_TIMES_MILLIONS),
        "disk_mb": round(2 * weights + 0.5, 1),
        "memory_mb": round(_LIBRARIES_MB + 16 * weights + recipe.batch_tokens * 0.1),
    }
