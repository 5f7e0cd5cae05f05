"""What can be measured without translations: is a text surrounded by texts of its own language?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from langspec.pool_search.nearest import nearest, unit_rows
from langspec.pool_search.ties import tie_order

K = 10


def crowding_rows(vectors: np.ndarray, languages: np.ndarray, lines: np.ndarray) -> pd.DataFrame:
    """A row a text, which searches the pool of all other texts.

    ``own_share`` is the share of its language among the ten nearest, ``pool_share`` that among all
    others. Texts about a country are mostly in its language, so the first is a little above the
    second where an encoder is fair too.

    Args:
        vectors: ``[N, H]``; a search compares cosines.
        languages: code of each, ``[N]``.
        lines: int ``[N]``, by which intervals are clustered.
    """
    units = unit_rows(vectors)
    codes, language = np.unique(languages, return_inverse=True)
    every = np.arange(len(units))
    near = nearest(units, units, K, ties=tie_order(lines, language), itself=every)
    sizes = np.bincount(language, minlength=len(codes))
    return pd.DataFrame(
        {
            "language": codes[language].astype(object),
            "line": lines,
            "own_share": (language[near] == language[:, None]).mean(axis=1),
            "pool_share": (sizes[language] - 1) / max(len(units) - 1, 1),
        }
    )
