"""An audit from the command's options to the folder that it leaves."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from langspec import __version__
from langspec.audit.audit_cost import Estimate, estimate
from langspec.audit.audited_encoder import PLACE, Subject, load_subject, short_name
from langspec.audit.measure import Audited, measure
from langspec.audit.options import AuditOptions, Measures, check_seed
from langspec.audit.page import answer_lines, render
from langspec.audit.place import FACTS, bank_root, check_out, out_folder
from langspec.audit.plain_tables import (
    apartness_frame,
    confusion_frame,
    mixing_frame,
    verdict_facts,
)
from langspec.audit.spec_tables import all_tables
from langspec.audit.text_folder import FEWEST, Texts, read_texts
from langspec.compute import resolve_precision
from langspec.errors import LangspecError
from langspec.files import atomic_folder, write_json, write_text
from langspec.measurement.mixing import THRESHOLD
from langspec.progress_bar import going
from langspec.results import write_results

logger = logging.getLogger(__name__)

PAGE = "index.html"


@dataclass(frozen=True)
class Prepared:
    """An audit of which everything is checked and nothing is encoded.

    Attributes:
        options: with the precision in use.
        out: folder to write.
        text: language text.
        parallel: translations; may be ``text``; None: there are none.
        subjects: the encoders.
        costs: of each encoder.
    """

    options: AuditOptions
    out: Path
    text: Texts
    parallel: Texts | None
    subjects: tuple[Subject, ...]
    costs: tuple[Estimate, ...]

    @property
    def texts(self) -> list[Texts]:
        """Language text and, where it is another folder, parallel text."""
        other = self.parallel is not None and self.parallel is not self.text
        return [self.text, self.parallel] if other and self.parallel else [self.text]


def prepare(options: AuditOptions, measures: Measures) -> Prepared:
    """Read the texts, load the encoders and estimate what the audit costs.

    Raises:
        LangspecError: anything that a user can put right, before much time is spent on it.
    """
    precision = resolve_precision(options.precision, "cpu")  # an audit uses no GPU
    options = replace(options, precision=precision)
    check_numbers(options)
    names = [short_name(choice.encoder) for choice in options.encoders]
    if len(set(names)) < len(names):
        names = [f"{name}-{number}" for number, name in enumerate(names, 1)]
    out = out_folder(options.out, names)
    check_out(out, force=options.force)
    banks = bank_root()
    with going("reading texts"):
        text, parallel = read_folders(options, measures)
    with going("loading"):
        subjects = tuple(
            replace(
                load_subject(choice, layers=options.layers, max_tokens=options.max_tokens),
                name=name,
            )
            for choice, name in zip(options.encoders, names, strict=True)
        )
        for subject in subjects:
            _check_languages(text, subject)
        prepared = Prepared(options, out, text, parallel, subjects, ())
        costs = (estimate(one, prepared.texts, options, measures, banks) for one in subjects)
        return replace(prepared, costs=tuple(costs))


def plan_audit(options: AuditOptions, measures: Measures | None = None) -> str:
    """What :func:`run_audit` would do, and what it costs. Refuses what it would refuse."""
    prepared = prepare(options, measures or Measures())
    read = prepared.text
    lines = [
        f"audit {len(read.codes)} languages, {len(read.texts):,} texts, "
        f"{prepared.options.precision} -> {prepared.out}"
    ]
    lines += [
        f"  {subject.name}: {_layers(subject)}, {cost}"
        for subject, cost in zip(prepared.subjects, prepared.costs, strict=True)
    ]
    return "\n".join(lines)


def run_audit(options: AuditOptions, measures: Measures | None = None) -> str:
    """Measure, write the folder whole or not at all, and return the answers in words.

    Raises:
        LangspecError: as :func:`prepare`.
    """
    measures = measures or Measures()
    prepared = prepare(options, measures)
    options, text, parallel = prepared.options, prepared.text, prepared.parallel
    audits = []
    for subject, cost in zip(prepared.subjects, prepared.costs, strict=True):
        logger.info(
            "%s: %s texts, %s; %s",
            subject.name,
            f"{len(text.texts):,}",
            _layers(subject),
            cost.end,
        )
        audits.append(measure(subject, text, parallel, options, measures, banks=bank_root()))
    with going("tables, figures and page"):
        write_audit(prepared.out, audits, prepared.texts, options)
    return "\n".join([*answer_lines(audits), f"Page: {prepared.out / PAGE}"])


def _layers(subject: Subject) -> str:
    return f"{len(subject.layers)} layer{'s' * (len(subject.layers) != 1)}"


def check_numbers(options: AuditOptions) -> None:
    """Refuse numbers out of range, and more than two encoders.

    Raises:
        LangspecError: the option, what stands there and what is expected.
    """
    # With fewer words than texts are needed, a split may have none.
    for name, least in (("max_texts", 1), ("max_words", FEWEST), ("batch_tokens", 1)):
        value = getattr(options, name)
        if value < least:
            flag = "--" + name.replace("_", "-")
            raise LangspecError(f"{value}; expected {least} or more", place=flag)
    check_seed(options.seed)
    if not 1 <= len(options.encoders) <= 2:
        raise LangspecError(f"{len(options.encoders)} encoders; expected one or two", place=PLACE)


def _check_languages(text: Texts, subject: Subject) -> None:
    """Refuse more languages than the measures can tell apart, before anything is encoded."""
    count, width = len(text.codes), int(subject.encoder.model.config.hidden_size)
    where = f"{text.folder}: {count} languages"
    if count > width:
        raise LangspecError(
            f"{where}; expected at most {width}, the dimensions of a vector of {subject.name}: "
            "LEACE removes one for each language but one, and nothing would be left",
            place="--text",
        )
    train = {line for line, split in zip(text.lines, text.splits, strict=True) if split == "train"}
    if len(train) < count:
        raise LangspecError(
            f"{where} with {len(train)} training lines; the language probe needs at least as many "
            "lines as languages: add lines, or raise --max-texts",
            place="--text",
        )


def read_folders(options: AuditOptions, measures: Measures) -> tuple[Texts, Texts | None]:
    """Language text, and parallel text, which may be the same; None: there is none.

    Raises:
        LangspecError: what :func:`langspec.audit.text_folder.read_texts` refuses.
    """
    same = options.parallel is not None and _same(options.parallel, options.text)

    def read(folder: Path, *, parallel: bool, place: str) -> Texts:
        return read_texts(
            folder,
            parallel=parallel,
            max_texts=options.max_texts,
            seed=options.seed,
            near=measures.near,
            place=place,
        )

    text = read(options.text, parallel=same, place="--parallel" if same else "--text")
    if options.parallel is None or same:
        return text, text if same else None
    return text, read(options.parallel, parallel=True, place="--parallel")


def _same(first: Path, second: Path) -> bool:
    return os.path.realpath(first) == os.path.realpath(second)


def write_audit(
    out: Path, audits: Sequence[Audited], texts: Sequence[Texts], options: AuditOptions
) -> None:
    """Write page, results, tables and figures; an earlier audit in ``out`` is replaced."""
    # Seconds to import: only once there is something to draw.
    from langspec.audit.figures import draw
    from langspec.report.drawing import write_parts
    from langspec.report.report_page import picture

    tables = all_tables(audits, texts)
    plots = draw(audits)
    with atomic_folder(out) as folder:
        write_parts(folder, tables, plots)
        for name, frame in (
            ("apartness", apartness_frame(audits)),
            ("mixing", mixing_frame(audits)),
            ("confusion", confusion_frame(audits)),
        ):
            path = folder / "tables" / f"{name}.csv"
            frame.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
        write_results(folder / "results.csv", [row for audited in audits for row in audited.rows])
        pictures = [picture(plot) for plot in plots]
        write_text(folder / PAGE, render(audits, texts, tables, pictures, options))
        files = sorted(
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
        )
        encoders = [
            {
                "name": audited.name,
                "sha256": audited.subject.sha256,
                "layers": audited.layers,
                "languages": verdict_facts(audited),
                "seconds": audited.seconds,
            }
            for audited in audits
        ]
        facts = {
            "langspec": __version__,
            "precision": options.precision,
            "threshold": THRESHOLD,
            "encoders": encoders,
            "files": files,
        }
        write_json(folder / FACTS, facts)
