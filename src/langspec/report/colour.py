"""How well colours stand out from each other, and what a figure's colours become on a dark page.

Colours are written ``#rrggbb``. Luminance and contrast are those of WCAG 2.2 ("relative
luminance", "contrast ratio"): 3 is the least for a mark, 4.5 for text.
"""

from __future__ import annotations

from functools import cache

MARK, TEXT = 3.0, 4.5
_STEPS = 50


def _parts(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def luminance(colour: str) -> float:
    """From 0 (black) to 1 (white)."""
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in _parts(colour))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """From 1 (equal) to 21 (black on white)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@cache
def standing_out(colour: str, ground: str, least: float) -> str:
    """The colour, mixed with black or white until its contrast to ``ground`` is ``least``."""
    end = 0 if luminance(ground) > 0.5 else 255
    for step in range(_STEPS + 1):
        share = step / _STEPS
        mixed = (round(part + share * (end - part)) for part in _parts(colour))
        text = "#{:02x}{:02x}{:02x}".format(*mixed)
        if contrast(text, ground) >= least:
            return text
    return text


def on_cell(colour: str) -> str:
    """Dark or light letters, whichever stand out more from a cell of this colour."""
    return max(CELL_LETTERS, key=lambda letters: contrast(letters, colour))


CELL_LETTERS = ("#010101", "#fefefe")
"""Of the numbers in heat maps: colours of their own, since cells are the same on a dark page."""
