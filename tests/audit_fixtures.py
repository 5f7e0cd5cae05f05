"""Encoders whose language geometry is known, and folders of text for them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn

from langspec.audit.audited_encoder import Subject
from langspec.encoders.load import Encoder, EncoderCard
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
