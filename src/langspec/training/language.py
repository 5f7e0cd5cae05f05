"""Rows of language text, and which of them go with each batch of the task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from langspec.corpora.tables import read_table
from langspec.encoders.inputs import Inputs, collate, text_inputs
from langspec.encoders.load import Encoder
from langspec.errors import LangspecError
from langspec.modelling.model import PADDED
from langspec.tasks.task import IGNORED
from langspec.training.sampler import WINDOW_BATCHES, rank_rows

HOW = ("tokens", "rows")


@dataclass(frozen=True)
class LanguageData:
    """Language text, tokenised: the rows that an adversary tells apart.

    ``labels`` int64 ``[R]`` index ``languages``. ``special_ids`` are pieces that are never
    masked, ``mask_id`` hides one; ``mlm_head`` (states to piece logits) is there only where the
    encoder has one and the method wants it.
    """

    inputs: Inputs
    labels: np.ndarray
    languages: tuple[str, ...]
    pad_id: int
    mask_id: int | None = None
    special_ids: tuple[int, ...] = ()
    mlm_head: nn.Module | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> np.ndarray:
        """Pieces of each row."""
        return self.inputs.lengths

    def batch(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        """Padded pieces of ``rows`` and their ``languages`` int64 ``[B]``."""
        batch = collate(self.inputs, rows, pad_id=self.pad_id)
        batch["languages"] = torch.from_numpy(self.labels[rows])
        return batch


def read_language_data(
    corpora: Path, encoder: Encoder, languages: list[str], split: str
) -> LanguageData:
    """The rows of one split of the text corpus, in every language of the task.

    Raises:
        LangspecError: fewer than two languages, or the split has no rows of one of them.
    """
    table = read_table(corpora, "text", split=split, languages=languages)
    of_rows = table["language"].to_pylist()
    if len(languages) < 2:
        raise LangspecError(
            f"unlearning needs at least two languages, found {', '.join(languages)}",
            place="corpora.targets",
        )
    missing = sorted(set(languages) - set(of_rows))
    if missing:
        raise LangspecError(
            f"the text corpus has no {split} rows of {', '.join(missing)}; unlearning needs text "
            "of every language: add it, leave the language out, or give the split a larger share "
            f"(corpora.text_splits.{split})",
            place="corpora.targets",
        )
    tokenizer = encoder.tokenizer
    index = {code: i for i, code in enumerate(languages)}
    return LanguageData(
        inputs=text_inputs(
            tokenizer,
            table["text"].to_pylist(),
            max_tokens=encoder.card.max_tokens,
            prefix=encoder.card.prefix,
        ),
        labels=np.asarray([index[code] for code in of_rows], dtype=np.int64),
        languages=tuple(languages),
        pad_id=int(tokenizer.pad_token_id),
        mask_id=None if tokenizer.mask_token_id is None else int(tokenizer.mask_token_id),
        special_ids=tuple(int(i) for i in tokenizer.all_special_ids),
    )


def with_mlm_head(data: LanguageData, head: nn.Module) -> LanguageData:
    """The same rows with the encoder's masked-language head."""
    return replace(data, mlm_head=head)


def language_batches(
    lengths: np.ndarray,
    task_batches: list[np.ndarray],
    task_lengths: np.ndarray,
    *,
    how: str,
    seed: int,
    epoch: int,
    stream: int = 0,
) -> list[np.ndarray]:
    """Language rows for each batch of task rows: as many ``tokens``, or as many ``rows``.

    A function of its arguments alone, so a resumed run finds its place. The corpus is dealt out
    in fresh permutations, each row once before any row twice. Inside a window of batches the rows
    are dealt by length, long ones to batches of long task rows, because both go through the
    encoder in one padded batch. Equal ``tokens`` hold over a window; a batch has at least a row.
    """
    if how not in HOW:
        raise LangspecError(
            f"found {how!r}, expected one of {', '.join(HOW)}", place="train.batch"
        )
    rng = np.random.default_rng([seed, epoch, 1 + stream])
    dealer = _endless(len(lengths), rng)
    batches: list[np.ndarray] = [np.zeros(0, np.int64)] * len(task_batches)
    for start in range(0, len(task_batches), WINDOW_BATCHES):
        window = range(start, min(start + WINDOW_BATCHES, len(task_batches)))
        order = sorted(window, key=lambda i: int(task_lengths[task_batches[i]].max()))
        sizes = np.asarray([len(task_batches[i]) for i in order])
        tokens = np.asarray([int(task_lengths[task_batches[i]].sum()) for i in order])
        rows: list[int] = []
        have = 0
        while len(rows) < (sizes.sum() if how == "rows" else len(order)) or (
            how == "tokens" and have < tokens.sum() - lengths.mean() / 2
        ):
            rows.append(next(dealer))
            have += int(lengths[rows[-1]])
        dealt = np.asarray(rows)
        dealt = dealt[np.argsort(lengths[dealt], kind="stable")]
        if how == "rows":
            cuts = np.cumsum(sizes)[:-1]
        else:
            middles = np.cumsum(lengths[dealt]) - lengths[dealt] / 2
            scale = have / tokens.sum()
            cuts = np.searchsorted(middles, np.cumsum(tokens)[:-1] * scale)
            for i in range(len(cuts)):  # at least a row each
                least = (cuts[i - 1] if i else 0) + 1
                cuts[i] = min(max(cuts[i], least), len(dealt) - (len(cuts) - i))
        for i, part in zip(order, np.split(dealt, cuts), strict=True):
            batches[i] = part
    return batches


def _endless(count: int, rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from rng.permutation(count).tolist()


class LanguageStream:
    """The language rows of a run: stream 0 goes with the task's batches, others are extra."""

    def __init__(
        self,
        data: LanguageData,
        task_batches: Callable[[int], list[np.ndarray]],
        task_lengths: np.ndarray,
        *,
        how: str,
        seed: int,
    ) -> None:
        """``task_batches(epoch)``: the global batches of the task in an epoch."""
        self.data = data
        self._task_batches = task_batches
        self._task_lengths = task_lengths
        self._how = how
        self._seed = seed
        self._epoch = -1
        self._plans: dict[int, list[np.ndarray]] = {}

    def plan(self, epoch: int, stream: int = 0) -> list[np.ndarray]:
        """The global batches of an epoch, one beside each of the task's."""
        if epoch != self._epoch:
            self._epoch, self._plans = epoch, {}
        if stream not in self._plans:
            self._plans[stream] = language_batches(
                self.data.lengths,
                self._task_batches(epoch),
                self._task_lengths,
                how=self._how,
                seed=self._seed,
                epoch=epoch,
                stream=stream,
            )
        return self._plans[stream]

    def one_pass(self, epoch: int, stream: int) -> list[np.ndarray]:
        """Batches of ``plan`` until as many rows as the corpus has, or the task's epoch ends."""
        batches, seen = [], 0
        for rows in self.plan(epoch, stream):
            if seen >= len(self.data):
                break
            batches.append(rows)
            seen += len(rows)
        return batches

    def rank_batch(
        self, rows: np.ndarray, rank: int, processes: int, device: torch.device
    ) -> dict[str, torch.Tensor]:
        """This process's part of a global batch; without a row, one that does not count."""
        share = rank_rows(rows, rank, processes)
        batch = self.data.batch(share if len(share) else rows[:1])
        if not len(share):
            batch["languages"] = torch.full_like(batch["languages"], IGNORED)
        return {key: value.to(device) for key, value in batch.items()}


def join(
    task: Mapping[str, torch.Tensor], others: list[Mapping[str, torch.Tensor]], pad_id: int
) -> dict[str, Any]:
    """One padded batch: the task's rows, then the others'.

    ``task_rows`` says how many are the task's, ``widths`` how wide these and the others are.
    """
    parts = [task, *others]
    widths = [part["input_ids"].shape[1] for part in parts]
    width = max(widths)

    def padded(part: Mapping[str, torch.Tensor], key: str) -> torch.Tensor:
        fill = pad_id if key == "input_ids" else 0
        return functional.pad(part[key], (0, width - part[key].shape[1]), value=fill)

    joint: dict[str, Any] = {**task, "task_rows": len(task["input_ids"])}
    joint["widths"] = (widths[0], max(widths[1:], default=0))
    for key in PADDED:
        joint[key] = torch.cat([padded(part, key) for part in parts])
    return joint
