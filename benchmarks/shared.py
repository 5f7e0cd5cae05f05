"""What several benchmarks ask of an encoder, and how they keep what they found."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langspec.files import atomic_file, sha256_file

if TYPE_CHECKING:
    import numpy as np

    from langspec.config import Config
    from langspec.encoders.load import Encoder
    from langspec.tasks import TaskData

ROOT = Path(__file__).resolve().parents[1]
_CODE = ("encoders", "tasks", "modelling", "objectives", "training", "measurement", "features")


def accuracies(data: TaskData, predicted: np.ndarray) -> dict[str, float]:
    """Share of right labels by language."""
    import numpy as np

    languages = data.languages
    if data.unit == "token":
        languages = np.repeat(languages, np.diff(data.inputs.unit_starts))
    scored = data.labels >= 0
    return {
        str(code): float((predicted == data.labels)[scored & (languages == code)].mean())
        for code in np.unique(languages)
    }


def token_leak(encoder: Encoder, corpora: Path, config: Config) -> tuple[float, float]:
    """Language read off last-layer token vectors of test text.

    Returns the accuracy of a fresh, converged linear probe, and that of the majority class.
    """
    from langspec.corpora.tables import read_table
    from langspec.encoders.inputs import text_inputs
    from langspec.features.bank import BankOptions, BankRows
    from langspec.features.encode import build_bank
    from langspec.measurement.bootstrap import BootstrapOptions
    from langspec.measurement.leak import language_leak
    from langspec.measurement.rows import Origin

    table = read_table(corpora, "text", languages=config.corpora.languages)
    inputs = text_inputs(
        encoder.tokenizer,
        table["text"].to_pylist(),
        max_tokens=encoder.card.max_tokens,
        prefix=encoder.card.prefix,
    )
    probe = config.evaluate.probe
    with tempfile.TemporaryDirectory() as folder:
        bank = build_bank(
            encoder.model.eval(),
            int(encoder.tokenizer.pad_token_id),
            inputs,
            BankRows(
                languages=table["language"].to_pylist(),
                splits=table["split"].to_pylist(),
                lines=table["line"].to_numpy(),
            ),
            options=BankOptions.of(
                config.features,
                pooling="mean",
                seed=config.evaluate.seed,
                precision="fp32",
                max_sentences_per_language=None,
                layers=(-1,),
            ),
            key="benchmark",
            root=Path(folder),
        )
        rows = language_leak(
            bank,
            Origin("text", "benchmark", 0, "text", "test", "leak"),
            probe,
            BootstrapOptions(resamples=100, seed=0),
            units=("token",),
        )
    found = {row.probe: row.value for row in rows if row.metric == "accuracy"}
    return found["linear"], found["majority"]


def code_hashes() -> list[str]:
    """SHA-256 of all code that a run's numbers depend on: other code, other runs."""
    package = ROOT / "src" / "langspec"
    files = [path for name in _CODE for path in sorted((package / name).rglob("*.py"))]
    return [sha256_file(path) for path in [*files, Path(__file__)]]


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """One row a run; columns are those of the first."""
    with atomic_file(path) as temporary, temporary.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
