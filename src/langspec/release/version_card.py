"""The model card of a registered version: numbers, limits, and how to reproduce it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langspec.languages import LANGUAGES
from langspec.release.model_card import ExportFacts, model_card
from langspec.release.version_facts import interval_text, origin_text

_NAMES = {
    "transfer": "transfer: test accuracy, mean over the languages without the source",
    "gap": "gap: test accuracy of the source minus transfer",
    "leak": "leak: macro-F1 of a fresh linear probe for the language, token vectors of test lines",
    "sentence_leak": "sentence_leak: the same of sentence vectors",
}


def registered_card(
    facts: ExportFacts, record: Mapping[str, Any], languages: Mapping[str, Mapping[str, float]]
) -> str:
    """The card as Markdown. Equal facts give equal text.

    Args:
        facts: facts of the exported folder's card.
        record: of the version, as ``register.json`` has it.
        languages: test accuracy by language code.
    """
    parts = [
        model_card(facts).rstrip(),
        "## Numbers",
        _numbers(record),
        _by_language(languages, facts.corpora.source),
        "## Limits",
        "\n".join(f"- {line}" for line in _limits(facts, record)),
        "## Reproduce",
        _reproduce(record),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def summary(record: Mapping[str, Any]) -> str:
    """The description of a version in the registry: one paragraph and its numbers."""
    return (
        f"{record['method']} on {record['task']}, seed {record['seed']} of {record['seeds']} "
        f"(best dev {record['metric']} by {record['rule']}: {record['score']:.6g})."
        f"{_origin(record)}\n\n"
        f"{_numbers(record)}\n\n"
        "The full card is README.md in the version's artifacts."
    )


def _origin(record: Mapping[str, Any]) -> str:
    origin = record.get("origin")
    return f" Values from a sweep: {origin_text(origin)}." if origin else ""


def _numbers(record: Mapping[str, Any]) -> str:
    if not record["numbers"]:
        return "Not evaluated."
    columns = [""] + [name or "as trained" for name in ("", *record["erasers"])]
    tables = [record["numbers"], *record["erasers"].values()]
    lines = [f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns)]
    for key, words in _NAMES.items():
        if any(key in table for table in tables):
            cells = [words, *(interval_text(table.get(key)) for table in tables)]
            lines.append(f"| {' | '.join(cells)} |")
    erased = " Columns after the first: with that eraser before the head." * bool(
        record["erasers"]
    )
    return "\n".join(lines) + (
        f"\n\nOne seed, chosen by its dev score; 95 % intervals over test items, not over "
        f"seeds.{erased}"
    )


def _by_language(languages: Mapping[str, Mapping[str, float]], source: str) -> str:
    if not languages:
        return ""
    lines = ["| language | test accuracy |", "| --- | --- |"]
    for code in sorted(languages, key=lambda code: (code != source, code)):
        name = LANGUAGES[code].name if code in LANGUAGES else code
        note = " (source)" if code == source else ""
        lines.append(f"| {name}{note} | {interval_text(dict(languages[code]))} |")
    return "\n".join(lines)


def _limits(facts: ExportFacts, record: Mapping[str, Any]) -> list[str]:
    lines = [
        f"Rows longer than {facts.starting.max_tokens} pieces, special ones included, are cut.",
        "Languages that are not in the tables were never scored.",
    ]
    if facts.head_unit == "token":
        lines.append(
            "Running text is split at white space and punctuation; scores are of words as "
            "treebanks split them. Give words where they are known."
        )
    if record["refusal"]:
        lines.append(f"Cannot be champion: {record['refusal']}.")
    if record["erasers"]:
        lines.append(
            "Erasers guard against linear probes, for the languages they were fitted on. A "
            "non-linear probe may read the language all the same. `langspec table attacked_TASK` "
            "says what such probes read of the vectors that the task's head reads."
        )
    else:
        lines.append("No eraser comes with it: `evaluate.erasers` (`run`, `of`) asks for none.")
    lines.append("A low leak is no proof that the language cannot be told from the vectors.")
    return lines


def _reproduce(record: Mapping[str, Any]) -> str:
    stage = f"train@{record['task']}-{record['method']}"
    hashes = ", ".join(
        f"{name} {record[f'{name}_hash'][:12]}" for name in ("params", "data", "encoder")
    )
    return (
        f"```sh\ndvc repro {stage} evaluate@{record['task']} register\n```\n\n"
        f"at the version's git commit (its tag `langspec.git_commit`); {hashes}. The seed's run "
        f"in MLflow carries `langspec.run_key` {record['seed_key'][:12]}.{_origin(record)}"
    )
