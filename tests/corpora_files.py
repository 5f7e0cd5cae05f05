"""A small folder of files in the official layout, made by the tests that need one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from langspec.corpora.corpora_section import Limits, NearDuplicates, TextSplits
from langspec.corpora.custom import CustomTask
from langspec.corpora.sources import LocatedFile, discover
from langspec.presets import load_preset

Sentence = Sequence[tuple[str, str]]


def conllu(*sentences: Sentence, ident: str = "s") -> str:
    blocks = []
    for number, words in enumerate(sentences):
        lines = [f"# sent_id = {ident}{number}"]
        lines += [
            "\t".join([str(i), form, "_", upos, *"_____", "_"])
            for i, (form, upos) in enumerate(words, start=1)
        ]
        blocks.append("\n".join(lines) + "\n\n")
    return "".join(blocks)


def plain(language: str, count: int, *, words: int = 3) -> list[Sentence]:
    return [[(f"{language}{n}w{i}", "NOUN") for i in range(words)] for n in range(count)]


def pairs(language: str | None, prompts: int, **changes: Any) -> str:
    labels = ("neutral", "entailment", "contradiction")
    rows = []
    for prompt in range(prompts):
        for k, label in enumerate(labels):
            row = {
                "gold_label": label,
                "sentence1": f"{language} premise {prompt}",
                "sentence2": f"{language} hypothesis {prompt} {k}",
                "pairID": str(3 * prompt + k),
                "promptID": str(prompt),
            } | changes
            rows.append(row if language is None else {"language": language} | row)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8"))


def official_folder(root: Path, languages: Sequence[str] = ("de", "en", "fr")) -> Path:
    """UD (train of all languages), XNLI, MultiNLI and parallel text; ``en`` is the source."""
    for code in languages:
        folder = root / "ud" / f"UD_X-{code}"
        for split, count in (("train", 12), ("dev", 4), ("test", 6)):
            name = f"{code}_toy-ud-{split}.conllu"
            write(folder / name, conllu(*plain(f"{code}{split}", count), ident=split))
        write(folder / "LICENSE.txt", "Released under CC BY-SA 4.0.\n")
        lines = [f"{code} line {n} " + "x" * n for n in range(40)]
        write(root / "text" / "toy" / f"{code}.txt", "\n".join(lines) + "\n")
    for split, prompts in (("dev", 2), ("test", 5)):
        text = "".join(pairs(code, prompts) for code in [*languages, "sw"])
        write(root / "xnli" / f"xnli.{split}.jsonl", text)
    write(root / "multinli" / "multinli_1.0_train.jsonl", pairs(None, 7))
    return root


def options(
    *,
    tasks: Sequence[str] = ("pos", "nli"),
    custom: Mapping[str, CustomTask] | None = None,
    limits: Mapping[str, int | None] | None = None,
    text_splits: Sequence[float] = (0.5, 0.2, 0.3),
    near_duplicates: float | None = None,
    drop_near_duplicates: bool = False,
    **changes: Any,
) -> dict[str, Any]:
    """What `prepare` takes beside files and folder: the demo's section with changes."""
    shares = dict(zip(("train", "dev", "test", "adversary"), (*text_splits, 0.0), strict=False))
    values = {"files": "added", "seed": 1, "targets": ["de", "fr"]} | changes
    near = NearDuplicates(threshold=near_duplicates, drop=drop_near_duplicates)
    values |= {"targets": list(values["targets"]), "near_duplicates": near}
    values["limits"] = Limits(**(dict.fromkeys(Limits.model_fields) | dict(limits or {})))
    values["text_splits"] = TextSplits(**{name: float(share) for name, share in shares.items()})
    section = load_preset("demo", []).corpora.model_copy(update=values)
    return {"section": section, "tasks": tasks, "custom": custom or {}}


def files_in(folder: Path) -> list[LocatedFile]:
    """The recognised files of a folder, without a manifest."""
    return [LocatedFile(file, Path(folder) / file.name) for file in discover(folder).files]
