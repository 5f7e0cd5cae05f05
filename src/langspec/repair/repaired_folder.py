"""A repaired encoder as a folder that SentenceTransformer opens.

Its modules: transformer, pooling, what the folder had behind it, normalise, and for each step of
the eraser a linear layer and normalise once more. So whoever compares vectors by a dot product
compares cosines.
"""

from __future__ import annotations

from pathlib import Path

from langspec.audit.after_pooling import IDENTITY, Dense
from langspec.audit.audited_encoder import Subject
from langspec.encoders.save_folder import save_encoder
from langspec.files import read_json, write_json, write_text
from langspec.release.encoder_folder import (
    ERASER,
    POOLING,
    write_dense,
    write_modules,
    write_settings,
)
from langspec.vectors.vector_eraser import VectorEraser, save_vector_eraser


def write_repaired(folder: Path, subject: Subject, fitted: VectorEraser, readme: str) -> None:
    """Write a repaired encoder, and ``eraser/`` for vectors that lie elsewhere, into a folder.

    Args:
        folder: that is written whole by the caller (:func:`langspec.files.atomic_folder`).
        subject: the encoder, with what its folder did to a pooled vector before.
        fitted: eraser of sentence vectors of the last layer, one map a step.
        readme: text of the card.

    Raises:
        LangspecError: a step with a map for each language.
    """
    encoder = subject.encoder
    save_encoder(folder, encoder.model, encoder.tokenizer, encoder.card)
    write_settings(folder, encoder.card, encoder.model.config.hidden_size)
    modules = [("", "Transformer"), (POOLING, "Pooling")]
    steps = list(subject.after.steps if subject.after is not None else ())
    if not steps or steps[-1] is not None:
        steps.append(None)
    for eraser in fitted.eraser.steps:
        steps += [Dense(*eraser.affine(), IDENTITY), None]
    for step in steps:
        kind = "Normalize" if step is None else "Dense"
        place = f"{len(modules)}_{kind}"
        if step is None:
            (folder / place).mkdir()
        else:
            write_dense(folder / place, step.matrix, step.bias)
            config = read_json(folder / place / "config.json")
            write_json(
                folder / place / "config.json", config | {"activation_function": step.activation}
            )
        modules.append((place, kind))
    write_modules(folder, modules)
    (folder / ERASER).mkdir()
    save_vector_eraser(folder / ERASER, fitted)
    write_text(folder / "README.md", readme)
