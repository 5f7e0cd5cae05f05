"""Random streams besides that of a run: what a discriminator draws does not change its dropout."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class RandomStream:
    """A context in which PyTorch draws from another random stream, on the CPU and on a device.

    Attributes:
        device: of this process.
        states: uint8 state of each generator by type of device; checkpoints hold it.
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
