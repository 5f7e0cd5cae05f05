"""bf16 weights for the passes of an encoder, beside the fp32 weights that the optimiser changes.

Autocast casts every weight in every forward pass and most activations more than once, and keeps
the residual stream in fp32. Here the encoder's weights are bf16, so all of its activations are,
and a weight is cast once an optimiser step. The optimiser changes fp32 master weights
(Micikevicius et al. 2018, section 3.1): an update that is smaller than the spacing of bf16 numbers
is not lost. Heads and discriminators are fp32 and read vectors as fp32.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from langspec.modelling.quick_dropout import QuickDropout


class HalfWeights:
    """The bf16 weights of an encoder and their fp32 masters.

    A parameter of the encoder holds bf16 values from the construction until :meth:`end`; its
    master is another parameter, which holds the fp32 values and gets the fp32 gradient.

    Args:
        encoder: its floating-point parameters are cast; its buffers stay as they are.
    """

    def __init__(self, encoder: nn.Module) -> None:
        self._masters: dict[nn.Parameter, nn.Parameter] = {}
        for parameter in encoder.parameters():
            if parameter.is_floating_point():
                master = nn.Parameter(parameter.data, requires_grad=parameter.requires_grad)
                self._masters[parameter] = master
                parameter.data = parameter.data.to(torch.bfloat16)
        self._places = [
            (module, name, parameter)
            for module in encoder.modules()
            for name, parameter in module._parameters.items()
            if parameter in self._masters
        ]

    def master(self, parameter: nn.Parameter) -> nn.Parameter:
        """The fp32 parameter that stands for one of a model; one that was not cast is its own."""
        return self._masters.get(parameter, parameter)

    def collect(self) -> None:
        """Move the gradients to the masters, as fp32."""
        for parameter, master in self._masters.items():
            if parameter.grad is not None:
                master.grad, parameter.grad = parameter.grad.float(), None

    def spread(self) -> None:
        """Cast the masters that are trained, after they have changed."""
        with torch.no_grad():
            for parameter, master in self._masters.items():
                if master.requires_grad:
                    parameter.copy_(master)

    @contextmanager
    def full_precision(self) -> Iterator[None]:
        """The encoder with its fp32 weights; not between a forward pass and its backward pass.

        The masters stand in the places of the bf16 parameters, which are not touched: what
        averages gradients over processes has hooks on them.
        """
        for module, name, parameter in self._places:
            module._parameters[name] = self._masters[parameter]
        try:
            yield
        finally:
            for module, name, parameter in self._places:
                module._parameters[name] = parameter

    def end(self) -> None:
        """Leave the encoder with its fp32 weights."""
        for parameter, master in self._masters.items():
            parameter.data = master.data


def half_weights(model: Any, device: torch.device) -> HalfWeights | None:
    """Put bf16 weights into the encoder of an :class:`EncoderWithHeads`; None: it has no encoder.

    On a CPU its dropout masks are drawn by :class:`QuickDropout` from then on.
    """
    if model.encoder is None:
        return None
    if device.type == "cpu":
        model.passes = QuickDropout
    return HalfWeights(model.encoder)


def masters_of(half: HalfWeights | None, parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    """What an optimiser changes for these parameters: with no ``half``, themselves."""
    return [p if half is None else half.master(p) for p in parameters]
