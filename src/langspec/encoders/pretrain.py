"""Pre-training of a tiny multilingual BERT on the demo's text.

Masked-language modelling (Devlin et al. 2019) on three kinds of batches:

* translation pairs, two languages in one row (TLM, Lample & Conneau 2019, section 3.3);
* unlabelled premise-hypothesis pairs of one language, so that the second token type is trained;
* single sentences in which words of a bilingual dictionary are replaced, with some probability,
  by their translation (code-switching; as Conneau et al. 2020, "Emerging cross-lingual
  structure", section 4, and Qin et al. 2020, CoSDA-ML).

Translations and a dictionary are supervision that mBERT did not have: the demo's encoder is
aligned on purpose, because one of a million weights trained for minutes would not align by itself.

The weights start so that attention compares from the first step (:func:`_compare_at_start`): in
the one pair of runs that was compared, the plateau on which only frequencies are learnt was
shorter.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.nn import functional
from tqdm import tqdm
from transformers import BertConfig, BertForMaskedLM, BertModel, PreTrainedTokenizerFast

from langspec.encoders.forward import RESTART, encoder_arguments
from langspec.encoders.inputs import pack
from langspec.encoders.load import Encoder, EncoderCard
from langspec.encoders.pretraining_text import (
    PretrainData,
    code_switched,
    join,
    read_pretrain_data,
)
from langspec.encoders.recipe import EncoderSection, Pretrain
from langspec.encoders.wordpiece import train_wordpiece

KINDS = ("tlm", "pairs", "sentences")
STORED = torch.float16  # data type of the finished weights: half the size
HISTORY_STEPS = 50  # a row of the history is the mean over so many steps
_POOL = 2048  # rows that are drawn and sorted by length together
_WEIGHT_DECAY = 0.01
_CLIP = 1.0
# The start of the weights, see _compare_at_start.
_QUERY_SCALE = 4.0
_WAVE_HEIGHT = 0.06
_WAVE_BASE = 1000.0
_IGNORED = -100


@dataclass(frozen=True)
class StepRecord:
    """Means over the last steps: cross-entropy of masked tokens in nats, and their accuracy."""

    step: int
    loss: float
    masked_accuracy: float
    lr: float


class BatchMaker:
    """Endless seeded batches of one kind each, in the shares that the recipe gives."""

    def __init__(
        self, data: PretrainData, tokenizer: PreTrainedTokenizerFast, section: EncoderSection
    ) -> None:
        self.data = data
        self.recipe = section.pretrain
        # A copy: truncation is a setting of the tokenizer itself.
        self.tokenizer = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self.tokenizer.enable_truncation(section.max_tokens, strategy="longest_first")
        self.sentences = [sentence for line in data.lines for sentence in line]
        self.rng = random.Random(self.recipe.seed)  # noqa: S311 - repeatable, no secret
        special = set(tokenizer.all_special_ids)
        self.pad = int(tokenizer.pad_token_id)
        self.mask = int(tokenizer.mask_token_id)
        self.special = np.asarray(sorted(special), dtype=np.int64)
        self.ordinary = np.asarray(
            [i for i in range(len(tokenizer)) if i not in special], dtype=np.int64
        )
        self.noise = np.random.default_rng(self.recipe.seed)

    def draw(self, kind: str) -> tuple[str, str] | str:
        """One example: two texts or one."""
        if kind == "tlm":
            first, second = self.rng.sample(self.rng.choice(self.data.lines), 2)
            return join(first.words, first.spaces), join(second.words, second.spaces)
        if kind == "pairs":
            return self.rng.choice(self.data.pairs)
        sentence = self.rng.choice(self.sentences)
        words = code_switched(sentence, self.data.dictionary, self.recipe.code_switch, self.rng)
        return join(words, sentence.spaces)

    def batches(self, kind: str) -> Iterator[dict[str, torch.Tensor]]:
        """Endless batches of a kind: ``input_ids``, ``attention_mask``, ``token_type_ids``
        and ``labels`` int64 ``[B, T]``, rows of similar length.
        """
        while True:
            encodings = self.tokenizer.encode_batch([self.draw(kind) for _ in range(_POOL)])
            lengths = np.asarray([len(encoding.ids) for encoding in encodings])
            groups = pack(np.argsort(lengths, kind="stable"), lengths, self.recipe.batch_tokens)
            self.rng.shuffle(groups)
            for group in groups:
                yield self._collate([encodings[i] for i in group])

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        streams = {kind: self.batches(kind) for kind in KINDS}
        shares = (
            self.recipe.tlm,
            self.recipe.pairs,
            1 - self.recipe.tlm - self.recipe.pairs,
        )
        while True:
            yield next(streams[self.rng.choices(KINDS, shares)[0]])

    def _collate(self, encodings: list[Any]) -> dict[str, torch.Tensor]:
        shape = len(encodings), max(len(encoding.ids) for encoding in encodings)
        ids = np.full(shape, self.pad, dtype=np.int64)
        segments = np.zeros(shape, dtype=np.int64)
        attended = np.zeros(shape, dtype=np.int64)
        for row, encoding in enumerate(encodings):
            length = len(encoding.ids)
            ids[row, :length] = encoding.ids
            segments[row, :length] = encoding.type_ids
            attended[row, :length] = 1
        masked, labels = self._mask(ids)
        arrays = {
            "input_ids": masked,
            "attention_mask": attended,
            "token_type_ids": segments,
            "labels": labels,
        }
        return {key: torch.from_numpy(value) for key, value in arrays.items()}

    def _mask(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mask tokens: 80 % become the mask token, 10 % a random token, 10 % stay as they are."""
        open_to_choice = ~np.isin(ids, self.special)
        chosen = open_to_choice & (self.noise.random(ids.shape) < self.recipe.mask)
        if not chosen.any():  # a batch without a target has no loss
            chosen[tuple(np.argwhere(open_to_choice)[0])] = True
        labels = np.where(chosen, ids, _IGNORED)
        fate = self.noise.random(ids.shape)
        masked = np.where(chosen & (fate < 0.8), self.mask, ids)
        swapped = chosen & (fate >= 0.9)
        masked[swapped] = self.noise.choice(self.ordinary, int(swapped.sum()))
        return masked, labels


def _model(tokenizer: PreTrainedTokenizerFast, section: EncoderSection) -> BertForMaskedLM:
    recipe = section.pretrain
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        intermediate_size=4 * recipe.hidden,
        max_position_embeddings=section.max_tokens,
        type_vocab_size=2,
        # Far from over-fitting in so few steps; a task's head has dropout of its own.
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=tokenizer.pad_token_id,
    )
    setattr(config, RESTART, recipe.restart_positions)
    model = BertForMaskedLM(config)
    _compare_at_start(model)
    return model


def _compare_at_start(model: BertForMaskedLM) -> None:
    """Start with attention that looks for the like: same word, same or near position.

    Keys equal queries, four times BERT's scale, so that scores are similarities (the idea of
    Trockman & Kolter 2023, "Mimetic initialization of self-attention layers", in a simple form);
    positions are sinusoids (Vaswani et al. 2017, section 3.5), so that near ones are alike. All
    of it is trained from there.
    """
    with torch.no_grad():
        layers: Any = model.bert.encoder.layer
        for layer in layers:
            attention = layer.attention.self
            attention.query.weight.mul_(_QUERY_SCALE)
            attention.key.weight.copy_(attention.query.weight)
        table = model.bert.embeddings.position_embeddings.weight
        positions, width = table.shape
        rates = _WAVE_BASE ** (-torch.arange(0, width, 2) / width)
        angles = torch.arange(positions)[:, None] * rates
        table[:, 0::2] = _WAVE_HEIGHT * torch.sin(angles)
        table[:, 1::2] = _WAVE_HEIGHT * torch.cos(angles[:, : width // 2])


def masked_loss(
    model: BertForMaskedLM, batch: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean cross-entropy and accuracy over the masked tokens; the head reads only those."""
    hidden = model.bert(**encoder_arguments(model, batch)).last_hidden_state
    targets = batch["labels"] != _IGNORED
    logits = model.cls(hidden[targets])
    gold = batch["labels"][targets]
    return functional.cross_entropy(logits, gold), (logits.argmax(-1) == gold).float().mean()


def pretrain(
    text: Path,
    section: EncoderSection,
    *,
    on_record: Callable[[StepRecord], None] | None = None,
) -> Encoder:
    """Pre-train from nothing; equal arguments and threads give equal weights on one machine.

    Args:
        text: the folder of the text, see :func:`read_pretrain_data`.
        section: the recipe and the longest row.
        on_record: gets the mean of every 50 steps.

    Returns:
        the encoder, its weights rounded to half precision, as they are stored.

    Raises:
        LangspecError: a file of the text is absent or faulty.
    """
    recipe = section.pretrain
    data = read_pretrain_data(text)
    tokenizer = train_wordpiece(data.texts(), recipe.vocabulary)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = _model(tokenizer, section).train()
    _fit(model, BatchMaker(data, tokenizer, section), recipe, on_record)

    # The masked-LM head is left behind: nothing downstream reads it.
    encoder = BertModel(model.config, add_pooling_layer=False)
    encoder.load_state_dict(
        {key: value.to(STORED).float() for key, value in model.bert.state_dict().items()}
    )
    card = EncoderCard(
        name=section.name,
        kind="demo",
        max_tokens=section.max_tokens,
        source="pre-trained here on the demo's generated text",
        licence="MIT",
        recipe=section.recipe(),
    )
    return Encoder(encoder.eval(), tokenizer, card)


def _fit(
    model: BertForMaskedLM,
    batches: BatchMaker,
    recipe: Pretrain,
    on_record: Callable[[StepRecord], None] | None,
) -> None:
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": _WEIGHT_DECAY},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=recipe.lr,
        betas=(0.9, 0.98),
        fused=True,
    )
    warmup = max(1, round(recipe.warmup * recipe.steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(
            (step + 1) / warmup, (recipe.steps - step) / max(1, recipe.steps - warmup)
        ),
    )
    losses: list[float] = []
    accuracies: list[float] = []
    stream = iter(batches)
    with tqdm(total=recipe.steps, desc="pre-train", unit="step", disable=None) as bar:
        for step in range(1, recipe.steps + 1):
            lr = float(schedule.get_last_lr()[0])
            loss, accuracy = masked_loss(model, next(stream))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), _CLIP)
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
            accuracies.append(float(accuracy))
            bar.update()
            if step % HISTORY_STEPS == 0 or step == recipe.steps:
                record = StepRecord(step, float(np.mean(losses)), float(np.mean(accuracies)), lr)
                losses.clear()
                accuracies.clear()
                bar.set_postfix(loss=f"{record.loss:.3f}", acc=f"{record.masked_accuracy:.3f}")
                if on_record is not None:
                    on_record(record)
