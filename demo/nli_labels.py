"""The label of a premise-hypothesis pair, which follows from their meanings alone.

Labels come from a small natural logic (MacCartney and Manning, 2009, "An extended model of
natural logic"): a relation between premise and hypothesis for each role of a clause, joined
over the roles and turned by negation.

Assumptions, as annotators of such corpora make them:

* premise and hypothesis speak of one situation: *the dog*, *my dog* and *a dog* in the same role
  are the same individual, in both clauses, and an event happens once; so another kind of object
  (*bought a hat* / *bought a cup*), another place that excludes the first, another number
  contradicts;
* numbers are exact; a plural noun phrase is true of all or of none of its members;
* adjectives of one dimension exclude each other, those of different dimensions are independent;
* *because* and *when* presuppose that both their clauses are true.

Where readers might disagree, the pair is left out (:func:`label` returns None): *every*, changed
subjects under negation, a denied reason or time, *often*, *always* and *again* with negation.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from demo.meaning import (
    COORDINATORS,
    DIMENSIONS,
    PERSONS,
    PLACES,
    SUBORDINATORS,
    Clause,
    Name,
    NounPhrase,
    Object,
    Phrase,
    Sentence,
    Subject,
)

Label = Literal["entailment", "neutral", "contradiction"]
LABELS: tuple[Label, ...] = ("entailment", "neutral", "contradiction")
# Equal, premise more special, hypothesis more special, exclusive, independent; None: no verdict.
Relation = Literal["=", "<", ">", "|", "#"]

DIMENSION_OF = {name: key for key, names in DIMENSIONS.items() for name in names}
_ROLES = tuple(n for n in PERSONS if n not in ("woman.n", "man.n", "girl.n", "boy.n"))
_SOCIAL = ("friend.n", "neighbour.n")  # a teacher may be one
_EXCLUSIVE_PERSONS = {
    frozenset(pair)
    for pair in (
        ("man.n", "woman.n"),
        ("boy.n", "girl.n"),
        ("man.n", "girl.n"),
        ("woman.n", "boy.n"),
        ("man.n", "boy.n"),
    )
}
# Places of which one cannot be in two at a time (a kitchen may be in a house, a house in a city).
_EXCLUSIVE_PLACES = {"forest.n", "market.n", "kitchen.n", "car.n", "garden.n"}
# Finding excludes neither losing nor hiding: one may do both to a thing, one after the other.
EXCLUSIVE_VERBS = {
    frozenset(f"{verb}.v" for verb in pair.split())
    for pair in ("buy sell", "sleep work", "run swim")
}
INDEPENDENT_VERBS = {
    frozenset(f"{verb}.v" for verb in pair.split())
    for pair in (
        "see hear",
        "love help",
        "buy carry",
        "sell wash",
        "find wash",
        "lose wash",
        "hide carry",
        "find carry",
        "sleep wait",
        "sing work",
        "swim laugh",
    )
}
_STATES = {"see.v", "love.v", "know.v", "help.v", "hear.v"}  # hold of several objects at once
_HABITUAL = {"often.r", "always.r", "again.r"}


def _join(relations: list[Relation | None]) -> Relation | None:
    """The relation of two conjunctions from those of their parts."""
    if None in relations:
        return None
    found = set(relations) - {"="}
    for relation in ("|", "#"):
        if relation in found:
            return relation
    if found == {"<", ">"}:
        return "#"
    return found.pop() if found else "="


def _optional(premise: object, hypothesis: object) -> Relation | None:
    """Relation of two modifiers of which at least one is missing."""
    if premise is None:
        return "=" if hypothesis is None else ">"
    return "<"


def noun_relation(premise: str, hypothesis: str) -> Relation | None:
    """How two kinds of things or persons relate."""
    if premise == hypothesis:
        return "="
    pair = frozenset((premise, hypothesis))
    if premise in PERSONS and hypothesis in PERSONS:
        if pair in _EXCLUSIVE_PERSONS:
            return "|"
        independent = (premise == "man.n" and hypothesis in _ROLES) or (
            pair & set(_SOCIAL) and pair <= set(_ROLES)
        )
        return "#" if independent else None
    if "answer.n" in pair:  # an answer may be a letter or a book
        return None
    if pair <= set(PLACES):
        return "|" if pair <= _EXCLUSIVE_PLACES else None
    return "|"  # another animal, another thing, or of another class


def _adjectives(premise: tuple[str, ...], hypothesis: tuple[str, ...]) -> Relation | None:
    first = {DIMENSION_OF[name]: name for name in premise}
    second = {DIMENSION_OF[name]: name for name in hypothesis}
    relations: list[Relation | None] = []
    for dimension in sorted(first.keys() | second.keys()):
        one, other = first.get(dimension), second.get(dimension)
        if one is not None and other is not None:
            relations.append("=" if one == other else "|")
        else:
            relations.append(_optional(one, other))
    return _join(relations)


def _determiners(premise: str, hypothesis: str) -> Relation | None:
    if "every" in (premise, hypothesis):
        return None
    if premise == hypothesis:
        return "="
    # The definite against the indefinite is not said in every language: no verdict.
    if premise == "my" and hypothesis in ("definite", "indefinite"):
        return "<"
    if hypothesis == "my" and premise in ("definite", "indefinite"):
        return ">"
    return None


def _participants(premise: Subject | None, hypothesis: Subject | None) -> Relation | None:
    if premise == hypothesis:
        every = isinstance(premise, NounPhrase) and premise.determiner == "every"
        return None if every else "="
    if isinstance(premise, Name) and isinstance(hypothesis, Name):
        return "|"
    if not (isinstance(premise, NounPhrase) and isinstance(hypothesis, NounPhrase)):
        return None
    if premise.number != hypothesis.number:
        return None
    numerals: Relation | None = (
        "|"
        if premise.numeral and hypothesis.numeral and premise.numeral != hypothesis.numeral
        else "="
        if premise.numeral == hypothesis.numeral
        else _optional(premise.numeral, hypothesis.numeral)
    )
    return _join(
        [
            noun_relation(premise.noun, hypothesis.noun),
            _determiners(premise.determiner, hypothesis.determiner),
            _adjectives(premise.adjectives, hypothesis.adjectives),
            numerals,
        ]
    )


def _other(premise: Object, hypothesis: Object) -> bool:
    """Whether the head of two noun phrases differs: another individual, not another quality."""
    if isinstance(premise, NounPhrase) and isinstance(hypothesis, NounPhrase):
        return premise.noun != hypothesis.noun
    return premise != hypothesis


def _phrases(premise: Phrase | None, hypothesis: Phrase | None) -> Relation | None:
    if premise == hypothesis:
        return "="
    if premise is None or hypothesis is None:
        return _optional(premise, hypothesis)
    inner = _participants(premise.noun_phrase, hypothesis.noun_phrase)
    prepositions = {premise.preposition, hypothesis.preposition}
    if len(prepositions) == 1:
        if premise.preposition == "in.d":
            return inner
        # Near a house one may be near a tree too; "without" turns inclusion around.
        if inner == "|":
            return "#" if _other(premise.noun_phrase, hypothesis.noun_phrase) else None
        return None if premise.preposition == "without.d" else inner
    if inner == "=":
        if prepositions in ({"with.d", "without.d"}, {"in.d", "near.d"}, {"in.d", "behind.d"}):
            return "|"
        return "#" if prepositions == {"behind.d", "near.d"} else None
    places = {"in.d", "behind.d", "near.d"}
    return "#" if len(prepositions & places) == 1 else None  # a place against a companion


def _adverbs(premise: str | None, hypothesis: str | None) -> Relation | None:
    if premise == hypothesis:
        return "="
    if premise is None or hypothesis is None:
        return _optional(premise, hypothesis)
    pair = {premise, hypothesis}
    if pair == {"here.r", "there.r"}:
        return "|"
    if pair == {"always.r", "often.r"}:
        return "<" if premise == "always.r" else ">"
    return "#"


def _predicates(premise: Clause, hypothesis: Clause) -> Relation | None:
    if premise.quality is not None and hypothesis.quality is not None:
        if premise.quality == hypothesis.quality:
            return "="
        same = DIMENSION_OF[premise.quality] == DIMENSION_OF[hypothesis.quality]
        return "|" if same else "#"
    if premise.verb is None or hypothesis.verb is None:
        return None
    if premise.verb == hypothesis.verb:
        return "="
    pair = frozenset((premise.verb, hypothesis.verb))
    return "|" if pair in EXCLUSIVE_VERBS else "#" if pair in INDEPENDENT_VERBS else None


def _restated(premise: Clause, hypothesis: Clause) -> Label | None:
    """*The big dog sleeps* says of the dog that it is big, even where it denies the sleep."""
    subject, claimed = premise.subject, hypothesis.subject
    if not isinstance(subject, NounPhrase) or not isinstance(claimed, NounPhrase):
        return None
    if hypothesis.adverb or hypothesis.phrase or hypothesis.quality is None:
        return None
    if premise.negated and subject.determiner == "indefinite":
        return None
    if hypothesis.negated and "indefinite" in (subject.determiner, claimed.determiner):
        return None  # "a dog was not black" may be another dog
    bare = replace(claimed, adjectives=subject.adjectives)
    if _participants(subject, bare) not in ("=", "<"):
        return None
    if set(claimed.adjectives) - set(subject.adjectives):
        return None
    relation = _adjectives(subject.adjectives, (hypothesis.quality,))
    holds = hypothesis.quality in subject.adjectives
    if relation == "|":
        return "entailment" if hypothesis.negated else "contradiction"
    if holds:
        return "contradiction" if hypothesis.negated else "entailment"
    return "neutral"


def _clauses(premise: Clause, hypothesis: Clause) -> Label | None:
    """Label of one clause against another about the same situation."""
    if premise.tense != hypothesis.tense:
        return None
    if premise.quality is None and hypothesis.quality is not None:
        return _restated(premise, hypothesis)
    subject = _participants(premise.subject, hypothesis.subject)
    predicate = _predicates(premise, hypothesis)
    obj = _participants(premise.obj, hypothesis.obj)
    phrase = _phrases(premise.phrase, hypothesis.phrase)
    adverb = _adverbs(premise.adverb, hypothesis.adverb)
    relation = _join([subject, predicate, obj, phrase, adverb])
    if relation is None:
        return None
    if obj == "|" and premise.verb in _STATES | {"answer.v"}:
        return None
    state = premise.quality is not None or premise.verb in _STATES
    if state and subject == "|":
        return None  # two may be old, two may love the same dog
    habitual = {premise.adverb, hypothesis.adverb} & _HABITUAL
    if habitual and "|" in (subject, predicate, obj, phrase):
        return None  # what happens often may happen in other ways too
    if relation == "|" and not premise.negated:
        exclusive = [subject, predicate, obj, phrase, adverb].count("|")
        if exclusive > 1 or "#" in (subject, predicate, obj):
            return None  # two differences make two events: Anna sang, Maria slept
    if not (premise.negated or hypothesis.negated):
        return (
            "contradiction"
            if relation == "|"
            else "entailment"
            if relation in ("=", "<")
            else "neutral"
        )
    if not _safe_with_negation(premise, hypothesis, subject):
        return None
    if relation == "|":
        colour = DIMENSION_OF.get(premise.quality or "") == "colour"
        if premise.negated:
            binary = predicate == "|" and premise.quality is not None and not colour
            return None if binary else "neutral"
        clear = (predicate == "|" and premise.quality is not None) or phrase == "|"
        return "entailment" if clear or adverb == "|" else None
    if premise.negated == hypothesis.negated:
        return "entailment" if relation in ("=", ">") else "neutral"
    forward = "<" if hypothesis.negated else ">"
    return "contradiction" if relation in ("=", forward) else "neutral"


def _safe_with_negation(premise: Clause, hypothesis: Clause, subject: Relation | None) -> bool:
    """Whether what the negation denies is beyond doubt."""
    if subject != "=":
        return False
    if isinstance(premise.subject, NounPhrase) and premise.subject.determiner == "indefinite":
        return False
    for clause in (premise, hypothesis):
        if clause.adverb in _HABITUAL:
            return False
        if clause.phrase is not None and clause.phrase.preposition == "without.d":
            return False
    first, second = premise.phrase, hypothesis.phrase
    if (
        first is not None
        and second is not None
        and first != second
        and _phrases(first, second) in ("<", ">")
    ):
        return False  # "not in the big house": which house is presupposed, not denied
    one, other = premise.obj, hypothesis.obj
    if one == other:
        return True
    if isinstance(one, NounPhrase) and isinstance(other, NounPhrase):
        indefinite = one.determiner == other.determiner == "indefinite"
        return indefinite and one.numeral is None and other.numeral is None
    return True


def label(premise: Sentence, hypothesis: Sentence, source: int = 0) -> Label | None:
    """Label of a pair, None where readers may disagree.

    Args:
        premise: one clause or two.
        hypothesis: one clause (made from clause ``source`` of the premise) or two (from both in
            order; of a premise with one clause, the first is made from it).
        source: 0 or 1, which clause of the premise a one-clause hypothesis speaks about.
    """
    for sentence in (premise, hypothesis):
        if sentence.connective in SUBORDINATORS and sentence.first.negated:
            return None  # "not ... because": is the reason denied or the event?
    parts = [clause for clause in (premise.first, premise.second) if clause is not None]
    if hypothesis.second is None:
        return _clauses(parts[source], hypothesis.first)
    first = _clauses(parts[0], hypothesis.first)
    if len(parts) == 1:
        if first is None:
            return None
        return "contradiction" if first == "contradiction" else "neutral"
    second = _clauses(parts[1], hypothesis.second)
    if first is None or second is None:
        return None
    if "contradiction" in (first, second):
        return "contradiction"
    # Joined by "and" or "but", two clauses claim no more than that both are true.
    weaker = hypothesis.connective in (premise.connective, *COORDINATORS)
    return "entailment" if first == second == "entailment" and weaker else "neutral"
