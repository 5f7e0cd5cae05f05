"""Run by torchrun: the same training on any number of processes; rank 0 saves what came out."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit"))

from training_fixtures import (
    CLASSES,
    language_data,
    method_options,
    options,
    tiny_model,
    token_data,
)

from langspec.modelling.model import freeze_above
from langspec.objectives import get_objective
from langspec.training.loop import fit
from langspec.training.watch import WatchOptions


def main(out: Path, unit: str, method: str, layers: int, feature_layer: int) -> None:
    accelerator = Accelerator(cpu=True)
    model = tiny_model(unit=unit, dropout=0.0, layers=layers)
    model.feature_layer = feature_layer
    freeze_above(model.encoder, feature_layer)
    # Dropout and masking differ between processes: they are left out.
    changes = ["discriminator.dropout=0.0", "retention.kind=distil", "inner_steps=1"]
    chosen = None if method == "finetune" else method_options(method, *changes)
    result = fit(
        model,
        get_objective(method, chosen),
        token_data(61, unit=unit),
        token_data(20, seed=9, unit=unit),
        options(encoder_lr=1e-3),
        accelerator,
        classes=CLASSES,
        language=None if method == "finetune" else language_data(45),
        watch=WatchOptions(every=3),
    )
    flat = torch.cat([p.detach().reshape(-1) for p in model.parameters()])
    everywhere = accelerator.gather(flat[None])
    accelerator.print("largest difference between ranks", (everywhere - flat).abs().max().item())
    if accelerator.is_main_process:
        tensors = result.tensors | {
            "processes": torch.tensor(accelerator.num_processes),
            "ranks_differ_by": (everywhere - flat).abs().max(),
            **{
                f"steps.{name}": torch.tensor([row[name] for row in result.steps if name in row])
                for name in set(result.steps[0]) | set(result.steps[2])
            },
            "dev": torch.tensor(list(result.dev.values())),
        }
        save_file(tensors, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
