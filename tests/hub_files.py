"""Small dataset folders laid out like the repositories of the Hub, made by the tests.

No real sentence is in them; ``datasets`` keeps class names in the parquet files' own metadata,
and so do these.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

UPOS_ORDER = (
    "NOUN", "PUNCT", "ADP", "NUM", "SYM", "SCONJ", "ADJ", "PART", "DET", "CCONJ", "PROPN",
    "PRON", "X", "_", "ADV", "INTJ", "VERB", "AUX",
)  # fmt: skip
"""Not alphabetical, as the UD repositories have it."""
NLI_ORDER = ("entailment", "neutral", "contradiction")


def class_label(names: Sequence[str]) -> dict[str, Any]:
    return {"names": list(names), "_type": "ClassLabel"}


def table(
    path: Path, columns: Mapping[str, Any], features: Mapping[str, Any] | None = None
) -> Path:
    """Write columns; ``features`` as the ``datasets`` library notes them in the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = pa.table(dict(columns))
    if features is not None:
        info = json.dumps({"info": {"features": features}})
        made = made.replace_schema_metadata({"huggingface": info})
    pq.write_table(made, path)
    return path


def readme(folder: Path, configs: Mapping[str, Mapping[str, str]], **settings: Any) -> None:
    """A card with ``configs:``, each a mapping of split to path."""
    block = settings | {
        "configs": [
            {
                "config_name": name,
                "data_files": [{"split": split, "path": path} for split, path in files.items()],
            }
            for name, files in configs.items()
        ]
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump(block)}---\n# A card\n")


Word = tuple[str, str, str | None]
"""Form, UPOS, MISC."""


def ud_table(
    path: Path,
    sentences: Sequence[Sequence[Word]],
    *,
    ranges: Mapping[int, list[dict[str, Any]]] | None = None,
    ident: str = "s",
    names: Sequence[str] = UPOS_ORDER,
    strings: bool = False,
) -> Path:
    """As ``commul/universal_dependencies``; ``ranges`` by number of the sentence."""
    tags = [
        [upos if strings else names.index(upos) for _, upos, _ in sentence]
        for sentence in sentences
    ]
    entry = pa.struct([(key, pa.string()) for key in ("id", "form", "feats", "misc")])
    return table(
        path,
        {
            "sent_id": [f"{ident}{n}" for n in range(len(sentences))],
            "text": [" ".join(form for form, *_ in sentence) for sentence in sentences],
            "tokens": pa.array([[w[0] for w in s] for s in sentences], pa.list_(pa.string())),
            "upos": pa.array(tags, pa.list_(pa.string() if strings else pa.int64())),
            "misc": pa.array([[w[2] for w in s] for s in sentences], pa.list_(pa.string())),
            "mwt": pa.array(
                [(ranges or {}).get(n, []) for n in range(len(sentences))], pa.list_(entry)
            ),
        },
        {"upos": {"feature": class_label(names), "_type": "List"}},
    )


def plain(language: str, count: int, words: int = 3) -> list[list[Word]]:
    return [[(f"{language}{n}w{i}", "NOUN", None) for i in range(words)] for n in range(count)]


def ud_folder(root: Path, languages: Sequence[str] = ("de", "en", "fr")) -> Path:
    """The sentences of ``corpora_files.official_folder``."""
    configs: dict[str, dict[str, str]] = {}
    for code in languages:
        name = f"{code}_toy"
        configs[name] = {}
        for split, count in (("train", 12), ("dev", 4), ("test", 6)):
            path = f"parquet/{name}/{split}.parquet"
            ud_table(root / path, plain(f"{code}{split}", count), ident=split)
            configs[name][split] = path
    readme(root, configs, license="cc-by-sa-4.0")
    return root


def converted_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """As the Hub converts the script repository: ranges and empty nodes among the words.

    A row: ``text`` and ``items`` of (form, UPOS, head, MISC).
    """
    return table(
        path,
        {
            "idx": [f"s{n}" for n in range(len(rows))],
            "text": [row["text"] for row in rows],
            "tokens": [[item[0] for item in row["items"]] for row in rows],
            "upos": [[UPOS_ORDER.index(item[1]) for item in row["items"]] for row in rows],
            "head": [[str(item[2]) for item in row["items"]] for row in rows],
            "misc": [[str(item[3]) for item in row["items"]] for row in rows],
        },
        {"upos": {"feature": class_label(UPOS_ORDER), "_type": "Sequence"}},
    )


def xtreme_folder(root: Path, languages: Mapping[str, str]) -> Path:
    """``languages``: code to English name; no README block says where the files are."""
    names = tuple(name for name in sorted(UPOS_ORDER) if name != "_")
    for code, name in languages.items():
        splits = {"train": 5, "validation": 2, "test": 3}
        for split, count in splits.items():
            sentences = plain(f"{code}{split}", count)
            table(
                root / f"udpos.{name}" / f"{split}-00000-of-00001.parquet",
                {
                    "tokens": [[w[0] for w in s] for s in sentences],
                    "pos_tags": [[names.index(w[1]) for w in s] for s in sentences],
                },
                {"pos_tags": {"feature": class_label(names), "_type": "Sequence"}},
            )
    return root


def nli_rows(language: str | None, prompts: int) -> list[dict[str, Any]]:
    """The pairs of ``corpora_files.pairs``."""
    return [
        {
            "premise": f"{language} premise {prompt}",
            "hypothesis": f"{language} hypothesis {prompt} {k}",
            "label": label,
            "promptID": prompt,
            "pairID": str(3 * prompt + k),
        }
        for prompt in range(prompts)
        for k, label in enumerate(("neutral", "entailment", "contradiction"))
    ]


def _nli_columns(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], *extra: str
) -> dict[str, Any]:
    columns = {name: [row[name] for row in rows] for name in ("premise", "hypothesis", *extra)}
    return columns | {"label": [names.index(row["label"]) for row in rows]}


def xnli_folder(
    root: Path,
    languages: Sequence[str] = ("de", "en", "fr", "sw"),
    *,
    together: bool = False,
    names: Sequence[str] = NLI_ORDER,
    prompts: Mapping[str, int] | None = None,
) -> Path:
    """As ``facebook/xnli``, a configuration a language or (``together``) ``all_languages``."""
    counts = prompts or {"validation": 2, "test": 5}
    configs: dict[str, dict[str, str]] = {}
    features = {"label": class_label(names)}
    for split, count in counts.items():
        if together:
            by = {code: nli_rows(code, count) for code in languages}
            first = by[languages[0]]
            columns: dict[str, Any] = {
                "premise": [
                    {c: by[c][i]["premise"] for c in languages} for i in range(len(first))
                ],
                "hypothesis": [
                    {
                        "language": list(languages),
                        "translation": [by[c][i]["hypothesis"] for c in languages],
                    }
                    for i in range(len(first))
                ],
                "label": [names.index(row["label"]) for row in first],
            }
            file = f"all_languages/{split}-00000-of-00001.parquet"
            table(root / file, columns, features)
            configs.setdefault("all_languages", {})[split] = f"all_languages/{split}-*"
            continue
        for code in languages:
            file = f"{code}/{split}-00000-of-00001.parquet"
            table(root / file, _nli_columns(nli_rows(code, count), names), features)
            configs.setdefault(code, {})[split] = f"{code}/{split}-*"
    readme(root, configs, license="cc-by-nc-4.0")
    return root


def multinli_folder(root: Path, prompts: int = 7, names: Sequence[str] = NLI_ORDER) -> Path:
    """As ``nyu-mll/multi_nli``; two more splits that are not read are not there."""
    columns = _nli_columns(nli_rows(None, prompts), names, "promptID", "pairID")
    file = root / "data" / "train-00000-of-00001.parquet"
    table(file, columns, {"label": class_label(names)})
    readme(root, {"default": {"train": "data/train-*"}}, license=["cc-by-3.0", "mit"])
    return root


def wikipedia_folder(
    root: Path,
    languages: Sequence[str] = ("de", "en", "fr"),
    *,
    articles: int = 60,
    shards: int = 2,
    paragraphs: int = 3,
) -> Path:
    """As ``wikimedia/wikipedia``: each article a heading and some paragraphs."""
    configs = {}
    for code in languages:
        for shard in range(shards):
            ids = range(shard, articles, shards)
            texts = [
                "\n\n".join(
                    ["heading"]
                    + [f"{code} {n} {k} " + "x" * (20 + n % 60) for k in range(paragraphs)]
                )
                for n in ids
            ]
            name = f"20231101.{code}/train-{shard:05d}-of-{shards:05d}.parquet"
            table(root / name, {"id": [str(n) for n in ids], "title": texts, "text": texts})
        configs[f"20231101.{code}"] = {"train": f"20231101.{code}/train-*"}
    readme(root, configs, license=["cc-by-sa-3.0", "gfdl"])
    return root
