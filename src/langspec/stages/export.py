"""Command export: a trained or erased encoder as a folder for other libraries."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from langspec.config import Config
from langspec.encoders.load import Encoder
from langspec.erasure import ERASERS, ErasureMap, make_eraser
from langspec.erasure.saved import load_eraser, weights_hash
from langspec.errors import LangspecError
from langspec.files import read_json
from langspec.measurement.erased import fit_maps, require_languages
from langspec.modelling.saved import load_run, read_card
from langspec.paths import checkpoint_hash, paths_of, require
from langspec.release.encoder_folder import ExportedHead, check_empty, write_export
from langspec.release.model_card import ExportFacts, model_card
from langspec.stages.erase import eraser_options
from langspec.stages.measure import Evaluation
from langspec.tasks import get_task


def run(
    config: Config,
    root: Path,
    *,
    task_name: str,
    method: str,
    seed: int,
    out: Path,
    eraser: str | None = None,
    with_head: bool = False,
) -> Path:
    """Write a seed's encoder to ``out``; returns it.

    Args:
        config: ``params.yaml``.
        root: the project.
        task_name: that it was trained for.
        method: that trained it.
        seed: of the training.
        out: a folder that does not exist or is empty.
        eraser: a name, to be fitted here on the training lines of the language text, or a folder
            that an earlier export wrote (``DIR/eraser``).
        with_head: put the task's head beside the encoder.

    Raises:
        LangspecError: nothing trained there, ``out`` is not empty, an unknown eraser, one that
            treats each language differently, one that was fitted on another encoder, language
            text that no eraser can be fitted on.
    """
    torch.set_num_threads(config.compute.threads)
    check_empty(out)
    named = eraser is not None and eraser in ERASERS
    if eraser is not None and not named and not Path(eraser).is_dir():
        make_eraser(eraser, place="--eraser")  # refuses it by name
    task = get_task(task_name, paths_of(config, root).corpora)
    evaluation = Evaluation(config, root, task, config.features.cache_gb)
    folder = require(
        evaluation.paths.train(task_name, method) / f"seed-{seed}",
        f"train --task {task_name} --method {method}",
    )
    card = read_card(folder)
    model = load_run(folder, evaluation.encoder, task)
    encoder: Any = model.encoder
    layers = int(encoder.config.num_hidden_layers)
    layer = card.feature_layer if card.feature_layer >= 0 else card.feature_layer + layers + 1

    on_sentences: ErasureMap | None = None
    on_tokens: ErasureMap | None = None
    options = eraser_options(config)
    if eraser is not None and named:
        require_languages(
            evaluation.text_rows.languages,
            evaluation.text_rows.splits,
            config.corpora.languages,
            place="--eraser",
        )
        state = checkpoint_hash(folder) if card.trains_encoder else evaluation.encoder.card.sha256
        bank = evaluation.text_bank(model.encoder, state, f"{method} {seed}")
        on_sentences = fit_maps(bank, eraser, options, ["sentence"], [layers])["sentence", layers]
        if with_head and task.unit == "token":
            on_tokens = fit_maps(bank, eraser, options, ["token"], [layer])["token", layer]
    elif eraser is not None:
        on_sentences = load_eraser(
            Path(eraser), encoder=weights_hash(encoder), unit="sentence", layer=layers
        )
    if on_sentences is not None and on_sentences.by_language:
        raise LangspecError(
            f"{on_sentences.name} treats each language differently, which no linear layer can "
            "carry; expected one of lsar, inlp, leace",
            place="--eraser",
        )

    linear: Any = model.heads["task"].linear
    head = ExportedHead(
        task=task.name,
        unit=task.unit,
        labels=task.labels,
        layer=layer,
        weight=linear.weight.detach().numpy(),
        bias=linear.bias.detach().numpy(),
        single=getattr(task, "single", False),
    )
    starting = evaluation.encoder.card
    run_file = folder.parent / "run.json"
    facts = ExportFacts(
        task=task.name,
        method=method,
        seed=seed,
        starting=starting,
        run=read_json(run_file) if run_file.is_file() else {},
        source=config.corpora.source,
        languages=config.corpora.languages,
        sources=read_json(evaluation.paths.corpora / "card.json")["sources"],
        eraser=on_sentences.name if on_sentences else "",
        eraser_rank=on_sentences.rank if on_sentences else 0,
        head_unit=task.unit if with_head else "",
        trained=card.trains_encoder,
        generated=config.corpora.kind == "demo",
    )
    name = f"{starting.name}-{task.name}-{method}-{seed}"
    exported = Encoder(
        model=encoder,
        tokenizer=evaluation.encoder.tokenizer,
        card=replace(
            starting, name=name, kind="folder", sha256="", source=f"{starting.name}, {method}"
        ),
    )
    write_export(
        out,
        exported,
        model_card(facts),
        eraser=on_sentences,
        eraser_options=make_eraser(eraser, options).options() if named and eraser else None,
        token_eraser=on_tokens,
        head=head if with_head else None,
    )
    return out
