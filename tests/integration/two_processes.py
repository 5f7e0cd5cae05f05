"""Run by torchrun: the same trainings on any number of processes; rank 0 saves what came out."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from langspec import interrupts
from langspec.modelling.model import freeze_above
from langspec.objectives import get_objective
from langspec.training.callbacks import Look
from langspec.training.checkpoint import CheckpointStore
from langspec.training.loop import FitResult, fit
from langspec.training.scoring import encode_features
from training_fixtures import (
    CLASSES,
    language_data,
    method_options,
    options,
    tiny_model,
    token_data,
    watch_options,
)

# Dropout and masking differ between processes: they are left out.
EXACT = ("discriminator.dropout=0.0", "retention.kind=distil", "inner_steps=1")
BF16 = "bf16 passes"
METHODS = ("frozen", "finetune", "control", "grl", "adversary")
CASES: dict[str, dict[str, Any]] = {
    **{
        f"{method} {unit}": {"method": method, "unit": unit}
        for method in METHODS
        for unit in ("token", "pair")
    },
    "adversary by epochs": {"method": "adversary", "changes": (*EXACT, "alternate=epoch")},
    "an inner layer": {"method": "grl", "layers": 2, "feature_layer": 1},
    "in parts": {"method": "grl", "parts": 3},
    BF16: {"method": "grl", "precision": "bf16"},
    "fewer rows than processes": {"method": "grl", "rows": 5, "dev": 1, "batch_tokens": 8},
}


def train(
    accelerator: Accelerator,
    *,
    method: str,
    unit: str = "token",
    changes: tuple[str, ...] = EXACT,
    layers: int = 1,
    feature_layer: int = -1,
    parts: int = 1,
    rows: int = 61,
    dev: int = 20,
    batch_tokens: int = 30,
    dropout: float = 0.0,
    precision: str = "fp32",
    stop_at: int | None = None,
    store: Path | None = None,
) -> tuple[FitResult, torch.Tensor]:
    """A training, and all weights at its end."""
    model = tiny_model(unit=unit, dropout=dropout, layers=layers)
    model.feature_layer, model.parts = feature_layer, parts
    freeze_above(model.encoder, feature_layer)
    plain = method in ("frozen", "finetune")
    objective = get_objective(method, method_options(method, *(() if plain else changes)))
    data: Any = token_data(rows, unit=unit)
    held: Any = token_data(dev, seed=9, unit=unit)
    if not objective.trains_encoder:
        data, held = (encode_features(model, part, 256, "cpu", "fp32") for part in (data, held))
        model.encoder = None
    if stop_at is not None and accelerator.process_index == accelerator.num_processes - 1:
        _stop_in(objective, stop_at)  # one process alone is told
    result = fit(
        model,
        objective,
        data,
        held,
        options(encoder_lr=1e-3, batch_tokens=batch_tokens),
        accelerator,
        classes=CLASSES,
        precision=precision,
        callbacks=[Look(lambda step, model: None)],  # as what measures a model between its steps
        language=language_data(45) if objective.reads_language else None,
        watch=watch_options(every=3),
        checkpoints=None if store is None else CheckpointStore(store),
    )
    accelerator.free_memory()
    return result, torch.cat([p.detach().reshape(-1) for p in model.parameters()])


def _stop_in(objective: Any, step: int) -> None:
    update, taken = objective.update, []

    def counted(*arguments: Any) -> Any:
        taken.append(1)
        if len(taken) == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return update(*arguments)

    objective.update = counted


def stopped_and_resumed(accelerator: Accelerator, folder: Path) -> dict[str, torch.Tensor]:
    """With dropout: the whole run beside one that was stopped; how they differ."""
    more = {"method": "grl", "dropout": 0.1, "changes": ("inner_steps=1",)}
    whole, _ = train(accelerator, **more)
    codes = 0
    with interrupts.raised():
        try:
            train(accelerator, **more, stop_at=7, store=folder)
        except interrupts.Terminated as ended:
            codes = int(ended.code or 0)
    accelerator.free_memory()
    accelerator.wait_for_everyone()
    saved = CheckpointStore(folder).load()
    again, _ = train(accelerator, **more, store=folder)
    gaps = [(whole.tensors[k] - v).abs().max() for k, v in again.tensors.items()]
    return {
        "codes": accelerator.gather(torch.tensor([codes])),
        "saved_step": torch.tensor(saved.state["step"] if saved else -1),
        "gap": torch.stack(gaps).max(),
        "equal_histories": torch.tensor(whole.steps == again.steps),
    }


def main(out: Path) -> None:
    """Every case, one after the other."""
    accelerator = Accelerator(cpu=True)
    found = {"processes": torch.tensor(accelerator.num_processes)}
    for name, case in CASES.items():
        result, flat = train(accelerator, **case)
        everywhere = accelerator.gather(flat[None])
        found |= {f"{name}/weights.{key}": value for key, value in result.tensors.items()}
        found[f"{name}/dev"] = torch.tensor(list(result.dev.values()))
        found[f"{name}/ranks_differ_by"] = (everywhere - flat).abs().max()
        found[f"{name}/count"] = torch.tensor(len(result.steps))
        for key in {key for row in result.steps for key in row}:
            values = [row[key] for row in result.steps if key in row]
            found[f"{name}/steps.{key}"] = torch.tensor(values)
    resumed = stopped_and_resumed(accelerator, out.with_suffix(".checkpoints"))
    found |= {f"resumed/{key}": value for key, value in resumed.items()}
    if accelerator.is_main_process:
        save_file({key: value.contiguous() for key, value in found.items()}, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
