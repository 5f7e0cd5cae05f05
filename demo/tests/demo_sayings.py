"""What the tests of the demo's languages share: all the ways in which a meaning is said."""

from __future__ import annotations

import random

from demo.meaning import (
    ADJECTIVES,
    ADVERBS,
    COORDINATORS,
    DETERMINERS,
    INTRANSITIVE,
    NAMES,
    NOUNS,
    NUMERALS,
    PREPOSITIONS,
    PRONOUNS,
    SUBORDINATORS,
    TRANSITIVE,
    Clause,
    Name,
    NounPhrase,
    Phrase,
    Pronoun,
    Realiser,
    Sentence,
    Subject,
    Word,
)


def text(words: list[Word]) -> str:
    return "".join(word.form + " " * word.space_after for word in words).strip()


def sayings(realiser: Realiser, meaning: Sentence | Clause, draws: int = 150) -> set[str]:
    """Every text that ``draws`` random states give."""
    sentence = Sentence(meaning) if isinstance(meaning, Clause) else meaning
    return {text(realiser.realise(sentence, random.Random(seed))) for seed in range(draws)}


def tags(realiser: Realiser, clause: Clause, seed: int = 0) -> list[tuple[str, str]]:
    words = realiser.realise(Sentence(clause), random.Random(seed))
    return [(word.form, word.upos) for word in words]


def any_sentence(rng: random.Random) -> Sentence:
    """A sentence of arbitrary concepts, sensible or not."""
    first = _clause(rng)
    if rng.random() < 0.6:
        return Sentence(first)
    return Sentence(first, rng.choice((*COORDINATORS, *SUBORDINATORS)), _clause(rng))


def _noun_phrase(rng: random.Random) -> NounPhrase | Name:
    if rng.random() < 0.1:
        return Name(rng.choice(NAMES))
    determiner = rng.choice(DETERMINERS)
    number = "sg" if determiner == "every" or rng.random() < 0.5 else "pl"
    numeral = rng.choice(NUMERALS) if number == "pl" and rng.random() < 0.4 else None
    adjectives = tuple(rng.sample(ADJECTIVES, rng.randrange(3)))
    return NounPhrase(rng.choice(NOUNS), number, determiner, adjectives, numeral)


def _clause(rng: random.Random) -> Clause:
    subject: Subject = _noun_phrase(rng)
    if rng.random() < 0.3:
        subject = Pronoun(rng.choice(PRONOUNS))
    verb = obj = quality = phrase = None
    kind = rng.randrange(3)
    if kind == 0:
        quality = rng.choice(ADJECTIVES)
    elif kind == 1:
        verb = rng.choice(INTRANSITIVE)
    else:
        verb, obj = rng.choice(TRANSITIVE), _noun_phrase(rng)
    if rng.random() < 0.4:
        phrase = Phrase(rng.choice(PREPOSITIONS), _noun_phrase(rng))
    return Clause(
        subject,
        verb,
        obj,
        quality,
        rng.choice(("present", "past")),
        rng.random() < 0.3,
        phrase,
        rng.choice((None, *ADVERBS)),
    )
