"""Tables of the corpora, from their card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from langspec.report.load import Run, by_family, language_family, language_name
from langspec.report.tables import Column, Table, task_title

SPLITS = ("train", "dev", "test")


def data_tables(run: Run) -> list[Table]:
    """Rows kept by corpus, language and split; the source files. Empty without a card."""
    tables = [_kept(run), _sources(run)]
    return [table for table in tables if table is not None]


def _kept(run: Run) -> Table | None:
    corpora: Mapping[str, Any] = run.card.get("corpora") or {}
    records = []
    reasons: dict[str, int] = {}
    for name, facts in corpora.items():
        rows = {(row["language"], row["split"]): row for row in facts["rows"]}
        repeated = {entry["language"]: entry for entry in facts.get("duplicates", ())}
        for code in by_family([language for language, _ in rows], run.source):
            mine = {split: rows[code, split] for split in SPLITS if (code, split) in rows}
            for row in mine.values():
                for reason, count in row["dropped"].items():
                    reasons[reason] = reasons.get(reason, 0) + count
            lengths: Mapping[str, Any] = next(
                (mine[s]["words"] for s in reversed(SPLITS) if s in mine), {}
            )
            records.append(
                {
                    "corpus": name,
                    "language": language_name(code),
                    "code": code,
                    "family": language_family(code),
                    **{split: mine[split]["kept"] if split in mine else 0 for split in SPLITS},
                    "dropped": sum(sum(row["dropped"].values()) for row in mine.values()),
                    "over_limit": sum(row["over_limit"] for row in mine.values()),
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
        *(Column(split, split, "Rows kept", "count") for split in SPLITS),
        Column("dropped", "by filters", "Rows left out", "count"),
        Column("over_limit", "over the limit", "Rows left out", "count"),
        Column("words_mean", "mean", "Words a row (test)", "number"),
        Column("words_max", "most", "Words a row (test)", "count"),
        Column("test_in_train", "Test rows also in train", kind="count"),
    )
    notes = []
    if reasons:
        told = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))
        notes.append(f"Left out by filters, all corpora: {told}.")
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


def _options(options: Mapping[str, Any]) -> str:
    told = []
    for key in ("join", "min_characters", "max_words", "limits", "text_splits", "seed"):
        value = options.get(key)
        if isinstance(value, Mapping):  # a limit of None is no limit
            value = {name: one for name, one in value.items() if one is not None}
        if value not in (None, {}, []):
            told.append(f"{key.replace('_', ' ')} {_plain(value)}")
    return f" Options: {'; '.join(told)}." if told else ""


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
