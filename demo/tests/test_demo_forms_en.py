"""English of the demo, against paradigms and sentences written out by hand."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from demo_sayings import any_sentence, sayings, tags

from demo.languages.en import REALISER
from demo.meaning import (
    NAMES,
    NOUNS,
    PRONOUNS,
    TRANSITIVE,
    Clause,
    Name,
    NounPhrase,
    Phrase,
    Pronoun,
    Sentence,
    Subject,
)
from demo.sample import Sampler, profile

STATES = ("see.v", "love.v", "know.v", "hear.v")


@pytest.mark.parametrize(
    ("concept", "forms"),
    [
        ("woman.n", "woman women"),
        ("man.n", "man men"),
        ("mouse.n", "mouse mice"),
        ("knife.n", "knife knives"),
        ("city.n", "city cities"),
        ("boy.n", "boy boys"),
        ("key.n", "key keys"),
        ("house.n", "house houses"),
        ("bread.n", "bread"),
        ("paint.n", "paint"),
        ("new.a", "new young"),
        ("i.o", "I"),
        ("maria.p", "Maria"),
    ],
)
def test_nouns_and_words_without_inflection(concept: str, forms: str) -> None:
    assert REALISER.forms(concept) == forms.split()


@pytest.mark.parametrize(
    "forms",
    [
        "see sees saw",
        "buy buys bought buying",
        "sell sells sold selling",
        "eat eats ate eating",
        "carry carries carried carrying",
        "find finds found finding",
        "lose loses lost losing",
        "love loves loved",
        "know knows knew",
        "help helps helped helping",
        "hear hears heard",
        "paint paints painted painting",
        "wash washes washed washing",
        "hide hides hid hiding",
        "bring brings brought bringing",
        "drink drinks drank drinking",
        "answer answers answered answering",
        "cook cooks cooked cooking",
        "sleep sleeps slept sleeping",
        "run runs ran running",
        "laugh laughs laughed laughing",
        "sing sings sang singing",
        "work works worked working",
        "wait waits waited waiting",
        "swim swims swam swimming",
    ],
)
def test_verbs(forms: str) -> None:
    base, third, past, *progressive = forms.split()
    verb = base + ".v"
    assert REALISER.forms(verb) == forms.split()
    obj = NounPhrase("answer.n") if verb in TRANSITIVE else None
    end = " the answer." if obj else "."
    people: tuple[tuple[Subject, str, str, bool], ...] = (
        (Pronoun("i.o"), "I", "am", False),
        (Pronoun("you.o"), "You", "are", False),
        (Pronoun("she.o"), "She", "is", True),
        (Pronoun("he.o"), "He", "is", True),
        (Pronoun("they.o"), "They", "are", False),
        (Name("victor.p"), "Victor", "is", True),
        (NounPhrase("woman.n", "pl"), "The women", "are", False),
        (NounPhrase("cook.n"), "The cook", "is", True),
    )
    for subject, name, be, singular in people:
        do = "does" if singular else "do"
        simple = {f"{name} {third if singular else base}{end}"}
        denied = {f"{name} {do} not {base}{end}"}
        if progressive:
            simple.add(f"{name} {be} {progressive[0]}{end}")
            denied.add(f"{name} {be} not {progressive[0]}{end}")
        assert sayings(REALISER, Clause(subject, verb, obj), 10) <= simple
        assert sayings(REALISER, Clause(subject, verb, obj, negated=True), 10) <= denied
        then = Clause(subject, verb, obj, tense="past")
        assert sayings(REALISER, then, 10) == {f"{name} {past}{end}"}
        not_then = Clause(subject, verb, obj, tense="past", negated=True)
        assert sayings(REALISER, not_then, 10) == {f"{name} did not {base}{end}"}


def test_a_subject_keeps_its_aspect() -> None:
    """Else "the cook works" would have to entail "the cook is working"."""
    subjects: list[Subject] = [NounPhrase(noun) for noun in NOUNS]
    subjects += [*map(Name, NAMES), *map(Pronoun, PRONOUNS)]
    progressive = 0
    for subject in subjects:
        said = [
            sayings(REALISER, Clause(subject, verb, negated=negated, adverb=adverb), 10)
            for verb in ("work.v", "sleep.v")
            for negated in (False, True)
            for adverb in (None, "always.r")
        ]
        aspects = {"ing." in one for found in said for one in found}
        assert len(aspects) == 1, subject
        progressive += aspects == {True}
    assert 0.2 < progressive / len(subjects) < 0.6


def test_a_state_has_no_progressive() -> None:
    rng = random.Random(3)
    for _ in range(500):
        for word in REALISER.realise(any_sentence(rng), rng):
            if word.concept in STATES:
                assert not word.form.endswith("ing")


def test_articles() -> None:
    def subject(noun: str, determiner: str, *adjectives: str, number: str = "sg") -> set[str]:
        phrase = NounPhrase(noun, number, determiner, adjectives)  # type: ignore[arg-type]
        return sayings(REALISER, Clause(phrase, quality="good.a", tense="past"))

    assert subject("apple.n", "indefinite") == {"An apple was good."}
    assert subject("apple.n", "indefinite", "red.a") == {"A red apple was good."}
    assert subject("hat.n", "indefinite", "old.a") == {"An old hat was good."}
    assert subject("hat.n", "indefinite", "expensive.a") == {"An expensive hat was good."}
    assert subject("house.n", "indefinite") == {"A house was good."}
    assert subject("dog.n", "this", number="pl") == {"These dogs were good."}
    assert subject("dog.n", "every") == {"Every dog was good."}
    assert subject("dog.n", "my", "new.a") == {"My young dog was good."}
    assert subject("key.n", "my", "new.a") == {"My new key was good."}
    assert subject("bread.n", "indefinite") == {"Some bread was good."}
    # Not of cats in general.
    assert subject("cat.n", "indefinite", number="pl") == {"Some cats were good."}


def test_objects_under_negation_and_after_without() -> None:
    def seen(obj: NounPhrase, negated: bool) -> set[str]:
        clause = Clause(Pronoun("we.o"), "see.v", obj, tense="past", negated=negated)
        return sayings(REALISER, clause)

    bread = NounPhrase("bread.n", determiner="indefinite")
    assert seen(bread, False) == {"We saw some bread."}
    assert seen(bread, True) == {"We did not see any bread."}
    mice = NounPhrase("mouse.n", "pl", "indefinite")
    assert seen(mice, True) == {"We did not see mice."}
    without = Clause(Pronoun("we.o"), "wait.v", tense="past", phrase=Phrase("without.d", mice))
    assert sayings(REALISER, without) == {"We waited without mice."}
    two = NounPhrase("knife.n", "pl", "this", ("old.a",), "two.m")
    assert seen(two, True) == {"We did not see these two old knives."}


def test_be_and_its_negation() -> None:
    def be(subject: Subject, tense: str) -> set[str]:
        clause = Clause(subject, quality="new.a", tense=tense, negated=True)  # type: ignore[arg-type]
        return sayings(REALISER, clause)

    assert be(Pronoun("i.o"), "present") == {"I am not young."}
    assert be(Pronoun("i.o"), "past") == {"I was not young."}
    assert be(Pronoun("you.o"), "past") == {"You were not young."}
    assert be(Pronoun("they.o"), "present") == {"They are not young."}
    assert be(Name("anna.p"), "past") == {"Anna was not young."}
    assert be(NounPhrase("table.n"), "present") == {"The table is not new."}


def test_places_of_adverbs() -> None:
    apple = NounPhrase("apple.n")
    often = Clause(Pronoun("she.o"), "eat.v", apple, None, "past", True, adverb="often.r")
    assert sayings(REALISER, often) == {"She did not often eat the apple."}
    always = Clause(Pronoun("she.o"), quality="happy.a", adverb="always.r")
    assert sayings(REALISER, always) == {"She is always happy."}
    today = Clause(Pronoun("i.o"), "love.v", apple, tense="past", adverb="today.r")
    assert sayings(REALISER, today) == {
        "I loved the apple today.",
        "Today I loved the apple.",
        "Today, I loved the apple.",
    }


def test_reason_and_time() -> None:
    late = Clause(Pronoun("i.o"), "sleep.v", tense="past")
    wait = Clause(Name("sofia.p"), "wait.v", tense="past")
    assert sayings(REALISER, Sentence(wait, "because.s", late)) == {
        "Sofia waited because I slept.",
        "Because I slept, Sofia waited.",
    }
    assert sayings(REALISER, Sentence(wait, "but.c", late)) == {"Sofia waited, but I slept."}
    assert sayings(REALISER, Sentence(late, "and.c", wait)) == {
        "I slept and Sofia waited.",
        "I slept, and Sofia waited.",
    }


def test_tags() -> None:
    clause = Clause(
        Name("paul.p"),
        "carry.v",
        NounPhrase("knife.n", "pl", "my", ("small.a",), "three.m"),
        tense="past",
        negated=True,
        phrase=Phrase("with.d", NounPhrase("friend.n", determiner="every")),
        adverb="again.r",
    )
    words = tags(REALISER, clause)
    assert words[:7] == [
        ("Paul", "PROPN"),
        ("did", "AUX"),
        ("not", "PART"),
        ("carry", "VERB"),
        ("my", "PRON"),
        ("three", "NUM"),
        ("small", "ADJ"),
    ]
    assert set(words[7:]) == {
        ("knives", "NOUN"),
        ("with", "ADP"),
        ("every", "DET"),
        ("friend", "NOUN"),
        ("again", "ADV"),
        (".", "PUNCT"),
    }


def test_words_are_forms_of_their_concept_and_a_becomes_an_before_a_vowel() -> None:
    rng = random.Random(0)
    sampler = Sampler(rng, profile("en"))  # mass nouns have no plural there
    for _ in range(1500):
        words = REALISER.realise(sampler.sentence(), rng)
        for word, following in pairwise(words):
            if word.concept is not None:
                forms = REALISER.forms(word.concept)
                assert word.form in forms or word.form.lower() in forms
            if word.form.lower() in ("a", "an"):
                assert (word.form.lower() == "an") == (following.form[0] in "aeiou")
