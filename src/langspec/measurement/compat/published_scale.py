"""How long the published probe was trained. Nothing heavy is imported here."""

from __future__ import annotations

PUBLISHED_TEXTS = 115_500
"""Training texts of the published probe: 3,500 of each of 33 languages."""


def published_updates(minibatch: int) -> int:
    """The updates of one published epoch: its texts, by minibatches of so many."""
    return -(-PUBLISHED_TEXTS // minibatch)
