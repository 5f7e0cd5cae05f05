"""A figure once it is drawn; apart from what draws it, which takes seconds to import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Drawing:
    """A figure with its words: its size in CSS pixels, its bytes by format."""

    name: str
    title: str
    caption: str
    alt: str
    width: int
    height: int
    files: Mapping[str, bytes]
