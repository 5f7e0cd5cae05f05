"""Tables of the corpora, from their card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langspec.measures.spec import Column, TableSpec
from langspec.report.pivot import listed
from langspec.report.run_results import Run, by_family, language_family, language_name
from langspec.report.table import Table, task_title

SPLITS = ("train", "dev", "test")
_PARTS = (*SPLITS, "val", "adversary")
_LANGUAGE, _SPLIT = Column("language", "Language"), Column("split", "Split")
_CORPUS = Column("corpus", shown=False)

ROWS = TableSpec(
    name="data",
    title="Corpora",
    caption="Prepared corpora: rows (sentences, pairs or lines) by language and split, after "
    "filters and limits.{options}",
    columns=(
        _CORPUS,
        _LANGUAGE,
        Column("code", "Code"),
        Column("family", shown=False),
        *(Column(split, split, "Rows kept", "count") for split in _PARTS),
        Column("dropped", "by filters", "Rows left out", "count"),
        Column("over_limit", "over the limit", "Rows left out", "count"),
        Column("words_mean", "mean", "Words a row (test)", "number"),
        Column("words_max", "most", "Words a row (test)", "count"),
        Column("test_in_train", "Test rows also in train", kind="count"),
    ),
    section="corpus",
)
FILTERS = TableSpec(
    name="data_filters",
    title="Filters",
    caption="Rows of each corpus before and after every filter and the limit.",
    columns=(
        _CORPUS,
        _LANGUAGE,
        _SPLIT,
        Column("read", "Read", kind="count"),
        Column("dropped_{}", "{}", "Dropped by", "count", each="reason"),
        Column("over_limit", "Over the limit", kind="count"),
        Column("kept", "Kept", kind="count"),
    ),
    section="corpus",
)
LABELS = TableSpec(
    name="data_labels_{task}",
    title="Labels: {task}",
    caption="{task}: labels of words or rows, after filters and limits.",
    columns=(
        _LANGUAGE,
        _SPLIT,
        Column("label_{}", "{}", "Per cent", "number", each="label"),
        Column("units", "Units", kind="count"),
    ),
)
_BETWEEN, _WITH = "Between splits", "With the language text"
NEAR = TableSpec(
    name="data_near",
    title="Near duplicates",
    caption="Near duplicates: rows that share at least {threshold} of their character 5-grams "
    "(Jaccard similarity, estimated by MinHash) with a row elsewhere. Between splits, only "
    "languages with training rows are looked at.",
    columns=(
        _CORPUS,
        _LANGUAGE,
        Column("dev_rows_near_train", "dev rows near train", _BETWEEN, "count"),
        Column("test_rows_near_train", "test rows near train", _BETWEEN, "count"),
        Column("test_rows_near_dev", "test rows near dev", _BETWEEN, "count"),
        Column("train_rows_near_dev_or_test", "train rows near dev or test", _BETWEEN, "count"),
        Column(
            "adversary_rows_near_dev_or_test", "adversary rows near dev or test", _BETWEEN, "count"
        ),
        Column("text_rows_near_it", "language text near it", _WITH, "count"),
        Column("its_rows_near_text", "its rows near language text", _WITH, "count"),
    ),
    section="corpus",
)
SOURCES = TableSpec(
    name="data_sources",
    title="Sources",
    caption="Files that the corpora were read from, with the licence found beside each.",
    columns=(
        Column("file", "File"),
        Column("kind", "Kind"),
        Column("licence", "Licence"),
        Column("megabytes", "MB", kind="number"),
        Column("sha256", shown=False),
        Column("hash", "SHA-256"),
    ),
)
OPTIONS = (
    "join",
    "min_characters",
    "max_words",
    "limits",
    "val",
    "text_splits",
    "split_rule",
    "drop_unknown",
    "drop_near_duplicates",
    "seed",
)


def data_tables(run: Run) -> list[Table]:
    """The data card as tables: rows, filters, labels, duplicates, files. Empty without a card."""
    rows = _rows(run)
    options: Mapping[str, Any] = run.card.get("options") or {}
    reasons = sorted({reason for _, row in rows for reason in row["dropped"]})
    unread = {"val", "adversary"} - {row["split"] for _, row in rows}
    tables = [
        listed(
            ROWS,
            _counts(run, rows),
            words={"options": _options(options)},
            without=unread,
            notes=_notes(run, rows),
        ),
        listed(FILTERS, [_filtered(name, row) for name, row in rows], each=reasons),
        *(_labels(corpus, rows) for corpus in run.card.get("corpora") or {}),
        listed(NEAR, _near(run), words={"threshold": str(options.get("near_duplicates"))}),
        listed(SOURCES, [_source(file) for file in run.card.get("sources") or ()]),
    ]
    return [table for table in tables if table is not None]


def _rows(run: Run) -> list[tuple[str, Mapping[str, Any]]]:
    """(corpus, row of the card) by corpus, the source first, then family, then split."""
    present = []
    for name, facts in (run.card.get("corpora") or {}).items():
        order = by_family([row["language"] for row in facts["rows"]], run.source)
        place = {code: number for number, code in enumerate(order)}
        present += [
            (name, row)
            for row in sorted(
                facts["rows"],
                key=lambda row: (place[row["language"]], _PARTS.index(row["split"])),
            )
        ]
    return present


def _counts(run: Run, rows: list[tuple[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """What was kept of each corpus and language, by split."""
    places: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for name, row in rows:
        places.setdefault((name, row["language"]), {})[row["split"]] = row
    records = []
    for (name, code), of in places.items():
        repeated = {
            one["language"]: one["test_rows_in_train"]
            for one in run.card["corpora"][name].get("duplicates", ())
        }
        lengths: Mapping[str, Any] = next(
            (of[split]["words"] for split in reversed(SPLITS) if split in of), {}
        )
        records.append(
            {
                "corpus": name,
                "language": language_name(code),
                "code": code,
                "family": language_family(code),
                **{split: of[split]["kept"] if split in of else 0 for split in _PARTS},
                "dropped": sum(sum(row["dropped"].values()) for row in of.values()),
                "over_limit": sum(row["over_limit"] for row in of.values()),
                "words_mean": lengths.get("mean"),
                "words_max": lengths.get("max"),
                "test_in_train": repeated.get(code),
            }
        )
    return records


def _notes(run: Run, rows: list[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """What the filters left out in all, and what the card says of each corpus."""
    reasons: dict[str, int] = {}
    for _, row in rows:
        for reason, count in row["dropped"].items():
            reasons[reason] = reasons.get(reason, 0) + count
    wording = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))
    notes = [f"Left out by filters, all corpora: {wording}."] if reasons else []
    for name, facts in (run.card.get("corpora") or {}).items():
        for key, value in (facts.get("notes") or {}).items():
            notes.append(f"{task_title(name)}, {key.replace('_', ' ')}: {_plain(value)}.")
    return notes


def _filtered(corpus: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Rows before and after each filter and the limit."""
    dropped = {f"dropped_{reason}": count for reason, count in row["dropped"].items()}
    counts = {key: row[key] for key in ("read", "over_limit", "kept")}
    language = language_name(row["language"])
    return {"corpus": corpus, "language": language, "split": row["split"], **dropped, **counts}


def _labels(corpus: str, rows: list[tuple[str, Mapping[str, Any]]]) -> Table | None:
    """The share of each label by language and split, in per cent."""
    selected = [row for name, row in rows if name == corpus and row.get("labels")]
    records = [
        {
            "language": language_name(row["language"]),
            "split": row["split"],
            **{
                f"label_{name}": 100 * count / sum(row["labels"].values())
                for name, count in row["labels"].items()
            },
            "units": sum(row["labels"].values()),
        }
        for row in selected
    ]
    names = sorted({label for row in selected for label in row["labels"]})
    return listed(LABELS, records, task=corpus, each=names)


def _near(run: Run) -> list[dict[str, Any]]:
    """Near duplicates between splits, and between language text and the tasks' corpora."""
    present: dict[tuple[str, str], dict[str, Any]] = {}
    for name, facts in (run.card.get("corpora") or {}).items():
        for entry in facts.get("near_duplicates", ()):
            present.setdefault((name, entry["language"]), {}).update(entry)
    for entry in run.card.get("across", ()):
        present.setdefault((entry["corpus"], entry["language"]), {}).update(entry)
    return [
        {**entry, "corpus": name, "language": language_name(code)}
        for (name, code), entry in sorted(present.items())
    ]


def _source(file: Mapping[str, Any]) -> dict[str, Any]:
    """A file that a corpus was read from."""
    sha256 = str(file.get("sha256", ""))
    return {
        "file": file["name"],
        "kind": file.get("kind"),
        "licence": file.get("licence_name") or file.get("licence") or "none found",
        "megabytes": file.get("bytes", 0) / 1e6,
        "sha256": sha256,
        "hash": sha256[:12],
    }


def _options(options: Mapping[str, Any]) -> str:
    wording = []
    for key in OPTIONS:
        value = options.get(key)
        if isinstance(value, Mapping):  # a limit of None is no limit
            value = {name: one for name, one in value.items() if one is not None}
        if value not in (None, {}, [], 0, False):
            wording.append(f"{key.replace('_', ' ')} {_plain(value)}")
    return f" Options: {'; '.join(wording)}." if wording else ""


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(one)}" for key, one in sorted(value.items()))
    if isinstance(value, list | tuple):
        return " / ".join(_plain(one) for one in value)
    return str(value)
