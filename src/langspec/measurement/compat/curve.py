"""How the published score depends on token accuracy, by simulated errors.

Every sentence has one language. The prediction for a token is right or, with equal chance, any
other language. Errors are ``iid`` (independent of each other) or ``clustered``: each sentence then
has its own accuracy, drawn from a Beta distribution with the given mean and intraclass
correlation. The random numbers are the same at every accuracy, so a token that is right at one
accuracy is right at every higher one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from langspec.errors import LangspecError
from langspec.measurement.compat.chunks import ChunkScorer
from langspec.measurement.compat.paper_scores import whole_texts

# The languages of Tanti et al. 2021, chosen from XTREME.
PUBLISHED_LANGUAGES = tuple(
    "af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko mr nl pt ru ta te th tl tr ur vi "
    "yo zh".split()
)
ERRORS = ("iid", "clustered")


@dataclass(frozen=True)
class CurvePoint:
    """The scores of one simulated probe.

    Attributes:
        errors: ``iid``, ``clustered`` or ``constant`` (one language for every token).
        accuracy: share of tokens that are right.
        macro_f1: seqeval's macro-F1, the published score.
        micro_f1: seqeval's F1 of all spans together.
        whole: share of sentences without an error.
    """

    errors: str
    accuracy: float
    macro_f1: float
    micro_f1: float
    whole: float


@dataclass(frozen=True)
class CurveOptions:
    """What is simulated.

    Attributes:
        languages: codes, which are the labels.
        lengths: numbers of tokens that a sentence can have; all are equally frequent.
        sentences: number of sentences of each language.
        correlation: intraclass correlation of being right within a sentence, for clustered errors.
        seed: of everything drawn.
    """

    languages: tuple[str, ...] = PUBLISHED_LANGUAGES
    lengths: tuple[int, ...] = (25,)
    sentences: int = 100
    correlation: float = 0.5
    seed: int = 0


class Curve:
    """Sentences whose tokens are predicted with a chosen accuracy.

    Raises:
        LangspecError: fewer than two languages or one twice, no length or one below 1, no
            sentence, a correlation that is not between 0 and 1.
    """

    def __init__(self, options: CurveOptions) -> None:
        codes, lengths = options.languages, options.lengths
        if len(codes) < 2 or len(set(codes)) != len(codes):
            raise LangspecError(
                f"found {', '.join(codes) or 'none'}; expected two languages or more, each once",
                place="languages",
            )
        if not lengths or min(lengths) < 1:
            raise LangspecError(f"found {list(lengths)}, expected lengths above 0", place="length")
        if options.sentences < 1:
            raise LangspecError(
                f"found {options.sentences}, expected 1 or more", place="sentences"
            )
        if not 0 < options.correlation < 1:
            raise LangspecError(
                f"found {options.correlation:g}, expected a number between 0 and 1",
                place="correlation",
            )
        self.options = options
        rng = np.random.default_rng(options.seed)
        # Every language has all lengths, as evenly as its number of sentences allows.
        places = np.arange(options.sentences) * len(lengths) // options.sentences
        each = np.asarray(lengths, np.int64)[places]
        self.lengths = np.concatenate([rng.permutation(each) for _ in codes])
        language = np.repeat(np.arange(len(codes)), options.sentences)
        self.gold = np.repeat(language, self.lengths)
        self._sentence = rng.random(len(self.lengths))
        self._token = rng.random(len(self.gold))
        shift = rng.integers(1, len(codes), len(self.gold))
        self._wrong = (self.gold + shift) % len(codes)
        self._score = ChunkScorer(codes)

    def point(self, accuracy: float, errors: str) -> CurvePoint:
        """The scores at one accuracy in [0, 1] with one kind of errors.

        Raises:
            LangspecError: another accuracy, or a kind that is not in :data:`ERRORS`.
        """
        if not 0 <= accuracy <= 1:
            raise LangspecError(f"found {accuracy:g}, expected 0 to 1", place="accuracy")
        if errors not in ERRORS:
            raise LangspecError(
                f"found {errors!r}, expected {' or '.join(ERRORS)}", place="errors"
            )
        of_sentence = np.full(len(self.lengths), accuracy)
        if errors == "clustered" and 0 < accuracy < 1:
            weight = 1 / self.options.correlation - 1  # a + b of the Beta distribution
            of_sentence = betaincinv(
                accuracy * weight, (1 - accuracy) * weight, np.asarray(self._sentence)
            )
        right = self._token < np.repeat(of_sentence, self.lengths)
        return self._scored(errors, np.where(right, self.gold, self._wrong))

    def constant(self, language: int = 0) -> CurvePoint:
        """The scores of predicting one language for every token; ``language`` is its index."""
        return self._scored("constant", np.full_like(self.gold, language))

    def _scored(self, errors: str, predicted: np.ndarray) -> CurvePoint:
        scores = self._score(self.gold, predicted, self.lengths)
        right = predicted == self.gold
        return CurvePoint(
            errors,
            float(right.mean()),
            scores.macro_f1,
            scores.micro_f1,
            whole_texts(right, self.lengths),
        )


def curve_rows(
    options: CurveOptions, accuracies: Sequence[float], errors: Sequence[str]
) -> list[dict[str, object]]:
    """A row for each accuracy, and one for predicting the first language for every token.

    The keys are ``prediction`` (in words) and, for each kind of errors, ``KIND_token_accuracy``
    (of the tokens that were drawn), ``KIND_whole_sentences`` and ``KIND_seqeval_macro_f1``.
    """
    curve = Curve(options)

    def cells(kind: str, point: CurvePoint) -> dict[str, object]:
        return {
            f"{kind}_token_accuracy": point.accuracy,
            f"{kind}_whole_sentences": point.whole,
            f"{kind}_seqeval_macro_f1": point.macro_f1,
        }

    rows: list[dict[str, object]] = []
    for accuracy in accuracies:
        row: dict[str, object] = {"prediction": f"{accuracy:g} of the tokens right"}
        for kind in errors:
            row |= cells(kind, curve.point(accuracy, kind))
        rows.append(row)
    constant = curve.constant()
    always: dict[str, object] = {"prediction": f"always {options.languages[0]}"}
    for kind in errors:
        always |= cells(kind, constant)
    return [*rows, always]
