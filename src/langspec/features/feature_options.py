"""Section ``features`` of params.yaml. Imports pydantic alone."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from langspec.section import Count, Decides, Limit, Section

_RENAMED = {"max_tokens_per_language": "tokens", "max_sentences_per_language": "sentences"}


class TokenLimits(Section):
    """Word vectors of a language at most, in each split of the language text.

    Attributes:
        train: that probes and erasers are fitted on.
        dev: that choose the strength of a probe's regularisation.
        test: that are measured on.
    """

    train: Count
    dev: Count
    test: Count

    @property
    def total(self) -> int:
        """All splits together."""
        return self.train + self.dev + self.test


class SentenceLimits(Section):
    """Lines of a language at most, the same in all languages, in each split; null: all.

    Attributes:
        train: that probes and erasers are fitted on.
        dev: that choose the strength of a probe's regularisation.
        test: that are measured on.
    """

    train: Limit
    dev: Limit
    test: Limit


class Features(Section):
    """The feature bank of the language text.

    Attributes:
        batch_tokens: padded pieces in one forward pass.
        tokens: word vectors of a language, by split.
        sentences: lines of a language, by split.
        prefix_tokens: are the word vectors that language is read from those of a text behind
            ``encoder.prefix``? A prefix is a convention of pooled vectors. False costs a second
            pass where there is a prefix.
        cache_gb: size of the folder of all banks (10^9 bytes).
    """

    batch_tokens: Count
    tokens: TokenLimits
    sentences: SentenceLimits
    prefix_tokens: bool
    cache_gb: Annotated[float, Field(gt=0), Decides.NOTHING]

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, values: Any) -> Any:
        for old, new in _RENAMED.items():
            if isinstance(values, dict) and old in values:
                raise ValueError(
                    f"{old} is now {new}, a limit for each split: {new}: {{train: .., dev: .., "
                    "test: ..}"
                )
        return values
