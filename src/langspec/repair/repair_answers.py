"""The four answers of a repair in plain words, each made of its numbers alone."""

from __future__ import annotations

import numpy as np

from langspec.audit.answers import Answer
from langspec.measurement.intervals import Interval
from langspec.pool_search.summary import NAMES, summary
from langspec.repair.choose_method import MONOLINGUAL, paired, signed
from langspec.repair.fit_methods import NOTHING, title_of
from langspec.repair.protocol import CSLS, Outcome
from langspec.repair.repair_numbers import bias_of, mean_of, method_words, suffering
from langspec.report.run_results import language_name

QUESTIONS = ("Is there a bias?", "Who suffers?", "What removes it?", "What does it cost?")
WORDS = {
    "leace": "one linear map for all languages makes their means equal, with the least change.",
    "lsar": "the directions in which the means of the languages differ are projected away.",
    "inlp": "directions that a classifier of languages reads are projected away, in rounds.",
}
"""What the methods do that a folder can carry."""
_NAMED = 3  # languages that fit into the short answer


def answers(
    outcome: Outcome, *, made: str = "encoder", option: str = "--parallel"
) -> tuple[Answer, ...]:
    """The four answers.

    Args:
        outcome: of the repair.
        made: what a repair writes.
        option: that names translations.
    """
    return _bias(outcome), _who(outcome), _cure(outcome, option), _cost(outcome, made, option)


def _bias(outcome: Outcome) -> Answer:
    rows = outcome.test[NOTHING]
    near, pool, gap = bias_of(rows)
    if gap.low > 0:
        short = f"Yes: a query’s own language comes {near / pool:.1f} times too often."
    elif gap.high < 0:
        short = "No: other languages come first."
    else:
        short = "None is shown."
    of = "texts of other lines" if outcome.translations else "texts"
    details = [
        f"Of the ten {of} nearest to a query, {near:.3f} are in its language, which has "
        f"{pool:.3f} of the pool: {signed(gap)}."
    ]
    if "preferred" in rows and rows["preferred"].notna().any():
        rate = mean_of(rows, "preferred")
        chance = mean_of(rows, "preferred_chance")
        details.append(
            f"Of equivalent texts, the one in the query’s language comes first in {rate:.3f} of "
            f"cases; by chance {chance:.3f}."
        )
    return Answer(QUESTIONS[0], short, tuple(details))


def _who(outcome: Outcome) -> Answer:
    order, rule = suffering(outcome), outcome.rule
    worst = [language_name(code) for code, _ in order[:_NAMED]]
    listed = [f"{language_name(code)} {value:.3f}" for code, value in (*order[:_NAMED], order[-1])]
    details = (f"{rule.words[0].upper()}{rule.words[1:]}: {', '.join(listed[:-1])}; "
               f"best: {listed[-1]}.",)  # fmt: skip
    if len(order) > 1 and abs(order[0][1] - order[-1][1]) < 0.005:
        return Answer(QUESTIONS[1], "All languages alike.", details)
    return Answer(QUESTIONS[1], f"{', '.join(worst)}.", details)


def _cure(outcome: Outcome, option: str) -> Answer:
    verdict, choice, rule = outcome.verdict, outcome.choice, outcome.rule
    details = []
    if verdict.repaired:
        short = f"{title_of(choice.method)}."
        before, after = (mean_of(outcome.test[m], rule.column) for m in (NOTHING, choice.method))
        details.append(
            f"{rule.words[0].upper()}{rule.words[1:]} goes from {before:.3f} to {after:.3f} on "
            f"test lines: {signed(_turned(verdict.gain, rule.lower))}. {_by_language(outcome)}"
        )
        names = dict.fromkeys(choice.method.split("+"))
        details += [f"{name}: {words}" for name in names if (words := WORDS.get(name))]
    else:
        short = "Nothing to repair."
        details.append(f"{verdict.why[0].upper()}{verdict.why[1:]}.")
    if not outcome.translations:
        details[0] += (
            " No translations were given, so it is not known whether search finds more; "
            f"{option} measures that."
        )
    return Answer(QUESTIONS[2], short, (*details, *_others(outcome)))


def _by_language(outcome: Outcome) -> str:
    """How many languages gain and how many lose, their whole interval."""
    rule, method = outcome.rule, outcome.choice.method
    columns = [*NAMES, rule.column]
    frame = summary(outcome.test[NOTHING][columns], outcome.test[method][columns])
    frame = frame[frame["group"] == "language"]
    up, down = int((frame["low"] > 0).sum()), int((frame["high"] < 0).sum())
    gain, lose = (down, up) if rule.lower else (up, down)
    lost = f"{lose} lose" if lose else "none loses"
    return f"{gain} of {len(frame)} languages gain, {lost} (whole intervals)."


def _turned(gain: Interval, lower: bool) -> Interval:
    """A gain as the change of the column."""
    return Interval(-gain.value, -gain.high, -gain.low) if lower else gain


def _others(outcome: Outcome) -> list[str]:
    """What a method that no folder carries, or the baseline, does better."""
    rule, choice, before = outcome.rule, outcome.choice, outcome.test[NOTHING]
    chosen = outcome.verdict.gain.value if choice.method != NOTHING else 0.0
    gains = {
        name: rule.gain(before, rows)
        for name, rows in outcome.test.items()
        if name == CSLS or name in choice.ruled_out
    }
    better = [name for name, gain in gains.items() if gain.low > max(chosen, 0.0)]
    if not better:
        return []
    best = max(better, key=lambda name: gains[name].value)
    why = choice.ruled_out.get(best, "needs all vectors of the pool")
    return [
        f"{method_words(best, outcome)} would change it by "
        f"{signed(_turned(gains[best], rule.lower))}; not eligible: {why}."
    ]


def _cost(outcome: Outcome, made: str, option: str) -> Answer:
    if not outcome.verdict.repaired:
        return Answer(QUESTIONS[3], f"Nothing: no {made} was written.", ("All stays as it is.",))
    details = []
    loss = outcome.verdict.loss
    if np.isnan(loss.value):
        short = "Not known without translations."
        details.append(f"Monolingual search is measured with {option} only.")
    else:
        before, after = (
            mean_of(outcome.test[m], MONOLINGUAL) for m in (NOTHING, outcome.choice.method)
        )
        short = (
            "No loss is shown." if loss.high >= 0 else f"{-loss.value:.3f} of monolingual search."
        )
        details.append(
            f"Monolingual recall@10 goes from {before:.3f} to {after:.3f}: {signed(loss)}; "
            f"{outcome.rule.loss:g} may be lost."
        )
    return Answer(QUESTIONS[3], short, (*details, *unseen_words(outcome)))


def unseen_words(outcome: Outcome) -> list[str]:
    """What a language gets that the eraser was not fitted on, in a sentence."""
    unseen, rule = outcome.unseen, outcome.rule
    if unseen is None:
        return ["What a language gets that it was not fitted on was not measured."]
    gain = _turned(rule.gain(unseen.before, unseen.after), rule.lower)
    how = "fitted on half of the languages for the other half" if unseen.halves else (
        f"measured on {', '.join(unseen.languages)}")  # fmt: skip
    loss = paired(unseen.before, unseen.after, MONOLINGUAL)
    text = f"A language that it was not fitted on ({how}): {rule.words} {signed(gain)}"
    if not np.isnan(loss.value):
        text += f", monolingual recall@10 {signed(loss)}"
    return [f"{text}."]
