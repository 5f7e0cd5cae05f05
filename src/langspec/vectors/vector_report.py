"""What a repair of vectors leaves: the eraser, its card, a page, and every number as a table."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from langspec import __version__
from langspec.files import write_text
from langspec.repair.fit_methods import NOTHING, title_of
from langspec.repair.repair_answers import answers, unseen_words
from langspec.repair.repair_card import before_after
from langspec.repair.repair_numbers import language_table, method_table, rule_words
from langspec.repair.repair_page import method
from langspec.vectors.vector_eraser import VectorEraser, save_vector_eraser

if TYPE_CHECKING:
    from langspec.audit.answers import Answer
    from langspec.vectors.repair_vectors import VectorOutcome

RECIPE = "apply_eraser.py"
"""The file with ten lines of NumPy that apply the eraser, in this package and in its folder."""


def vector_answers(measured: VectorOutcome) -> tuple[Answer, ...]:
    """The four answers, of vectors."""
    return answers(measured.outcome, made="eraser", option="--line-column")


def answer_words(measured: VectorOutcome) -> list[str]:
    """The four answers, and what a probe reads, for the terminal."""
    return [*(answer.line() for answer in vector_answers(measured)), leak_words(measured)]


def leak_words(measured: VectorOutcome) -> str:
    """What a linear probe reads before and after, in a sentence."""
    before, *after = measured.leaks
    text = f"A linear probe names the language of {before.accuracy:.3f} of the test vectors"
    if after:
        text += f", with {title_of(measured.outcome.choice.method)} of {after[0].accuracy:.3f}"
    return f"{text} (by chance {before.chance:.3f})."


def write_repair(
    folder: Path, measured: VectorOutcome, eraser: VectorEraser | None, command: str
) -> None:
    """Write a repair into an empty folder.

    Args:
        folder: that the caller puts into its place as a whole.
        measured: all numbers.
        eraser: None: nothing is repaired.
        command: the command line.
    """
    # Seconds to import: only once there is something to draw.
    from langspec.audit.page import with_answers
    from langspec.repair.repair_figure import draw
    from langspec.report.drawing import write_parts
    from langspec.report.report_page import picture, rendered_page

    outcome, sample, name = measured.outcome, measured.sample, measured.file.path.name
    tables, plots = [method_table(outcome), language_table(outcome)], draw(outcome)
    write_parts(folder, tables, plots)
    page = rendered_page(
        with_answers(resources.files("langspec.repair").joinpath("repair_page.html")),
        title=f"{name}: is there a language bias in search, and what removes it?",
        lead=f"{measured.file.count:,} vectors of {measured.file.width} dimensions in "
        f"{len(sample.counts) - len(sample.left_out)} languages; {len(outcome.test[NOTHING]):,} "
        "of them are queries, each language counted once.",
        answers=vector_answers(measured),
        warnings=_warnings(measured),
        tables=tables,
        pictures=[picture(plot) for plot in plots],
        facts=_facts(measured),
        method=[*method(outcome), leak_words(measured)],
        command=command,
    )
    write_text(folder / "index.html", page)
    if eraser is not None:
        recipe = resources.files("langspec.vectors").joinpath(RECIPE).read_text(encoding="utf-8")
        readme = _card(measured, recipe)
        save_vector_eraser(folder, replace(eraser, facts=_numbers(measured)))
        write_text(folder / "README.md", readme)
        if not eraser.eraser.gold:
            write_text(folder / RECIPE, recipe)


def _warnings(measured: VectorOutcome) -> list[str]:
    """What was left out, and what is missing."""
    sample, said = measured.sample, list[str]()
    if sample.left_out:
        listed = ", ".join(f"{code} ({count})" for code, count in sorted(sample.left_out.items()))
        said.append(f"Left out, with too few vectors: {listed}.")
    if sample.nameless:
        said.append(f"{sample.nameless:,} vectors have no language and are left out.")
    if not measured.outcome.translations:
        said.append(
            "No line numbers: whether a search finds more, and what it loses within a language, "
            "was not measured. --line-column names a column that translations share."
        )
    return said


def _facts(measured: VectorOutcome) -> list[tuple[str, str]]:
    """Name and value of what the numbers depend on."""
    sample, parts, outcome = measured.sample, measured.parts, measured.outcome
    low, high = sample.lengths
    rows = sample.train_rows if measured.streamed else len(parts.train.vectors)
    where = "of the file, as a stream" if measured.streamed else "in memory"
    return [
        ("File", str(measured.file.path)),
        ("Vectors", f"{measured.file.count:,} of {measured.file.width}, {measured.file.dtype}"),
        ("Lengths", f"{low:.4g} to {high:.4g}; methods read them at length 1"),
        ("Languages", ", ".join(f"{code} {n:,}" for code, n in sorted(sample.counts.items()))),
        ("Compared on", f"{len(parts.train.vectors):,} training, {len(parts.dev.vectors):,} "
         f"validation and {len(parts.test.vectors):,} test vectors"),
        ("Chosen on validation lines", title_of(outcome.choice.method)),
        ("The chosen one is fitted on", f"{rows:,} training vectors {where}"),
        ("Rule", rule_words(outcome)),
    ]  # fmt: skip


def _numbers(measured: VectorOutcome) -> dict[str, object]:
    """What the eraser's JSON says besides."""
    outcome, sample = measured.outcome, measured.sample
    gain = outcome.verdict.gain
    return {
        "langspec": __version__,
        "fitted_on": sample.train_rows if measured.streamed else len(measured.parts.train.vectors),
        "rule": outcome.rule.name,
        "gain": [gain.value, gain.low, gain.high],
        "translations": outcome.translations,
        "leak": [one.accuracy for one in measured.leaks],
    }


def _escaped(text: str) -> str:
    """Text of others, such as language codes, as Markdown shows it as it stands."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", " ".join(text.split()))


def _card(measured: VectorOutcome, recipe: str) -> str:
    """README.md of a fitted eraser."""
    outcome = measured.outcome
    assert outcome.eraser is not None
    codes, name = outcome.eraser.languages, _escaped(measured.file.path.name)
    facts = "\n".join(f"- {label}: {_escaped(value)}" for label, value in _facts(measured))
    given = (
        " It is given the language of each vector (`languages`); vectors of other languages stay "
        "as they are." * outcome.eraser.gold
    )
    without = f"""
or without langspec (`{RECIPE}`):

```python
{recipe.rstrip()}
```
"""
    return f"""# Vectors of {name}, repaired by {title_of(outcome.choice.method)}

An eraser for vectors like those of {name}: {measured.file.width} dimensions, of the same encoder,
pooling and prefix. Apply it to every vector of the index **and to every query**.{given}

```sh
langspec erase FOLDER vectors.npy --out erased.npy
```
{"" if outcome.eraser.gold else without}
## Before and after

{before_after(outcome)}

Test lines; in brackets the 95 % interval of the paired change over lines. {leak_words(measured)}
{_escaped(" ".join(_warnings(measured)))}

{facts}

## Languages

Fitted on {len(codes)}: {_escaped(", ".join(codes))}. {_escaped(" ".join(unseen_words(outcome)))}

## What binds it

No hash of an encoder: nobody knows which one made the vectors. `eraser.json` has their width and
their lengths, `eraser.safetensors` the directions along which they hardly vary. `langspec erase`
refuses other widths and lengths, and vectors that vary more than ten times as much there.

Made by `langspec repair --vectors`, version {__version__}.
"""
