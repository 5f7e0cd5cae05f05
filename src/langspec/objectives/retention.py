"""Retention: losses that keep an encoder near its start while it unlearns language."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from pydantic import Field

from langspec.errors import LangspecError
from langspec.objectives.base import Setting
from langspec.objectives.streams import RandomStream
from langspec.search import ALL, Search
from langspec.section import Section

if TYPE_CHECKING:
    import torch

    from langspec.training.language import LanguageData

MASKED = 0.15  # share of tokens, as in BERT's pre-training (Devlin et al. 2019, section 3.1)


class RetentionOptions(Section):
    """Section ``retention`` of a method.

    Attributes:
        kind: ``none``; ``distil``: :class:`Distil`; ``mlm``: :class:`Masked`.
        weight: of the retention loss in the sum of losses.
    """

    kind: Annotated[Literal["none", "distil", "mlm"], Search(choices=ALL)]
    weight: Annotated[
        float, Field(ge=0), Search(0.01, 10.0, log=True, when=("kind", ("distil", "mlm")))
    ]


class Retention(Protocol):
    """A retention loss on the language rows of a step.

    Attributes:
        streams: random streams that it draws from; checkpoints hold their states.
    """

    streams: dict[str, RandomStream]

    def rows(self, batch: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor] | None:
        """Further rows that go through the encoder in the step; None: there are none."""
        ...

    def loss(
        self, states: torch.Tensor, batch: Mapping[str, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The sum of the loss over the tokens that count, and their number.

        Args:
            states: ``[B, T, H]`` of the rows of :meth:`rows`, or of ``batch`` if there are none.
            batch: the language rows of the step.
        """
        ...


class Distil:
    """Distillation: the states of the language rows stay near those of the starting encoder.

    The loss of a token is ``|s - t|^2 / |t|^2``, with its state ``s`` and the teacher's ``t``, so
    it does not depend on the scale of an encoder. The teacher is the starting encoder without
    dropout. Only language rows are distilled, because the task's rows are in one language.
    """

    def __init__(self, setting: Setting) -> None:
        self.teacher = copy.deepcopy(setting.model.encoder).eval().requires_grad_(False)
        self.layer = setting.model.feature_layer
        self.streams: dict[str, RandomStream] = {}

    def rows(self, batch: Mapping[str, torch.Tensor]) -> None:
        """None: the loss reads the states of the language rows themselves."""
        return None

    def loss(
        self, states: torch.Tensor, batch: Mapping[str, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The sum of the relative squared distances of all tokens, and their number."""
        import torch

        from langspec.encoders.forward import hidden_states
        from langspec.modelling.pooling import float32

        with torch.no_grad():
            (taught,) = hidden_states(self.teacher, batch, self.layer)
        real = batch["attention_mask"].bool()
        taught, student = float32(taught[real]), float32(states[:, : real.shape[1]][real])
        distance = (student - taught).square().sum(-1) / taught.square().sum(-1)
        return distance.sum(), real.sum()


class Masked:
    """Masked language modelling: masked tokens of the language rows are still predicted.

    The head is the encoder's masked-language head and is not trained, so the states must remain
    what it reads. The masked rows are further rows in the one forward pass of the step.
    """

    def __init__(self, setting: Setting, language: LanguageData) -> None:
        import torch

        if language.mlm_head is None or language.mask_id is None:
            raise LangspecError("this encoder has no masked-language head; use distil")
        if setting.model.feature_layer != -1:
            raise LangspecError("a masked-language head reads the last layer; use distil")
        self.head = copy.deepcopy(language.mlm_head).eval().requires_grad_(False)
        self.head.to(setting.device, next(setting.model.encoder.parameters()).dtype)
        self.mask_id = language.mask_id
        self.special = torch.tensor(language.special_ids, device=setting.device)
        seed = 31 + 1000 * setting.seed + setting.rank
        self.streams = {"masking": RandomStream(seed, setting.device)}
        self._chosen: torch.Tensor | None = None

    def rows(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The language rows with :data:`MASKED` of their tokens chosen to be predicted.

        Of these, 80 % are masked, 10 % are replaced by another token, 10 % stay.
        """
        import torch

        ids = batch["input_ids"]
        with self.streams["masking"]:
            fate = torch.rand(ids.shape, device=ids.device)
            how = torch.rand(ids.shape, device=ids.device)
            drawn = torch.randint(ids.numel(), ids.shape, device=ids.device)
        open_to_choice = batch["attention_mask"].bool() & ~torch.isin(ids, self.special)
        ordinary = ids[open_to_choice]
        other = ordinary[drawn % len(ordinary)] if len(ordinary) else ids
        self._chosen = open_to_choice & (fate < MASKED)
        hidden = torch.where(self._chosen & (how < 0.8), self.mask_id, ids)
        hidden = torch.where(self._chosen & (how >= 0.9), other, hidden)
        return {**batch, "input_ids": hidden}

    def loss(
        self, states: torch.Tensor, batch: Mapping[str, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The sum of the cross-entropy of the chosen tokens, and their number."""
        from torch.nn import functional

        from langspec.modelling.pooling import float32

        chosen = self._chosen
        assert chosen is not None  # ``rows`` was called before
        logits = self.head(states[:, : chosen.shape[1]][chosen])
        gold = batch["input_ids"][chosen]
        return functional.cross_entropy(float32(logits), gold, reduction="sum"), chosen.sum()


def make_retention(kind: str, setting: Setting, language: LanguageData) -> Any:
    """Make the retention of a kind (``none``, ``distil``, ``mlm``); None for ``none``.

    Raises:
        LangspecError: ``mlm`` without a masked-language head, or with another layer than the last.
    """
    if kind == "none":
        return None
    return Distil(setting) if kind == "distil" else Masked(setting, language)
