"""The three answers of an audit in plain words, each made of its numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from langspec.audit.measure import ERASER, Audited
from langspec.measurement.first_hits import KINDS
from langspec.measurement.intervals import Interval
from langspec.measurement.mixing import APART, FEWEST, MIXED, THRESHOLD, UNDECIDED, Mixing, verdict
from langspec.report.run_results import language_name
from langspec.results import LEAK_METRIC, LEAK_PROBE

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
    """A question, a few words that answer it, and the numbers behind them in sentences.

    ``undecided`` says what the numbers leave open.
    """

    question: str
    short: str
    details: tuple[str, ...]
    undecided: tuple[str, ...] = ()

    def line(self) -> str:
        """For the terminal."""
        return " ".join([self.question, self.short, self.details[0], *self.undecided])


@dataclass(frozen=True)
class Groups:
    """Languages that a layer keeps apart, mixes, or leaves undecided, and pairs of languages.

    ``few`` are the undecided ones that have too few texts. ``pairs`` are mixed with each other and
    ``open_pairs`` perhaps, as (language, language, index), the most mixed first.
    """

    apart: tuple[str, ...]
    mixed: tuple[str, ...]
    undecided: tuple[str, ...]
    few: tuple[str, ...]
    pairs: tuple[tuple[str, str, Interval], ...]
    open_pairs: tuple[tuple[str, str, Interval], ...]


def groups(mixed: Mixing) -> Groups:
    """Sort the languages of a layer by what its neighbourhoods show."""
    codes, verdicts = mixed.languages, mixed.verdicts

    def those(said: str) -> tuple[str, ...]:
        return tuple(c for c, one in zip(codes, verdicts, strict=True) if one == said)

    few = {c for c, texts in zip(codes, mixed.texts, strict=True) if texts < FEWEST}
    pairs = [
        (codes[i], codes[j], mixed.mixed_interval(i, j))
        for i in range(len(codes))
        for j in range(i + 1, len(codes))
        if not {codes[i], codes[j]} & few
    ]
    pairs.sort(key=lambda pair: (-pair[2].value, pair[:2]))
    # An index above the threshold says that two are mixed, an apartness above it the opposite.
    return Groups(
        those(APART),
        those(MIXED),
        those(UNDECIDED),
        tuple(code for code in codes if code in few),
        tuple(pair for pair in pairs if verdict(pair[2]) == APART),
        tuple(pair for pair in pairs if verdict(pair[2]) == UNDECIDED),
    )


def counted(sorted_out: Groups) -> str:
    """How many languages there are of each verdict: ``4 of 6 kept apart, 1 mixed, ...``."""
    total = len(sorted_out.apart) + len(sorted_out.mixed) + len(sorted_out.undecided)
    return (
        f"{len(sorted_out.apart)} of {total} kept apart, {len(sorted_out.mixed)} mixed, "
        f"{len(sorted_out.undecided)} undecided"
    )


def ends(interval: Interval) -> str:
    """``0.48 [0.41 0.55]``: a value and its 95 % interval."""
    value, low, high = (
        f"{round(end, 2) + 0:.2f}".replace("-", "\N{MINUS SIGN}")
        for end in (interval.value, interval.low, interval.high)
    )
    return f"{value} [{low} {high}]"


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
    """The leak: macro-F1 of the linear probe, plain or with language erased."""
    return score(
        audited,
        measure="erasure" if erased else "leak",
        eraser=ERASER if erased else "",
        probe=LEAK_PROBE,
        metric=LEAK_METRIC,
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
    others = [*sorted_out.mixed, *sorted_out.undecided]
    short = counted(sorted_out)
    if 0 < len(others) <= _LISTED:
        listed = [
            f"{named(codes, most=_LISTED)} {said}"
            for codes, said in ((sorted_out.mixed, MIXED), (sorted_out.undecided, UNDECIDED))
            if codes
        ]
        short += f": {', '.join(listed)}"
    read = _read_by_probe(audited, last, mixed=bool(others or sorted_out.pairs))
    around = _around(audited, last)
    first, second = (read, around) if audited.words_first else (around, read)
    if audited.words_first:
        token = probe_f1(audited, "token", last)
        short = (
            f"Of words, a probe names the language with macro-F1 {token:.2f}. Of texts: {short}"
        )
    details = (first, *_mixed(sorted_out), second)
    return Answer(QUESTIONS[0], f"{short}.", details, tuple(_open(mixed, sorted_out)))


def _around(audited: Audited, layer: int) -> str:
    """How much of the neighbourhoods is in their own language."""
    mixed = audited.mixings[layer]
    same = float(np.diagonal(mixed.shares).mean())
    chance = float(np.diagonal(mixed.chance).mean())
    return (
        f"At {layer_words(layer, audited.top)}, {percent(same)} of the texts nearest to a text "
        f"are in its own language (by chance {percent(chance)}; translations of it do not count). "
        f"Mean apartness: {ends(mixed.mean_apartness)}."
    )


def _mixed(sorted_out: Groups) -> list[str]:
    """Which languages are mixed, and with which."""
    sentences = []
    if sorted_out.mixed and len(sorted_out.mixed) + len(sorted_out.undecided) > _LISTED:
        sentences.append(f"Mixed: {named(sorted_out.mixed, most=12)}.")
    if sorted_out.pairs:
        sentences.append(f"Mixed with each other: {_listed(sorted_out.pairs)}.")
    else:
        sentences.append("No two languages are surely mixed with each other.")
    return sentences


def _open(mixed: Mixing, sorted_out: Groups) -> list[str]:
    """Which languages and pairs are undecided, and why."""
    sentences = []
    wide = [code for code in sorted_out.undecided if code not in sorted_out.few]
    if wide:
        intervals = dict(zip(mixed.languages, mixed.apart_intervals, strict=True))
        listed = ", ".join(f"{language_name(code)} {ends(intervals[code])}" for code in wide[:6])
        more = f" and {len(wide) - 6} more" if len(wide) > 6 else ""
        sentences.append(f"Undecided, as the interval holds {THRESHOLD:g}: {listed}{more}.")
    if sorted_out.few:
        texts = dict(zip(mixed.languages, mixed.texts, strict=True))
        listed = ", ".join(f"{language_name(code)} ({texts[code]})" for code in sorted_out.few)
        sentences.append(f"Too few test texts to decide anything (fewer than {FEWEST}): {listed}.")
    if sorted_out.open_pairs:
        sentences.append(f"Undecided pairs: {_listed(sorted_out.open_pairs, most=3)}.")
    return sentences


def _listed(pairs: Sequence[tuple[str, str, Interval]], most: int = 5) -> str:
    listed = "; ".join(
        f"{language_name(a)} with {language_name(b)} {ends(index)}" for a, b, index in pairs[:most]
    )
    more = len(pairs) - most
    return f"{listed}{f'; and {more} more' if more > 0 else ''}"


def _read_by_probe(audited: Audited, last: int, *, mixed: bool) -> str:
    """What a linear probe names, of texts and of words."""
    sentence, token = probe_f1(audited, "sentence", last), probe_f1(audited, "token", last)
    of_text, of_word = "a text", "a single word in its text"
    scores = [(of_text, sentence), (of_word, token)]
    (one, first), (other, second) = reversed(scores) if audited.words_first else scores
    parts = f"of {one} with macro-F1 {first:.2f}, of {other} with {second:.2f}"
    lead = "Mixed is not unreadable: a" if mixed and not audited.words_first else "A"
    read = f"{lead} linear probe names the language {parts}"
    wrong = confused(audited, "token", last)[:3]
    if wrong:
        listed = ", ".join(
            f"{language_name(a)} for {language_name(b)} ({percent(share)})"
            for a, b, share in wrong
        )
        read += f"; among words it takes most often {listed}"
    return read + "."


def _where(audited: Audited) -> Answer:
    apart = {layer: float(mixed.apartness.mean()) for layer, mixed in audited.mixings.items()}
    top = audited.top
    most, least = max(apart, key=apart.__getitem__), min(apart, key=apart.__getitem__)
    if len(apart) == 1:
        short = f"Only {layer_words(most, top)} was measured."
    elif apart[most] - apart[least] < ALIKE:
        short = "At all layers alike."
    else:
        short = f"Most at {layer_words(most, top)}, least at {layer_words(least, top)}."
    where = layer_words(most, top)
    shares = f"The mean apartness is {_apart_at(audited, most)} at {where}"
    if most != least:
        shares += f" and {_apart_at(audited, least)} at {layer_words(least, top)}"
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
    if audited.words_first:
        if len(apart) > 1:
            short = _where_words(f1, best, worst, top)
        return Answer(QUESTIONS[1], short, (read, shares + "."))
    return Answer(QUESTIONS[1], short, (shares + ".", read))


def _where_words(f1: dict[int, float], best: int, worst: int, top: int) -> str:
    """Where single words are read best and worst, in a few words."""
    if f1[best] - f1[worst] < ALIKE:
        return "Of words, at all layers alike."
    return f"Of words, most at {layer_words(best, top)}, least at {layer_words(worst, top)}."


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
    plain, erased = (audited.searches[name, last] for name in ("plain", ERASER))
    right, same, other = (plain.of(kind) for kind in KINDS)
    search = (
        f"When the {plain.n:,} test texts of all {len(audited.languages)} languages are searched, "
        f"the first hit is a translation for {percent(right.value)}, another text in the query's "
        f"own language for {percent(same.value)} {_percents(same)}, in another language for "
        f"{percent(other.value)}."
    )
    by_language = plain.shares[:, KINDS.index("own_language")]
    worst = int(by_language.argmax())
    if by_language[worst] >= COSTS[1]:
        search += (
            f" The own language comes first most often for "
            f"{language_name(plain.languages[worst])}: {percent(by_language[worst])}."
        )
    gain = erased.of("translation").value - right.value
    effect = (
        f"Erasing language linearly (LEACE) makes that {percent(erased.of('translation').value)} "
        f"translations{_change(gain)}."
    )
    return Answer(QUESTIONS[2], _cost(same), (search, effect, _pairs(audited, last)))


def _cost(share: Interval) -> str:
    """How much the share of first hits in the query's own language matters."""
    words = ("Hardly", "Somewhat", "Yes, much")
    low, high = (sum(end >= cost for cost in COSTS) for end in (share.low, share.high))
    if low == high:
        return f"{words[low]}."
    return f"Undecided: {words[low].lower()} to {words[high].removeprefix('Yes, ').lower()}."


def _percents(interval: Interval) -> str:
    return f"[{100 * interval.low:.0f} {100 * interval.high:.0f}]"


def _pairs(audited: Audited, last: int) -> str:
    """Retrieval between the pivot and one other language at a time."""
    where = {"eraser": "", "probe": "cosine", "metric": "retrieval", "language": "mean_targets"}
    shares = {layer: score(audited, layer=layer, **where) for layer in audited.layers}
    best = max(shares, key=shares.__getitem__)
    top = audited.top
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


def _apart_at(audited: Audited, layer: int) -> str:
    return ends(audited.mixings[layer].mean_apartness)
