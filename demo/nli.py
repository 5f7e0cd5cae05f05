"""Premise-hypothesis pairs: random edits of premises, and what levels the pairs.

Hypotheses are made by random edits that do not know the label (:mod:`demo.nli_labels`), and
:func:`balanced` then keeps equally many of each label among pairs that look alike (lengths,
overlap, negations, kind of hypothesis).
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace

from demo.meaning import (
    ADVERBS,
    ANIMALS,
    COORDINATORS,
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
from demo.nli_labels import (
    DIMENSION_OF,
    EXCLUSIVE_VERBS,
    INDEPENDENT_VERBS,
    LABELS,
    Label,
    label,
    noun_relation,
)
from demo.sample import (
    OBJECTS,
    Profile,
    Sampler,
    adjectives_for,
    concepts_of,
    held_out_pair,
)

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

# Verbs with one possible object, which therefore never changes.
_WITHOUT_CHOICE = {"drink.v", "cook.v"}
_CONNECTIVES = (*COORDINATORS, *SUBORDINATORS)
_ADJECTIVE_MOVES = ("add", "drop", "drop", "drop", "swap", "antonym", "antonym")
_CHOICE = 60  # how many waiting pairs are compared
_HYPOTHESES = 8  # tries for each premise


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
                noun for noun in nouns if noun != phrase.noun and noun_relation(phrase.noun, noun)
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
        current = {DIMENSION_OF[name]: name for name in phrase.adjectives}
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
        dimension = DIMENSION_OF[adjective]
        if rng.random() < 0.4:
            dimension = rng.choice(list(fitting))
            quality = rng.choice(fitting[dimension])
        else:
            quality = rng.choice((adjective, rng.choice(fitting[dimension])))
        kept = tuple(name for name in rest if DIMENSION_OF[name] != dimension)
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
            dimension = DIMENSION_OF[clause.quality]
            if rng.random() < 0.5 or dimension not in fitting:
                dimension = rng.choice(list(fitting))
            return replace(clause, quality=rng.choice(fitting[dimension]))
        assert clause.verb is not None
        if rng.random() < 0.4:
            return clause
        pairs = EXCLUSIVE_VERBS | INDEPENDENT_VERBS
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
            {DIMENSION_OF[n] for n in subject.adjectives}
            if isinstance(subject, NounPhrase)
            else set()
        )
        moody = DIMENSION_OF[clause.quality] in ("mood", "price", "speed")
        if (clause.adverb and (not moody or clause.adverb == "there.r")) or (
            clause.phrase and (clause.adverb or DIMENSION_OF[clause.quality] != "mood")
        ):
            return False
        return clause.quality in fitting and DIMENSION_OF[clause.quality] not in taken
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
