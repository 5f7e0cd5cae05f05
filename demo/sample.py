"""Sampling of meanings: which verb takes which object, which adjective fits which noun, how often.

A sensible sentence is a matter of the lexicon of concepts alone, so it is decided here, once, for
every language. How often a construction is used differs by language (:func:`profile`), so that
two monolingual corpora are not copies of each other in other words.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cache

from demo.meaning import (
    ANIMALS,
    DIMENSIONS,
    NAMES,
    NUMERALS,
    PERSONS,
    PLACES,
    PRONOUNS,
    THINGS,
    TRANSITIVE,
    Clause,
    Name,
    NounPhrase,
    Number,
    Object,
    Phrase,
    Pronoun,
    Sentence,
    Subject,
    Tense,
)


def _concepts(text: str, kind: str = "n") -> tuple[str, ...]:
    return tuple(f"{name}.{kind}" for name in text.split())


_PORTABLE = _concepts(
    "book letter apple bread cup chair lamp key picture flower hat ball stone bag"
)
_GOODS = (*_PORTABLE, *_concepts("table car knife drink paint"))
MASS = _concepts("bread paint")  # singular only

# What a transitive verb may have as its object (NAMES in it: also a person's name).
OBJECTS: dict[str, tuple[str, ...]] = {
    "see.v": (*PERSONS, *ANIMALS, *_GOODS, *PLACES, *NAMES),
    "buy.v": (*_GOODS, *_concepts("dog cat horse bird cow house garden")),
    "sell.v": (*_GOODS, *_concepts("dog cat horse bird cow house garden")),
    "eat.v": _concepts("apple bread"),
    "carry.v": (*_PORTABLE, *_concepts("table knife paint dog cat")),
    "find.v": (*_GOODS, *_concepts("answer dog cat horse bird house bridge market"), *PERSONS),
    "lose.v": _concepts("book letter key picture hat ball bag knife car dog cat house"),
    "love.v": (
        *PERSONS,
        *ANIMALS,
        *NAMES,
        *_concepts("book flower apple garden city house river"),
    ),
    "know.v": (*PERSONS, *NAMES, *PLACES, *_concepts("answer book picture dog")),
    "help.v": (*PERSONS, *NAMES, *_concepts("dog cat horse bird bear")),
    "hear.v": (*PERSONS, *ANIMALS, *NAMES, *_concepts("answer car river")),
    "paint.v": _concepts("house table chair picture bridge car cup flower kitchen garden lamp"),
    "wash.v": _concepts(
        "cup table car apple knife hat bag dog horse chair lamp stone cow kitchen"
    ),
    "hide.v": (*_PORTABLE, *_concepts("knife drink paint car cat")),
    "bring.v": (*_PORTABLE, *_concepts("knife drink paint answer dog table")),
    "drink.v": _concepts("drink"),
    "answer.v": (*_concepts("letter"), *PERSONS, *NAMES),
    "cook.v": _concepts("apple drink"),
}
# What an animal may do; a person may do everything.
_ANIMAL_VERBS = _concepts(
    "see eat carry find love know hear hide bring drink sleep run wait swim", "v"
)
_BIRD_VERBS = (*_ANIMAL_VERBS, "sing.v")
_NO_PLACE = _concepts("love know see hear", "v")  # states: no place, company or frequency
_NO_REPETITION = _concepts("love know", "v")

_COLOURS = DIMENSIONS["colour"]
_COLOURED = _concepts(
    "book letter apple cup table chair lamp car picture flower hat ball stone bag paint house "
    "bird bridge drink"
)
_PRICED = (*_GOODS, *_concepts("house garden horse cow dog"))
_AGELESS = _concepts("river forest drink")
_SIZELESS = _concepts("answer bread drink paint")
_IN = _concepts("house garden school market forest street city kitchen")
_IN_THING = _concepts("car")
_BESIDE = (*_concepts("house garden school market river bridge table chair car"), *PERSONS)
_WITH = (*PERSONS, *NAMES, *_concepts("dog cat horse bag hat book lamp flower knife key ball"))

# Left out of the source training sets, so that a look-up cannot know them.
HELD_OUT = _concepts("soldier mouse lamp bridge paint") + _concepts("hide wait", "v") + ("weak.a",)
_HELD_OUT_PAIRS = 6  # one verb-object pair in so many is held out as well


def held_out_pair(verb: str, noun: str) -> bool:
    """Whether the verb-object combination stays out of the source training sets.

    Verbs with one or two objects keep them all.
    """
    if len(OBJECTS[verb]) < 5:
        return False
    return zlib.crc32(f"{verb} {noun}".encode()) % _HELD_OUT_PAIRS == 0


@cache
def adjectives_for(noun: str | None) -> dict[str, tuple[str, ...]]:
    """Dimensions, and their adjectives, that fit a noun (None: a person named otherwise)."""
    person = noun is None or noun in PERSONS
    animal = noun in ANIMALS
    fitting = {"quality": DIMENSIONS["quality"]}
    if noun not in _SIZELESS:
        fitting["size"] = DIMENSIONS["size"]
    if noun not in _AGELESS:
        fitting["age"] = DIMENSIONS["age"]
    if noun in _COLOURED:
        fitting["colour"] = _COLOURS
    elif animal:
        fitting["colour"] = ("white.a", "black.a")
    if person or animal:
        fitting["mood"] = DIMENSIONS["mood"]
        fitting["strength"] = DIMENSIONS["strength"]
    if person or animal or noun == "car.n":
        fitting["speed"] = DIMENSIONS["speed"]
    if noun in _PRICED:
        fitting["price"] = DIMENSIONS["price"]
    return fitting


@dataclass(frozen=True, slots=True)
class Profile:
    """Probabilities of constructions."""

    two_clauses: float = 0.25
    subordinate: float = 0.5  # of two clauses
    copular: float = 0.22
    transitive: float = 0.66  # of clauses with a verb
    negated: float = 0.2
    past: float = 0.5
    phrase: float = 0.3
    adverb: float = 0.3
    adjective: float = 0.4
    second_adjective: float = 0.2
    plural: float = 0.28
    numeral: float = 0.35  # of plurals
    name: float = 0.15  # of subjects and objects that can be persons
    pronoun: float = 0.2  # of subjects
    indefinite: float = 0.35
    my: float = 0.12
    this: float = 0.1
    every: float = 0.06


def profile(code: str) -> Profile:
    """Construction frequencies of a language: English as it is, others pushed up or down by half.

    The differences are artificial (drawn from the language code), they mirror no real language.
    """
    base = Profile()
    if code == "en":
        return base
    rng = random.Random(f"profile {code}")
    return replace(
        base,
        **{
            field.name: round(getattr(base, field.name) * rng.uniform(0.6, 1.45), 3)
            for field in fields(base)
        },
    )


class Sampler:
    """Draws sentences at the frequencies of ``profile``.

    ``source_training`` leaves out :data:`HELD_OUT` and :func:`held_out_pair` combinations.
    """

    def __init__(
        self, rng: random.Random, profile: Profile, *, source_training: bool = False
    ) -> None:
        self.rng = rng
        self.profile = profile
        self._without = frozenset(HELD_OUT) if source_training else frozenset()
        self._source_training = source_training

    def _choose(self, concepts: Sequence[str]) -> str:
        if self._without:
            concepts = [name for name in concepts if name not in self._without]
        return self.rng.choice(concepts)

    def _adjectives(self, noun: str) -> tuple[str, ...]:
        if self.rng.random() >= self.profile.adjective:
            return ()
        fitting: dict[str, Sequence[str]] = dict(adjectives_for(noun))
        if self._without:
            for dimension, names in fitting.items():
                fitting[dimension] = [name for name in names if name not in self._without]
        count = 2 if self.rng.random() < self.profile.second_adjective else 1
        dimensions = self.rng.sample(list(fitting), min(count, len(fitting)))
        # Opinion and size stand outside, colour inside, in languages that put adjectives first.
        order = ("price", "quality", "size", "mood", "speed", "strength", "age", "colour")
        dimensions.sort(key=order.index)
        return tuple(self.rng.choice(fitting[dimension]) for dimension in dimensions)

    def _noun_phrase(self, noun: str, *, every: bool = True) -> NounPhrase:
        rng, rates = self.rng, self.profile
        number: Number = "pl" if noun not in MASS and rng.random() < rates.plural else "sg"
        draw = rng.random()
        determiner = "definite"
        for name in ("indefinite", "my", "this", "every"):
            if draw < (rate := getattr(rates, name)):
                determiner = name
                break
            draw -= rate
        if determiner == "every" and (number == "pl" or noun in MASS or not every):
            determiner = "definite"
        numeral = None
        if number == "pl" and rng.random() < rates.numeral:
            numeral = self._choose(NUMERALS)
        return NounPhrase(noun, number, determiner, self._adjectives(noun), numeral)

    def _subject(self, used: set[str], nouns: Sequence[str]) -> Subject:
        rng, rates = self.rng, self.profile
        draw = rng.random()
        if draw < rates.pronoun:
            pronouns = [name for name in PRONOUNS if name not in used]
            return Pronoun(self._choose(pronouns))
        if draw < rates.pronoun + rates.name:
            return Name(self._choose([name for name in NAMES if name not in used]))
        return self._noun_phrase(self._choose([name for name in nouns if name not in used]))

    def _object(self, nouns: Sequence[str], used: set[str]) -> Object | None:
        names = [name for name in nouns if name in NAMES and name not in used]
        if names and self.rng.random() < self.profile.name:
            return Name(self._choose(names))
        common = [
            name
            for name in nouns
            if name not in NAMES and name not in used and name not in self._without
        ]
        return self._noun_phrase(self.rng.choice(common)) if common else None

    @staticmethod
    def can(noun: str | None, verb: str) -> bool:
        """Whether a subject (None: a person) may do something."""
        if noun is None or noun in PERSONS:
            return True
        return verb in (_BIRD_VERBS if noun == "bird.n" else _ANIMAL_VERBS)

    @staticmethod
    def modifiers_fit(clause: Clause) -> bool:
        """Whether adverb and phrase of a clause with a verb go with it and with each other."""
        verb, adverb, phrase = clause.verb, clause.adverb, clause.phrase
        if verb in _NO_REPETITION and adverb is not None:
            return False
        if verb in _NO_PLACE and (
            phrase is not None or adverb not in (None, "today.r", "again.r")
        ):
            return False
        if phrase is None:
            return True
        obj = phrase.noun_phrase
        name = obj.noun if isinstance(obj, NounPhrase) else obj.name
        if name in concepts_of(replace(clause, phrase=None)):
            return False
        if phrase.preposition in ("with.d", "without.d"):
            return name in _WITH
        if adverb in ("here.r", "there.r"):
            return False
        if verb == "swim.v":
            return phrase.preposition == "in.d" and name == "river.n"
        return name in ((*_IN, *_IN_THING) if phrase.preposition == "in.d" else _BESIDE)

    def phrase(self, used: set[str], *, place: bool) -> Phrase | None:
        """A prepositional phrase without the concepts in ``used``; ``place``: it may be one."""
        draw = self.rng.random()
        if place and draw < 0.45:
            preposition, nouns = "in.d", (*_IN, *_IN_THING)
        elif place and draw < 0.7:
            preposition, nouns = self.rng.choice(("behind.d", "near.d")), _BESIDE
        else:
            preposition = "with.d" if self.rng.random() < 0.65 else "without.d"
            nouns = _WITH
        obj = self._object(nouns, used)
        if isinstance(obj, NounPhrase) and obj.determiner == "every":
            obj = replace(obj, determiner="definite")
        return Phrase(preposition, obj) if obj is not None else None

    def clause(self, used: set[str] | None = None) -> Clause:
        """One clause; concepts in ``used`` are not used again (updated in place)."""
        rng, rates = self.rng, self.profile
        used = set() if used is None else used
        tense: Tense = "past" if rng.random() < rates.past else "present"
        negated = rng.random() < rates.negated
        if rng.random() < rates.copular:
            return self._copular(used, tense, negated)
        while True:  # a held-out combination is drawn again
            clause = self._event(set(used), tense, negated)
            noun = clause.obj.noun if isinstance(clause.obj, NounPhrase) else None
            if not (
                self._source_training
                and noun is not None
                and clause.verb is not None
                and held_out_pair(clause.verb, noun)
            ):
                break
        used |= concepts_of(clause)
        return clause

    def _copular(self, used: set[str], tense: Tense, negated: bool) -> Clause:
        rng = self.rng
        subject = self._subject(used, (*PERSONS, *ANIMALS, *THINGS, *PLACES))
        noun = subject.noun if isinstance(subject, NounPhrase) else None
        fitting = adjectives_for(noun)
        taken = set(subject.adjectives) if isinstance(subject, NounPhrase) else set()
        options = {
            dimension: names for dimension, names in fitting.items() if not taken & set(names)
        }
        if not options:  # an answer is good or new, nothing else
            return self._copular(used, tense, negated)
        dimension = rng.choice(list(options))
        quality = self._choose(options[dimension])
        adverb = phrase = None
        if rng.random() < self.profile.adverb and dimension in ("mood", "price", "speed"):
            adverb = rng.choice(("today.r", "often.r", "always.r", "here.r", "again.r"))
        elif rng.random() < self.profile.phrase and dimension == "mood":
            phrase = self.phrase({*used, noun or ""}, place=True)
        clause = Clause(
            subject,
            quality=quality,
            tense=tense,
            negated=negated,
            phrase=phrase,
            adverb=adverb,
        )
        used |= concepts_of(clause)
        return clause

    def _event(self, used: set[str], tense: Tense, negated: bool) -> Clause:
        rng, rates = self.rng, self.profile
        subject = self._subject(used, (*PERSONS, *PERSONS, *ANIMALS))
        verbs: Sequence[str] = tuple(OBJECTS)
        intransitive: Sequence[str] = _concepts("sleep run laugh sing work wait swim", "v")
        if isinstance(subject, NounPhrase) and subject.noun in ANIMALS:
            allowed = _BIRD_VERBS if subject.noun == "bird.n" else _ANIMAL_VERBS
            verbs = [name for name in verbs if name in allowed]
            intransitive = [name for name in intransitive if name in allowed]
        transitive = rng.random() < rates.transitive
        verb = self._choose(verbs if transitive else intransitive)
        used |= concepts_of(Clause(subject))
        obj = self._object(OBJECTS[verb], used) if verb in TRANSITIVE else None
        if verb in TRANSITIVE and obj is None:
            return self._event(used, tense, negated)
        used |= concepts_of(Clause(subject, obj=obj))
        adverb = None
        if rng.random() < rates.adverb and verb not in _NO_REPETITION:
            adverb = self._choose(
                ("today.r", "again.r")
                if verb in _NO_PLACE
                else ("today.r", "often.r", "always.r", "here.r", "there.r", "again.r")
            )
        phrase = None
        if rng.random() < rates.phrase and verb not in _NO_PLACE:
            # A second place beside "here", or swimming in a kitchen, would be odd.
            place = adverb not in ("here.r", "there.r") and verb != "swim.v"
            if verb == "swim.v" and adverb not in ("here.r", "there.r"):
                phrase = Phrase("in.d", self._noun_phrase("river.n", every=False))
            else:
                phrase = self.phrase(used, place=place)
        return Clause(subject, verb, obj, None, tense, negated, phrase, adverb)

    def sentence(self) -> Sentence:
        """One sentence: a clause or two; the two share no noun, verb, name or quality."""
        rng, rates = self.rng, self.profile
        used: set[str] = set()
        first = self.clause(used)
        if rng.random() >= rates.two_clauses:
            return Sentence(first)
        second = self.clause(used)
        if rng.random() < rates.subordinate:
            # One time for both: a reason or a moment in another tense would need more grammar.
            second = replace(second, tense=first.tense)
            return Sentence(first, rng.choice(("because.s", "when.s")), second)
        return Sentence(first, rng.choice(("and.c", "and.c", "but.c")), second)


def _object_concepts(obj: Subject | None) -> set[str]:
    if isinstance(obj, NounPhrase):
        return {obj.noun}
    if isinstance(obj, Name):
        return {obj.name}
    return {obj.pronoun} if isinstance(obj, Pronoun) else set()


def concepts_of(clause: Clause) -> set[str]:
    """Nouns, names, pronouns, verb and quality of a clause (no modifiers)."""
    found = _object_concepts(clause.subject) | _object_concepts(clause.obj)
    if clause.phrase is not None:
        found |= _object_concepts(clause.phrase.noun_phrase)
    return found | {name for name in (clause.verb, clause.quality) if name is not None}
