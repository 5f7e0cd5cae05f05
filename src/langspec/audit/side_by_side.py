"""What two encoders differ in, a sentence for each of the three answers."""

from __future__ import annotations

from langspec.audit.answers import groups, layer_words, percent, probe_f1
from langspec.audit.measure import Audited
from langspec.measurement.intervals import (
    LEVEL,
    Interval,
    gap_interval,
    real_interval,
    standard_error,
)


def differences(first: Audited, second: Audited) -> list[str]:
    """What the first encoder does against the second, such as a fine-tuned one against its start.

    Both read the same texts, lines and words. Each answer has its entry: where one was not
    measured, it says what measures it.
    """
    return [_apart(first, second), _layers(first, second), _retrieval(first, second)]


def apart_gap(first: Audited, second: Audited) -> Interval:
    """Mean apartness of the first less that of the second, at their last layers.

    The interval is of paired resamples: both encoders read the same lines.
    """
    one, other = (audited.mixings[audited.layers[-1]] for audited in (first, second))
    value = float(one.apartness.mean() - other.apartness.mean())
    lines = int(one.texts.max())
    error = standard_error(one.resampled - other.resampled, lines)
    return real_interval(value, error, lines, LEVEL)


def _apart(first: Audited, second: Audited) -> str:
    """Which languages are kept apart, and read; words come first where the first labels words."""
    parts = [_neighbours(first, second), _words(first, second)]
    one, other = reversed(parts) if first.words_first else parts
    if other.startswith(("A ", "No ")):
        other = other[0].lower() + other[1:]
    return f"{one}; {other}."


def _neighbours(first: Audited, second: Audited) -> str:
    """What lies around texts, of both."""
    gap = apart_gap(first, second)
    counts = []
    for audited in (first, second):
        sorted_out = groups(audited.mixings[audited.layers[-1]])
        counts.append(f"{len(sorted_out.apart)} ({len(sorted_out.undecided)} undecided)")
    if gap.low > 0:
        lead = f"{first.name} keeps languages further apart than {second.name}"
    elif gap.high < 0:
        lead = f"{first.name} keeps languages less far apart than {second.name}"
    else:
        lead = f"No difference in apartness is shown between {first.name} and {second.name}"
    return (
        f"{lead}: {counts[0]} against {counts[1]} of {len(first.languages)} languages are kept "
        f"apart, the mean apartness differs by {_signed(gap)}"
    )


def _words(first: Audited, second: Audited) -> str:
    """What a linear probe reads of single words, of both."""
    one, other = (probe_f1(audited, "token", audited.layers[-1]) for audited in (first, second))
    return (
        "A linear probe names the language of a single word in its text with macro-F1 "
        f"{one:.2f} against {other:.2f}"
    )


def _layers(first: Audited, second: Audited) -> str:
    if len(first.layers) < 2 or len(second.layers) < 2:
        return "At which layer they differ was not measured: give more than one with --layers."
    most = []
    for audited in (first, second):
        apart = {layer: float(one.apartness.mean()) for layer, one in audited.mixings.items()}
        most.append((max(apart, key=apart.__getitem__), apart))
    places = [
        layer_words(layer, audited.top)
        for (layer, _), audited in zip(most, (first, second), strict=True)
    ]
    if places[0] == places[1]:
        text = f"Both keep them furthest apart at {places[0]}"
    else:
        text = (
            f"{first.name} keeps them furthest apart at {places[0]}, {second.name} at {places[1]}"
        )
    shared = sorted(set(most[0][1]) & set(most[1][1])) if first.top == second.top else []
    if not shared:
        return f"{text}."
    changes = {layer: most[0][1][layer] - most[1][1][layer] for layer in shared}
    layer = max(changes, key=lambda one: abs(changes[one]))
    change = f"{changes[layer]:+.2f}".replace("-", "\N{MINUS SIGN}")
    return (
        f"{text}; their mean apartness differs most at {layer_words(layer, first.top)} ({change})."
    )


def _retrieval(first: Audited, second: Audited) -> str:
    if not (first.searches and second.searches):
        return "Whether a search finds more or less was not measured: give --parallel."
    one, other = (
        audited.searches["plain", audited.layers[-1]].of("translation")
        for audited in (first, second)
    )
    gap = gap_interval(one, other, 0.0)
    if gap.low > 0:
        lead = f"{first.name} finds translations more often"
    elif gap.high < 0:
        lead = f"{first.name} finds translations less often"
    else:
        lead = "No difference is shown in a search"
    return (
        f"{lead}: the first hit is a translation for {percent(one.value)} against "
        f"{percent(other.value)}, a difference of {_signed(gap)}."
    )


def _signed(gap: Interval) -> str:
    text = f"{gap.value:+.2f} [{gap.low:+.2f} {gap.high:+.2f}]"
    return text.replace("-", "\N{MINUS SIGN}")
