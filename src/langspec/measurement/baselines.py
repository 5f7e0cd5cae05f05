"""What a score is worth: classifiers that cannot understand the text they label.

For sentence pairs: the hypothesis alone (Gururangan et al., 2018, "Annotation artifacts in natural
language inference data"; Poliak et al., 2018) and lengths with word overlap (McCoy et al., 2019).
For words: the most frequent label and a look-up. All are fitted on the training texts and know
nothing of the test texts' labels; ties go to the label that comes first in the alphabet.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

Pairs = Sequence[tuple[str, str]]

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

NAMES = frozenset({"majority", "lexicon", "hypothesis_only", "length_overlap", "words"})
"""Names of the heuristics, which results give as their method."""


def is_baseline(method: str) -> bool:
    """Is it a heuristic, which nothing trained?"""
    return method in NAMES


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.lower())


def _negations(tokens: Sequence[str]) -> int:
    return sum(token in _NEGATIONS or bool(_NEGATION_PATTERN.search(token)) for token in tokens)


def _constant(labels: Sequence[str]) -> str | None:
    found = set(labels)
    return labels[0] if len(found) == 1 else None


def hypothesis_only(
    train_hypotheses: Sequence[str], train_labels: Sequence[str], test_hypotheses: Sequence[str]
) -> list[str]:
    """Label pairs by words and word pairs of the hypothesis (logistic regression on counts).

    A test language without a word in common with the training language gets what the intercepts
    give; fit on the test language's own training texts where it has some.

    Returns:
        One label per test hypothesis.
    """
    if (only := _constant(train_labels)) is not None:
        return [only] * len(test_hypotheses)
    model = make_pipeline(
        CountVectorizer(tokenizer=_tokens, token_pattern=None, ngram_range=(1, 2), min_df=2),
        LogisticRegression(C=0.1, max_iter=300),
    )
    model.fit(list(train_hypotheses), list(train_labels))
    return [str(name) for name in model.predict(list(test_hypotheses))]


def _pair_features(pairs: Pairs) -> np.ndarray:
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


def length_overlap(
    train_pairs: Pairs, train_labels: Sequence[str], test_pairs: Pairs
) -> list[str]:
    """Label pairs by lengths, length difference, shared words and negation words.

    Gradient-boosted trees over ten numbers; no word identity but that of negations, so a model
    fitted on one language can be used on another.

    Args:
        train_pairs: (premise, hypothesis) texts.
        train_labels: their labels.
        test_pairs: (premise, hypothesis) texts, in any language.

    Returns:
        One label per test pair.
    """
    if (only := _constant(train_labels)) is not None:
        return [only] * len(test_pairs)
    model = HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.1, max_leaf_nodes=15, early_stopping=False, random_state=0
    )
    model.fit(_pair_features(train_pairs), list(train_labels))
    return [str(name) for name in model.predict(_pair_features(test_pairs))]


def _most_frequent(counts: Counter[str]) -> str:
    return min(counts, key=lambda name: (-counts[name], name))


def majority(train_labels: Sequence[str], count: int) -> list[str]:
    """The most frequent training label, ``count`` times."""
    return [_most_frequent(Counter(train_labels))] * count


def lexicon(
    train_words: Sequence[str], train_labels: Sequence[str], test_words: Sequence[str]
) -> list[str]:
    """Look each word up (lower case): its most frequent training label, else the majority label.

    Args:
        train_words: words of the training sentences, one after the other.
        train_labels: their labels.
        test_words: words to label, in any language.

    Returns:
        One label per test word.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for word, name in zip(train_words, train_labels, strict=True):
        counts[word.lower()][name] += 1
    table = {word: _most_frequent(found) for word, found in counts.items()}
    unknown = _most_frequent(Counter(train_labels))
    return [table.get(word.lower(), unknown) for word in test_words]
