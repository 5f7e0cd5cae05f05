"""Word embeddings of the pieces that a run reads, and of no others.

A multilingual vocabulary is most of an encoder's weights (82 % of multilingual-e5-small, 52 % of
mBERT), and a run reads a part of it. The ids of pieces stay what they are, so tokenizers, rows and
saved runs know nothing of it: a saved run of frozen embeddings does not hold them, and is put into
the whole encoder again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from langspec.errors import LangspecError

_ABSENT = -1


class TrimmedEmbedding(nn.Module):
    """An embedding ``[V, H]`` reduced to the rows of ``pieces`` (ids of the vocabulary).

    They are not trained. Any other id raises IndexError.
    """

    def __init__(self, whole: nn.Embedding, pieces: np.ndarray) -> None:
        super().__init__()
        chosen = torch.as_tensor(pieces, device=whole.weight.device)
        self.weight = nn.Parameter(whole.weight.detach()[chosen].clone(), requires_grad=False)
        # No buffer: DDP would send it to every process in every step.
        self.rows = torch.full((len(whole.weight),), _ABSENT, dtype=torch.int32)
        self.rows[torch.as_tensor(pieces)] = torch.arange(len(pieces), dtype=torch.int32)
        self.num_embeddings, self.embedding_dim = whole.num_embeddings, whole.embedding_dim

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Vectors ``[..., H]`` of pieces ``[...]``, those of the whole embedding bit for bit."""
        if self.rows.device != ids.device:
            self.rows = self.rows.to(ids.device)
        return functional.embedding(self.rows[ids], self.weight)


def pieces_of(rows: Iterable[np.ndarray], special: Iterable[int]) -> np.ndarray:
    """The ids that occur in ``rows``, the special ones, and 0: int64, sorted."""
    of_rows = [np.unique(ids) for ids in rows]
    return np.unique(np.concatenate([*of_rows, np.asarray([0, *special])]).astype(np.int64))


def trim_vocabulary(encoder: Any, pieces: np.ndarray) -> int:
    """Reduce the encoder's word embedding to the ids ``pieces``; returns the bytes saved.

    Raises:
        LangspecError: the embedding is not a plain table.
    """
    whole = encoder.get_input_embeddings()
    plain = type(whole) is nn.Embedding and whole.max_norm is None
    if not plain:
        raise LangspecError(
            f"found word embeddings of kind {type(whole).__name__}, expected a plain table; set "
            "it to false",
            place="compute.trim_vocabulary",
        )
    before = whole.weight.numel() * whole.weight.element_size()
    trimmed = TrimmedEmbedding(whole, pieces)
    encoder.set_input_embeddings(trimmed)
    return before - trimmed.weight.numel() * trimmed.weight.element_size()
