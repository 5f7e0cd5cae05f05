"""Random numbers apart from the run's own: what an adversary draws changes nobody's dropout."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class RandomStream:
    """A context in which torch draws from a stream of its own, on the CPU and on ``device``.

    ``states`` (generator state by device type, uint8) is what a checkpoint keeps.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        import torch

        self.device = device
        outside = self._current()
        torch.manual_seed(seed)
        self.states = self._current()
        self._put(outside)

    def __enter__(self) -> RandomStream:
        self._outside = self._current()
        self._put(self.states)
        return self

    def __exit__(self, *_: object) -> None:
        self.states = self._current()
        self._put(self._outside)

    def _current(self) -> dict[str, torch.Tensor]:
        import torch

        states = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(self.device)
        return states

    def _put(self, states: dict[str, torch.Tensor]) -> None:
        import torch

        torch.set_rng_state(states["cpu"])
        if "cuda" in states:
            torch.cuda.set_rng_state(states["cuda"], self.device)
