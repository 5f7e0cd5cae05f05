"""The first screen of the page: three questions, each with verdict, number and interval."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from langspec.measurement.difference import JudgeOptions
from langspec.report.compared import SIZE, Line
from langspec.report.contrasts import LEAK_KEY, TRANSFER_KEY, Contrasts
from langspec.report.published_tables import (
    BEFORE,
)
from langspec.report.run_results import Run
from langspec.report.table import leak_scores, pick, task_name
from langspec.results import LEAK_METRIC

AFTER = "finetune"
UNLEARNING = {
    "grl": "Gradient reversal",
    "grl_distil": "Reversal with distillation",
    "adversary": "An adversary",
}
"""Methods that unlearn language, in words; the page asks about the first that it finds."""
CONTROLS = ("control", AFTER)
"""What unlearning is held against: the same training without it, else plain fine-tuning."""
HALF = 0.5
SHARES = ((0.1, "hardly"), (HALF, "partly"), (0.9, "mostly"))
"""How much is forgotten, by the share of what can be forgotten (the leak above chance)."""
LITTLE = (SHARES[0][1], f"{SHARES[0][1]} if at all")
READABLE = "language stays readable"
OPEN = "?"
"""Marks an interval that decides nothing."""
ONE_SEED = "one seed, no finding"
UNIT_NAMES = {"token": "words", "sentence": "texts"}
"""What a leak is read from, as a reader says it."""
_NO_SEED = ("Every seed failed.", "Why, and what they were: on the second page.")


@dataclass(frozen=True)
class Change:
    """A difference: its value, and the ends of its interval; no ends: not known.

    ``mark``: :data:`OPEN` where the interval decides nothing.
    """

    value: str
    ends: tuple[str, ...]
    mark: str = ""


@dataclass(frozen=True)
class Number:
    """A line of a card: whose it is, what changed, and the values before and after.

    ``changes``: one for each column of the card; None: not measured.
    """

    name: str
    changes: tuple[Change | None, ...]
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Card:
    """A question with its answer.

    Attributes:
        id: of the card on the page.
        question: what is asked.
        verdict: the answer in a few words.
        measured: what the numbers are.
        numbers: a line each.
        decided: is any part of the verdict a finding?
        columns: what the changes of a line are of, where a line has several.
    """

    id: str
    question: str
    verdict: str
    measured: str
    numbers: tuple[Number, ...] = ()
    decided: bool = False
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Asked:
    """A pair of methods on a task: what fine-tuning, or unlearning, did to leak and transfer."""

    task: str
    method: str
    baseline: str
    leak: Line | None
    transfer: Line | None


def cards(
    run: Run, compared: Mapping[str, Contrasts], options: JudgeOptions
) -> tuple[Card, Card, Card]:
    """The three answers, about every task that was compared.

    Args:
        run: for the floor of the leak, and the order of tasks.
        compared: the comparisons by task.
        options: level of the intervals.
    """
    tuned = [_asked(compared[task], task, (AFTER,), (BEFORE,)) for task in compared]
    unlearnt = [_asked(compared[task], task, UNLEARNING, CONTROLS) for task in compared]
    failed = _all_failed(compared, (BEFORE, AFTER))
    return (
        _forgets(run, [one for one in tuned if one], options, failed),
        _gains([one for one in tuned if one], options, failed),
        _unlearns(
            run, [one for one in unlearnt if one], options, _all_failed(compared, UNLEARNING)
        ),
    )


def _all_failed(compared: Mapping[str, Contrasts], methods: Iterable[str]) -> bool:
    """Did every seed of one of these methods fail on a task?"""
    return any(set(methods) & set(present.left_out) for present in compared.values())


def _asked(
    present: Contrasts, task: str, methods: Iterable[str], baselines: Sequence[str]
) -> _Asked | None:
    """The first method of ``methods`` against the first baseline that it was compared with."""
    for method in methods:
        for baseline in baselines:
            leak, transfer = (
                present.line(method, baseline, key) for key in (LEAK_KEY, TRANSFER_KEY)
            )
            if leak or transfer:
                return _Asked(task, method, baseline, leak, transfer)
    return None


# --- the three cards -------------------------------------------------------------------------


def _forgets(run: Run, asked: Sequence[_Asked], options: JudgeOptions, failed: bool) -> Card:
    lines = [(one.task, one.leak) for one in asked if one.leak]
    return _card(
        "forgets",
        "Does it forget the language?",
        "Language probe's F1, frozen→fine-tuned:",
        lines,
        options,
        lambda said: _readable(run, said, lines),
        lambda task, line: _forgotten(run, task, line, options),
        failed,
    )


def _gains(asked: Sequence[_Asked], options: JudgeOptions, failed: bool) -> Card:
    words = {"better": "yes", "worse": "no, it loses", "equivalent": "no, nothing"}
    return _card(
        "gains",
        "Does the task gain?",
        "Accuracy, languages without labels, frozen→fine-tuned:",
        [(one.task, one.transfer) for one in asked if one.transfer],
        options,
        lambda said: _over_tasks(said) + (", both" if list(said.values()) == ["yes"] * 2 else ""),
        lambda _, line: words.get(line.verdict, line.verdict),
        failed,
    )


def _unlearns(run: Run, asked: Sequence[_Asked], options: JudgeOptions, failed: bool) -> Card:
    question = "Can language be unlearned?"
    if not asked and failed:
        return Card("unlearns", question, *_NO_SEED)
    if not asked:
        how = "Add grl and control to train.run, then: dvc repro"
        return Card("unlearns", question, "Not tried.", how)
    prices = {
        "better": "with a gain",
        "worse": "at a price",
        "equivalent": "at no price",
        "undecided": "price unclear",
    }
    said, paid = {}, {}
    for one in asked:
        words = [_forgotten(run, one.task, one.leak, options)] if one.leak else []
        price = [prices.get(one.transfer.verdict, one.transfer.verdict)] if one.transfer else []
        single = _one_seed(one.leak, one.transfer)
        said[one.task] = [ONE_SEED] if single else words
        paid[one.task] = [] if single else price
    lines = [(one.task, line) for one in asked for line in (one.leak, one.transfer) if line]
    pairs = {
        "Removes: F1": [one.leak for one in asked],
        "Costs: accuracy": [one.transfer for one in asked],
    }
    columns = {name: values for name, values in pairs.items() if any(values)}
    numbers = [
        Number(task_name(one.task), tuple(line and _change(line, options) for line in row))
        for one, *row in zip(asked, *columns.values(), strict=True)
    ]
    return Card(
        "unlearns",
        question,
        _sentence(_with_prices(said, paid)),
        _against(asked),
        tuple(numbers),
        any(decided(line) for _, line in lines),
        tuple(columns),
    )


def _card(
    id_: str,
    question: str,
    measured_as: str,
    lines: Sequence[tuple[str, Line]],
    options: JudgeOptions,
    conclude: Callable[[Mapping[str, str]], str],
    say: Callable[[str, Line], str],
    failed: bool,
) -> Card:
    """The card of one quantity.

    Args:
        id_: of the card on the page.
        question: what is asked.
        measured_as: what the numbers are.
        lines: tasks with their comparisons.
        options: level of the intervals.
        conclude: the verdict, from what is said of each task.
        say: what a comparison says of its task.
        failed: did every seed of a method that the card needs fail?
    """
    if not lines and failed:
        return Card(id_, question, *_NO_SEED)
    if not lines:
        how = f"Add {BEFORE} and {AFTER} to train.run, then: dvc repro"
        return Card(id_, question, "Not measured.", how)
    numbers = tuple(
        Number(
            " ".join(filter(None, (task_name(task), UNIT_NAMES.get(line.unit)))),
            (_change(line, options),),
            shorts((line.compared.b, line.compared.a)),
        )
        for task, line in lines
    )
    said = {task: ONE_SEED if _one_seed(line) else say(task, line) for task, line in lines}
    sure = any(decided(line) for _, line in lines)
    return Card(id_, question, _sentence(conclude(said)), measured_as, numbers, sure)


def _readable(run: Run, said: Mapping[str, str], lines: Sequence[tuple[str, Line]]) -> str:
    """What is forgotten of every task; where it is little of all, what follows.

    A probe reads the language where it reads more than half of what chance leaves open.
    """
    least = [floor(run, task, line.unit) for task, line in lines]
    reads = [
        line.compared.a - low > HALF * (1 - low)
        for (_, line), low in zip(lines, least, strict=True)
    ]
    if not (set(said.values()) <= set(LITTLE) and all(reads)):
        return _over_tasks(said)
    most = next(word for word in LITTLE if word in said.values())
    return f"{_over_tasks(dict.fromkeys(said, most))}: {READABLE}"


def _over_tasks(said: Mapping[str, str]) -> str:
    """What is said of every task: once where it is the same of all."""
    if len(set(said.values())) == 1:
        return next(iter(said.values()))
    return "; ".join(f"{task_name(task)} {words}" for task, words in said.items())


def _with_prices(said: Mapping[str, list[str]], paid: Mapping[str, list[str]]) -> str:
    """What is unlearned of each task, and its price: once where it is the same of all."""
    prices = {tuple(words) for words in paid.values()}
    differ = len({tuple(words) for words in said.values()}) > 1
    if differ and len(prices) == 1 and (price := prices.pop()):
        of_tasks = ", ".join(f"{task_name(task)} {' '.join(said[task])}" for task in said)
        return f"{of_tasks}; {' '.join(price)}"
    return _over_tasks({task: ", ".join([*said[task], *paid[task]]) for task in said})


def _against(asked: Sequence[_Asked]) -> str:
    """What unlearning is, and what it is held against, in the methods' names too."""
    of = {one.method for one in asked}
    method = asked[0].method
    how = UNLEARNING[method] if len(of) == 1 else "Unlearning"
    how += f" ({method})" if len(of) == 1 and method not in how else ""
    plain = [one for one in asked if one.baseline == AFTER]
    some = 0 < len(plain) < len(asked)
    other = f" ({', '.join(task_name(one.task) for one in plain)}: {AFTER})" if some else ""
    return f"{how} minus {AFTER if len(plain) == len(asked) else 'control'}{other}:"


def _one_seed(*lines: Line | None) -> bool:
    return not any(line.compared.difference.trained for line in lines if line)


def _forgotten(run: Run, task: str, line: Line, options: JudgeOptions) -> str:
    """How much of what a probe can read above chance is gone, by the ends of the interval."""
    if line.verdict == "higher":
        return "no, it reads more"
    if line.verdict == "equivalent":
        return LITTLE[0]
    difference, whole = line.compared.difference, line.compared.b - floor(run, task, line.unit)
    if whole <= 0:  # nothing that could be forgotten
        return "undecided"
    low, high = (-end / whole for end in reversed(difference.interval(options.alpha)))
    least, most = _share_words(low), _share_words(high)
    if line.verdict != "lower":
        end, _ = SHARES[0]
        return LITTLE[1] if -end < low and high < end else "undecided"
    return least if least == most else f"{least} to {most}"


def _share_words(share: float) -> str:
    return next((word for end, word in SHARES if share < end), "yes")


def floor(run: Run, task: str, unit: str) -> float:
    """Macro-F1 of always naming the commonest language; 0 where it was not measured."""
    rows = pick(leak_scores(run, task, "majority"), language="all", unit=unit)
    values = pick(rows, metric=LEAK_METRIC)["value"]
    return float(values.mean()) if len(values) else 0.0


def decided(line: Line) -> bool:
    """Does the verdict of a comparison find anything?"""
    return line.verdict not in ("undecided", SIZE)


def shown_lines(compared: Mapping[str, Contrasts]) -> list[Line]:
    """Every comparison that a card shows."""
    asked = [
        one
        for task, present in compared.items()
        for pair in (((AFTER,), (BEFORE,)), (UNLEARNING, CONTROLS))
        if (one := _asked(present, task, *pair))
    ]
    return [line for one in asked for line in (one.leak, one.transfer) if line]


def _sentence(words: str) -> str:
    start = words if words.split(" ")[0].isupper() else words[:1].upper() + words[1:]
    return f"{start}."


# --- numbers ---------------------------------------------------------------------------------


def _change(line: Line, options: JudgeOptions) -> Change:
    difference = line.compared.difference
    low, high = difference.interval(options.alpha)
    ends = () if pd.isna(low) else (short(low, sign=True), short(high, sign=True))
    mark = OPEN if ends and not decided(line) else ""
    return Change(short(difference.value, sign=True), ends, mark)


def short(value: float, *, sign: bool = False) -> str:
    """``.997``, ``−.038``: three decimals without the leading zero; ``sign``: also a plus."""
    text = f"{abs(value):.3f}".removeprefix("0")
    if not float(text):
        return "0"
    return ("−" if value < 0 else "+" if sign else "") + text


def shorts(values: Sequence[float | None]) -> tuple[str, ...]:
    """The values that are there, as :func:`short` writes them."""
    return tuple(short(value) for value in values if value is not None)
