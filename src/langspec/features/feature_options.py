"""Section ``features`` of params.yaml. Imports pydantic alone."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from langspec.section import Count, Limit, Section


class Features(Section):
    """The feature bank of the language text.

    Attributes:
        batch_tokens: padded pieces in one forward pass.
        max_tokens_per_language: word vectors of a language.
        max_sentences_per_language: lines of a language, the same in all; null: all.
        cache_gb: size of the folder of all banks (10^9 bytes).
    """

    batch_tokens: Count
    max_tokens_per_language: Count
    max_sentences_per_language: Limit
    cache_gb: Annotated[float, Field(gt=0)]
