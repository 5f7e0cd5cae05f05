"""Predictions and dev scores of a model, and features of a frozen one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn
from tqdm import tqdm

from langspec.encoders.inference import casts, in_memory
from langspec.encoders.inputs import length_batches
from langspec.measurement.scores import confusion, macro_f1_of_counts
from langspec.tasks.task import IGNORED, TaskData, Unit, gather_labels


class TrainingData(Protocol):
    """Rows that can be batched: tokenised ones, or features of them."""

    @property
    def lengths(self) -> np.ndarray:
        """Size of each row, in pieces."""
        ...

    def __len__(self) -> int: ...

    def batch(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        """Tensors of some rows, with their ``labels``."""
        ...

    def row_labels(self, rows: np.ndarray) -> np.ndarray:
        """Labels of some rows, in order."""
        ...


@dataclass(frozen=True)
class FeatureData:
    """Vectors of a frozen encoder, encoded once: float32 ``[N, H]``, one a unit or a row."""

    vectors: np.ndarray
    labels: np.ndarray
    unit_starts: np.ndarray
    lengths: np.ndarray
    unit: Unit

    def __len__(self) -> int:
        return len(self.lengths)

    def row_labels(self, rows: np.ndarray) -> np.ndarray:
        """Labels of some rows, in order."""
        return gather_labels(self.labels, self.unit_starts, rows, self.unit)

    def batch(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        """``features`` and ``labels`` of some rows."""
        if self.unit == "token":
            index = np.concatenate(
                [np.arange(self.unit_starts[r], self.unit_starts[r + 1]) for r in rows]
            )
        else:
            index = rows
        return {
            "features": torch.from_numpy(np.asarray(self.vectors[index], dtype=np.float32)),
            "labels": torch.from_numpy(self.labels[index]),
        }


def _each_batch(data: TaskData, batch_tokens: int, device: torch.device, description: str) -> Any:
    """(positions in the flat label array, batch) for every length-sorted batch."""
    starts = data.inputs.unit_starts
    for rows in tqdm(
        length_batches(data.lengths, batch_tokens),
        desc=description,
        unit="batch",
        leave=False,
        disable=None,
    ):
        if data.unit == "pair":
            positions = rows
        else:
            positions = np.concatenate([np.arange(starts[r], starts[r + 1]) for r in rows])
        yield positions, {k: v.to(device) for k, v in data.batch(rows).items()}


@torch.inference_mode()
def encode_features(
    model: Any, data: TaskData, batch_tokens: int, device: Any, precision: str
) -> FeatureData:
    """The vectors that a head would read, from an encoder in eval mode (no dropout noise)."""
    model = model.eval().for_encoding(precision)
    vectors: np.ndarray | None = None
    for positions, batch in _each_batch(data, batch_tokens, device, "encode once"):
        fits = in_memory(batch["input_ids"], "features.batch_tokens")
        with casts(device, precision), fits:
            of_batch = model.vectors(batch).float().cpu().numpy()
        if vectors is None:
            vectors = np.zeros((len(data.labels), of_batch.shape[1]), np.float32)
        vectors[positions] = of_batch
    if vectors is None:
        vectors = np.zeros((0, 1), np.float32)
    return FeatureData(vectors, data.labels, data.inputs.unit_starts, data.lengths, data.unit)


@torch.inference_mode()
def head_classes(head: nn.Module, vectors: np.ndarray) -> np.ndarray:
    """int64 ``[N]``: the classes that a head finds likeliest for vectors ``[N, H]``."""
    device = next(head.parameters()).device
    scores = head.eval()(torch.from_numpy(np.asarray(vectors, dtype=np.float32)).to(device))
    return np.asarray(scores.argmax(dim=-1).cpu(), dtype=np.int64)


def predict(
    model: Any, data: TaskData, batch_tokens: int, device: Any, precision: str
) -> np.ndarray:
    """Class indices int64, aligned with ``data.labels``."""
    vectors = encode_features(model, data, batch_tokens, device, precision).vectors
    return head_classes(model.heads["task"], vectors)


@torch.inference_mode()
def dev_scores(
    model: nn.Module,
    data: TrainingData,
    batch_tokens: int,
    accelerator: Accelerator,
    classes: int,
) -> dict[str, float]:
    """Loss, accuracy and macro-F1 on ``data``, each process scoring every n-th batch."""
    model.eval()
    counts = torch.zeros(classes * classes + 2, dtype=torch.float64)
    batches = length_batches(data.lengths, batch_tokens)
    for rows in batches[accelerator.process_index :: accelerator.num_processes]:
        batch = {k: v.to(accelerator.device) for k, v in data.batch(rows).items()}
        with accelerator.autocast():
            logits = model(batch)["task"].float()
        loss = nn.functional.cross_entropy(
            logits, batch["labels"], ignore_index=IGNORED, reduction="sum"
        )
        gold, predicted = batch["labels"].cpu().numpy(), logits.argmax(dim=-1).cpu().numpy()
        scored = gold != IGNORED
        matrix = confusion(gold[scored], predicted[scored], classes)
        counts[:-2] += torch.from_numpy(matrix.reshape(-1).astype(np.float64))
        counts[-2:] += torch.tensor([float(loss), float(scored.sum())], dtype=torch.float64)
    counts = accelerator.reduce(counts.to(accelerator.device), reduction="sum").cpu()
    matrix = counts[:-2].reshape(classes, classes).numpy().astype(np.int64)
    hits = np.diagonal(matrix)
    return {
        "loss": float(counts[-2] / counts[-1].clamp(min=1)),
        "accuracy": float(hits.sum() / max(1, matrix.sum())),
        "macro_f1": float(macro_f1_of_counts(hits, matrix.sum(axis=1), matrix.sum(axis=0))),
    }
