"""The demo corpora as a folder of official formats."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

from demo import meaning, nli, write
from demo.contractions import surface
from demo.meaning import Realiser, Sentence, Word
from demo.nli import Look, Pair
from demo.sample import HELD_OUT, Sampler, held_out_pair, profile
from langspec.errors import LangspecError
from langspec.files import atomic_folder, write_json, write_text
from langspec.languages import language

VERSION = 3  # of the generator: raise it when the same seed gives other sentences
LANGUAGES = ("en", "de", "es", "fr", "ru", "tr")
# See nli.balanced: a small test set has to be level by itself, so it is chosen from many.
_SPARE = 1.15
_EVALUATION_SPARE = 4.0
_EVALUATION_POOL = 1200  # a larger test set needs no more choice than this
CONCEPTS = (
    *meaning.NOUNS,
    *meaning.VERBS,
    *meaning.ADJECTIVES,
    *meaning.NAMES,
    *meaning.PRONOUNS,
    *meaning.NUMERALS,
    *meaning.ADVERBS,
    *meaning.PREPOSITIONS,
    *meaning.COORDINATORS,
    *meaning.SUBORDINATORS,
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many sentences, pairs or lines: UD and NLI of each language, text and pretrain lines."""

    train_sentences: int = 2500
    dev_sentences: int = 300
    test_sentences: int = 300
    nli_train: int = 9999
    nli_dev: int = 300
    nli_test: int = 300
    text_lines: int = 1000
    pretrain_lines: int = 15000
    pretrain_pairs: int = 5000


def realiser(code: str) -> Realiser:
    """The realiser of a language.

    Raises:
        LangspecError: the demo has no grammar of it.
    """
    if code not in LANGUAGES:
        raise LangspecError(
            f"the demo corpora have no grammar of {code!r}; choose among {', '.join(LANGUAGES)}"
        )
    module = import_module(f"demo.languages.{code}")
    chosen: Realiser = module.REALISER
    return chosen


def generate(
    folder: Path,
    *,
    languages: list[str],
    source: str,
    sizes: Sizes,
    seed: int,
) -> None:
    """Write the demo corpora into ``folder`` (replaced), the same bytes for the same arguments.

    UD sentences are drawn language by language at that language's construction frequencies and
    are not parallel; NLI items, text and pre-training lines are. No sentence of dev, test or text
    files is in the source training files or among the pre-training lines. ``facts.json`` tells
    version, seed, what was held out, and counts.

    Args:
        folder: becomes ``ud/``, ``multinli/``, ``xnli/``, ``text/``, ``pretrain/``.
        languages: codes out of :data:`LANGUAGES`, ``source`` among them.
        source: the language of the training files.
        sizes: how much of each.
        seed: of everything.

    Raises:
        LangspecError: an unknown language, a source that is none of them.
    """
    if source not in languages:
        raise LangspecError(f"the source language {source!r} is not among {', '.join(languages)}")
    work = _Generation([realiser(code) for code in languages], source, sizes, seed)
    with atomic_folder(Path(folder)) as temporary:
        work.write(temporary)


@dataclass(frozen=True, slots=True)
class _Said:
    """A pair and its text in every language."""

    pair: Pair
    premise: dict[str, str]
    hypothesis: dict[str, str]


class _Generation:
    def __init__(self, realisers: list[Realiser], source: str, sizes: Sizes, seed: int) -> None:
        self.realisers = {entry.code: entry for entry in realisers}
        self.source, self.sizes, self.seed = source, sizes, seed
        self.used: dict[str, set[str]] = defaultdict(set)  # sentences of each language, any split
        self.refused: Counter[str] = Counter()
        self.facts: dict[str, Any] = {}

    def rng(self, *purpose: str) -> random.Random:
        return random.Random(" ".join((str(self.seed), *purpose)))

    def say(self, code: str, meaning: Sentence, rng: random.Random) -> list[Word]:
        """The words of a sentence as they are printed."""
        return surface(code, self.realisers[code].realise(meaning, rng))

    def write(self, folder: Path) -> None:
        # What is tested comes first, so that whatever is trained on can stay clear of it.
        for code in self.realisers:
            for split in ("test", "dev"):
                self._ud(folder, code, split)
        self._nli_evaluation(folder)
        self._text(folder)
        self._ud(folder, self.source, "train")
        self._nli_train(folder)
        self._pretrain(folder)
        write.dictionary(folder / "pretrain" / "dictionary.tsv", CONCEPTS, self.realisers.values())
        self._facts(folder)

    def _ud(self, folder: Path, code: str, split: str) -> None:
        rng = self.rng("ud", code, split)
        sampler = Sampler(rng, profile(code), source_training=split == "train")
        voice = self.realisers[code]
        sentences: list[list[Word]] = []
        meanings: list[Sentence] = []
        while len(sentences) < getattr(self.sizes, f"{split}_sentences"):
            sentence = sampler.sentence()
            words = voice.realise(sentence, rng)
            if self._new({code: surface(code, words)}, f"ud {split}"):
                sentences.append(words)
                meanings.append(sentence)
        name = language(code).name
        file = folder / "ud" / f"UD_{name}-Demo" / f"{code}_demo-ud-{split}.conllu"
        write.conllu(file, sentences, prefix=f"{code}-demo-{split}", realiser=voice)
        if code == self.source:
            self.facts[f"ud_{split}"] = _held_out_share(sentences, meanings)

    def _new(self, words: dict[str, list[Word]], purpose: str) -> bool:
        """Take a sentence up unless one of its translations has been used."""
        texts = {code: write.text_of(said) for code, said in words.items()}
        if any(text in self.used[code] for code, text in texts.items()):
            self.refused[purpose] += 1
            return False
        for code, text in texts.items():
            self.used[code].add(text)
        return True

    def _lines(self, purpose: str, count: int) -> Iterator[dict[str, list[Word]]]:
        """Parallel sentences that are new in every language."""
        rng = self.rng(purpose, "meanings")
        voices = {code: self.rng(purpose, code) for code in self.realisers}
        sampler = Sampler(rng, profile("en"))
        done = 0
        while done < count:
            sentence = sampler.sentence()
            words = {code: self.say(code, sentence, stream) for code, stream in voices.items()}
            if self._new(words, purpose):
                done += 1
                yield words

    def _text(self, folder: Path) -> None:
        lines = list(self._lines("text", self.sizes.text_lines))
        for code in self.realisers:
            text = "".join(write.text_of(words[code]) + "\n" for words in lines)
            write_text(folder / "text" / "demo" / f"{code}.txt", text)

    def _pairs(self, purpose: str, count: int, codes: Sequence[str]) -> list[_Said]:
        """Balanced pairs in these languages; premises and hypotheses not used elsewhere."""
        training = purpose == "nli train"
        voices = {code: self.rng(purpose, code) for code in codes}
        rng = self.rng(purpose, "meanings")
        taken: set[tuple[str, str]] = set()
        source = self.source
        used = self.used[source]
        last: list[Any] = [None, [], ""]  # several candidates share a premise

        def look(pair: Pair) -> Look | None:
            stream = voices[source]
            if last[0] is not pair.premise:
                words = self.say(source, pair.premise, stream)
                last[:] = [pair.premise, words, write.text_of(words)]
            hypothesis = self.say(source, pair.hypothesis, stream)
            texts = (last[2], write.text_of(hypothesis))
            if texts in taken or texts[0] == texts[1] or not used.isdisjoint(texts):
                self.refused[purpose] += 1
                return None
            taken.add(texts)
            return _look(last[1], hypothesis, pair, texts)

        chosen = nli.balanced(
            nli.candidates(rng, source_training=training),
            count,
            look,
            spare=_SPARE if training else _evaluation_spare(count),
        )
        self.rng(purpose, "order").shuffle(chosen)
        result = []
        for pair, seen in chosen:
            item = _Said(pair, {source: seen.texts[0]}, {source: seen.texts[1]})
            for code in codes:
                if code != source:
                    stream = voices[code]
                    item.premise[code] = write.text_of(self.say(code, pair.premise, stream))
                    item.hypothesis[code] = write.text_of(self.say(code, pair.hypothesis, stream))
            result.append(item)
        return result

    def _reserve(self, items: list[_Said]) -> None:
        for item in items:
            for said in (item.premise, item.hypothesis):
                for code, text in said.items():
                    self.used[code].add(text)

    def _nli_evaluation(self, folder: Path) -> None:
        for split in ("test", "dev"):
            count = getattr(self.sizes, f"nli_{split}")
            items = self._pairs(f"nli {split}", count, list(self.realisers))
            self._reserve(items)
            rows = [
                write.nli_row(
                    str(number),
                    item.premise[code],
                    item.hypothesis[code],
                    item.pair.label,
                    language=code,
                )
                for code in self.realisers
                for number, item in enumerate(items)
            ]
            write.json_lines(folder / "xnli" / "XNLI-1.0" / f"xnli.{split}.jsonl", rows)

    def _nli_train(self, folder: Path) -> None:
        """Write the pairs of the source language, whose texts nothing else has to avoid."""
        source = self.source
        rows = [
            write.nli_row(
                str(number),
                item.premise[source],
                item.hypothesis[source],
                item.pair.label,
            )
            for number, item in enumerate(self._pairs("nli train", self.sizes.nli_train, [source]))
        ]
        file = folder / "multinli" / "multinli_1.0" / "multinli_1.0_train.jsonl"
        write.json_lines(file, rows)

    def _pretrain(self, folder: Path) -> None:
        """Write sentences and unlabelled pairs in every language."""
        lines = list(self._lines("pretrain", self.sizes.pretrain_lines))
        write.json_lines(
            folder / "pretrain" / "sentences.jsonl",
            (
                {
                    "line": number,
                    "language": code,
                    "words": [word.form for word in words[code]],
                    "concepts": [word.concept for word in words[code]],
                    "space_after": [word.space_after for word in words[code]],
                }
                for code in self.realisers
                for number, words in enumerate(lines)
            ),
        )
        # Without a label, and drawn before any balancing: nothing to learn but translation.
        rng = self.rng("pretrain pairs", "meanings")
        voices = {code: self.rng("pretrain pairs", code) for code in self.realisers}
        pairs: list[tuple[dict[str, str], dict[str, str]]] = []
        for pair in nli.candidates(rng):
            if len(pairs) >= self.sizes.pretrain_pairs:
                break
            premise, hypothesis = (
                {
                    code: write.text_of(self.say(code, sentence, stream))
                    for code, stream in voices.items()
                }
                for sentence in (pair.premise, pair.hypothesis)
            )
            if any(
                said[code] in self.used[code]
                for said in (premise, hypothesis)
                for code in self.realisers
            ):
                self.refused["pretrain pairs"] += 1
                continue
            pairs.append((premise, hypothesis))
        write.json_lines(
            folder / "pretrain" / "pairs.jsonl",
            (
                {
                    "line": number,
                    "language": code,
                    "premise": premise[code],
                    "hypothesis": hypothesis[code],
                }
                for code in self.realisers
                for number, (premise, hypothesis) in enumerate(pairs)
            ),
        )

    def _facts(self, folder: Path) -> None:
        forms = {
            code: {form.lower() for name in CONCEPTS for form in entry.forms(name)}
            for code, entry in self.realisers.items()
        }
        write_json(
            folder / "facts.json",
            {
                "generator": VERSION,
                "seed": self.seed,
                "source": self.source,
                "languages": list(self.realisers),
                "sizes": asdict(self.sizes),
                "artificial": [
                    "one grammar of meanings realised in every language",
                    "construction frequencies of UD files drawn per language, not observed",
                    "NLI labels by rule, level over lengths, overlap, negation, hypothesis words",
                ],
                "held_out_of_ud_train": list(HELD_OUT),
                "held_out_verb_object_pairs": "about one in six, in no UD or NLI training",
                "shares": self.facts,
                "sentences_refused_as_repeated": dict(self.refused),
                "word_forms": {code: len(words) for code, words in forms.items()},
                "profiles": {code: asdict(profile(code)) for code in self.realisers},
            },
        )


def _evaluation_spare(count: int) -> float:
    return min(_EVALUATION_SPARE, max(_SPARE, _EVALUATION_POOL / max(1, count)))


def _look(premise: list[Word], hypothesis: list[Word], pair: Pair, texts: tuple[str, str]) -> Look:
    """What a classifier that understands nothing could go by."""
    first = [word.form.lower() for word in premise if word.upos != "PUNCT"]
    second = [word.form.lower() for word in hypothesis if word.upos != "PUNCT"]
    negations = tuple(
        sum(clause.negated for clause in (sentence.first, sentence.second) if clause is not None)
        for sentence in (pair.premise, pair.hypothesis)
    )
    old, new = set(first), set(second)
    # With these the premise's length differs by no more than its repeated words.
    cell = (len(second), len(new - old), len(old - new), negations)
    tokens = [word.form.lower() for word in hypothesis]
    features = tokens + [f"{one} {other}" for one, other in pairwise(tokens)]
    return Look(cell, tuple(features), texts)


def _held_out_share(sentences: list[list[Word]], meanings: list[Sentence]) -> dict[str, float]:
    """Shares of lexical words, and of verb-object clauses, that the source training lacks."""
    lexical = [word for words in sentences for word in words if word.concept is not None]
    combinations = [
        held_out_pair(clause.verb, clause.obj.noun)
        for sentence in meanings
        for clause in (sentence.first, sentence.second)
        if clause is not None
        and clause.verb is not None
        and isinstance(clause.obj, meaning.NounPhrase)
    ]
    return {
        "held_out_words": round(
            sum(word.concept in HELD_OUT for word in lexical) / max(1, len(lexical)), 4
        ),
        "held_out_combinations": round(sum(combinations) / max(1, len(combinations)), 4),
    }
