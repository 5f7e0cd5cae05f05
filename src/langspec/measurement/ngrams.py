"""The ceiling of surface form: languages told by character n-grams of the very texts.

What an encoder's vectors could know at most without understanding anything: a multinomial
logistic regression on character n-grams of each unit, its C chosen on validation texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from langspec.errors import LangspecError

if TYPE_CHECKING:
    from langspec.measures.beyond_linear import NgramOptions


MOST = 100_000
"""Of the training texts' n-grams the commonest so many are read: memory is that times the classes
times the solver's twenty vectors, and the rare ones tell nothing more."""
MAX_ITERATIONS = 500  # of the solver


@dataclass(frozen=True)
class NgramFit:
    """Predictions int ``[T]`` for the test texts, and how the fit went."""

    predicted: np.ndarray
    chosen_c: float
    iterations: int
    converged: bool


def fit_ngrams(
    train: Sequence[str],
    train_labels: np.ndarray,
    dev: Sequence[str],
    dev_labels: np.ndarray,
    test: Sequence[str],
    options: NgramOptions,
    *,
    most: int = MOST,
) -> NgramFit:
    """Fit along the C, keep the one with the least validation log-loss, predict ``test``.

    A fit that hits its limit is reported in ``converged``; scikit-learn also warns of it, which is
    the caller's to silence (the filters of warnings are shared by threads).

    Raises:
        LangspecError: no text has a character, or fewer than two classes.
    """
    present = np.unique(train_labels)
    if len(present) < 2:
        raise LangspecError(f"character n-grams need at least two languages, found {len(present)}")
    vectorizer = TfidfVectorizer(
        analyzer="char_wb",
        ngram_range=(1, options.longest),
        max_features=most,
        sublinear_tf=True,
        dtype=np.float32,
    )
    try:
        x = vectorizer.fit_transform(train)
    except ValueError:
        raise LangspecError("the texts given to the character n-grams are empty") from None
    usable = np.flatnonzero(np.isin(dev_labels, present))
    dev_x = vectorizer.transform([dev[int(i)] for i in usable])
    model = LogisticRegression(max_iter=MAX_ITERATIONS, warm_start=True)
    best = np.inf
    iterations, converged = 0, True
    for c in options.strengths:
        model.set_params(C=c).fit(x, train_labels)
        iterations += int(model.n_iter_.max())
        converged &= int(model.n_iter_.max()) < MAX_ITERATIONS
        loss = log_loss(np.asarray(dev_labels)[usable], model.predict_proba(dev_x), labels=present)
        if loss < best:
            best, chosen_c = loss, c
            predicted = model.predict(vectorizer.transform(test))
    return NgramFit(predicted.astype(np.int64), chosen_c, iterations, converged)
