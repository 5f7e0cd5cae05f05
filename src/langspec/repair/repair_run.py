"""A repair from the command's options to the folder that it leaves."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from langspec import __version__
from langspec.audit.audit_cost import Estimate
from langspec.audit.audited_encoder import Subject, load_subject
from langspec.audit.options import Measures
from langspec.audit.place import bank_root, check_out
from langspec.audit.run import check_numbers, read_folders
from langspec.audit.text_folder import Texts
from langspec.compute import resolve_precision
from langspec.erasure.eraser_folder import weights_hash
from langspec.errors import LangspecError
from langspec.files import atomic_folder, write_json, write_text
from langspec.measurement.intervals import Interval
from langspec.pool_search.judged import Judged
from langspec.progress_bar import going
from langspec.release.encoder_folder import check_empty
from langspec.repair.choose_method import Rule, rule_named
from langspec.repair.encoded_parts import encoded
from langspec.repair.fit_methods import METHODS, check_methods
from langspec.repair.judged_set import SetSearch, judged_prefixes, search_set, set_of
from langspec.repair.protocol import Outcome, Parts, Protocol, run_protocol
from langspec.repair.repair_answers import answers
from langspec.repair.repair_card import repair_card
from langspec.repair.repair_cost import estimate_repair
from langspec.repair.repair_numbers import language_table, method_table
from langspec.repair.repair_options import RepairOptions
from langspec.repair.repair_page import render
from langspec.repair.repaired_folder import write_repaired
from langspec.repair.unit_eraser import UnitEraser, unit
from langspec.upkeep.leftovers import sweep_beside
from langspec.vectors.vector_eraser import VectorEraser, make_guard

logger = logging.getLogger(__name__)

REPORT = "repair"
"""The folder of the page, below the folder that is written."""
FACTS = "repair.json"


@dataclass(frozen=True)
class Prepared:
    """A repair of which everything is checked and nothing is encoded.

    Attributes:
        options: with the precision in use.
        protocol: how a method is chosen.
        subject: the encoder.
        texts: text that methods are fitted on, and the folder that is searched; one where they
            are the same.
        cost: what it takes.
        judged: a judged search set; None: there is none.
    """

    options: RepairOptions
    protocol: Protocol
    subject: Subject
    texts: tuple[Texts, ...]
    cost: Estimate
    judged: Judged | None = None


def prepare(options: RepairOptions) -> Prepared:
    """Read the texts, load the encoder and estimate what the repair costs.

    Raises:
        LangspecError: anything that a user can put right, before much time is spent on it.
    """
    precision = resolve_precision(options.precision, "cpu")  # a repair uses no GPU
    options = replace(options, precision=precision)
    check_numbers(options.encoding)
    check_empty(options.out)
    check_out(options.out, force=False)
    rule = _rule(options)
    methods = _listed(options.methods) if options.methods is not None else METHODS
    check_methods(methods)
    banks = bank_root()
    judged = set_of(options)
    with going("reading texts"):
        text, parallel = read_folders(options.encoding, Measures())
    texts = (text,) if parallel is None or parallel is text else (text, parallel)
    fit_languages = _fit_languages(options, text)
    protocol = Protocol(rule, methods, one_map=True, fit_languages=fit_languages)
    with going("loading"):
        subject = load_subject(options.encoder, layers="-1", max_tokens=options.max_tokens)
        if judged is not None:
            judged_prefixes(subject, options)  # refuses what could not be read
        encoding, count = options.encoding, len(methods)
        cost = estimate_repair(subject, texts, encoding, banks, count, judged)
    return Prepared(options, protocol, subject, texts, cost, judged)


def plan_repair(options: RepairOptions) -> str:
    """What :func:`run_repair` would do, and what it costs. Refuses what it would refuse."""
    prepared = prepare(options)
    count = sum(len(read.texts) for read in prepared.texts)
    return (
        f"repair {prepared.subject.name}: {len(prepared.texts[-1].codes)} languages, {count:,} "
        f"texts, {len(prepared.protocol.methods)} methods, {prepared.options.precision} -> "
        f"{options.out}\n  {prepared.cost}"
    )


def run_repair(options: RepairOptions) -> str:
    """Measure, write the folder whole or not at all, and return the answers in words.

    Raises:
        LangspecError: as :func:`prepare`.
    """
    prepared = prepare(options)
    options, subject, texts = prepared.options, prepared.subject, prepared.texts
    count = sum(len(read.texts) for read in texts)
    logger.info("%s: %s texts; %s", subject.name, f"{count:,}", prepared.cost.end)
    seconds: dict[str, float] = {}
    with _part("encoding", seconds):
        parts = _parts(subject, texts, options)
    with _part("fitting and searching", seconds):
        outcome = run_protocol(parts, prepared.protocol)
    judged = None
    if prepared.judged is not None:
        eraser = outcome.eraser if outcome.verdict.repaired else None
        with _part("judged set", seconds):
            judged = search_set(prepared.judged, subject, options, eraser)
    with _part("page and folder", seconds):
        fitted = None
        if outcome.verdict.repaired and outcome.eraser is not None:
            fitted = bound(outcome.eraser, parts, weights_hash(subject.encoder.model))
        write_outcome(prepared, fitted, outcome, judged, seconds)
    lines = [answer.line() for answer in answers(outcome)]
    if judged is not None:
        lines.append(judged.words())
    lines.append(
        f"Encoder: {options.out}" if outcome.verdict.repaired else "Nothing to repair: no encoder "
        "was written."
    )  # fmt: skip
    return "\n".join([subject.name, *(f"  {line}" for line in lines),
                      f"Page: {options.out / REPORT / 'index.html'}"])  # fmt: skip


@contextmanager
def _part(what: str, seconds: dict[str, float]) -> Iterator[None]:
    """Time a part of the work, and say every few seconds that it goes on."""
    began = time.monotonic()
    with going(what):
        yield
    seconds[what] = round(time.monotonic() - began, 1)


def _rule(options: RepairOptions) -> Rule:
    """The rule that was asked for, or the one that the text allows.

    Raises:
        LangspecError: a rule about translations, without any.
    """
    name = options.rule or ("recall" if options.parallel else "share")
    rule = rule_named(name, options.loss)
    if options.parallel is None and name != "share":
        raise LangspecError(
            f"{name} is measured with translations; give --parallel, or take share",
            place="--rule",
        )
    return rule


def _listed(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _fit_languages(options: RepairOptions, text: Texts) -> tuple[str, ...]:
    """The codes of ``--fit-languages``.

    Raises:
        LangspecError: fewer than two, or one that the text has not.
    """
    if options.fit_languages is None:
        return ()
    codes = _listed(options.fit_languages)
    unknown = [code for code in codes if code not in text.codes]
    if unknown:
        raise LangspecError(
            f"{', '.join(unknown)}: no text of it; there is {', '.join(text.codes)}",
            place="--fit-languages",
        )
    if len(set(codes)) < 2:
        raise LangspecError(
            f"{len(set(codes))} language; expected two or more", place="--fit-languages"
        )
    return codes


def _parts(subject: Subject, texts: tuple[Texts, ...], options: RepairOptions) -> Parts:
    """The three splits; methods are fitted on ``--text`` where it is another folder."""
    banks, read = bank_root(), []
    for one in texts:
        every, split, cut = encoded(subject, one, options.encoding, banks)
        if cut:
            limit = subject.encoder.card.max_tokens
            one.warnings.append(f"{cut:,} texts were cut at {limit} tokens.")
        read.append((every, split))
    (first, _), (last, split) = read[0], read[-1]
    train, dev, test = (last.at(split == name) for name in ("train", "dev", "test"))
    if len(read) == 1:
        return Parts(train, dev, test)
    return Parts(replace(first, parallel=False), dev, test, translations=train)


def bound(eraser: UnitEraser, parts: Parts, weights: str) -> VectorEraser:
    """The eraser, bound to vectors of length 1 that look like those that it was fitted on."""
    train = unit(parts.train.vectors.astype(np.float64))
    covariance = np.cov(train, rowvar=False, bias=True)
    guard = make_guard((1.0, 1.0), train.mean(axis=0), covariance, parts.dev.vectors)
    return VectorEraser(eraser, guard, {"weights": weights, "made_by": f"langspec {__version__}"})


def write_outcome(
    prepared: Prepared,
    fitted: VectorEraser | None,
    outcome: Outcome,
    judged: SetSearch | None,
    seconds: dict[str, float],
) -> None:
    """Write the encoder, if there is one, and the page beside it, whole or not at all."""
    # Seconds to import: only once there is something to draw.
    from langspec.repair.repair_figure import draw
    from langspec.report.drawing import write_parts
    from langspec.report.report_page import picture

    options, subject, texts = prepared.options, prepared.subject, prepared.texts
    tables = [method_table(outcome), language_table(outcome)]
    if judged is not None:
        tables.append(judged.table())
    plots = draw(outcome)
    page = render(subject, texts, outcome, tables, [picture(plot) for plot in plots], options)
    counts = dict(Counter(texts[-1].splits))
    check_empty(options.out)  # it may have been filled meanwhile
    sweep_beside(options.out)
    with atomic_folder(options.out) as folder:
        if fitted is not None:
            readme = repair_card(subject, outcome, counts)
            write_repaired(folder, subject, fitted, readme)
        report = folder / REPORT
        report.mkdir()
        write_parts(report, tables, plots)
        write_text(report / "index.html", page)
        numbers: dict[str, Any] = {"judged": None if judged is None else judged.numbers()}
        numbers["judged_prefixes"] = None if judged is None else dict(judged.prefixes)
        write_json(report / FACTS, _facts(prepared, outcome, counts, seconds) | numbers)


def _facts(
    prepared: Prepared, outcome: Outcome, counts: dict[str, int], seconds: dict[str, float]
) -> dict[str, Any]:
    """What other programs read of a repair."""
    subject, verdict = prepared.subject, outcome.verdict
    unseen = outcome.unseen
    return {
        "langspec": __version__,
        "encoder": {"name": subject.name, "weights": weights_hash(subject.encoder.model)},
        "repaired": verdict.repaired,
        "why_not": verdict.why,
        "method": outcome.choice.method,
        "rule": {"name": outcome.rule.name, "loss": outcome.rule.loss},
        "gain": _ends(verdict.gain),
        "monolingual": _ends(verdict.loss),
        "unseen": None
        if unseen is None
        else {
            "languages": list(unseen.languages),
            "halves": unseen.halves,
            "gain": _ends(outcome.rule.gain(unseen.before, unseen.after)),
        },
        "languages": prepared.texts[-1].codes,
        "fitted_on": list(outcome.eraser.languages) if outcome.eraser else [],
        "left_out": outcome.fitted.left_out,
        "ruled_out": outcome.choice.ruled_out,
        "texts": counts,
        "precision": prepared.options.precision,
        "seed": prepared.options.seed,
        "seconds": seconds,
    }


def _ends(interval: Interval) -> list[float | None]:
    """Value, low and high; null where they are not known."""
    ends = (interval.value, interval.low, interval.high)
    return [None if np.isnan(end) else round(float(end), 6) for end in ends]
