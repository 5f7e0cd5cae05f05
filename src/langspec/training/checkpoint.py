"""Our own checkpoints: safetensors and JSON, no pickle, written whole into one of two slots.

A checkpoint holds everything a run needs to go on bit for bit: trainable weights, optimiser
moments, the position in the sampler, the random state of every process, the best weights so far
and the history. It lives in a cache folder named by a hash of all that decides the run, so
a checkpoint of other parameters, data or code is never found.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from langspec.errors import LangspecError
from langspec.files import atomic_folder, read_json, sha256_file, write_json

logger = logging.getLogger(__name__)

SCHEMA = 1
_TENSORS = "tensors.safetensors"
_STATE = "state.json"


@dataclass
class Checkpoint:
    """``tensors`` by flat name, ``state`` a JSON-able dictionary with at least ``step``.

    ``place``: where it was read from.
    """

    tensors: dict[str, torch.Tensor]
    state: dict[str, Any]
    place: Path | None = None


class CheckpointStore:
    """Two slots in a folder, written in turn: one good checkpoint survives any interruption."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _slots(self) -> list[Path]:
        return [self.folder / "slot-0", self.folder / "slot-1"]

    def save(self, checkpoint: Checkpoint) -> None:
        """Write into the slot that does not hold the newest checkpoint.

        Raises:
            LangspecError: it could not be written (the disk is full); the newest one is as it was.
        """
        steps = [self._step(slot) for slot in self._slots()]
        target = self._slots()[0 if steps[0] <= steps[1] else 1]
        tensors = {k: v.detach().cpu().contiguous() for k, v in checkpoint.tensors.items()}
        try:
            with atomic_folder(target) as temporary:
                save_file(tensors, temporary / _TENSORS)
                digest = sha256_file(temporary / _TENSORS)
                state = {**checkpoint.state, "schema": SCHEMA, "tensors_sha256": digest}
                write_json(temporary / _STATE, state)
        except (OSError, SafetensorError) as error:
            size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
            raise LangspecError(
                f"the checkpoint of step {checkpoint.state['step']} ({size / 1e6:.1f} MB) could "
                f"not be written: {error}; make room and run again: it goes on from step "
                f"{max(0, *steps)}",
                place=self.folder,
            ) from error

    def load(self) -> Checkpoint | None:
        """The newest checkpoint that is whole; a damaged one is named and passed over."""
        for slot in sorted(self._slots(), key=self._step, reverse=True):
            if self._step(slot) < 0:
                continue
            try:
                state = read_json(slot / _STATE)
                if state["schema"] != SCHEMA:
                    logger.warning("%s: schema %s, not %s; ignored", slot, state["schema"], SCHEMA)
                    continue
                if sha256_file(slot / _TENSORS) != state["tensors_sha256"]:
                    logger.warning("%s: damaged (hash differs); ignored", slot)
                    continue
                return Checkpoint(load_file(slot / _TENSORS), state, slot)
            except (OSError, KeyError, ValueError, SafetensorError) as error:
                logger.warning("%s: unreadable (%s); ignored", slot, error)
        return None

    def others(self, description: str) -> int:
        """How many other folders beside this one hold a run of the same ``description``."""
        slots = self.folder.parent.glob("*/slot-*")
        folders = {
            slot.parent for slot in slots if self._value(slot, "description") == description
        }
        return len(folders - {self.folder})

    def clear(self) -> None:
        """Remove both slots: the run is finished and its result is elsewhere."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @classmethod
    def _step(cls, slot: Path) -> int:
        step = cls._value(slot, "step")
        return step if isinstance(step, int) else -1

    @staticmethod
    def _value(slot: Path, key: str) -> Any:
        try:
            return read_json(slot / _STATE)[key]
        except (OSError, KeyError, ValueError, TypeError):
            return None


def optimiser_tensors(optimiser: Any, prefix: str) -> dict[str, torch.Tensor]:
    """Moments and step counts, one tensor each, named by the parameter's position."""
    return {
        f"{prefix}.{index}.{key}": torch.as_tensor(value)
        for index, values in optimiser.state_dict()["state"].items()
        for key, value in values.items()
    }


def load_optimiser(optimiser: Any, tensors: dict[str, torch.Tensor], prefix: str) -> None:
    """Put back what :func:`optimiser_tensors` took."""
    state = optimiser.state_dict()
    state["state"] = {}
    for name, tensor in tensors.items():
        if name.startswith(f"{prefix}."):
            index, key = name.removeprefix(f"{prefix}.").split(".", 1)
            state["state"].setdefault(int(index), {})[key] = tensor
    optimiser.load_state_dict(state)
