"""Tables of the corpora, from their card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from langspec.measures.spec import Column
from langspec.report.run_results import Run, by_family, language_family, language_name
from langspec.report.table import (
    Table,
    task_title,
)

SPLITS = ("train", "dev", "test")


def data_tables(run: Run) -> list[Table]:
    """The data card as tables: rows, filters, labels, duplicates, files. Empty without a card."""
    tables = [_kept(run), _filters(run), *_labels(run), _near(run), _sources(run)]
    return [table for table in tables if table is not None]


def _kept(run: Run) -> Table | None:
    corpora: Mapping[str, Any] = run.card.get("corpora") or {}
    records = []
    parts = {row["split"] for facts in corpora.values() for row in facts["rows"]}
    shown = (*SPLITS, *(["val"] if "val" in parts else []))
    reasons: dict[str, int] = {}
    for name, facts in corpora.items():
        rows = {(row["language"], row["split"]): row for row in facts["rows"]}
        repeated = {entry["language"]: entry for entry in facts.get("duplicates", ())}
        for code in by_family([language for language, _ in rows], run.source):
            selected = {split: rows[code, split] for split in shown if (code, split) in rows}
            for row in selected.values():
                for reason, count in row["dropped"].items():
                    reasons[reason] = reasons.get(reason, 0) + count
            lengths: Mapping[str, Any] = next(
                (selected[s]["words"] for s in reversed(SPLITS) if s in selected), {}
            )
            records.append(
                {
                    "corpus": name,
                    "language": language_name(code),
                    "code": code,
                    "family": language_family(code),
                    **{
                        split: selected[split]["kept"] if split in selected else 0
                        for split in shown
                    },
                    "dropped": sum(sum(row["dropped"].values()) for row in selected.values()),
                    "over_limit": sum(row["over_limit"] for row in selected.values()),
                    "words_mean": lengths.get("mean"),
                    "words_max": lengths.get("max"),
                    "test_in_train": repeated.get(code, {}).get("test_rows_in_train"),
                }
            )
    if not records:
        return None
    columns = (
        Column("language", "Language"),
        Column("code", "Code"),
        *(Column(split, split, "Rows kept", "count") for split in shown),
        Column("dropped", "by filters", "Rows left out", "count"),
        Column("over_limit", "over the limit", "Rows left out", "count"),
        Column("words_mean", "mean", "Words a row (test)", "number"),
        Column("words_max", "most", "Words a row (test)", "count"),
        Column("test_in_train", "Test rows also in train", kind="count"),
    )
    notes = []
    if reasons:
        wording = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))
        notes.append(f"Left out by filters, all corpora: {wording}.")
    for name, facts in corpora.items():
        for key, value in (facts.get("notes") or {}).items():
            notes.append(f"{task_title(name)}, {key.replace('_', ' ')}: {_plain(value)}.")
    caption = (
        "Prepared corpora: rows (sentences, pairs or lines) by language and split, after filters "
        f"and limits.{_options(run.card.get('options') or {})}"
    )
    return Table(
        "data", "Corpora", caption, columns, pd.DataFrame(records), "corpus", tuple(notes)
    )


def _rows(run: Run) -> list[tuple[str, Mapping[str, Any]]]:
    """(corpus, row of the card) by corpus, the source first, then family, then split."""
    present = []
    for name, facts in (run.card.get("corpora") or {}).items():
        rows = facts["rows"]
        order = by_family([row["language"] for row in rows], run.source)
        place = {code: number for number, code in enumerate(order)}
        parts = {split: number for number, split in enumerate((*SPLITS, "val"))}
        rows = sorted(rows, key=lambda row: (place[row["language"]], parts[row["split"]]))
        present += [(name, row) for row in rows]
    return present


def _filters(run: Run) -> Table | None:
    """Rows before and after each filter and the limit, by language and split."""
    rows = _rows(run)
    reasons = sorted({reason for _, row in rows for reason in row["dropped"]})
    if not rows:
        return None
    records = [
        {
            "corpus": name,
            "language": language_name(row["language"]),
            "split": row["split"],
            "read": row["read"],
            **{f"dropped_{reason}": row["dropped"].get(reason, 0) for reason in reasons},
            "over_limit": row["over_limit"],
            "kept": row["kept"],
        }
        for name, row in rows
    ]
    columns = (
        Column("language", "Language"),
        Column("split", "Split"),
        Column("read", "Read", kind="count"),
        *(
            Column(f"dropped_{reason}", reason.replace("_", " "), "Dropped by", "count")
            for reason in reasons
        ),
        Column("over_limit", "Over the limit", kind="count"),
        Column("kept", "Kept", kind="count"),
    )
    caption = "Rows of each corpus before and after every filter and the limit."
    return Table("data_filters", "Filters", caption, columns, pd.DataFrame(records), "corpus")


def _labels(run: Run) -> list[Table]:
    """A table a corpus: the share of each label, by language and split, in per cent."""
    tables = []
    for corpus in run.card.get("corpora") or {}:
        rows = [row for name, row in _rows(run) if name == corpus and row.get("labels")]
        names = sorted({label for row in rows for label in row["labels"]})
        if not rows:
            continue
        records = [
            {
                "language": language_name(row["language"]),
                "split": row["split"],
                **{
                    f"label_{name}": 100 * row["labels"].get(name, 0) / sum(row["labels"].values())
                    for name in names
                },
                "units": sum(row["labels"].values()),
            }
            for row in rows
        ]
        columns = (
            Column("language", "Language"),
            Column("split", "Split"),
            *(Column(f"label_{name}", name, "Per cent", "number") for name in names),
            Column("units", "Units", kind="count"),
        )
        caption = f"{task_title(corpus)}: labels of words or rows, after filters and limits."
        name, title = f"data_labels_{corpus}", f"Labels: {task_title(corpus)}"
        tables.append(Table(name, title, caption, columns, pd.DataFrame(records)))
    return tables


def _near(run: Run) -> Table | None:
    """Near duplicates between splits, and between language text and the tasks' corpora."""
    titles = {
        "dev_rows_near_train": ("dev rows near train", "Between splits"),
        "test_rows_near_train": ("test rows near train", "Between splits"),
        "test_rows_near_dev": ("test rows near dev", "Between splits"),
        "train_rows_near_dev_or_test": ("train rows near dev or test", "Between splits"),
        "text_rows_near_it": ("language text near it", "With the language text"),
        "its_rows_near_text": ("its rows near language text", "With the language text"),
    }
    present: dict[tuple[str, str], dict[str, Any]] = {}
    for name, facts in (run.card.get("corpora") or {}).items():
        for entry in facts.get("near_duplicates", ()):
            present.setdefault((name, entry["language"]), {}).update(entry)
    for entry in run.card.get("across", ()):
        present.setdefault((entry["corpus"], entry["language"]), {}).update(entry)
    if not present:
        return None
    records = [
        {
            "corpus": name,
            "language": language_name(code),
            **{key: entry.get(key) for key in titles},
        }
        for (name, code), entry in sorted(present.items())
    ]
    columns = (
        Column("language", "Language"),
        *(Column(key, title, group, "count") for key, (title, group) in titles.items()),
    )
    threshold = (run.card.get("options") or {}).get("near_duplicates")
    caption = (
        f"Near duplicates: rows that share at least {threshold} of their character 5-grams "
        "(Jaccard similarity, estimated by MinHash) with a row elsewhere. Between splits, only "
        "languages with training rows are looked at."
    )
    return Table("data_near", "Near duplicates", caption, columns, pd.DataFrame(records), "corpus")


def _options(options: Mapping[str, Any]) -> str:
    wording = []
    for key in (
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
    ):
        value = options.get(key)
        if isinstance(value, Mapping):  # a limit of None is no limit
            value = {name: one for name, one in value.items() if one is not None}
        if value not in (None, {}, [], 0, False):
            wording.append(f"{key.replace('_', ' ')} {_plain(value)}")
    return f" Options: {'; '.join(wording)}." if wording else ""


def _sources(run: Run) -> Table | None:
    files = run.card.get("sources") or []
    if not files:
        return None
    records = [
        {
            "file": file["name"],
            "kind": file.get("kind"),
            "licence": file.get("licence_name") or file.get("licence") or "none found",
            "megabytes": file.get("bytes", 0) / 1e6,
            "sha256": str(file.get("sha256", "")),
            "hash": str(file.get("sha256", ""))[:12],
        }
        for file in files
    ]
    columns = (
        Column("file", "File"),
        Column("kind", "Kind"),
        Column("licence", "Licence"),
        Column("megabytes", "MB", kind="number"),
        Column("hash", "SHA-256"),
    )
    caption = "Files that the corpora were read from, with the licence found beside each."
    return Table("data_sources", "Sources", caption, columns, pd.DataFrame(records))


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(one)}" for key, one in sorted(value.items()))
    if isinstance(value, list | tuple):
        return " / ".join(_plain(one) for one in value)
    return str(value)
