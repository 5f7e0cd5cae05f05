"""A repaired encoder as a folder that SentenceTransformer opens.

Its modules: transformer, pooling, normalise, and for each step of the eraser a linear layer and
normalise once more. So whoever compares vectors by a dot product compares cosines.
"""

from __future__ import annotations

from pathlib import Path

from langspec.encoders.load import Encoder
from langspec.encoders.save_folder import save_encoder
from langspec.erasure.eraser_folder import save_eraser, weights_hash
from langspec.files import write_text
from langspec.release.encoder_folder import (
    ERASER,
    POOLING,
    write_dense,
    write_modules,
    write_settings,
)
from langspec.repair.unit_eraser import UnitEraser


def write_repaired(folder: Path, encoder: Encoder, eraser: UnitEraser, readme: str) -> None:
    """Write a repaired encoder into an empty folder.

    Args:
        folder: that is written whole by the caller (:func:`langspec.files.atomic_folder`).
        encoder: model, tokenizer and card.
        eraser: of sentence vectors of the last layer, one map a step.
        readme: text of the card.

    Raises:
        LangspecError: a step with a map for each language.
    """
    config, identity = encoder.model.config, weights_hash(encoder.model)
    save_encoder(folder, encoder.model, encoder.tokenizer, encoder.card)
    write_settings(folder, encoder.card, config.hidden_size)
    modules = [("", "Transformer"), (POOLING, "Pooling"), ("2_Normalize", "Normalize")]
    (folder / "2_Normalize").mkdir()
    for step in eraser.steps:
        place = f"{len(modules)}_Eraser"
        write_dense(folder / place, *step.affine())
        save_eraser(
            folder / ERASER / place,
            step,
            encoder=identity,
            unit="sentence",
            layer=config.num_hidden_layers,
            options={"method": eraser.name, "vectors": "of length 1"},
        )
        after = f"{len(modules) + 1}_Normalize"
        (folder / after).mkdir()
        modules += [(place, "Dense"), (after, "Normalize")]
    write_modules(folder, modules)
    write_text(folder / "README.md", readme)
