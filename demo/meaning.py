"""Meanings, free of any language: what a demo sentence says before a language says it.

Concept names are English words with a suffix for the part of speech (``cook.n``, ``cook.v``), so
that a form that is ambiguous in some language stays two concepts here.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal, Protocol

Number = Literal["sg", "pl"]
Tense = Literal["present", "past"]

PERSONS = (
    "woman.n man.n girl.n boy.n teacher.n doctor.n farmer.n student.n friend.n neighbour.n "
    "soldier.n cook.n painter.n driver.n"
).split()
ANIMALS = "dog.n cat.n horse.n bird.n cow.n mouse.n bear.n".split()
THINGS = (
    "book.n letter.n apple.n bread.n cup.n table.n chair.n lamp.n car.n key.n picture.n flower.n "
    "hat.n ball.n stone.n knife.n bag.n drink.n answer.n paint.n"
).split()
PLACES = (
    "house.n garden.n school.n market.n forest.n river.n street.n city.n kitchen.n bridge.n"
).split()
NOUNS = (*PERSONS, *ANIMALS, *THINGS, *PLACES)

TRANSITIVE = (
    "see.v buy.v sell.v eat.v carry.v find.v lose.v love.v know.v help.v hear.v paint.v wash.v "
    "hide.v bring.v drink.v answer.v cook.v"
).split()
INTRANSITIVE = "sleep.v run.v laugh.v sing.v work.v wait.v swim.v".split()
VERBS = (*TRANSITIVE, *INTRANSITIVE)

# Adjectives by dimension: two of one dimension exclude each other, two of different ones do not.
DIMENSIONS: dict[str, tuple[str, ...]] = {
    "size": ("big.a", "small.a"),
    "age": ("old.a", "new.a"),  # of animate nouns new.a reads as "young"
    "colour": ("red.a", "green.a", "white.a", "black.a", "blue.a"),
    "quality": ("good.a", "bad.a"),
    "mood": ("happy.a", "sad.a"),  # animate nouns only
    "speed": ("fast.a", "slow.a"),
    "strength": ("strong.a", "weak.a"),
    "price": ("expensive.a", "cheap.a"),  # things only
}
ADJECTIVES = tuple(name for names in DIMENSIONS.values() for name in names)

NAMES = "anna.p peter.p maria.p paul.p sofia.p victor.p".split()
PRONOUNS = "i.o you.o he.o she.o we.o they.o".split()  # you.o is singular, informal
NUMERALS = "two.m three.m five.m".split()
ADVERBS = "today.r often.r always.r here.r there.r again.r".split()
PREPOSITIONS = "in.d behind.d near.d with.d without.d".split()
COORDINATORS = "and.c but.c".split()
SUBORDINATORS = "because.s when.s".split()
DETERMINERS = ("definite", "indefinite", "this", "my", "every")


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """A noun with its determiner, adjectives (0-2, outermost first) and, in the plural, a numeral.

    ``every`` is singular only; a numeral goes with ``definite`` (the two dogs), ``my``, ``this``
    (these two dogs) or ``indefinite`` (two dogs).
    """

    noun: str
    number: Number = "sg"
    determiner: str = "definite"
    adjectives: tuple[str, ...] = ()
    numeral: str | None = None


@dataclass(frozen=True, slots=True)
class Name:
    """A person's name; ``anna.p``, ``maria.p`` and ``sofia.p`` are women's."""

    name: str


@dataclass(frozen=True, slots=True)
class Pronoun:
    """A personal pronoun: the subject only. Languages that drop it may."""

    pronoun: str


Subject = NounPhrase | Name | Pronoun
Object = NounPhrase | Name


@dataclass(frozen=True, slots=True)
class Phrase:
    """A prepositional phrase: ``in.d``, ``behind.d``, ``near.d`` a place (or a thing, a person);
    ``with.d``, ``without.d`` a person or a thing (accompaniment, not instrument).
    """

    preposition: str
    noun_phrase: Object


@dataclass(frozen=True, slots=True)
class Clause:
    """Exactly one of ``verb`` and ``quality`` is set.

    ``verb``: an event; ``obj`` goes with transitive verbs only, and always.
    ``quality``: a copular sentence, the subject *is* of that adjective.
    """

    subject: Subject
    verb: str | None = None
    obj: Object | None = None
    quality: str | None = None
    tense: Tense = "present"
    negated: bool = False
    phrase: Phrase | None = None
    adverb: str | None = None


@dataclass(frozen=True, slots=True)
class Sentence:
    """A clause, or two joined by a coordinator or a subordinator (``second`` is then the reason
    or the time: main clause first).
    """

    first: Clause
    connective: str | None = None
    second: Clause | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """One syntactic word of a realised sentence, as a line of CoNLL-U has it."""

    form: str
    upos: str
    concept: str | None = None  # None for words that belong to the grammar, not to the lexicon
    space_after: bool = True


class Realiser(Protocol):
    """What a language module offers as ``REALISER``."""

    code: str

    def realise(self, sentence: Sentence, rng: random.Random) -> list[Word]:
        """Say a meaning in this language, final punctuation included, sentence case applied.

        ``rng`` chooses among equally good ways to say it (order, dropped pronouns, synonyms of
        grammar words), at frequencies that are this language's own. The same state of ``rng``
        gives the same words.
        """
        ...

    def forms(self, concept: str) -> list[str]:
        """Every inflected form of a lexical concept, citation form first, lower case as in
        running text (German nouns and names keep their capital).
        """
        ...
