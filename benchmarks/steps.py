"""What a step of each method costs beside a fine-tuning step, at equal task and language tokens.

One training of each, interleaved a step at a time, CPU seconds, medians:

    python benchmarks/steps.py --steps 40
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from shared import ROOT
from unlearning_runs import configuration

CASES = {  # name: method, changes, largest ratio allowed
    "finetune": ("finetune", (), 1.0),
    "control": ("control", (), None),
    "grl": ("grl", (), 2.1),
    "grl + distil": ("grl", ("grl.retention.kind=distil",), 2.6),
    "adversary k=1": ("adversary", ("adversary.inner_steps=1",), 2.6),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    import torch
    from accelerate import Accelerator

    from langspec.encoders.load import load_encoder
    from langspec.modelling.model import freeze_embeddings
    from langspec.modelling.saved import build_model, copy_encoder
    from langspec.objectives import Setting, get_objective
    from langspec.presets import load_preset
    from langspec.stages.common import paths_of
    from langspec.stages.seeds import fit_options, method_options, source_data, unlearning
    from langspec.tasks import get_task
    from langspec.training.language import LanguageStream
    from langspec.training.sampler import epoch_batches
    from langspec.training.stepper import Stepper
    from langspec.training.watch import Watch, WatchOptions

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--params", type=Path, default=ROOT / "params.yaml")
    parser.add_argument("--preset", help="a preset instead of --params, e.g. e5")
    parser.add_argument("--root", type=Path, default=ROOT, help="project with data/")
    parser.add_argument("--task", choices=("pos", "nli"), default="pos")
    parser.add_argument("--steps", type=int, default=40)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    runs = {}
    for name, (method, changes, _) in CASES.items():
        assignments = [f"train.methods.{change}" for change in changes]
        if given.preset:
            config = load_preset(given.preset, assignments)
        else:
            config = configuration(given.params, assignments)
        task, paths = get_task(given.task), paths_of(config, given.root)
        encoder = load_encoder(paths.encoder)
        data = source_data(config, task, encoder, paths.corpora, "train")
        fit = fit_options(config, given.task, method, 1)
        objective = get_objective(method, method_options(config, given.task, method))
        language = None
        if objective.reads_language:
            language = unlearning(config, task, method, encoder, paths)["language"]
        torch.manual_seed(1)
        model = build_model(
            copy_encoder(encoder), task, feature_layer=-1, dropout=0.1, init=0.02
        ).train()
        if method_options(config, given.task, method).freeze_embeddings:
            freeze_embeddings(model.encoder)
        accelerator = Accelerator(cpu=True)
        objective.set_up(Setting(model, language, 1, 0, accelerator.device, 0.02))
        batches = epoch_batches(data.lengths, fit.batch_tokens, seed=1, epoch=1)
        stream = language and LanguageStream(
            language, lambda epoch, batches=batches: batches, data.lengths, how="tokens", seed=1
        )
        count = len(language.languages) if language else 0
        stepper = Stepper(
            accelerator, model, objective,
            rates={"encoder": fit.encoder_lr, "head": fit.head_lr}, weight_decay=0.01,
            warmup=0.1, clip=1.0, language=stream,
            watch=Watch(WatchOptions(), classes=len(task.labels), languages=count),
        )  # fmt: skip
        runs[name] = (objective, stepper, data, batches)
    seconds: dict[str, list[float]] = {name: [] for name in CASES}
    for step in range(given.steps):
        for name, (objective, stepper, data, batches) in runs.items():
            index = step % len(batches)
            stepper.place = (1, index)
            if objective.reads_language:
                for k in range(4):
                    stepper.language.plan(1, k)  # once an epoch, not once a step
            began = time.process_time()
            stepper.set_progress(0.5)
            losses = objective.update(data.batch(batches[index]), 0.5, stepper)
            stepper.watch.end_of_step(step, stepper.metrics, stepper.accelerator)
            seconds[name].append(time.process_time() - began)
            assert all(torch.isfinite(loss) for loss in losses.values())
    base = median(seconds["finetune"])
    print("| step | CPU ms | ratio | allowed |\n|---|---|---|---|")
    for name, (_, _, allowed) in CASES.items():
        found = median(seconds[name])
        # Ratio step by step, since each pair has the same task rows.
        pairs = zip(seconds[name], seconds["finetune"], strict=True)
        ratio = median(own / other for own, other in pairs)
        print(f"| {name} | {1000 * found:.1f} | {ratio:.2f} | {allowed or ''} |")
    print(f"\nfinetune {1000 * base:.1f} ms; {given.steps} steps each, interleaved, one thread.")


if __name__ == "__main__":
    main()
