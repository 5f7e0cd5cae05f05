"""How well character n-grams of the texts tell languages apart: a ceiling of surface form.

A multinomial logistic regression reads the character n-grams of each text; its C is chosen on
validation texts. Vectors that know the language this well may know it from spelling alone.
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
"""Number of n-grams that are read, the most frequent of the training texts. Memory grows with it
times the number of classes times the twenty vectors of the solver. Rarer n-grams add nothing."""
MAX_ITERATIONS = 500  # of the solver


@dataclass(frozen=True)
class NgramFit:
    """A fitted classifier's predictions, and how its fit went.

    Attributes:
        predicted: int64 ``[T]``, the class of each test text.
        chosen_c: the C with the least validation log-loss.
        iterations: of the solver, of all fits together.
        converged: did every fit end below the limit of iterations?
    """

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
    """Fit with each C, choose the one with the least validation log-loss, and predict ``test``.

    scikit-learn warns of a fit that reaches its limit of iterations. The caller silences the
    warning, because threads share the filters of warnings.

    Args:
        train: ``N`` texts.
        train_labels: int ``[N]``.
        dev: ``M`` texts that choose C.
        dev_labels: int ``[M]``; texts of classes that training lacks are not used.
        test: ``T`` texts to label.
        options: longest n-gram and candidate C.
        most: number of n-grams that are read.

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
