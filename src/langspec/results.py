"""The one tidy schema that every stage writes and every table or figure pivots.

One measured number a row, with the ends of its 95 % interval beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langspec.errors import DamagedFile
from langspec.files import atomic_file, checked, read_json

if TYPE_CHECKING:
    import pandas as pd

RANDOM = "random"
"""The method whose rows are of an encoder with random weights."""
EVERY = "all"
"""The method whose rows are of the texts, whatever encoder reads them."""

OVER_LANGUAGES = {
    "mean_targets": "mean of targets",
    "mean": "mean of all",
    "gap": "source − targets",
}
"""What people read for a ``language`` that is none: means over languages, and their difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One measured number.

    Attributes:
        task: that the encoder was trained or scored on.
        method: how it was trained; :data:`RANDOM`, :data:`EVERY`, or the name of a heuristic
            (measure ``baseline``).
        seed: of the training; 0 where no seed applies.
        strength: lambda of a point of a method's path; None for the method itself.
        eraser: that the vectors went through; "" where nothing was erased.
        corpus: that was read: ``text`` (language text) or a task's name.
        split: of the corpus.
        language: a code, or ``all`` (every language pooled), ``mean`` (over the languages),
            ``mean_targets`` (over the languages without the source) or ``gap`` (source minus
            that).
        layer: 0 for the embeddings, 1..L for the encoder's layers, -1 where no layer applies. Of
            a task score, the layer that the task's head reads.
        measure: that wrote the row, such as ``task``, ``leak`` or ``geometry``.
        probe: that read the vectors; "" where none did.
        unit: what was counted: ``token``, ``sentence`` or ``pair``.
        metric: what ``value`` is.
        value: the number.
        low: lower end of its 95 % interval; None where there is none.
        high: upper end.
        n: how many units.
        train_n: how many units the probe that gave the value was fitted on; 0 where no probe was
            fitted.
    """

    task: str
    method: str
    seed: int
    strength: float | None = None
    eraser: str = ""
    corpus: str
    split: str
    language: str
    layer: int
    measure: str
    probe: str
    unit: str
    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int
    train_n: int = 0


COLUMNS = tuple(field.name for field in fields(Result))
_NUMBERS = ("strength", "value", "low", "high")
TRAINING_SCHEMA = 1
"""Of ``run.json``."""
_COUNTS = ("seed", "layer", "n", "train_n")


def label(method: str, eraser: str = "", strength: float | None = None) -> str:
    """What people read: ``grl@0.1`` is ``grl`` at lambda 0.1, ``grl+leace`` what LEACE leaves."""
    point = "" if strength is None or strength != strength else f"@{strength:g}"
    return f"{method}{point}" + (f"+{eraser}" if eraser else "")


def path_folder(method: Path, strength: float, seed: int, first: int) -> Path:
    """The folder of a point of a method's lambda path; of later seeds one beside the first's."""
    name = f"{strength:g}"
    return method / "path" / (name if seed == first else f"{name}-seed-{seed}")


def failed_seeds(run: Mapping[str, Any], strength: float | None = None) -> set[int]:
    """The seeds of ``run.json`` that the watch marked failed: of the method, or at a lambda."""
    return {
        int(entry["seed"])
        for entry in (*run.get("seeds", ()), *run.get("path", ()))
        if entry.get("status") == "failed" and entry.get("strength") == strength
    }


def first_seed(run: Mapping[str, Any]) -> int:
    """The seed of the first training that ``run.json`` lists; its path has the plain folders."""
    return int([*run["seeds"], *run.get("path", ())][0]["seed"])


def results_frame(rows: Iterable[Result]) -> pd.DataFrame:
    """Tidy rows as a data frame with exactly :data:`COLUMNS`; absent numbers are NaN."""
    import pandas as pd

    frame = pd.DataFrame([asdict(row) for row in rows], columns=list(COLUMNS))
    return frame.astype(dict.fromkeys(_NUMBERS, float))


def write_results(path: Path, rows: Iterable[Result]) -> None:
    """Write tidy rows as CSV, numbers rounded to six significant digits, atomically."""
    with atomic_file(path) as temporary:
        results_frame(rows).to_csv(temporary, index=False, float_format="%.6g")


def read_results(path: Path, *, before: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read tidy rows.

    Args:
        path: a CSV file that :func:`write_results` wrote.
        before: further columns that stand before :data:`COLUMNS`.

    Raises:
        DamagedFile: other bytes than were written, other columns, text in the place of a number,
            or no CSV.
        OSError: no such file, or it cannot be read.
    """
    import pandas as pd

    cure = "rerun the stage that writes it"
    try:
        frame = pd.read_csv(
            checked(path, cure=cure),
            keep_default_na=False,
            na_values={name: ["", "nan"] for name in _NUMBERS},
        )
    except DamagedFile:
        raise
    except ValueError as error:  # empty, not UTF-8, or lines of different lengths
        raise DamagedFile(f"cannot be read as results ({error}); {cure}", place=path) from None
    expected = (*before, *COLUMNS)
    if tuple(frame.columns) != expected:
        raise DamagedFile(
            f"expected the columns {', '.join(expected)}, found {', '.join(frame.columns)}; "
            f"{cure}",
            place=path,
        )
    try:
        return frame.astype(dict.fromkeys(_NUMBERS, float) | dict.fromkeys(_COUNTS, int))
    except ValueError as error:
        raise DamagedFile(f"a number is none ({error}); {cure}", place=path) from None


def read_parquet(path: Path, **chosen: Any) -> pd.DataFrame:
    """Read predictions or a projection that stage evaluate wrote.

    Args:
        path: of the file.
        chosen: columns or filters, as pandas takes them.

    Raises:
        DamagedFile: other bytes than were written, no Parquet, or a column is missing.
        OSError: no such file.
    """
    import pandas as pd
    import pyarrow as pa

    cure = "rerun the stage evaluate"
    try:
        return pd.read_parquet(checked(path, cure=cure), **chosen)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:  # pyarrow raises OSError for damaged pages
        reason = f"cannot be read ({str(error).splitlines()[0]}); {cure}"
        raise DamagedFile(reason, place=path) from None


def read_training_record(file: Path) -> dict[str, Any]:
    """What ``run.json`` of stage train says of a method's trainings.

    Returns:
        ``params``, ``seeds`` (an entry each: ``seed``, ``run_key``, ``status``, ``dev``, ...),
        perhaps ``path`` (the same of a lambda path), and what all trainings have in common.

    Raises:
        DamagedFile: no such record, or another schema.
        OSError: no such file, or it cannot be read.
    """
    cure = "rerun the stage train"
    run = read_json(file, cure=cure)
    if not isinstance(run, dict) or not isinstance(run.get("params", {}), dict):
        raise DamagedFile(f"expected an object with 'params'; {cure}", place=file)
    if run.get("schema") != TRAINING_SCHEMA:
        raise DamagedFile(
            f"expected schema {TRAINING_SCHEMA}, found {run.get('schema')!r}; {cure}", place=file
        )
    for key in ("seeds", "path"):
        entries = run.get(key, [])
        whole = isinstance(entries, list) and all(
            isinstance(entry, dict) and isinstance(entry.get("seed"), int) for entry in entries
        )
        if not whole:
            raise DamagedFile(f"is no record of a training ({key}); {cure}", place=file)
    return run


Interval = dict[str, float]
"""``value``; where there is one, its 95 % interval: ``low``, ``high``; of a leak, ``train_n``: how
many units its probe was fitted on."""

TRANSFER, GAP, LEAK, SENTENCE_LEAK = "transfer", "gap", "leak", "sentence_leak"
ATTACK = "attack"
"""The measure of the rows of attackers, on vectors as they are and on erased ones."""
LEAK_CURVE = "leak_curve"
"""The measure whose rows are the leak on a part of its training vectors (``train_n``)."""
LEAK_PROBE, LEAK_METRIC = "linear", "macro_f1"
"""The probe that a leak is read by, and what it is measured in, over the languages."""
_SCORES = {TRANSFER: "mean_targets", GAP: "gap"}
_LEAKS = {LEAK: "token", SENTENCE_LEAK: "sentence"}


def head_layer(rows: pd.DataFrame) -> int:
    """The layer that the task's head reads, as task scores say; -1 where nothing was scored."""
    scored = rows[(rows["probe"] == "") & (rows["language"] == "mean_targets")]
    return int(scored["layer"].max()) if len(scored) else -1


def at_layer(rows: pd.DataFrame, layer: int = -1) -> pd.DataFrame:
    """Rows of one layer; with -1, for each method rows of the highest layer that it has."""
    if layer >= 0 or rows.empty:
        return rows[rows["layer"] == layer]
    return rows[rows["layer"] == rows.groupby("method")["layer"].transform("max")]


def leak_rows(
    rows: pd.DataFrame,
    layer: int | None = -1,
    *,
    metric: str | None = None,
    curve: bool = False,
) -> pd.DataFrame:
    """The rows that are a leak, of tokens and of sentences.

    **Leak** is how much of a text's language a fresh linear probe reads from an encoder: macro-F1
    over the languages, on test lines of the language text, of a multinomial logistic regression
    that has converged and whose regularisation was chosen on validation lines. It is read from
    the layer that the task's head reads, of token vectors; ``sentence_leak`` is the same of
    sentence vectors.

    Args:
        rows: tidy results.
        layer: that the task's head reads; -1: of each method the last one that was probed; None:
            the leak of every layer.
        metric: another score of the same probe on the same lines (``accuracy``); None: the leak.
        curve: instead, the same on a quarter and on half of its training vectors.
    """
    probed = rows[
        (rows["probe"] == LEAK_PROBE)
        & ((rows["measure"] == LEAK_CURVE) == curve)
        & (rows["corpus"] != rows["task"])
        & (rows["split"] == "test")
        & (rows["language"] == "all")
        & (rows["metric"] == (metric or LEAK_METRIC))
    ]
    return probed if layer is None else at_layer(probed, layer)


def headline(rows: pd.DataFrame, layer: int | None = None) -> dict[str, Interval]:
    """The few numbers that methods are compared by, under the names that all of langspec uses.

    The report, the terminal, DVC's metrics, MLflow and a registered version's card call them so:
    ``transfer`` (accuracy, mean over the target languages), ``gap`` (source minus that), ``leak``
    and ``sentence_leak`` (:func:`leak_rows`). All are of test rows. What a sweep maximises is of
    dev rows and has names of its own: ``dev_macro_f1`` and ``dev_leak``.

    Args:
        rows: tidy results of one task, method, strength and eraser. Seeds are averaged; of one
            seed the interval is kept.
        layer: that the head reads; None: as the rows say.

    Returns:
        What was measured of these; a number that was not is absent.
    """
    layer = head_layer(rows) if layer is None else layer
    scores = rows[(rows["probe"] == "") & (rows["split"] == "test")]
    scores = scores[scores["metric"] == "accuracy"]
    leaks = leak_rows(rows, layer)
    parts = {name: scores[scores["language"] == code] for name, code in _SCORES.items()}
    parts |= {name: leaks[leaks["unit"] == unit] for name, unit in _LEAKS.items()}
    return {name: interval_of(part) for name, part in parts.items() if len(part)}


def interval_of(rows: pd.DataFrame) -> Interval:
    """The mean of some rows' values; of a single row also the ends of its interval."""
    interval = {"value": float(rows["value"].mean())}
    if fitted := int(rows["train_n"].max()):
        interval["train_n"] = fitted
    if len(rows) == 1:
        ends = {end: float(rows[end].iloc[0]) for end in ("low", "high")}
        interval |= {end: bound for end, bound in ends.items() if bound == bound}
    return interval
