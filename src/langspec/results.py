"""The one tidy schema that every stage writes and every table or figure pivots.

One measured number a row. A 95 % interval is two more rows whose metric carries the suffix
``_low`` / ``_high``; everything else about the row is equal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from langspec.errors import LangspecError
from langspec.files import atomic_file

if TYPE_CHECKING:
    import pandas as pd

PATH = "@"  # grl@0.1: a point of the lambda path of grl


def path_method(method: str, strength: float) -> str:
    """``grl@0.1``: how results name a method at another strength than its own."""
    return f"{method}{PATH}{strength:g}"


@dataclass(frozen=True, slots=True)
class Result:
    """One measured number.

    ``layer`` is 0 for the embeddings, 1..L for the encoder's layers, -1 where no layer applies.
    ``language`` is a code, or ``all`` (every language pooled), ``mean`` (mean over the languages),
    ``mean_targets`` (mean over the languages without the source) or ``gap`` (source minus that).
    ``unit`` is what was counted: ``token``, ``sentence`` or ``pair``. ``n`` is how many of them.
    """

    task: str
    method: str
    seed: int
    corpus: str
    split: str
    language: str
    layer: int
    probe: str
    unit: str
    metric: str
    value: float
    n: int


COLUMNS = tuple(field.name for field in fields(Result))


def results_frame(rows: Iterable[Result]) -> pd.DataFrame:
    """Tidy rows as a data frame with exactly :data:`COLUMNS`."""
    import pandas as pd

    return pd.DataFrame([asdict(row) for row in rows], columns=list(COLUMNS))


def write_results(path: Path, rows: Iterable[Result]) -> None:
    """Write tidy rows as CSV, numbers rounded to six significant digits, atomically."""
    with atomic_file(path) as temporary:
        results_frame(rows).to_csv(temporary, index=False, float_format="%.6g")


def read_results(path: Path) -> pd.DataFrame:
    """Read tidy rows; refuse a file whose columns are not :data:`COLUMNS`."""
    import pandas as pd

    frame = pd.read_csv(path, keep_default_na=False, na_values={"value": ["", "nan"]})
    if tuple(frame.columns) != COLUMNS:
        raise LangspecError(
            f"expected the columns {', '.join(COLUMNS)}, found {', '.join(frame.columns)}; "
            "rerun the stage that writes it",
            place=path,
        )
    return frame
