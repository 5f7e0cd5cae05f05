"""The page of a repair: bias, who suffers, what removes it, what it costs; then every number."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from langspec.audit.audited_encoder import Subject
from langspec.audit.page import with_answers
from langspec.audit.text_folder import Texts
from langspec.repair.fit_methods import NOTHING, title_of
from langspec.repair.protocol import Outcome
from langspec.repair.repair_answers import answers
from langspec.repair.repair_numbers import rule_words
from langspec.repair.repair_options import RepairOptions
from langspec.report.report_page import Picture, rendered_page
from langspec.report.table import Table


def render(
    subject: Subject,
    texts: Sequence[Texts],
    outcome: Outcome,
    tables: Sequence[Table],
    pictures: Sequence[Picture],
    options: RepairOptions,
) -> str:
    """The whole page as text.

    Args:
        subject: the encoder.
        texts: what was read, the folder that was searched last.
        outcome: of the repair.
        tables: methods and languages.
        pictures: of the figures.
        options: of the repair.
    """
    return rendered_page(
        with_answers(resources.files("langspec.repair").joinpath("repair_page.html")),
        title=f"{subject.name}: is there a language bias in search, and what removes it?",
        lead=lead(outcome, texts),
        answers=answers(outcome),
        warnings=[sentence for read in texts for sentence in read.warnings],
        tables=tables,
        pictures=pictures,
        facts=facts(subject, texts, outcome, options),
        method=method(outcome),
        command=options.command,
    )


def lead(outcome: Outcome, texts: Sequence[Texts]) -> str:
    """One line below the heading."""
    read, rows = texts[-1], outcome.test[NOTHING]
    made = "" if outcome.verdict.repaired else " No encoder was written."
    return (
        f"{len(read.codes)} languages in one pool of test texts from "
        f"{read.folder.resolve().name}; {len(rows):,} queries, each language counted once.{made}"
    )


def facts(
    subject: Subject, texts: Sequence[Texts], outcome: Outcome, options: RepairOptions
) -> list[tuple[str, str]]:
    """Name and value of what the numbers depend on."""
    card, read = subject.encoder.card, texts[-1]
    counts = ", ".join(
        f"{name} {sum(one == split for one in read.splits):,}"
        for name, split in (("training", "train"), ("validation", "dev"), ("test", "test"))
    )
    fitted = next((one.languages for one in outcome.fitted.maps.values()), ())
    prefix = f"prefix {card.prefix!r}" if card.prefix else "no prefix"
    chosen = title_of(outcome.choice.method)
    return [
        ("Encoder", subject.source),
        ("Read as", f"{card.pooling} pooling, {prefix}, at most {card.max_tokens} tokens"),
        ("Layer", f"{subject.layers[-1]}, the last"),
        ("Texts", f"{len(read.texts):,}: {counts}"),
        ("Fitted on", f"{', '.join(fitted)}; text of {texts[0].folder.resolve().name}"),
        ("Rule", rule_words(outcome)),
        ("Chosen on validation lines", chosen),
        ("Encoded in", options.precision),
        ("Seed", str(options.seed)),
    ]


def method(outcome: Outcome) -> list[str]:
    """How to read the numbers."""
    common = [
        "Vectors have length 1 before an eraser, after it, and after each step of a combination: "
        "a search by cosine sees nothing else.",
        "Methods are fitted on training lines, one is chosen on validation lines, and test lines "
        "are reported. No line stands in two parts.",
        "Repaired means: the whole 95 % interval of the paired change on test lines is above 0, "
        "and that of monolingual recall does not lie wholly below the loss that the rule allows.",
        "Language predicted: by linear discriminant analysis of the vector. Language given: a "
        "bound, for whoever knows the language of every query and text.",
    ]
    if not outcome.translations:
        return [*common, "A text searches all other test texts for its ten nearest."]
    return [
        *common,
        "Every test text is a query once; its translations are the answers, and all other test "
        "texts of all languages are the pool. Recall@10 is capped: translations among the ten "
        "nearest, of as many as could be there.",
        "Own share: of the ten nearest texts of other lines. Language preference: of equivalent "
        "texts, how often that of the query’s language comes first.",
        "Monolingual recall@10: of the ten lines nearest by the other languages’ vectors before "
        "the repair, those among the ten nearest within the query’s language.",
    ]
