"""The page of an audit: the answers first, everything else below."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from importlib.resources.abc import Traversable

from langspec.audit.answers import Answer, answers
from langspec.audit.measure import Audited, unconverged
from langspec.audit.options import SPLITS, AuditOptions
from langspec.audit.side_by_side import differences
from langspec.audit.text_folder import Texts
from langspec.measurement.mixing import FEWEST, NEAREST, SAMPLE, THRESHOLD
from langspec.report.report_page import Picture, rendered_page
from langspec.report.table import (
    Table,
)


def render(
    audits: Sequence[Audited],
    texts: Sequence[Texts],
    tables: Sequence[Table],
    pictures: Sequence[Picture],
    options: AuditOptions,
) -> str:
    """The whole page as text.

    Args:
        audits: one encoder, or two.
        texts: what was read: language text and, where it is another folder, parallel text.
        tables: of :func:`langspec.audit.spec_tables.all_tables`.
        pictures: of the figures.
        options: of the audit.
    """
    return rendered_page(
        with_answers(resources.files("langspec.audit").joinpath("page.html")),
        title=title(audits),
        lead=lead(texts),
        differences=differences(*audits) if len(audits) == 2 else [],
        answers=[(audited.name, answers(audited)) for audited in audits],
        warnings=warnings(audits, texts),
        tables={table.name: table for table in tables},
        pictures={picture.plot.name: picture for picture in pictures},
        facts=facts(audits, texts, options),
        method=method(),
        command=options.command,
    )


def with_answers(template: Traversable) -> str:
    """A template with the macros of answers before it."""
    macros = resources.files("langspec.audit").joinpath("answers.html")
    return macros.read_text(encoding="utf-8") + template.read_text(encoding="utf-8")


def title(audits: Sequence[Audited]) -> str:
    """The heading."""
    names = " and ".join(audited.name for audited in audits)
    return f"Which languages does {names} keep apart?" if len(audits) == 1 else f"{names}, audited"


def lead(texts: Sequence[Texts]) -> str:
    """One line below the heading."""
    read = texts[0]
    counts = [row.texts for row in read.counts]
    each = f"{counts[0]:,}" if len(set(counts)) == 1 else f"{min(counts):,} to {max(counts):,}"
    return (
        f"{len(read.codes)} languages, {each} texts each, from "
        f"{read.folder.resolve().name}. Every answer is about the vectors as they come out of the "
        "encoder."
    )


def warnings(audits: Sequence[Audited], texts: Sequence[Texts]) -> list[str]:
    """What a reader has to know before believing the numbers."""
    wording = [sentence for read in texts for sentence in read.warnings]
    read = texts[0]
    if read.equal_lines and not any(part.parallel for part in texts):
        wording.append(
            "The files have equal numbers of lines. If line n of each is the same text, name the "
            "folder with --parallel too: translations are then kept out of the neighbours, and "
            "retrieval is measured."
        )
    for audited in audits:
        if audited.cut:
            limit = audited.subject.encoder.card.max_tokens
            wording.append(f"{audited.name}: {audited.cut:,} texts were cut at {limit} tokens.")
        failed = unconverged(audited.rows)
        if failed:
            where = sorted({f"{row.probe}, {row.unit}, layer {row.layer}" for row in failed})
            more = f" and {len(where) - 4} more" if len(where) > 4 else ""
            wording.append(
                f"{audited.name}: {len(failed)} probes did not converge "
                f"({'; '.join(where[:4])}{more}); their scores are lower bounds."
            )
    return wording


def facts(
    audits: Sequence[Audited], texts: Sequence[Texts], options: AuditOptions
) -> list[tuple[str, str]]:
    """Name and value of what the numbers depend on."""
    wording = []
    for audited in audits:
        card, config = audited.subject.encoder.card, audited.subject.encoder.model.config
        prefix = f"prefix {card.prefix!r}" if card.prefix else "no prefix"
        if card.prefix and not options.prefix_words:
            prefix += " (before texts; words without it)"
        layers = audited.layers
        whole = len(layers) == config.num_hidden_layers + 1
        wording += [
            (
                "Encoder" if len(audits) == 1 else audited.name,
                f"{audited.subject.source}; {config.model_type}, {config.num_hidden_layers} "
                f"layers of {config.hidden_size}; measured "
                + ("all layers" if whole else f"layers {', '.join(map(str, layers))}"),
            ),
            (
                "Read as",
                f"{card.pooling} pooling, {prefix}, at most {card.max_tokens} tokens",
            ),
        ]
    read = texts[0]
    shares = ", ".join(f"{100 * share:.0f} %" for share in SPLITS)
    by = "line number, shared by all languages" if read.parallel else "a hash of the text"
    wording += [
        ("Texts", f"{len(read.texts):,} in {len(read.codes)} languages"),
        ("Parts", f"training, validation, test {shares}, by {by}"),
        ("Words", f"at most {options.max_words:,} a language to train on, drawn by seed"),
        ("Encoded in", options.precision),
        ("Seed", str(options.seed)),
    ]
    return wording


def method() -> list[str]:
    """How to read the numbers."""
    return [
        f"Neighbours of a text: the {NEAREST} nearest in a sample of {SAMPLE} test texts of each "
        "language, averaged over samples. So the answer does not depend on how many texts there "
        "are. Apartness: 0 where its own language is among them as often as by chance, 1 where "
        f"nothing else is. Kept apart: above {THRESHOLD:g}, "
        "the whole 95 % interval over lines; mixed: below, the whole interval; undecided: the "
        f"interval holds {THRESHOLD:g}, or the language has fewer than {FEWEST} test texts.",
        "Mixed with each other: two languages are neighbours at least half as readily as texts "
        "of one language are, the whole interval.",
        "Linear probe: converged multinomial logistic regression on standardised vectors, its "
        "regularisation chosen on the validation part for each layer.",
        "Neighbours and search: cosine similarity of pooled text vectors, test part only.",
        "LEACE is fitted on the training part; it removes what a linear probe can read there, "
        "and nothing else.",
        "One seed: the intervals hold the sampling of texts, not that of another corpus.",
    ]


def answer_lines(audits: Sequence[Audited]) -> list[str]:
    """The answers for the terminal, a line each."""
    lines = []
    for audited in audits:
        lines += [audited.name, *(f"  {line}" for line in _three(answers(audited)))]
    if len(audits) == 2:
        lines += differences(*audits)
    return lines


def _three(three: tuple[Answer, Answer, Answer]) -> list[str]:
    return [answer.line() for answer in three]
