"""Encoders whose language geometry is known, and folders of text for them."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn

from encoder_shapes import random_bert
from langspec.audit.audited_encoder import Subject
from langspec.encoders.load import Encoder, EncoderCard
from langspec.encoders.save_folder import save_encoder
from langspec.encoders.tokenizer_file import wrap_tokenizer

CONCEPTS, HIDDEN, WORDS = 30, 32, 6


def write_texts(
    folder: Path, codes: Sequence[str], lines: int = 80, *, parallel: bool = True, seed: int = 0
) -> Path:
    """One file a language; a word is its language's name for one of a few concepts."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, code in enumerate(codes):
        rng = random.Random(seed if parallel else seed + number + 1)
        rows = [
            " ".join(f"{code}{rng.randrange(CONCEPTS)}" for _ in range(WORDS))
            for _ in range(lines)
        ]
        (folder / f"{code}.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def biased_bert(folder: Path, text: Path, offset: float) -> Path:
    """A BERT that embeds a word by its concept, and by a vector of its language.

    Args:
        folder: where it is saved.
        text: of :func:`write_texts`.
        offset: how far languages lie apart; 0: translations are alike.
    """
    files = sorted(text.glob("*.txt"))
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    model, tokenizer = random_bert(lines, pieces=2000)
    torch.manual_seed(1)
    concepts, tongues = torch.randn(CONCEPTS, 16), torch.randn(len(files), 16)
    with torch.no_grad():
        words = model.embeddings.word_embeddings.weight
        for number, file in enumerate(files):
            for concept in range(CONCEPTS):
                (piece,) = tokenizer(f"{file.stem}{concept}", add_special_tokens=False).input_ids
                words[piece] = concepts[concept] + offset * tongues[number]
    save_encoder(folder, model, tokenizer, EncoderCard(folder.name, max_tokens=20))
    return folder


def write_judged_set(folder: Path, text: Path, lines: int = 24) -> tuple[Path, Path, Path]:
    """Queries in each language, whose line in the other languages is relevant, as BEIR has them.

    Args:
        folder: of the files of queries, judgements and texts.
        text: of :func:`write_texts`.
        lines: number of lines that are asked for.
    """
    rows = {
        file.stem: file.read_text(encoding="utf-8").split("\n")
        for file in sorted(text.glob("*.txt"))
    }
    queries, corpus, qrels = [], [], ["query-id\tcorpus-id\tscore"]
    for line in range(lines):
        for code in rows:
            row = {"text": rows[code][line], "language": code}
            queries.append({"_id": f"q-{code}-{line}", **row})
            corpus.append({"_id": f"t-{code}-{line}", "title": "", **row})
            qrels += [
                f"q-{code}-{line}\tt-{o}-{line}\t{1 + (o == 'en')}" for o in rows if o != code
            ]
    for name, values in (("queries", queries), ("corpus", corpus)):
        content = "".join(json.dumps(value) + "\n" for value in values)
        (folder / f"{name}.jsonl").write_text(content, encoding="utf-8")
    (folder / "qrels.tsv").write_text("\n".join(qrels) + "\n", encoding="utf-8")
    names = ("queries.jsonl", "qrels.tsv", "corpus.jsonl")
    return folder / names[0], folder / names[1], folder / names[2]


class Planted(nn.Module):
    """A word is the vector of its concept plus, from layer 1 on, that of its language's cluster.

    Layer 0 is the concept alone: translations have equal vectors there.
    """

    def __init__(self, clusters: Mapping[str, int], strength: float) -> None:
        super().__init__()
        self.config: Any = SimpleNamespace(
            num_hidden_layers=1, hidden_size=HIDDEN, model_type="planted", type_vocab_size=1
        )
        generator = torch.Generator().manual_seed(0)
        concepts = torch.randn(CONCEPTS, HIDDEN, generator=generator)
        tongues = strength * torch.randn(max(clusters.values()) + 1, HIDDEN, generator=generator)
        zero = torch.zeros(2, HIDDEN)
        plain, marked = [zero], [zero]
        for code in sorted(clusters):
            plain.append(concepts)
            marked.append(concepts + tongues[clusters[code]])
        self.plain = nn.Parameter(torch.cat(plain))
        self.marked = nn.Parameter(torch.cat(marked))

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, output_hidden_states: bool
    ) -> Any:
        return SimpleNamespace(hidden_states=(self.plain[input_ids], self.marked[input_ids]))


def planted(clusters: Mapping[str, int], strength: float, name: str = "planted") -> Subject:
    """An encoder that puts languages of one cluster in one place.

    Args:
        clusters: of each language code.
        strength: how far clusters lie apart; 0: language is in no vector.
        name: of the subject.
    """
    words = ["[PAD]", "[UNK]"]
    words += [f"{code}{i}" for code in sorted(clusters) for i in range(CONCEPTS)]
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, "[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = wrap_tokenizer(backend, {"pad_token": "[PAD]", "unk_token": "[UNK]"})
    model: Any = Planted(clusters, strength)
    card = EncoderCard(name, max_tokens=64, sha256=f"{sorted(clusters.items())}{strength}")
    return Subject(name, Encoder(model, tokenizer, card), (0, 1), "planted")
