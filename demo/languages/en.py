"""English: lexicon, inflection and word order.

Tags follow the English treebanks of Universal Dependencies: *my* is ``PRON``, *not* ``PART``,
*do* and *be* before a verb or an adjective ``AUX``.
"""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass

from demo import meaning
from demo.meaning import Clause, Name, NounPhrase, Pronoun, Sentence, Word

_IRREGULAR_PLURALS = {
    "woman": "women",
    "man": "men",
    "mouse": "mice",
    "knife": "knives",
}
_PAST = {
    "see": "saw",
    "buy": "bought",
    "sell": "sold",
    "eat": "ate",
    "find": "found",
    "lose": "lost",
    "know": "knew",
    "hear": "heard",
    "hide": "hid",
    "bring": "brought",
    "drink": "drank",
    "sleep": "slept",
    "run": "ran",
    "sing": "sang",
    "swim": "swam",
}
_DOUBLED = {"run": "running", "swim": "swimming"}
_STATIVE = {"see.v", "love.v", "know.v", "hear.v"}  # no progressive
_MASS = {"bread.n", "paint.n"}  # no indefinite article
_PRONOUN_FORMS = {"i.o": "I"}
_SUBORDINATE_FIRST = 0.35
_FRONTED_ADVERB = 0.35
_FRONTED_PHRASE = 0.2
_FRONT_COMMA = 0.6
_PROGRESSIVE = 40  # of a hundred subjects


def _lemma(concept: str) -> str:
    return concept.rpartition(".")[0]


def _plural(lemma: str) -> str:
    if lemma in _IRREGULAR_PLURALS:
        return _IRREGULAR_PLURALS[lemma]
    if lemma.endswith("y") and lemma[-2] not in "aeiou":
        return lemma[:-1] + "ies"
    return lemma + ("es" if lemma.endswith(("s", "sh", "ch", "x")) else "s")


def _past(lemma: str) -> str:
    if lemma in _PAST:
        return _PAST[lemma]
    if lemma.endswith("y") and lemma[-2] not in "aeiou":
        return lemma[:-1] + "ied"
    return lemma + ("d" if lemma.endswith("e") else "ed")


def _progressive(lemma: str) -> str:
    if lemma in _DOUBLED:
        return _DOUBLED[lemma]
    if lemma.endswith("e") and not lemma.endswith("ee"):
        return lemma[:-1] + "ing"
    return lemma + "ing"


@dataclass(frozen=True, slots=True)
class _Agreement:
    first: bool = False
    third_singular: bool = False

    def be(self, tense: str) -> str:
        if tense == "past":
            return "was" if self.first or self.third_singular else "were"
        return "am" if self.first else "is" if self.third_singular else "are"

    def do(self, tense: str) -> str:
        if tense == "past":
            return "did"
        return "does" if self.third_singular else "do"


def _agreement(subject: meaning.Subject) -> _Agreement:
    if isinstance(subject, Pronoun):
        return _Agreement(subject.pronoun == "i.o", subject.pronoun in ("he.o", "she.o"))
    if isinstance(subject, Name):
        return _Agreement(third_singular=True)
    return _Agreement(third_singular=subject.number == "sg")


def _adjective(concept: str, noun: str | None) -> Word:
    animate = noun is None or noun in meaning.PERSONS or noun in meaning.ANIMALS
    form = "young" if concept == "new.a" and animate else _lemma(concept)
    return Word(form, "ADJ", concept)


def _progressive_subject(subject: meaning.Subject) -> bool:
    """Whether the present of this subject is progressive.

    *She works* and *she is working* do not say the same, so that two sentences about the same
    person or animal (premise and hypothesis) must never differ in it.
    """
    if isinstance(subject, NounPhrase):
        head = subject.noun
    else:
        head = subject.name if isinstance(subject, Name) else subject.pronoun
    return zlib.crc32(f"progressive {head}".encode()) % 100 < _PROGRESSIVE


def _determiner(phrase: NounPhrase, *, subject: bool, denied: bool) -> list[Word]:
    plural = phrase.number == "pl"
    if phrase.determiner == "indefinite":
        if phrase.noun in _MASS:
            return [Word("any" if denied else "some", "DET")]
        if plural:
            # A bare plural subject would speak of the whole kind: dogs are good.
            return [Word("some", "DET")] if subject and phrase.numeral is None else []
        return [Word("a", "DET")]  # "an" is decided by the next word
    if phrase.determiner == "my":
        return [Word("my", "PRON")]
    form = {"definite": "the", "this": "these" if plural else "this", "every": "every"}
    return [Word(form[phrase.determiner], "DET")]


def _noun_phrase(
    phrase: meaning.Subject, *, subject: bool = False, denied: bool = False
) -> list[Word]:
    if isinstance(phrase, Name):
        return [Word(_lemma(phrase.name).capitalize(), "PROPN", phrase.name)]
    if isinstance(phrase, Pronoun):
        form = _PRONOUN_FORMS.get(phrase.pronoun, _lemma(phrase.pronoun))
        return [Word(form, "PRON", phrase.pronoun)]
    words = _determiner(phrase, subject=subject, denied=denied)
    if phrase.numeral is not None:
        words.append(Word(_lemma(phrase.numeral), "NUM", phrase.numeral))
    words += [_adjective(name, phrase.noun) for name in phrase.adjectives]
    lemma = _lemma(phrase.noun)
    form = _plural(lemma) if phrase.number == "pl" else lemma
    words.append(Word(form, "NOUN", phrase.noun))
    if words[0].form == "a" and words[1].form[0] in "aeiou":
        words[0] = Word("an", "DET")
    return words


def _predicate(clause: Clause) -> tuple[list[Word], list[Word], list[Word]]:
    """The finite auxiliary (with *not*), the place of a middle adverb, the rest with its object.

    A sentence in the middle position goes between the first and the second part; for a finite
    lexical verb the first part is empty.
    """
    agreement = _agreement(clause.subject)
    negation = [Word("not", "PART")] if clause.negated else []
    if clause.quality is not None:
        noun = clause.subject.noun if isinstance(clause.subject, NounPhrase) else None
        be = Word(agreement.be(clause.tense), "AUX")
        return [be, *negation], [_adjective(clause.quality, noun)], []
    assert clause.verb is not None
    lemma = _lemma(clause.verb)
    obj = _noun_phrase(clause.obj, denied=clause.negated) if clause.obj is not None else []
    if (
        clause.tense == "present"
        and clause.verb not in _STATIVE
        and _progressive_subject(clause.subject)
    ):
        be = Word(agreement.be("present"), "AUX")
        return [be, *negation], [Word(_progressive(lemma), "VERB", clause.verb)], obj
    if clause.negated:
        do = Word(agreement.do(clause.tense), "AUX")
        return [do, *negation], [Word(lemma, "VERB", clause.verb)], obj
    if clause.tense == "past":
        form = _past(lemma)
    else:
        form = _plural(lemma) if agreement.third_singular else lemma  # same spelling rules
    return [], [Word(form, "VERB", clause.verb)], obj


def _clause(clause: Clause, rng: random.Random, *, may_front: bool) -> list[Word]:
    subject = _noun_phrase(clause.subject, subject=True)
    auxiliary, verb, obj = _predicate(clause)
    front: list[Word] = []
    middle: list[Word] = []
    ends: list[list[Word]] = []
    if clause.adverb is not None:
        adverb = [Word(_lemma(clause.adverb), "ADV", clause.adverb)]
        if clause.adverb in ("often.r", "always.r"):
            middle = adverb
        elif clause.adverb == "today.r" and may_front and rng.random() < _FRONTED_ADVERB:
            front = adverb
        else:
            ends.append(adverb)
    if clause.phrase is not None:
        preposition = clause.phrase.preposition
        phrase = [
            Word(_lemma(preposition), "ADP", preposition),
            *_noun_phrase(clause.phrase.noun_phrase, denied=preposition == "without.d"),
        ]
        place = preposition in ("in.d", "behind.d", "near.d")
        if place and may_front and not front and rng.random() < _FRONTED_PHRASE:
            front = phrase
        else:
            ends.append(phrase)
    if len(ends) == 2 and rng.random() < 0.5:
        ends.reverse()
    if front and rng.random() < _FRONT_COMMA:
        front = [*front, Word(",", "PUNCT")]
    words = [*front, *subject, *auxiliary, *middle, *verb, *obj]
    return words + [word for end in ends for word in end]


def _glue(words: list[Word]) -> list[Word]:
    """Sentence case, and no space before punctuation nor after the last word."""
    first = words[0]
    cased = Word(first.form[0].upper() + first.form[1:], first.upos, first.concept)
    words = [cased, *words[1:]]
    for i, word in enumerate(words):
        if i + 1 == len(words) or words[i + 1].upos == "PUNCT":
            words[i] = Word(word.form, word.upos, word.concept, space_after=False)
    return words


class English:
    """See :class:`demo.meaning.Realiser`."""

    code = "en"

    def realise(self, sentence: Sentence, rng: random.Random) -> list[Word]:
        """Say ``sentence`` in English."""
        stop = Word(".", "PUNCT")
        if sentence.second is None or sentence.connective is None:
            return _glue([*_clause(sentence.first, rng, may_front=True), stop])
        connective = sentence.connective
        form = _lemma(connective)
        if connective in meaning.SUBORDINATORS:
            joint = Word(form, "SCONJ", connective)
            if rng.random() < _SUBORDINATE_FIRST:
                first = _clause(sentence.first, rng, may_front=False)
                second = _clause(sentence.second, rng, may_front=False)
                return _glue([joint, *second, Word(",", "PUNCT"), *first, stop])
            first = _clause(sentence.first, rng, may_front=True)
            second = _clause(sentence.second, rng, may_front=False)
            return _glue([*first, joint, *second, stop])
        first = _clause(sentence.first, rng, may_front=True)
        second = _clause(sentence.second, rng, may_front=False)
        comma = [Word(",", "PUNCT")] if connective == "but.c" or rng.random() < 0.3 else []
        return _glue([*first, *comma, Word(form, "CCONJ", connective), *second, stop])

    def forms(self, concept: str) -> list[str]:
        """Inflected forms of ``concept``, citation form first."""
        lemma, _, kind = concept.rpartition(".")
        if kind == "n":
            return [lemma] if concept in _MASS else [lemma, _plural(lemma)]
        if kind == "v":
            # Third person singular follows the spelling of the plural: washes, carries, knows.
            forms = [lemma, _plural(lemma), _past(lemma)]
            return forms if concept in _STATIVE else [*forms, _progressive(lemma)]
        if kind == "a":
            return ["new", "young"] if concept == "new.a" else [lemma]
        if kind == "p":
            return [lemma.capitalize()]
        return [_PRONOUN_FORMS.get(concept, lemma)]


REALISER = English()
