"""Heuristics: classifiers that cannot understand the text they label, to compare a score with.

Every heuristic is a function of ``train`` (``N`` training inputs), ``labels`` (their ``N`` labels)
and ``test`` (``M`` inputs to label, in any language). It returns ``M`` labels. It never sees a
label of ``test``. Of equally frequent labels it takes the first in alphabetical order.

Sources: the hypothesis alone, Gururangan et al. 2018, "Annotation artifacts in natural language
inference data", and Poliak et al. 2018; lengths and word overlap, McCoy et al. 2019.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

Pairs = Sequence[tuple[str, str]]
"""Premise and hypothesis of each pair of texts."""

_WORD = re.compile(r"\w+(?:['’]\w+)?")
_TOKEN = re.compile(r"\w+(?:['’]\w+)?|[^\w\s]")
# Free negation words, and German forms, of the languages that are most often compared.
_NEGATION_WORDS = """
not no never nobody nothing none nicht nie niemals nichts niemand ne pas jamais rien não nao nunca
jamás nada nadie non mai niente не нет ни никогда niet geen değil yok asla никой δεν μην όχι नहीं لا
لم لن ليس không ไม่ 不 没 沒 无 hapana
"""
_NEGATIONS = frozenset(_NEGATION_WORDS.split())
_NEGATION_PATTERN = re.compile(r"(?:n['’]t$|^kein(?:e[mnrs]?)?$|^n['’])")


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.lower())


def _negations(tokens: Sequence[str]) -> int:
    return sum(token in _NEGATIONS or bool(_NEGATION_PATTERN.search(token)) for token in tokens)


def _constant(labels: Sequence[str]) -> str | None:
    return labels[0] if len(set(labels)) == 1 else None


def words(train: Sequence[str], labels: Sequence[str], test: Sequence[str]) -> list[str]:
    """Label texts by their words and pairs of neighbouring words.

    The classifier is a logistic regression on counts. A test text without any word of the training
    texts gets the label with the largest intercept.
    """
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    if (only := _constant(labels)) is not None:
        return [only] * len(test)
    model = make_pipeline(
        CountVectorizer(tokenizer=_tokens, token_pattern=None, ngram_range=(1, 2), min_df=2),
        LogisticRegression(C=0.1, max_iter=300),
    )
    model.fit(list(train), list(labels))
    return [str(name) for name in model.predict(list(test))]


def hypothesis_only(train: Pairs, labels: Sequence[str], test: Pairs) -> list[str]:
    """Label pairs by the :func:`words` of their hypotheses."""
    return words(_hypotheses(train), labels, _hypotheses(test))


def _hypotheses(pairs: Pairs) -> list[str]:
    return [hypothesis for _, hypothesis in pairs]


def _pair_features(pairs: Pairs) -> np.ndarray:
    """float64 ``[N, 10]``: lengths, shared words and negation words of each pair."""
    import numpy as np

    rows = []
    for premise, hypothesis in pairs:
        first, second = (_WORD.findall(text.lower()) for text in (premise, hypothesis))
        shared = len(set(first) & set(second))
        rows.append(
            (
                len(first),
                len(second),
                len(first) - len(second),
                shared,
                shared / max(1, len(set(second))),
                shared / max(1, len(set(first))),
                len(set(second) - set(first)),
                _negations(first),
                _negations(second),
                _negations(first) - _negations(second),
            )
        )
    return np.asarray(rows, dtype=np.float64)


def length_overlap(train: Pairs, labels: Sequence[str], test: Pairs) -> list[str]:
    """Label pairs by lengths, length difference, shared words and negation words.

    The classifier is gradient-boosted trees over ten numbers. Negations are the only words that it
    knows, so it can label other languages than the one it was fitted on.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    if (only := _constant(labels)) is not None:
        return [only] * len(test)
    model = HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.1, max_leaf_nodes=15, early_stopping=False, random_state=0
    )
    model.fit(_pair_features(train), list(labels))
    return [str(name) for name in model.predict(_pair_features(test))]


def _most_frequent(counts: Counter[str]) -> str:
    return min(counts, key=lambda name: (-counts[name], name))


def majority(train: Sequence[Any], labels: Sequence[str], test: Sequence[Any]) -> list[str]:
    """Give every input the most frequent training label."""
    return [_most_frequent(Counter(labels))] * len(test)


def lexicon(train: Sequence[str], labels: Sequence[str], test: Sequence[str]) -> list[str]:
    """Look words up in lower case: the most frequent training label of the word.

    A word that training lacks gets the most frequent label of all training words.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for word, name in zip(train, labels, strict=True):
        counts[word.lower()][name] += 1
    table = {word: _most_frequent(names) for word, names in counts.items()}
    unknown = _most_frequent(Counter(labels))
    return [table.get(word.lower(), unknown) for word in test]


Heuristic = Callable[[Sequence[Any], Sequence[str], Sequence[Any]], list[str]]

HEURISTICS: dict[str, dict[str, Heuristic]] = {
    "token": {"majority": majority, "lexicon": lexicon},
    "pair": {
        "majority": majority,
        "hypothesis_only": hypothesis_only,
        "length_overlap": length_overlap,
    },
    "text": {"majority": majority, "words": words},
}
"""The heuristics by name, by what is labelled: a token, a pair of texts or a single text."""
NAMES = frozenset(name for heuristics in HEURISTICS.values() for name in heuristics)


def is_baseline(method: str) -> bool:
    """Is this value of the column ``method`` the name of a heuristic?"""
    return method in NAMES
