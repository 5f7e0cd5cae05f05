"""Premise-hypothesis pairs whose label follows from their meanings, and from nothing else.

Labels come from a small natural logic (MacCartney and Manning, 2009, "An extended model of
natural logic"): a relation between premise and hypothesis for each role of a clause, joined
over the roles and turned by negation. Hypotheses are made by random edits that do not know
the label, and :func:`balanced` then keeps equally many of each label among pairs that look
alike (lengths, overlap, negations, kind of hypothesis).

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

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from demo.meaning import (
    ADVERBS,
    ANIMALS,
    COORDINATORS,
    DIMENSIONS,
    INTRANSITIVE,
    NAMES,
    NUMERALS,
    PERSONS,
    PLACES,
    PREPOSITIONS,
    SUBORDINATORS,
    THINGS,
    Clause,
    Name,
    NounPhrase,
    Object,
    Phrase,
    Sentence,
    Subject,
)
from demo.sample import (
    OBJECTS,
    Profile,
    Sampler,
    adjectives_for,
    concepts_of,
    held_out_pair,
)

Label = Literal["entailment", "neutral", "contradiction"]
LABELS: tuple[Label, ...] = ("entailment", "neutral", "contradiction")
# Equal, premise more special, hypothesis more special, exclusive, independent; None: no verdict.
Relation = Literal["=", "<", ">", "|", "#"]

# More modifiers and negations than in running text: they are what the pairs are about.
PROFILE = Profile(
    two_clauses=0.2,
    copular=0.25,
    negated=0.4,
    phrase=0.35,
    adverb=0.35,
    adjective=0.5,
    second_adjective=0.2,
    indefinite=0.4,
    my=0.3,
    this=0.05,
    every=0.0,
)

_DIMENSION = {name: key for key, names in DIMENSIONS.items() for name in names}
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
_EXCLUSIVE_VERBS = {
    frozenset(f"{verb}.v" for verb in pair.split())
    for pair in ("buy sell", "sleep work", "run swim")
}
_INDEPENDENT_VERBS = {
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
# Verbs with one possible object, which therefore never changes.
_WITHOUT_CHOICE = {"drink.v", "cook.v"}
_STATES = {"see.v", "love.v", "know.v", "help.v", "hear.v"}  # hold of several objects at once
_CONNECTIVES = (*COORDINATORS, *SUBORDINATORS)
_ADJECTIVE_MOVES = ("add", "drop", "drop", "drop", "swap", "antonym", "antonym")
_CHOICE = 60  # how many waiting pairs are compared
_HYPOTHESES = 8  # tries for each premise
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


def _nouns(premise: str, hypothesis: str) -> Relation | None:
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
    first = {_DIMENSION[name]: name for name in premise}
    second = {_DIMENSION[name]: name for name in hypothesis}
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
            _nouns(premise.noun, hypothesis.noun),
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
        same = _DIMENSION[premise.quality] == _DIMENSION[hypothesis.quality]
        return "|" if same else "#"
    if premise.verb is None or hypothesis.verb is None:
        return None
    if premise.verb == hypothesis.verb:
        return "="
    pair = frozenset((premise.verb, hypothesis.verb))
    return "|" if pair in _EXCLUSIVE_VERBS else "#" if pair in _INDEPENDENT_VERBS else None


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
        colour = _DIMENSION.get(premise.quality or "") == "colour"
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


class _Editor:
    """Random changes to a clause; none knows what it does to the label."""

    def __init__(self, sampler: Sampler) -> None:
        self.sampler = sampler
        self.rng = sampler.rng

    def noun_phrase(self, phrase: NounPhrase, nouns: tuple[str, ...]) -> NounPhrase:
        rng = self.rng
        kind = rng.choice(("adjective",) * 4 + ("noun", "numeral") + ("determiner",) * 3)
        if kind == "noun":
            candidates = [
                noun for noun in nouns if noun != phrase.noun and _nouns(phrase.noun, noun)
            ]
            if not candidates:
                return phrase
            noun = rng.choice(candidates)
            fitting = {name for names in adjectives_for(noun).values() for name in names}
            if not set(phrase.adjectives) <= fitting:
                return phrase
            return replace(phrase, noun=noun)
        if kind == "numeral" and phrase.number == "pl":
            return replace(phrase, numeral=rng.choice((None, *NUMERALS)))
        if kind == "determiner":
            return replace(phrase, determiner=rng.choice(("definite", "indefinite", "my")))
        return replace(phrase, adjectives=self._adjectives(phrase))

    def _adjectives(self, phrase: NounPhrase) -> tuple[str, ...]:
        rng = self.rng
        fitting = adjectives_for(phrase.noun)
        current = {_DIMENSION[name]: name for name in phrase.adjectives}
        move = rng.choice(_ADJECTIVE_MOVES)
        if move in ("drop", "swap") and current:
            del current[rng.choice(sorted(current))]
        if move == "antonym" and current:
            dimension = rng.choice(sorted(current))
            others = [name for name in fitting[dimension] if name != current[dimension]]
            current[dimension] = rng.choice(others)
        if move in ("add", "swap") and len(current) < 2:
            free = [dimension for dimension in fitting if dimension not in current]
            dimension = rng.choice(free)
            current[dimension] = rng.choice(fitting[dimension])
        order = ("price", "quality", "size", "mood", "speed", "strength", "age", "colour")
        return tuple(current[dimension] for dimension in sorted(current, key=order.index))

    def participant(self, subject: Subject, nouns: tuple[str, ...]) -> Subject:
        if isinstance(subject, Name):
            if self.rng.random() < 0.6:  # or a name would nearly always contradict
                return subject
            return Name(self.rng.choice([name for name in NAMES if name != subject.name]))
        return self.noun_phrase(subject, nouns) if isinstance(subject, NounPhrase) else subject

    def clause(self, clause: Clause) -> Clause:
        """One random change."""
        rng = self.rng
        places = ["negation", "predicate", "subject", "adverb", "phrase"]
        if clause.obj is not None:
            places += ["object", "object"]
        if isinstance(clause.subject, NounPhrase) and clause.subject.adjectives:
            places += ["restate", "restate"]
        place = rng.choice(places)
        if place == "negation":
            return replace(clause, negated=not clause.negated)
        if place == "subject":
            nouns: tuple[str, ...] = (
                (*PERSONS, *ANIMALS) if clause.quality is None else (*PERSONS, *ANIMALS, *THINGS)
            )
            return replace(clause, subject=self.participant(clause.subject, nouns))
        if place == "object" and clause.obj is not None and clause.verb is not None:
            things = tuple(n for n in OBJECTS[clause.verb] if n not in NAMES)
            changed = self.participant(clause.obj, things)
            assert isinstance(changed, NounPhrase | Name)
            return replace(clause, obj=changed)
        if place == "restate" and isinstance(clause.subject, NounPhrase):
            return self._restate(clause, clause.subject)
        if place == "adverb":
            if clause.adverb in ("always.r", "often.r") and rng.random() < 0.6:
                return replace(clause, adverb=rng.choice(("always.r", "often.r")))
            if clause.adverb is not None and rng.random() < 0.7:
                return replace(clause, adverb=None)
            return replace(clause, adverb=rng.choice(ADVERBS))
        if place == "phrase":
            return replace(clause, phrase=self._phrase(clause))
        return self._predicate(clause)

    def _restate(self, clause: Clause, subject: NounPhrase) -> Clause:
        rng = self.rng
        fitting = adjectives_for(subject.noun)
        adjective = rng.choice(subject.adjectives)
        rest = tuple(name for name in subject.adjectives if name != adjective)
        dimension = _DIMENSION[adjective]
        if rng.random() < 0.4:
            dimension = rng.choice(list(fitting))
            quality = rng.choice(fitting[dimension])
        else:
            quality = rng.choice((adjective, rng.choice(fitting[dimension])))
        kept = tuple(name for name in rest if _DIMENSION[name] != dimension)
        return Clause(
            replace(subject, adjectives=kept),
            quality=quality,
            tense=clause.tense,
            negated=rng.random() < 0.4,
        )

    def _phrase(self, clause: Clause) -> Phrase | None:
        rng = self.rng
        old = clause.phrase
        if old is not None and (draw := rng.random()) < 0.75:
            if draw < 0.45:
                return None
            if draw < 0.55:
                return Phrase(rng.choice(PREPOSITIONS), old.noun_phrase)
            nouns = tuple(PLACES if old.preposition == "in.d" else THINGS)
            changed = self.participant(old.noun_phrase, nouns)
            assert isinstance(changed, NounPhrase | Name)
            return Phrase(old.preposition, changed)
        return self.sampler.phrase(concepts_of(clause), place=True)

    def _predicate(self, clause: Clause) -> Clause:
        rng = self.rng
        if clause.quality is not None:
            noun = clause.subject.noun if isinstance(clause.subject, NounPhrase) else None
            fitting = adjectives_for(noun)
            dimension = _DIMENSION[clause.quality]
            if rng.random() < 0.5 or dimension not in fitting:
                dimension = rng.choice(list(fitting))
            return replace(clause, quality=rng.choice(fitting[dimension]))
        assert clause.verb is not None
        if rng.random() < 0.4:
            return clause
        pairs = _EXCLUSIVE_VERBS | _INDEPENDENT_VERBS
        verbs: tuple[str, ...] = tuple(INTRANSITIVE if clause.obj is None else OBJECTS)
        options = [verb for verb in verbs if frozenset((verb, clause.verb)) in pairs]
        return replace(clause, verb=rng.choice(options)) if options else clause


def sensible(clause: Clause) -> bool:
    """Whether an edited clause is one that the sampler could have drawn."""
    subject = clause.subject
    noun = subject.noun if isinstance(subject, NounPhrase) else None
    if clause.quality is not None:
        fitting = {name for names in adjectives_for(noun).values() for name in names}
        taken = (
            {_DIMENSION[n] for n in subject.adjectives}
            if isinstance(subject, NounPhrase)
            else set()
        )
        moody = _DIMENSION[clause.quality] in ("mood", "price", "speed")
        if (clause.adverb and (not moody or clause.adverb == "there.r")) or (
            clause.phrase and (clause.adverb or _DIMENSION[clause.quality] != "mood")
        ):
            return False
        return clause.quality in fitting and _DIMENSION[clause.quality] not in taken
    assert clause.verb is not None
    if not Sampler.can(noun, clause.verb):
        return False
    obj: Object | None = clause.obj
    if obj is not None:
        name = obj.noun if isinstance(obj, NounPhrase) else obj.name
        if name not in OBJECTS[clause.verb] or name == noun:
            return False
    return Sampler.modifiers_fit(clause)


@dataclass(frozen=True, slots=True)
class Pair:
    """An item: two meanings and their label."""

    premise: Sentence
    hypothesis: Sentence
    label: Label


def _held_out(sentence: Sentence) -> bool:
    for clause in (sentence.first, sentence.second):
        if (
            clause is not None
            and clause.verb is not None
            and isinstance(clause.obj, NounPhrase)
            and held_out_pair(clause.verb, clause.obj.noun)
        ):
            return True
    return False


def candidates(rng: random.Random, *, source_training: bool = False) -> Iterator[Pair]:
    """Labelled pairs without end, not yet balanced.

    ``source_training`` leaves out the held-out verb-object combinations (not the held-out words:
    of a word never seen, no sentence pair can be learnt).
    """
    sampler = Sampler(rng, PROFILE)
    editor = _Editor(sampler)
    while True:
        premise = sampler.sentence()
        if premise.connective in SUBORDINATORS and premise.first.negated:
            continue
        if source_training and _held_out(premise):
            continue
        if _WITHOUT_CHOICE & {c.verb for c in (premise.first, premise.second) if c is not None}:
            continue
        for _ in range(_HYPOTHESES):
            hypothesis, source = _hypothesis(premise, editor)
            if hypothesis is None or hypothesis == premise:
                continue
            if hypothesis.second is not None and hypothesis.second.verb in _WITHOUT_CHOICE:
                continue
            if source_training and _held_out(hypothesis):
                continue
            verdict = label(premise, hypothesis, source)
            if verdict is not None:
                yield Pair(premise, hypothesis, verdict)


def _hypothesis(premise: Sentence, editor: _Editor) -> tuple[Sentence | None, int]:
    """Something like the premise, and the clause of the premise that it was made from."""
    rng = editor.rng
    clauses = [clause for clause in (premise.first, premise.second) if clause is not None]
    source = rng.randrange(len(clauses))
    clause = clauses[source]
    for _ in range(rng.choice((0, 1, 1, 1, 1, 2, 2))):
        clause = editor.clause(clause)
    if not sensible(clause):
        return None, source
    draw = rng.random()
    if len(clauses) == 2 and draw < 0.5:
        connective = premise.connective
        if rng.random() < 0.25:
            connective = rng.choice(_CONNECTIVES)
        both = (clause, clauses[1]) if source == 0 else (clauses[0], clause)
        if connective in SUBORDINATORS and both[0].tense != both[1].tense:
            return None, source
        return Sentence(both[0], connective, both[1]), source
    if len(clauses) == 1 and draw < 0.12:
        extra = editor.sampler.clause(concepts_of(clause) | concepts_of(premise.first))
        extra = replace(extra, tense=clause.tense)
        return Sentence(clause, rng.choice(_CONNECTIVES), extra), source
    return Sentence(clause), source


@dataclass(frozen=True, slots=True)
class Look:
    """All of a pair that shows without understanding it.

    ``cell``: lengths, overlap, negations: labels are made equally frequent in each cell.
    ``features``: words and word pairs of the hypothesis, whose frequencies are kept level.
    ``texts``: premise and hypothesis as they are printed.
    """

    cell: Hashable
    features: tuple[str, ...]
    texts: tuple[str, str]


def balanced(
    pairs: Iterator[Pair], count: int, look: Callable[[Pair], Look | None], *, spare: float = 1.0
) -> list[tuple[Pair, Look]]:
    """The first ``count`` pairs that can be had with every label equally often in every cell.

    Among pairs of one cell and label, those go first whose words their label has had less often
    than the other labels.

    Args:
        pairs: candidates.
        count: how many are wanted; labels differ by one at most where it is no multiple of 3.
        look: what shows of a pair; None refuses it.
        spare: how many times ``count`` balanced pairs to collect before choosing among them; the
            more, the more level the words.
    """
    waiting: dict[Hashable, dict[Label, list[tuple[Pair, Look]]]] = defaultdict(
        lambda: {name: [] for name in LABELS}
    )
    # 3 times the count of a feature under a label, less its count under all of them.
    excess: dict[Label, Counter[str]] = {name: Counter() for name in LABELS}
    ready: list[Hashable] = []  # a cell for every three labels it can give
    for pair in pairs:
        if len(ready) * len(LABELS) >= spare * count:
            break
        if (shown := look(pair)) is None:
            continue
        queues = waiting[shown.cell]
        before = min(map(len, queues.values()))
        queues[pair.label].append((pair, shown))
        ready += [shown.cell] * (min(map(len, queues.values())) - before)
    chosen: list[tuple[Pair, Look]] = []
    for cell in ready[: -(-count // len(LABELS))]:
        for name in LABELS:
            surplus = excess[name]
            queue = waiting[cell][name]
            costs = [sum(map(surplus.__getitem__, entry[1].features)) for entry in queue[:_CHOICE]]
            chosen.append(queue.pop(costs.index(min(costs))))
            for feature in chosen[-1][1].features:
                for other in LABELS:
                    excess[other][feature] += 2 if other == name else -1
    return chosen[:count]
