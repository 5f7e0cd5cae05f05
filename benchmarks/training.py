"""A fine-tuning step against Trainer's defaults and against a plain padded loop.

The same model, rows and trainable parameters, each in a process of its own, taking turns:

    python benchmarks/training.py                                  # the demo, as params.yaml says
    python benchmarks/training.py --preset e5 --root DIR --task nli # data/ of a project in DIR
    python benchmarks/training.py --seeds 3 --epochs 3             # and what each has learned
    python benchmarks/training.py --profile                        # where our steps go

``langspec`` is this project's loop as params.yaml or the preset says (precision, batch); with
``fp32`` beside it where that is not fp32, and with steps as small as Trainer's. ``Trainer`` is
transformers' with its defaults: batches of 8 random rows padded to their longest, fp32, fused
AdamW, clipping at 1. ``plain`` pads every row to 128 pieces (or as many as the encoder takes), in
fp32, with anomaly detection and a for-loop Adam, 32 rows a step, as the published program did
(Tanti et al. 2021). The score is macro-F1 on dev rows after the last turn.

Turns share one training, which is short: its score says that all learn, not how well. With
``--seeds`` a turn is a whole training on the same rows for as many epochs, each contestant with
its own batches, and the table has the mean and range of the scores over the seeds. A contestant
with small batches takes more steps in an epoch: ``steps of 8 rows`` is ours with as many.
"""

from __future__ import annotations

import queue
import tempfile
import threading
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from contest import Contestant, chosen, configuration, contest, parser_of, table
from machine import said

PADDED, PLAIN_ROWS, DEV_ROWS = 128, 32, 200
NOT_COMPARABLE = (
    "Compare the ratios with other machines, not the milliseconds; ratios to a bf16 row with "
    "those of machines that multiply bf16 alone, ratios between fp32 rows with any"
)
TRAINER_ROWS = 8  # TrainingArguments.per_device_train_batch_size


class Subject:
    """Model and rows that all contestants start from."""

    def __init__(self, given: Namespace) -> None:
        self.config = config = configuration(given)
        import torch

        from langspec.encoders.load import load_encoder
        from langspec.modelling.model import freeze_embeddings
        from langspec.modelling.saved import build_model
        from langspec.paths import paths_of
        from langspec.tasks import get_task

        torch.set_num_threads(1)
        paths = paths_of(config, given.root)
        task = get_task(given.task)
        encoder = load_encoder(paths.encoder)
        source = [config.corpora.source]
        train = task.rows(paths.corpora, "train", source)
        self.data = task.data(train[: given.turns * given.rows], encoder)
        self.dev = task.data(task.rows(paths.corpora, "dev", source)[:DEV_ROWS], encoder)
        self.special = encoder.tokenizer.all_special_ids
        self.padded = min(PADDED, encoder.card.max_tokens)
        self.classes = len(task.labels)
        self.seed, self.epochs = given.seed, given.epochs
        torch.manual_seed(given.seed)
        self.model = build_model(encoder, task, feature_layer=-1, dropout=0.1, init=0.02).train()
        if given.freeze:
            freeze_embeddings(self.model.encoder)
        section = getattr(config.train, given.task)
        self.rates = {"encoder": section.encoder_lr, "head": section.head_lr}
        self.batch_tokens = given.batch_tokens or section.batch_tokens
        self.tokens = int(self.data.lengths.sum())
        self.turns = given.turns

    def trim(self) -> None:
        """Leave out the word embeddings that these rows do not read."""
        from langspec.modelling.vocabulary import pieces_of, trim_vocabulary

        rows = [self.data.inputs.ids, self.dev.inputs.ids]
        trim_vocabulary(self.model.encoder, pieces_of(rows, self.special))

    def groups(self) -> list[dict[str, Any]]:
        """Trainable parameters at their rates."""
        found: dict[str, list[Any]] = {"encoder": [], "head": []}
        for name, parameter in self.model.named_parameters():
            if parameter.requires_grad:
                found["encoder" if name.startswith("encoder.") else "head"].append(parameter)
        return [{"params": found[kind], "lr": rate} for kind, rate in self.rates.items()]

    def turns_of(self, steps: Iterator[int]) -> Iterator[dict[str, float]]:
        """Cut steps (each yields its tokens) into turns of as many tokens; the last is scored."""
        yield {}
        done, whole = 0, self.tokens * self.epochs
        for turn in range(1, self.turns + 1):
            last, before = turn == self.turns, done
            wall, cpu = time.perf_counter(), time.process_time()
            while (last or done < whole * turn / self.turns) and (step := next(steps, 0)):
                done += step
            took = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
            score = self.score() if last else float("nan")
            yield {**took, "tokens": done - before, "score": score}

    def score(self) -> float:
        """Macro-F1 on dev rows of the source language."""
        import torch
        from accelerate import Accelerator

        from langspec.training.scoring import dev_scores

        with torch.inference_mode():
            self.model.float()
            found = dev_scores(self.model, self.dev, 4096, Accelerator(cpu=True), self.classes)
        return float(found["macro_f1"])


def ours(
    given: Namespace,
    precision: str | None = None,
    rows: int | None = None,
    trim: bool = False,
) -> Iterator[dict[str, float]]:
    """This project's loop: the steps of :func:`langspec.training.loop.fit`.

    With ``rows``, as many tokens a step as so many rows have on average; with ``trim``, without
    the word embeddings that are not read.
    """
    subject = Subject(given)
    if trim:
        subject.trim()
    if rows is not None:
        subject.batch_tokens = round(rows * float(subject.data.lengths.mean()))
    from accelerate import Accelerator

    from langspec.compute import resolve_precision
    from langspec.objectives import get_objective
    from langspec.training.experiment import MIXED
    from langspec.training.half_weights import half_weights
    from langspec.training.sampler import epoch_batches
    from langspec.training.stepper import Stepper
    from langspec.training.watch import Watch

    chosen = resolve_precision(precision or subject.config.compute.precision, "cpu")
    accelerator = Accelerator(cpu=True, mixed_precision=MIXED[chosen])
    train, objective = subject.config.train, get_objective("finetune")
    watch = Watch(train.watch, classes=subject.classes, languages=0)
    stepper = Stepper(
        accelerator, subject.model, objective, rates=subject.rates,
        weight_decay=train.weight_decay, warmup=train.warmup, clip=train.clip, watch=watch,
        half=half_weights(subject.model, accelerator.device) if chosen == "bf16" else None,
    )  # fmt: skip
    batches = [
        rows
        for epoch in range(1, subject.epochs + 1)
        for rows in epoch_batches(
            subject.data.lengths, subject.batch_tokens, seed=subject.seed, epoch=epoch
        )
    ]

    def steps() -> Iterator[int]:
        for number, rows in enumerate(batches):
            stepper.metrics = {}
            stepper.set_progress((number + 1) / (len(batches) + 1))
            losses = objective.update(subject.data.batch(rows), 0.5, stepper)
            metrics = {name: float(loss) for name, loss in losses.items()} | stepper.metrics
            watch.end_of_step(number, metrics, accelerator)
            yield int(subject.data.lengths[rows].sum())

    return subject.turns_of(steps())


def trainer(given: Namespace) -> Iterator[dict[str, float]]:
    """transformers.Trainer: its own loop in a thread, stopped after each step."""
    subject = Subject(given)
    import numpy as np
    import torch
    from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

    class Taught(torch.nn.Module):
        """The model as Trainer wants it: it returns the loss."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = subject.model

        def forward(self, labels: Any = None, **batch: Any) -> dict[str, Any]:
            logits = self.inner(batch)["task"]
            loss = torch.nn.functional.cross_entropy(logits, labels, ignore_index=-100)
            return {"loss": loss, "logits": logits}

    class Turns(TrainerCallback):
        """Waits after every step until it may go on."""

        def on_step_end(self, *_: Any, **__: Any) -> None:
            done.put(counted.pop(0))
            go.get()

    done: queue.Queue[int] = queue.Queue()
    go: queue.Queue[None] = queue.Queue()
    counted: list[int] = []

    def collate(rows: list[int]) -> dict[str, Any]:
        counted.append(int(subject.data.lengths[rows].sum()))  # may run ahead of the steps
        batch = subject.data.batch(np.asarray(rows))
        return batch

    folder = tempfile.TemporaryDirectory()
    arguments = TrainingArguments(
        output_dir=folder.name, num_train_epochs=subject.epochs, report_to="none",
        save_strategy="no", disable_tqdm=True, use_cpu=True, remove_unused_columns=False,
        learning_rate=subject.rates["encoder"], logging_strategy="no", seed=subject.seed,
    )  # fmt: skip
    runs = Trainer(
        Taught(), arguments, data_collator=collate,
        train_dataset=list(range(len(subject.data))), callbacks=[Turns()],
    )  # fmt: skip
    runs.remove_callback(PrinterCallback)  # stdout has the table alone

    def work() -> None:
        go.get()
        try:
            runs.train()
        finally:
            folder.cleanup()
            done.put(0)

    def steps() -> Iterator[int]:
        threading.Thread(target=work, daemon=True).start()
        while True:
            go.put(None)
            if not (tokens := done.get()):
                return
            yield tokens

    return subject.turns_of(steps())


def plain(given: Namespace) -> Iterator[dict[str, float]]:
    """Every row padded to 128 pieces, anomaly detection, Adam as a Python loop."""
    subject = Subject(given)
    import numpy as np
    import torch

    data = subject.data
    optimiser = torch.optim.Adam(subject.groups(), foreach=False, fused=False)

    def steps() -> Iterator[int]:
        rng = np.random.default_rng(subject.seed)
        starts = range(0, len(data), PLAIN_ROWS)
        orders = [rng.permutation(len(data)) for _ in range(subject.epochs)]
        for rows in (order[start : start + PLAIN_ROWS] for order in orders for start in starts):
            batch = data.batch(rows)
            room = (0, max(0, subject.padded - batch["input_ids"].shape[1]))
            for key in ("input_ids", "attention_mask", "token_type_ids"):
                value = data.pad_id if key == "input_ids" else 0
                batch[key] = torch.nn.functional.pad(batch[key], room, value=value)
            with torch.autograd.detect_anomaly(check_nan=True):
                logits = subject.model(batch)["task"]
                loss = torch.nn.functional.cross_entropy(
                    logits, batch["labels"], ignore_index=-100
                )
                loss.backward()
            optimiser.step()
            optimiser.zero_grad()
            yield int(data.lengths[rows].sum())

    return subject.turns_of(steps())


def whole(given: Namespace, contestant: Contestant) -> Iterator[dict[str, float]]:
    """A turn is a training to its end, with the turn's seed; what prepares it does not count."""
    yield {}
    for seed in range(1, given.turns + 1):
        training = contestant(Namespace(**{**vars(given), "seed": seed, "turns": 1}))
        next(training)
        yield next(training)


def profiled(given: Namespace) -> str:
    """Where the time of our steps goes, by PyTorch's operators: the second of three turns."""
    given.turns = 3
    turns = ours(given)
    next(turns)
    next(turns)
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as found:
        next(turns)
    return str(found.key_averages().table(sort_by="self_cpu_time_total", row_limit=15))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--rows", type=int, default=200, help="rows a turn, --turns times")
    parser.add_argument("--epochs", type=int, default=1, help="over all of these rows")
    parser.add_argument("--seeds", type=int, help="a turn is a whole training; so many, seeded")
    parser.add_argument("--batch-tokens", type=int, help="a step of ours; else as configured")
    parser.add_argument("--freeze", action="store_true", help="the word embeddings")
    parser.add_argument("--only", nargs="+", help="those whose name begins with one of these")
    parser.add_argument("--profile", action="store_true", help="where our steps go instead")
    given = parser.parse_args(arguments)
    given.seed = 1
    config = configuration(given)
    from langspec.compute import resolve_precision

    if given.profile:
        print(profiled(given))
        return
    precision = resolve_precision(config.compute.precision, "cpu")
    contestants: dict[str, Contestant] = {f"langspec ({precision})": ours}
    if precision != "fp32":
        contestants["langspec (fp32)"] = partial(ours, precision="fp32")
    contestants[f"langspec, steps of {TRAINER_ROWS} rows"] = partial(ours, rows=TRAINER_ROWS)
    contestants |= {"Trainer": trainer, "plain": plain}
    base = next(iter(contestants))
    if given.seeds:
        given.rows, given.turns = given.rows * given.turns, given.seeds
        contestants = {
            name: partial(whole, contestant=contestant) for name, contestant in contestants.items()
        }
    rows = contest(chosen(contestants, given.only), given)
    asked = {"Trainer": 1.9, "plain": 8.0} if given.task == "pos" else {"Trainer": 1.7}
    if given.task == "pos" and precision != "fp32":
        asked |= {"Trainer": 4.5, "langspec (fp32)": 2.2}
    print(table(rows, base, asked) + "\n\n" + said(NOT_COMPARABLE))


if __name__ == "__main__":
    main()
