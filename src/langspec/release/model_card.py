"""The model card (README.md) of an exported folder: use, making, licences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langspec.languages import LANGUAGES
from langspec.precedence import trained_values

if TYPE_CHECKING:
    from langspec.corpora.corpora_section import Corpora
    from langspec.encoders.load import EncoderCard
    from langspec.erasure.base import ErasureMap
    from langspec.modelling.saved import RunCard

# Identifiers that model hubs know; any other licence is "other" with its name.
_KNOWN_LICENCES = ("mit", "apache-2.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0")


@dataclass(frozen=True)
class ExportFacts:
    """The facts that a model card states.

    Attributes:
        corpora: section of ``params.yaml``.
        trained: card of the seed.
        starting: card of the encoder that the training started from.
        run: content of the training's ``run.json``; empty where nothing was trained.
        sources: the corpora's files as their card lists them.
        head_unit: ``token`` or ``pair`` where the head is in the folder, else "".
        eraser: of the sentence vectors; None: none.
    """

    corpora: Corpora
    trained: RunCard
    starting: EncoderCard
    run: Mapping[str, Any]
    sources: Sequence[Mapping[str, Any]]
    head_unit: str = ""
    eraser: ErasureMap | None = None


def model_card(facts: ExportFacts) -> str:
    """The card as Markdown with a metadata block. Equal facts give equal text."""
    start = facts.starting
    title = f"{start.name}, {facts.trained.task}, {facts.trained.method}"
    if facts.eraser:
        title += f", {facts.eraser.name}"
    parts = [_metadata(facts), f"# {title}", _what(facts), _use(facts), "## How it was made"]
    parts.append("\n".join(f"- {line}" for line in _made(facts)))
    if facts.eraser:
        parts += [
            "## What is linearly guarded, and what is not",
            _guarded(facts.eraser, facts.corpora),
        ]
    parts += ["## Licences", _licences(facts)]
    return "\n\n".join(parts) + "\n"


def _metadata(facts: ExportFacts) -> str:
    lines = ["---", "library_name: sentence-transformers", "language:"]
    # Quoted: YAML reads a bare `no` as false.
    lines += [f'- "{code}"' for code in facts.corpora.languages]
    lines += ["tags:", "- sentence-transformers", "- feature-extraction", "- langspec"]
    licence = facts.starting.licence
    if licence.lower() in _KNOWN_LICENCES:
        lines.append(f"license: {licence.lower()}")
    elif licence:
        lines += ["license: other", f'license_name: "{licence}"']
    return "\n".join([*lines, "---"])


def _what(facts: ExportFacts) -> str:
    trained = facts.trained
    verb = (
        "fine-tuned"
        if trained.trains_encoder
        else "left as it came (only a head was trained on it)"
    )
    text = f"The encoder {facts.starting.name}, {verb}, from a run of langspec"
    text += f" (task {trained.task}, method {trained.method}, seed {trained.seed})."
    if facts.eraser:
        text += f" Its sentence vectors pass through the eraser {facts.eraser.name}."
    return text


def _use(facts: ExportFacts) -> str:
    prefix = facts.starting.prefix
    note = (
        f" Every text is preceded by {prefix!r}, which `encode` does by itself." if prefix else ""
    )
    covers = " `AutoModel` opens the encoder alone, without the eraser." if facts.eraser else ""
    text = f"""```python
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoTokenizer

vectors = SentenceTransformer("FOLDER").encode(["a text"])
model, tokenizer = AutoModel.from_pretrained("FOLDER"), AutoTokenizer.from_pretrained("FOLDER")
```

Sentence vectors: {facts.starting.pooling} pooling over at most {facts.starting.max_tokens} pieces,
special ones included.{note}{covers}"""
    if facts.starting.recipe.get("restart_positions"):
        text += (
            " This encoder was trained with positions that start again at 0 in the second text of "
            "a pair: for pairs, pass `position_ids` accordingly; single texts need nothing."
        )
    if facts.head_unit:
        read = "token vectors (first piece with content of a word)"
        if facts.head_unit == "pair":
            read = "the pooled vector of premise and hypothesis, encoded together"
        text += (
            f"\n\n`head/`: the task's linear head (`weight`, `bias`; labels in `head.json`). "
            f"It reads {read}."
        )
        if facts.eraser and facts.head_unit == "token":
            text += " `head/eraser/` holds the eraser that was fitted on the vectors it reads."
    return text


def _made(facts: ExportFacts) -> list[str]:
    start, run = facts.starting, facts.run
    lines = [f"Starting encoder: {start.name}" + f"; {start.source}" * bool(start.source)]
    if start.sha256:
        lines[0] += f"; weights {start.sha256[:12]}"
    lines.append(
        f"Labels: {LANGUAGES[facts.corpora.source].name} only; every other language is zero-shot"
    )
    if run:
        lines.append(f"Training rows: {run.get('train_rows', 'unknown')}")
        for entry in run.get("seeds", ()):
            if entry.get("seed") == facts.trained.seed and entry.get("dev"):
                scores = ", ".join(f"{k} {v:.4g}" for k, v in sorted(entry["dev"].items()))
                lines.append(
                    f"Epoch {entry['best_epoch']}, chosen by {run.get('selection')}; dev: {scores}"
                )
        used = trained_values(run.get("params", {}), facts.trained.task, facts.trained.method)
        values = ", ".join(f"{name}={value}" for name, value in sorted(used.items()))
        lines.append(f"Parameters: {values}")
    return lines


def _guarded(eraser: ErasureMap, corpora: Corpora) -> str:
    return (
        f"`{eraser.name}` takes {eraser.rank} directions out of sentence vectors of the "
        "last layer, so that linear probes read less of their language. It was fitted on the "
        f"training lines of text in {len(corpora.languages)} languages "
        f"({', '.join(corpora.languages)}) and on this encoder alone; `eraser/` "
        "holds it with the encoder's hash. It covers sentence vectors that sentence-transformers "
        "gives, not token vectors, not inner layers and not languages it has not seen. Linearly "
        "guarded is the most that can be claimed: the language is not gone, and a non-linear "
        "probe may read it. `langspec table attacked_TASK` says what non-linear attackers read of "
        "the vectors that the task's head reads, which may be others than these."
    )


def _licences(facts: ExportFacts) -> str:
    lines = [f"- encoder: {facts.starting.licence or 'not stated'}"]
    counts: dict[tuple[str, str], int] = {}
    for file in facts.sources:
        stated = str(file.get("licence_name") or "not stated")
        licence = "generated by langspec, MIT" if facts.corpora.generated else stated
        key = (str(file.get("kind")), licence)
        counts[key] = counts.get(key, 0) + 1
    lines += [
        f"- {kind}: {licence} ({count} file{'s' * (count != 1)})"
        for (kind, licence), count in sorted(counts.items())
    ]
    return "\n".join(lines)
