"""The functions for notebooks and other programs: ``import langspec``.

They are the code that the commands run, without files of a project. docs/python.md shows them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from langspec.audit.audited_encoder import load_subject, short_name
from langspec.audit.options import (
    SPLITS,
    AuditOptions,
    EncoderChoice,
    Measures,
    word_limits,
)
from langspec.audit.place import out_folder
from langspec.audit.run import run_audit
from langspec.compute import resolve_precision
from langspec.corpora.splits import key_split, line_splits
from langspec.encoders.forward import hidden_states
from langspec.encoders.inference import casts, encoding_model
from langspec.encoders.inputs import Inputs, collate, length_batches, text_inputs
from langspec.encoders.load import Encoder
from langspec.errors import LangspecError
from langspec.features.bank import BankOptions, BankRows
from langspec.features.encode import build_bank
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.difference import JudgeOptions
from langspec.measurement.leak import language_leak
from langspec.measurement.rows import Origin
from langspec.modelling.pooling import pool
from langspec.precisions import PRECISIONS, Precision
from langspec.report.compared import CompareOptions, compare_sides, load_side
from langspec.results import LEAK_METRIC, LEAK_PROBE, read_results, results_frame

_BATCH_TOKENS = 2048


def load_encoder(
    name: str | Path, *, prefix: str | None = None, pooling: str | None = None
) -> Encoder:
    """Load an encoder in evaluation mode, in float32.

    Args:
        name: a folder (transformers' or sentence-transformers'), an id of the Hugging Face Hub
            with or without ``@REVISION``, or ``e5`` (packaged).
        prefix: text before every input, such as ``"query: "``; None: as the folder says.
        pooling: ``mean`` or ``cls``; None: as the folder says, else ``mean``.

    Raises:
        LangspecError: nothing of that name, or no encoder that reads text in both directions.
    """
    return load_subject(
        EncoderChoice(str(name), prefix, pooling), layers=None, max_tokens=None
    ).encoder


def encode(
    encoder: Encoder,
    texts: Sequence[str],
    *,
    layers: Sequence[int] | None = None,
    precision: Precision = "auto",
) -> np.ndarray:
    """Encode texts into sentence vectors.

    Args:
        encoder: of :func:`load_encoder`.
        texts: ``N`` texts. What is longer than the encoder reads is cut.
        layers: which layers, ``S`` of them; 0 is the embeddings, negative numbers count from the
            last layer. None: all ``L + 1``.
        precision: of the pass: ``fp32``, ``bf16`` or ``fp16``; ``auto``: the fastest that the
            device multiplies in hardware. What it does not multiply there is computed in fp32,
            with a warning.

    Returns:
        float32 ``[S, N, H]``: the vector of each text, pooled as the encoder's card says.

    Raises:
        LangspecError: no texts, a layer that the encoder does not have, or no such precision.
    """
    if not len(texts):
        raise LangspecError("there are no texts to encode; expected at least one")
    card, config = encoder.card, encoder.model.config
    chosen = _layers(layers, int(config.num_hidden_layers))
    inputs = _inputs(encoder, texts, card.prefix)
    vectors = np.empty((len(chosen), len(texts), int(config.hidden_size)), dtype=np.float32)
    device = _device(encoder)
    used = _precision(precision, device)
    model = encoding_model(encoder.model, used)
    for rows in length_batches(inputs.lengths, _BATCH_TOKENS):
        batch = collate(inputs, rows, pad_id=int(encoder.tokenizer.pad_token_id))
        batch = {key: value.to(device) for key, value in batch.items()}
        with torch.inference_mode(), casts(device, used):
            for place, states in enumerate(hidden_states(model, batch, chosen)):
                pooled = pool(states.float(), batch["attention_mask"], card.pooling)
                vectors[place, rows] = pooled.cpu().numpy()
    return vectors


def _precision(requested: str, device: str) -> str:
    """The precision in use, of what was asked for."""
    if requested not in PRECISIONS:
        raise LangspecError(
            f"{requested!r}; expected one of {', '.join(PRECISIONS)}", place="precision"
        )
    return resolve_precision(requested, device)


def _device(encoder: Encoder) -> str:
    return str(next(encoder.model.parameters()).device.type)


def _layers(layers: Sequence[int] | None, last: int) -> tuple[int, ...]:
    if layers is None:
        return tuple(range(last + 1))
    chosen = tuple(layer + last + 1 if layer < 0 else layer for layer in layers)
    if not chosen or min(chosen) < 0 or max(chosen) > last:
        raise LangspecError(
            f"{list(layers)}; expected layers from 0 (embeddings) to {last} (last)", place="layers"
        )
    return chosen


def leak_by_layer(
    encoder: Encoder,
    texts: Sequence[str],
    languages: Sequence[str],
    *,
    lines: Sequence[int] | None = None,
    max_words: int = 1000,
    prefix_words: bool = False,
    seed: int = 0,
    precision: Precision = "auto",
) -> pd.DataFrame:
    """Measure how much of a text's language a fresh linear probe reads from each layer.

    The probe is a multinomial logistic regression. It is trained on 60 % of the texts, its
    regularisation is chosen on 10 %, and it is tested on 30 %. Every layer is probed
    with the same choices.

    Args:
        encoder: of :func:`load_encoder`.
        texts: ``N`` texts, at least 30 a language.
        languages: code of each text.
        lines: number of each text, equal for translations of each other, which then never stand
            in different splits; None: no text is a translation of another.
        max_words: words a language that the probe of words is trained on, drawn by ``seed``; a
            sixth as many choose its regularisation, half as many test it.
        prefix_words: are words read behind the encoder's prefix too, as texts are?
        seed: of splits and samples.
        precision: of the encoding pass, as for :func:`encode`.

    Returns:
        A row for each unit (``token``, ``sentence``) and layer (0 is the embeddings):
        ``macro_f1`` over the languages and ``accuracy``, both from 0 to 1, with the ends of their
        95 % intervals (``macro_f1_low`` ...), ``n``, how many test vectors there were, and
        ``train_n``, how many the probe was trained on.

    Raises:
        LangspecError: lengths that differ, one language, too few texts, or no such precision.
    """
    rows = _split_texts(texts, languages, lines, seed)
    measures, card = Measures(), encoder.card
    options = _bank_options(encoder, max_words, seed, precision)
    with tempfile.TemporaryDirectory(prefix="langspec-") as folder:
        bank = build_bank(
            encoder.model,
            int(encoder.tokenizer.pad_token_id),
            _inputs(encoder, texts, card.prefix),
            rows,
            options=options,
            key="bank",
            root=Path(folder),
            limit_gb=measures.cache_gb,
            words=None if prefix_words or not card.prefix else _inputs(encoder, texts, ""),
        )
        origin = Origin("", card.name, seed, "text", "test", "leak")
        results = language_leak(bank, origin, measures.probe, measures.bootstrap)
    return _leak_table(results_frame(results))


def _split_texts(
    texts: Sequence[str], languages: Sequence[str], lines: Sequence[int] | None, seed: int
) -> BankRows:
    """The split of every text, with its language and its line; translations share a split.

    Raises:
        LangspecError: lengths that differ.
    """
    numbers = range(len(texts)) if lines is None else lines
    for name, values in (("languages", languages), ("lines", numbers)):
        if len(values) != len(texts):
            raise LangspecError(f"{len(values)}; expected {len(texts)}, one a text", place=name)
    if lines is None:
        splits = [key_split(text, SPLITS, seed=seed) for text in texts]
    else:
        of_line = line_splits(max(numbers, default=-1) + 1, SPLITS, seed=seed)
        splits = [of_line[line] for line in numbers]
    return BankRows(languages, splits, np.asarray(numbers, dtype=np.int64))


def _bank_options(
    encoder: Encoder, max_words: int, seed: int, precision: Precision
) -> BankOptions:
    """Options of a bank of all texts and at most ``max_words`` training words a language."""
    return BankOptions(
        max_tokens_per_language=word_limits(max_words),
        max_sentences_per_language=None,
        pooling="cls" if encoder.card.pooling == "cls" else "mean",
        seed=seed,
        precision=_precision(precision, _device(encoder)),
        tokens_per_batch=_BATCH_TOKENS,
    )


def _inputs(encoder: Encoder, texts: Sequence[str], prefix: str) -> Inputs:
    """The texts tokenised, ``prefix`` before each."""
    return text_inputs(encoder.tokenizer, texts, max_tokens=encoder.card.max_tokens, prefix=prefix)


def _leak_table(rows: pd.DataFrame) -> pd.DataFrame:
    scores = rows[(rows["probe"] == LEAK_PROBE) & (rows["language"] == "all")]
    leak = scores[scores["metric"] == LEAK_METRIC]
    table = leak[["unit", "layer", "n", "train_n"]].reset_index(drop=True)
    for metric in (LEAK_METRIC, "accuracy"):
        of_metric = scores[scores["metric"] == metric].reset_index(drop=True)
        table[metric] = of_metric["value"]
        table[f"{metric}_low"], table[f"{metric}_high"] = of_metric["low"], of_metric["high"]
    return table


@dataclass(frozen=True)
class AuditResult:
    """What an audit left.

    Attributes:
        folder: with ``index.html``, tables and figures.
        summary: the lines that the command prints.
        results: tidy rows; the columns are those of :class:`langspec.results.Result`.
    """

    folder: Path
    summary: str
    results: pd.DataFrame


def audit_encoder(
    name: str | Path,
    text: str | Path,
    *,
    out: str | Path | None = None,
    parallel: str | Path | None = None,
    layers: str | None = None,
    full: bool = False,
    max_texts: int = 2000,
    max_words: int = 1000,
    prefix_words: bool = False,
    seed: int = 0,
    precision: Precision = "auto",
) -> AuditResult:
    """Audit an encoder, as ``langspec audit`` does.

    Args:
        name: as for :func:`load_encoder`.
        text: folder of ``en.txt``, ``de.txt.gz`` ...: one text a line, a file a language.
        out: folder to write; None: ``audit-NAME`` in the working folder.
        parallel: folder of translations, line by line; may be ``text``; None: no retrieval.
        layers: such as ``0,4-6,-1``; None: all.
        full: add non-linear attackers, codelength, n-grams and a random encoder.
        max_texts: texts a language.
        max_words: words a language that probes of words are trained on.
        prefix_words: are words read behind the encoder's prefix too, as texts are?
        seed: of samples, splits and random weights.
        precision: of the encoding pass, as for :func:`encode`.

    Raises:
        LangspecError: as the command refuses.
    """
    options = AuditOptions(
        (EncoderChoice(str(name)),),
        Path(text),
        None if parallel is None else Path(parallel),
        out=None if out is None else Path(out),
        layers=layers,
        full=full,
        max_texts=max_texts,
        max_words=max_words,
        prefix_words=prefix_words,
        seed=seed,
        precision=_precision(precision, "cpu"),  # an audit uses no GPU
    )
    summary = run_audit(options)
    folder = out_folder(options.out, [short_name(str(name))])
    return AuditResult(folder, summary, read_results(folder / "results.csv"))


def load_results(run: str | Path) -> pd.DataFrame:
    """Load everything that stage evaluate measured of a run.

    Args:
        run: its folder, such as ``results/demo``.

    Returns:
        Tidy rows of all tasks; the columns are those of :class:`langspec.results.Result`.

    Raises:
        LangspecError: nothing was evaluated there, or another version wrote it.
    """
    files = sorted(Path(run).glob("evaluate/*/results.csv"))
    if not files:
        raise LangspecError("nothing evaluated there; run: dvc repro evaluate", place=run)
    return pd.concat([read_results(file) for file in files], ignore_index=True)


def compare_methods(
    run: str | Path,
    task: str,
    first: str,
    second: str,
    *,
    other_run: str | Path | None = None,
    margin: float = 0.01,
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare two methods on the same test items, over seeds, as ``langspec compare`` does.

    Args:
        run: folder of a run, such as ``results/demo``.
        task: one that both methods were evaluated on.
        first: the method that verdicts are about.
        second: the method that it is compared with.
        other_run: folder of the run that ``second`` is of; None: ``run``.
        margin: a difference of this size would not matter (0.01: one point of accuracy).
        resamples: of the bootstrap over test items.
        seed: of the bootstrap.

    Returns:
        A row for each ``metric`` (``accuracy``, ``macro_f1``, ``leak``) and ``language`` (of a
        leak: ``unit`` and ``layer``): the scores ``first`` and ``second``, their ``difference``
        with its 95 % interval (``low``, ``high``), ``p`` adjusted by Holm, and the ``verdict``.

    Raises:
        LangspecError: no such run, task or method, or other test items.
    """
    one = load_side(Path(run), task, first)
    two = load_side(Path(run if other_run is None else other_run), task, second)
    judging = JudgeOptions(margin=margin)
    options = CompareOptions(judging, BootstrapOptions(resamples=resamples, seed=seed))
    rows = []
    for line in compare_sides(one, two, options):
        low, high = line.compared.difference.interval(judging.alpha)
        rows.append(
            {
                "metric": line.metric,
                "language": line.language,
                "unit": line.unit,
                "layer": line.layer,
                "first": line.compared.a,
                "second": line.compared.b,
                "difference": line.compared.difference.value,
                "low": low,
                "high": high,
                "p": line.judged.p_adjusted,
                "verdict": line.verdict,
            }
        )
    return pd.DataFrame(rows)
