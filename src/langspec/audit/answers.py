"""The three answers of an audit in plain words, each made of its numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from langspec.audit.measure import ERASER, Audited
from langspec.measurement.mixing import NEAREST_KINDS, Mixing
from langspec.report.run_results import language_name

APART, MIXED = 0.5, 0.5
"""A language is called kept apart from this apartness on, two are called mixed from this index."""
ALIKE = 0.1
"""Layers whose mean apartness differs by less are said to be alike."""
CONFUSED = 0.05
"""A pair is named as confused if the probe takes this share of one's texts for the other."""
COSTS = (0.02, 0.1)
"""Share of first hits in the query's language: below the first it costs hardly anything, from the
second on much."""

_LISTED = 4  # languages that fit into the short answer
_SPACE = "\N{NO-BREAK SPACE}"

QUESTIONS = (
    "Which languages does it keep apart?",
    "At which layer?",
    "Does it matter for retrieval?",
)


@dataclass(frozen=True)
class Answer:
    """A question, a few words that answer it, and the numbers behind them in sentences."""

    question: str
    short: str
    details: tuple[str, ...]

    def line(self) -> str:
        """For the terminal."""
        return f"{self.question} {self.short} {self.details[0]}"


@dataclass(frozen=True)
class Groups:
    """Languages that a layer keeps apart, the others, and pairs that it mixes.

    ``pairs`` are (language, language, index), the most mixed first.
    """

    apart: tuple[str, ...]
    others: tuple[str, ...]
    pairs: tuple[tuple[str, str, float], ...]


def groups(mixed: Mixing) -> Groups:
    """Sort the languages of a layer by what its neighbourhoods show."""
    codes, apart = mixed.languages, mixed.apartness
    index = mixed.mixed
    pairs = [
        (codes[i], codes[j], float(index[i, j]))
        for i in range(len(codes))
        for j in range(i + 1, len(codes))
        if index[i, j] >= MIXED
    ]
    pairs.sort(key=lambda pair: (-pair[2], pair[:2]))
    return Groups(
        tuple(c for c, value in zip(codes, apart, strict=True) if value >= APART),
        tuple(c for c, value in zip(codes, apart, strict=True) if value < APART),
        tuple(pairs),
    )


def answers(audited: Audited) -> tuple[Answer, Answer, Answer]:
    """The three answers for one encoder."""
    return _which(audited), _where(audited), _matters(audited)


def percent(share: float) -> str:
    """``97 %``; ``<1 %`` and ``>99 %`` where rounding would say nothing or everything.

    The space does not break.
    """
    if 0 < share < 0.005:
        return f"<1{_SPACE}%"
    if 0.995 <= share < 1:
        return f">99{_SPACE}%"
    return f"{100 * share:.0f}{_SPACE}%"


def named(codes: Sequence[str], most: int = 6) -> str:
    """``German, Dutch and Afrikaans``; beyond ``most``, how many more."""
    names = [language_name(code) for code in codes]
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def layer_words(layer: int, last: int) -> str:
    """How a layer is called in a sentence."""
    if layer == 0:
        return "the embeddings (layer 0)"
    return f"the last layer ({layer})" if layer == last else f"layer {layer}"


def score(audited: Audited, **equal: object) -> float:
    """The one value of a row of the encoder's results; nan where it was not measured."""
    for row in audited.rows:
        if all(getattr(row, key) == value for key, value in equal.items()):
            return row.value
    return float("nan")


def probe_f1(audited: Audited, unit: str, layer: int, *, erased: bool = False) -> float:
    """Macro-F1 of the linear probe, plain or with language erased."""
    return score(
        audited,
        measure="erasure" if erased else "leak",
        eraser=ERASER if erased else "",
        probe="linear",
        metric="macro_f1",
        language="all",
        unit=unit,
        layer=layer,
    )


def confused(audited: Audited, unit: str, layer: int) -> list[tuple[str, str, float]]:
    """(language, taken for, share) of what the linear probe mixes up, the commonest first."""
    table = audited.confusions[unit, layer].astype(float)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    codes = audited.languages
    pairs = [
        (codes[i], codes[j], float(shares[i, j]))
        for i in range(len(codes))
        for j in range(len(codes))
        if i != j and shares[i, j] >= CONFUSED
    ]
    return sorted(pairs, key=lambda pair: (-pair[2], pair[:2]))


def _which(audited: Audited) -> Answer:
    last = audited.layers[-1]
    mixed = audited.mixings[last]
    sorted_out = groups(mixed)
    total = len(audited.languages)
    if not sorted_out.others:
        short = f"All {total} of them." if total > 2 else "Both."
    elif not sorted_out.apart:
        short = f"None of the {total}."
    elif len(sorted_out.others) <= _LISTED:
        short = (
            f"{len(sorted_out.apart)} of {total}: all but "
            f"{named(sorted_out.others, most=_LISTED)}."
        )
    else:
        short = f"{len(sorted_out.apart)} of {total}."
    same = float(np.diagonal(mixed.shares).mean())
    chance = float(np.diagonal(mixed.chance).mean())
    neighbours = (
        f"At {layer_words(last, audited.subject.encoder.model.config.num_hidden_layers)}, "
        f"{percent(same)} of the 10 texts nearest to a text are in its own language "
        f"(by chance {percent(chance)}; translations of it do not count)."
    )
    if sorted_out.apart and len(sorted_out.others) > _LISTED:
        neighbours += f" Not kept apart: {named(sorted_out.others, most=12)}."
    if sorted_out.pairs:
        listed = "; ".join(
            f"{language_name(a)} with {language_name(b)} ({value:.2f})"
            for a, b, value in sorted_out.pairs[:5]
        )
        more = len(sorted_out.pairs) - 5
        pairs = f"Mixed with each other: {listed}{f'; and {more} more pairs' if more > 0 else ''}."
    else:
        pairs = "No two languages are mixed with each other."
    sentence, token = probe_f1(audited, "sentence", last), probe_f1(audited, "token", last)
    lead = "Mixed is not unreadable: a" if sorted_out.others or sorted_out.pairs else "A"
    read = (
        f"{lead} linear probe names the language of a text with macro-F1 "
        f"{sentence:.2f}, of a single word in its text with {token:.2f}"
    )
    wrong = confused(audited, "token", last)[:3]
    if wrong:
        listed = ", ".join(
            f"{language_name(a)} for {language_name(b)} ({percent(share)})"
            for a, b, share in wrong
        )
        read += f"; among words it takes most often {listed}"
    return Answer(QUESTIONS[0], short, (neighbours, pairs, read + "."))


def _where(audited: Audited) -> Answer:
    apart = {layer: float(mixed.apartness.mean()) for layer, mixed in audited.mixings.items()}
    same = {
        layer: float(np.diagonal(mixed.shares).mean()) for layer, mixed in audited.mixings.items()
    }
    top = audited.subject.encoder.model.config.num_hidden_layers
    most, least = max(apart, key=apart.__getitem__), min(apart, key=apart.__getitem__)
    if len(apart) == 1:
        short = f"Only {layer_words(most, top)} was measured."
    elif apart[most] - apart[least] < ALIKE:
        short = "At all layers alike."
    else:
        short = f"Most at {layer_words(most, top)}, least at {layer_words(least, top)}."
    where = layer_words(most, top)
    shares = f"The share of own-language neighbours is {percent(same[most])} at {where}"
    if most != least:
        shares += f" and {percent(same[least])} at {layer_words(least, top)}"
    f1 = {layer: probe_f1(audited, "token", layer) for layer in audited.layers}
    best, worst = max(f1, key=f1.__getitem__), min(f1, key=f1.__getitem__)
    read = "A linear probe reads the language of single words "
    if best == worst:
        read += f"with macro-F1 {f1[best]:.2f} there."
    else:
        read += (
            f"best at {layer_words(best, top)} (macro-F1 {f1[best]:.2f}) and worst at "
            f"{layer_words(worst, top)} ({f1[worst]:.2f})."
        )
    return Answer(QUESTIONS[1], short, (shares + ".", read))


def _matters(audited: Audited) -> Answer:
    last = audited.layers[-1]
    if ("plain", last) not in audited.searches:
        return Answer(
            QUESTIONS[2],
            "Not measured.",
            (
                "It takes texts that are translations of each other, line by line: name their "
                "folder with --parallel (it may be the same folder).",
            ),
        )
    plain, erased = (
        audited.searches[name, last].nearest.mean(axis=0) for name in ("plain", ERASER)
    )
    right, same, other = (float(value) for value in plain)
    if same >= COSTS[1]:
        short = "Yes, much."
    elif same >= COSTS[0]:
        short = "Somewhat."
    else:
        short = "Hardly."
    search = (
        f"When the texts of all {len(audited.languages)} languages are searched, the first hit is "
        f"a translation for {percent(right)}, another text in the query's own language for "
        f"{percent(same)}, in another language for {percent(other)}."
    )
    by_language = audited.searches["plain", last].nearest[:, NEAREST_KINDS.index("own_language")]
    worst = int(by_language.argmax())
    if by_language[worst] >= COSTS[1]:
        code = audited.searches["plain", last].languages[worst]
        search += (
            f" The own language comes first most often for {language_name(code)}: "
            f"{percent(by_language[worst])}."
        )
    gain = float(erased[NEAREST_KINDS.index("translation")]) - right
    effect = (
        f"Erasing language linearly (LEACE) makes that {percent(float(erased[0]))} translations"
        f"{_change(gain)}."
    )
    return Answer(QUESTIONS[2], short, (search, effect, _pairs(audited, last)))


def _pairs(audited: Audited, last: int) -> str:
    """Retrieval between the pivot and one other language at a time."""
    where = {"eraser": "", "probe": "cosine", "metric": "retrieval", "language": "mean_targets"}
    shares = {layer: score(audited, layer=layer, **where) for layer in audited.layers}
    best = max(shares, key=shares.__getitem__)
    top = audited.subject.encoder.model.config.num_hidden_layers
    pairs = (
        f"Between {language_name(audited.pivot)} and one other language at a time the right "
        f"translation comes first for {percent(shares[last])} at {layer_words(last, top)}"
    )
    if best != last:
        pairs += f", for {percent(shares[best])} at {layer_words(best, top)}"
    return pairs + "."


def _change(gain: float) -> str:
    if abs(gain) < 0.005:
        return ": no difference"
    points = f"{100 * abs(gain):.0f} point{'s' if round(100 * abs(gain)) != 1 else ''}"
    return f", {points} {'more' if gain > 0 else 'fewer'}"


def difference(first: Audited, second: Audited) -> str:
    """One sentence that sets two encoders side by side."""
    parts = []
    for audited in (first, second):
        last = audited.layers[-1]
        apart = len(groups(audited.mixings[last]).apart)
        text = f"{audited.name} keeps {apart} of {len(audited.languages)} languages apart"
        if ("plain", last) in audited.searches:
            right = float(audited.searches["plain", last].nearest[:, 0].mean())
            text += f" and finds a translation first for {percent(right)}"
        parts.append(text)
    return "; ".join(parts) + "."
