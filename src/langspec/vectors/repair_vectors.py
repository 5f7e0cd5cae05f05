"""A repair of vectors in a file, from the command's options to the folder that it leaves."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from langspec.audit.options import check_seed
from langspec.audit.place import check_out
from langspec.errors import LangspecError
from langspec.files import atomic_folder
from langspec.progress_bar import going, span
from langspec.release.encoder_folder import check_empty
from langspec.repair.choose_method import Rule, judge, rule_named
from langspec.repair.fit_methods import METHODS, NOTHING, Labelled, check_methods
from langspec.repair.protocol import Outcome, Parts, Protocol, run_protocol, searcher
from langspec.repair.unit_eraser import UnitEraser, unit
from langspec.upkeep.leftovers import sweep_beside
from langspec.vectors.language_leak import Leak, language_leak
from langspec.vectors.open_vectors import open_vectors
from langspec.vectors.streamed_fit import fit_streamed, is_streamed
from langspec.vectors.vector_cost import vector_cost
from langspec.vectors.vector_eraser import VectorEraser, make_guard
from langspec.vectors.vector_file import Columns, VectorFile
from langspec.vectors.vector_report import answer_words, write_repair
from langspec.vectors.vector_sample import Sample, read_sample

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class VectorOptions:
    """A repair of vectors.

    Attributes:
        path: the file.
        columns: where the parts of a row are.
        out: folder to write.
        methods: names with commas; None: all that need not be given a vector's language.
        rule: by which one is chosen; None: the one that the lines allow.
        loss: monolingual recall@10 that may be lost.
        seed: of the splits.
        command: the command line, for the page.
    """

    path: Path
    columns: Columns
    out: Path
    methods: str | None = None
    rule: str | None = None
    loss: float = 0.01
    seed: int = 0
    command: str = ""


@dataclass(frozen=True)
class VectorOutcome:
    """All that a repair of vectors measures.

    Attributes:
        file: that was read.
        sample: what one pass over it gathered.
        parts: the vectors in memory.
        outcome: of the protocol; the chosen method is that of ``eraser``.
        leaks: of the vectors as they are, and with language erased where there is an eraser.
        streamed: was the eraser fitted on all training rows of the file, not on the sample?
    """

    file: VectorFile
    sample: Sample
    parts: Parts
    outcome: Outcome
    leaks: tuple[Leak, ...]
    streamed: bool


def plan_vectors(options: VectorOptions) -> str:
    """What :func:`repair_vectors` would do, and what it costs; refuses what it refuses.

    The file is read once, as every row is checked.
    """
    file, rule, methods = _prepared(options)
    began = time.perf_counter()
    with going("reading"):
        sample = read_sample(file, options.seed)
    reading = time.perf_counter() - began
    parts = _parts(sample)
    rule = _allowed(rule, options, parallel=parts.test.parallel)
    cost, passes = vector_cost(file, sample, parts, methods, reading)
    lines = "with lines" if parts.test.parallel else "without lines: search is not measured"
    return (
        f"repair {file.path}: {file.count:,} vectors of {file.width} dimensions, {file.dtype}, "
        f"{lines}, {len(methods)} methods, rule {rule.name}, passes: {passes} -> {options.out}\n"
        f"  about {span(cost.seconds)}, {cost.memory / 1e9:.1f} GB of memory"
    )


def repair_vectors(options: VectorOptions) -> str:
    """Measure, write the folder whole or not at all, and return the answers in words.

    Raises:
        LangspecError: anything that a user can put right.
    """
    began = time.monotonic()
    file, rule, methods = _prepared(options)
    logger.info("%s: %s vectors of %d dimensions", file.path, f"{file.count:,}", file.width)
    with going("reading"):
        sample = read_sample(file, options.seed)
    parts = _parts(sample)
    rule = _allowed(rule, options, parallel=parts.test.parallel)
    with going("fitting and searching"):
        outcome = run_protocol(parts, Protocol(rule, methods))
        streamed = outcome.choice.method != NOTHING and not sample.complete
        streamed = streamed and is_streamed(outcome.choice.method)
        if streamed:
            outcome = _on_all_rows(file, outcome, parts, options.seed)
        leaks = [language_leak(parts, None)]
        if outcome.eraser is not None:
            leaks.append(language_leak(parts, outcome.eraser))
    measured = VectorOutcome(file, sample, parts, outcome, tuple(leaks), streamed)
    with going("writing"):
        check_empty(options.out)  # it may have been filled meanwhile
        sweep_beside(options.out)
        with atomic_folder(options.out) as folder:
            write_repair(folder, measured, _guarded(measured), options.command)
    ends = f"Eraser: {options.out}" if outcome.verdict.repaired else "No eraser was written."
    took = f"{time.monotonic() - began:.0f} s"
    page = f"Page: {options.out / 'index.html'}; {took}"
    return "\n".join([str(file.path), *(f"  {line}" for line in (*answer_words(measured), ends)),
                      page])  # fmt: skip


def _prepared(options: VectorOptions) -> tuple[VectorFile, Rule, Sequence[str]]:
    """The file, the rule and the methods, of which everything is checked that needs no pass."""
    check_seed(options.seed)
    check_empty(options.out)
    check_out(options.out, force=False)
    if options.methods is None:
        methods: Sequence[str] = [name for name in METHODS if "_oracle" not in name]
    else:
        methods = [name.strip() for name in options.methods.split(",") if name.strip()]
    check_methods(methods)
    file = open_vectors(options.path, options.columns)
    name = options.rule or ("recall" if file.has_lines else "share")
    return file, rule_named(name, options.loss), methods


def _allowed(rule: Rule, options: VectorOptions, *, parallel: bool) -> Rule:
    """The rule, or the one that takes no translations where none was asked for.

    Raises:
        LangspecError: a rule about translations, without any.
    """
    if parallel or rule.name == "share":
        return rule
    if options.rule is not None:
        raise LangspecError(
            f"{options.rule} is measured with translations, and no two languages share a line; "
            "name the column of line numbers (--line-column), or take share",
            place="--rule",
        )
    logger.warning("%s: no two languages share a line; search is not measured", options.path)
    return rule_named("share", options.loss)


def _parts(sample: Sample) -> Parts:
    """The splits with lines numbered from 0; vectors without a line are lines of their own."""
    names = ("train", "dev", "test")
    lines = np.concatenate([sample.parts[name].lines for name in names])
    numbers = np.unique(lines, return_inverse=True)[1]
    ends = np.cumsum([len(sample.parts[name].lines) for name in names])
    of = dict(zip(names, np.split(numbers, ends[:-1]), strict=True))
    parallel = all(_has_translations(sample.parts[name]) for name in names)
    train, dev, test = (
        replace(sample.parts[name], lines=of[name], parallel=parallel) for name in names
    )
    return Parts(train, dev, test)


def _has_translations(part: Labelled) -> bool:
    """Does a line have texts in two languages?"""
    pairs = np.unique(np.stack([part.lines, np.unique(part.languages, return_inverse=True)[1]]),
                      axis=1)  # fmt: skip
    return part.parallel and bool((np.unique(pairs[0], return_counts=True)[1] > 1).any())


def _on_all_rows(file: VectorFile, outcome: Outcome, parts: Parts, seed: int) -> Outcome:
    """The same with the chosen method fitted on all training rows of the file, and judged anew."""
    assert outcome.eraser is not None
    method, rule = outcome.choice.method, outcome.rule
    eraser = fit_streamed(file, method, seed, outcome.eraser.languages)
    vectors = eraser.apply(parts.test.vectors, parts.test.languages)
    rows = searcher(parts.test)(vectors, None)
    verdict = judge(outcome.test[NOTHING], rows, method, rule)
    tested = {**outcome.test, method: rows}
    return replace(outcome, eraser=eraser, test=tested, verdict=verdict)


def _guarded(measured: VectorOutcome) -> VectorEraser | None:
    """The eraser with what binds it; None: nothing is repaired."""
    eraser: UnitEraser | None = measured.outcome.eraser
    if eraser is None or not measured.outcome.verdict.repaired:
        return None
    train = unit(measured.parts.train.vectors.astype(np.float64))
    mean = train.mean(axis=0)
    covariance = (train - mean).T @ (train - mean) / len(train)
    guard = make_guard(measured.sample.lengths, mean, covariance, measured.parts.test.vectors)
    return VectorEraser(eraser, guard)
