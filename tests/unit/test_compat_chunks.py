"""What seqeval makes of raw labels, from sequences that can be counted by hand."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from seqeval.metrics import f1_score

from langspec.corpora.conllu import UPOS
from langspec.errors import LangspecError
from langspec.measurement.compat.chunks import ChunkScorer, ChunkScores, chunk_type, fused
from langspec.measurement.compat.curve import PUBLISHED_LANGUAGES

pytestmark = pytest.mark.filterwarnings("ignore")

Sequences = list[list[str]]


def ours(gold: Sequences, predicted: Sequences) -> ChunkScores:
    labels = sorted({label for part in (*gold, *predicted) for label in part})

    def flat(sequences: Sequences) -> np.ndarray:
        return np.asarray([labels.index(label) for part in sequences for label in part])

    return ChunkScorer(labels)(flat(gold), flat(predicted), np.asarray([len(s) for s in gold]))


# what, gold, predicted, share of tokens right, F1 by seqeval's types, counted by hand
GOLDEN = [
    ("all right", [["NOUN", "VERB"]], [["NOUN", "VERB"]], 1.0, {"OUN": 1, "ERB": 1}),
    ("the first character is a prefix: one type", [["DET", "CCONJ", "NOUN"]],
     [["DET", "SCONJ", "NOUN"]], 2 / 3, {"ET": 1, "CONJ": 1, "OUN": 1}),
    ("languages fuse: de and he", [["de", "de"], ["he"]], [["he", "he"], ["de"]], 0.0, {"e": 1}),
    ("a run is one span, wrong as a whole", [["NOUN", "NOUN", "VERB"]],
     [["NOUN", "VERB", "VERB"]], 2 / 3, {"OUN": 0, "ERB": 0}),
    ("a run after S is single: SYM SYM is two spans", [["SYM", "SYM"]], [["SYM", "NOUN"]], 0.5,
     {"YM": 2 / 3, "OUN": 0}),
    ("a CCONJ right before SCONJ is dropped", [["CCONJ", "SCONJ"]], [["SCONJ", "SCONJ"]], 0.5,
     {"CONJ": 2 / 3}),
    ("an X that ends a sentence is lost", [["NOUN", "X"], ["NOUN"]], [["NOUN", "X"], ["NOUN"]],
     1.0, {"OUN": 1}),
    ("one wrong token of four spoils the sentence", [["en"] * 4, ["en"] * 4],
     [["en", "en", "fr", "en"], ["en"] * 4], 7 / 8, {"n": 2 / 5, "r": 0}),
    ("three quarters right in every sentence: nothing", [["en"] * 4, ["de"] * 4],
     [["en", "en", "en", "de"], ["de", "en", "de", "de"]], 6 / 8, {"n": 0, "e": 0}),
    ("one language always: more than that", [["en"] * 4, ["de"] * 4], [["en"] * 4, ["en"] * 4],
     0.5, {"n": 2 / 3, "e": 0}),
    ("spans end with the sentence", [["en"], ["en"]], [["en"], ["fr"]], 0.5, {"n": 2 / 3, "r": 0}),
    ("real IOB labels mean what they say", [["B-PER", "I-PER", "O"]], [["B-PER", "I-PER", "O"]],
     1.0, {"PER": 1}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("gold", "predicted", "right", "by_type"), [g[1:] for g in GOLDEN], ids=[g[0] for g in GOLDEN]
)
def test_golden(gold: Sequences, predicted: Sequences, right: float, by_type: dict) -> None:
    tokens = [a == b for x, y in zip(gold, predicted, strict=True)
              for a, b in zip(x, y, strict=True)]  # fmt: skip
    assert np.mean(tokens) == pytest.approx(right)
    found = ours(gold, predicted)
    assert found.by_type == pytest.approx(by_type)
    assert found.macro_f1 == pytest.approx(f1_score(gold, predicted, average="macro"))
    assert found.micro_f1 == pytest.approx(f1_score(gold, predicted, average="micro"))


def test_a_constant_prediction_outscores_a_probe_that_is_mostly_right() -> None:
    cases = {name: (gold, predicted, right) for name, gold, predicted, right, _ in GOLDEN}
    mostly = cases["three quarters right in every sentence: nothing"]
    always = cases["one language always: more than that"]
    assert mostly[2] > always[2]
    assert ours(*mostly[:2]).macro_f1 == 0 < ours(*always[:2]).macro_f1


@pytest.mark.parametrize(
    "labels",
    [UPOS, PUBLISHED_LANGUAGES, ("O", "B-PER", "I-PER", "E-LOC", "S-LOC", "I-LOC", ".x", "X")],
    ids=["tags", "languages", "prefixes"],
)
def test_equal_to_seqeval_on_random_sequences(labels: tuple[str, ...]) -> None:
    rng = np.random.default_rng(0)
    scorer = ChunkScorer(labels)
    for _ in range(40):
        lengths = rng.integers(1, 9, size=rng.integers(1, 8))
        gold = np.sort(rng.integers(0, len(labels), lengths.sum()))  # runs, as text has them
        noise = rng.integers(0, len(labels), lengths.sum())
        predicted = np.where(rng.random(lengths.sum()) < 0.6, gold, noise)
        texts = [
            [[labels[i] for i in part] for part in np.split(codes, np.cumsum(lengths)[:-1])]
            for codes in (gold, predicted)
        ]
        found = scorer(gold, predicted, lengths)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = [f1_score(*texts, average=how) for how in ("macro", "micro")]
        assert [found.macro_f1, found.micro_f1] == pytest.approx(expected, nan_ok=True)


def test_classes_that_fuse() -> None:
    assert fused(UPOS) == [("CCONJ", "SCONJ")]
    groups = fused(PUBLISHED_LANGUAGES)
    assert ("de", "he", "te") in groups
    assert len(PUBLISHED_LANGUAGES) == 33
    assert len(set(map(chunk_type, PUBLISHED_LANGUAGES))) == 15


def test_one_language_is_scored_as_the_original_would() -> None:
    assert ours([["en", "en"], ["en"]], [["en", "en"], ["en"]]).macro_f1 == 1


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(LangspecError, match="empty label"):
        ChunkScorer(["NOUN", ""])
    with pytest.raises(LangspecError, match="2 gold labels, 2 predictions, but sequences of 3"):
        ChunkScorer(["a1", "a2"])(np.zeros(2, int), np.zeros(2, int), np.asarray([3]))
    with pytest.raises(LangspecError, match="no units"):
        ChunkScorer(["a1"])(np.zeros(0, int), np.zeros(0, int), np.asarray([], int))
