"""A repaired encoder as a folder that SentenceTransformer opens.

Its modules: transformer, pooling, normalise, and for each step of the eraser a linear layer and
normalise once more. So whoever compares vectors by a dot product compares cosines.
"""

from __future__ import annotations

from pathlib import Path

from langspec.encoders.load import Encoder
from langspec.encoders.save_folder import save_encoder
from langspec.files import write_text
from langspec.release.encoder_folder import (
    ERASER,
    POOLING,
    write_dense,
    write_modules,
    write_settings,
)
from langspec.vectors.vector_eraser import VectorEraser, save_vector_eraser


def write_repaired(folder: Path, encoder: Encoder, fitted: VectorEraser, readme: str) -> None:
    """Write a repaired encoder, and ``eraser/`` for vectors that lie elsewhere, into a folder.

    Args:
        folder: that is written whole by the caller (:func:`langspec.files.atomic_folder`).
        encoder: model, tokenizer and card.
        fitted: eraser of sentence vectors of the last layer, one map a step.
        readme: text of the card.

    Raises:
        LangspecError: a step with a map for each language.
    """
    save_encoder(folder, encoder.model, encoder.tokenizer, encoder.card)
    write_settings(folder, encoder.card, encoder.model.config.hidden_size)
    modules = [("", "Transformer"), (POOLING, "Pooling"), ("2_Normalize", "Normalize")]
    (folder / "2_Normalize").mkdir()
    for step in fitted.eraser.steps:
        place = f"{len(modules)}_Eraser"
        write_dense(folder / place, *step.affine())
        after = f"{len(modules) + 1}_Normalize"
        (folder / after).mkdir()
        modules += [(place, "Dense"), (after, "Normalize")]
    write_modules(folder, modules)
    (folder / ERASER).mkdir()
    save_vector_eraser(folder / ERASER, fitted)
    write_text(folder / "README.md", readme)
