"""The data card: what a prepared corpus holds, what was left out, where it came from.

No sentence, no absolute path, no time: the same input gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from langspec.corpora.job import Job
from langspec.files import sha256_file, write_json, write_text

SCHEMA = 1


def make_card(job: Job, options: dict[str, Any]) -> dict[str, Any]:
    """The card of what a job has written, as JSON-able values; ``options``: of the run."""
    return {
        "schema": SCHEMA,
        "generated": job.section.generated,
        "options": options,
        "warnings": list(job.warnings),
        "corpora": {corpus.name: corpus.facts() for corpus in job.corpora},
        "across": list(job.across),
        "outs": {
            name: {"rows": rows, "bytes": path.stat().st_size, "sha256": sha256_file(path)}
            for name, (path, rows) in sorted(job.outs.items())
        },
        "sources": [asdict(file) for file in sorted(job.used, key=lambda file: file.name)],
    }


def write_card(folder: Path, card: dict[str, Any]) -> None:
    """Write ``card.json`` and ``card.md``."""
    write_json(folder / "card.json", card)
    write_text(folder / "card.md", _markdown(card))


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    def line(cells: Sequence[Any]) -> str:
        return "| " + " | ".join(str(cell) for cell in cells) + " |"

    return [line(header), line(["---"] * len(header)), *(line(row) for row in rows), ""]


def _markdown(card: dict[str, Any]) -> str:
    lines = ["# Data card", ""]
    if card["generated"]:
        lines += ["Artificial text: a grammar of langspec generated every sentence. MIT.", ""]
    if card["warnings"]:
        lines += ["## Warnings", "", *(f"- {one}" for one in card["warnings"]), ""]
    for name, facts in card["corpora"].items():
        lines += [f"## {name}", ""]
        lines += _rows_table(facts["rows"])
        for split in ("dev", "test"):
            if missing := facts[f"without_{split}"]:
                lines += [f"Languages without {split}: {', '.join(missing)}.", ""]
        for key, value in facts["notes"].items():
            lines += [f"{key.replace('_', ' ')}: {_plain(value)}.", ""]
        lines += _labels_table(facts["rows"])
        lines += _duplicates_table(facts["duplicates"])
        lines += _near_table(
            facts["near_duplicates"], "Near duplicates", card["options"].get("near_duplicates")
        )
    lines += _near_table(
        card["across"],
        "Near duplicates of the language text in the tasks' corpora",
        card["options"].get("near_duplicates"),
    )
    lines += ["## Files written", ""]
    lines += _table(
        ["file", "rows", "bytes", "SHA-256"],
        ([name, out["rows"], out["bytes"], out["sha256"]] for name, out in card["outs"].items()),
    )
    lines += ["## Sources", ""]
    lines += _table(
        ["file", "licence", "bytes", "SHA-256"],
        (
            [
                file["name"],
                _licence(file),
                file["bytes"],
                file["sha256"],
            ]
            for file in card["sources"]
        ),
    )
    return "\n".join(lines)


def _licence(file: dict[str, Any]) -> str:
    if file["licence"] is None:
        return "no licence file found"
    return f"{file['licence_name'] or 'see'} ({file['licence']})"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {one}" for key, one in sorted(value.items()))
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    return str(value)


def _rows_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    names = sorted({name for row in rows for name in row["dropped"]})
    header = ["language", "split", "read", *(f"dropped: {name}" for name in names)]
    header += ["over the limit", "kept", "words mean/median/max", "characters mean/median/max"]
    return _table(
        header,
        (
            [
                row["language"],
                row["split"],
                row["read"],
                *(row["dropped"].get(name, 0) for name in names),
                row["over_limit"],
                row["kept"],
                *(
                    f"{row[unit]['mean']:.1f} / {row[unit]['median']:g} / {row[unit]['max']}"
                    for unit in ("words", "characters")
                ),
            ]
            for row in rows
        ),
    )


def _labels_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    names = sorted({name for row in rows for name in row["labels"]})
    if not names:
        return []
    labelled = [row for row in rows if row["labels"]]
    shares = (
        [
            row["language"],
            row["split"],
            *(f"{100 * row['labels'].get(n, 0) / sum(row['labels'].values()):.1f}" for n in names),
        ]
        for row in labelled
    )
    return ["Labels, per cent:", "", *_table(["language", "split", *names], shares)]


def _near_table(
    entries: Sequence[dict[str, Any]], title: str, threshold: float | None
) -> list[str]:
    if not entries:
        return []
    names = list(entries[0])
    rows = [[entry[name] for name in names] for entry in entries]
    header = [name.replace("_", " ") for name in names]
    return [f"{title} (similarity of at least {threshold}):", "", *_table(header, rows)]


def _duplicates_table(duplicates: Sequence[dict[str, Any]]) -> list[str]:
    if not duplicates:
        return []
    header = list(duplicates[0])
    lead = "Exact duplicates: repeated rows within a split, and rows that an earlier split has:"
    return [
        lead,
        "",
        *_table(
            [name.replace("_", " ") for name in header],
            ([entry[name] for name in header] for entry in duplicates),
        ),
    ]
