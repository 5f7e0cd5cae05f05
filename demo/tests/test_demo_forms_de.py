"""German forms and sentences against tables written out by hand."""

from __future__ import annotations

import random
from itertools import product

import pytest

from demo.languages.de import (
    CASES,
    REALISER,
    adjective_form,
    determiner_form,
    noun_form,
    verb_form,
)
from demo.meaning import (
    ADJECTIVES,
    ADVERBS,
    COORDINATORS,
    INTRANSITIVE,
    NAMES,
    NOUNS,
    NUMERALS,
    PREPOSITIONS,
    PRONOUNS,
    SUBORDINATORS,
    TRANSITIVE,
    VERBS,
    Clause,
    Name,
    NounPhrase,
    Phrase,
    Pronoun,
    Sentence,
)

HE, ME, THEY = Pronoun("he.o"), Pronoun("i.o"), Pronoun("they.o")

# nominative, accusative, dative, genitive; singular, then plural
DECLENSIONS = {
    "bear.n": "Bär Bären Bären Bären Bären Bären Bären Bären",
    "boy.n": "Junge Jungen Jungen Jungen Jungen Jungen Jungen Jungen",
    "neighbour.n": "Nachbar Nachbarn Nachbarn Nachbarn Nachbarn Nachbarn Nachbarn Nachbarn",
    "farmer.n": "Bauer Bauern Bauern Bauern Bauern Bauern Bauern Bauern",
    "dog.n": "Hund Hund Hund Hundes Hunde Hunde Hunden Hunde",
    "apple.n": "Apfel Apfel Apfel Apfels Äpfel Äpfel Äpfeln Äpfel",
    "girl.n": "Mädchen Mädchen Mädchen Mädchens Mädchen Mädchen Mädchen Mädchen",
    "house.n": "Haus Haus Haus Hauses Häuser Häuser Häusern Häuser",
    "car.n": "Auto Auto Auto Autos Autos Autos Autos Autos",
    "mouse.n": "Maus Maus Maus Maus Mäuse Mäuse Mäusen Mäuse",
    "cat.n": "Katze Katze Katze Katze Katzen Katzen Katzen Katzen",
    "garden.n": "Garten Garten Garten Gartens Gärten Gärten Gärten Gärten",
    "knife.n": "Messer Messer Messer Messers Messer Messer Messern Messer",
}

# ich, du, er, wir; present, then past
CONJUGATIONS = {
    "see.v": "sehe siehst sieht sehen sah sahst sah sahen",
    "eat.v": "esse isst isst essen aß aßest aß aßen",
    "carry.v": "trage trägst trägt tragen trug trugst trug trugen",
    "find.v": "finde findest findet finden fand fandest fand fanden",
    "lose.v": "verliere verlierst verliert verlieren verlor verlorst verlor verloren",
    "know.v": "kenne kennst kennt kennen kannte kanntest kannte kannten",
    "help.v": "helfe hilfst hilft helfen half halfst half halfen",
    "wash.v": "wasche wäschst wäscht waschen wusch wuschst wusch wuschen",
    "bring.v": "bringe bringst bringt bringen brachte brachtest brachte brachten",
    "drink.v": "trinke trinkst trinkt trinken trank trankst trank tranken",
    "sleep.v": "schlafe schläfst schläft schlafen schlief schliefst schlief schliefen",
    "run.v": "laufe läufst läuft laufen lief liefst lief liefen",
    "sing.v": "singe singst singt singen sang sangst sang sangen",
    "swim.v": "schwimme schwimmst schwimmt schwimmen schwamm schwammst schwamm schwammen",
    "work.v": "arbeite arbeitest arbeitet arbeiten arbeitete arbeitetest arbeitete arbeiteten",
    "wait.v": "warte wartest wartet warten wartete wartetest wartete warteten",
    "buy.v": "kaufe kaufst kauft kaufen kaufte kauftest kaufte kauften",
}

# masculine, feminine, neuter, plural; nominative, accusative, dative
NOUN_PHRASES = {
    "definite": [
        ["der alte Hund", "die alte Kuh", "das alte Haus", "die alten Hunde"],
        ["den alten Hund", "die alte Kuh", "das alte Haus", "die alten Hunde"],
        ["dem alten Hund", "der alten Kuh", "dem alten Haus", "den alten Hunden"],
    ],
    "indefinite": [
        ["ein alter Hund", "eine alte Kuh", "ein altes Haus", "alte Hunde"],
        ["einen alten Hund", "eine alte Kuh", "ein altes Haus", "alte Hunde"],
        ["einem alten Hund", "einer alten Kuh", "einem alten Haus", "alten Hunden"],
    ],
    "this": [
        ["dieser alte Hund", "diese alte Kuh", "dieses alte Haus", "diese alten Hunde"],
        ["diesen alten Hund", "diese alte Kuh", "dieses alte Haus", "diese alten Hunde"],
        ["diesem alten Hund", "dieser alten Kuh", "diesem alten Haus", "diesen alten Hunden"],
    ],
    "my": [
        ["mein alter Hund", "meine alte Kuh", "mein altes Haus", "meine alten Hunde"],
        ["meinen alten Hund", "meine alte Kuh", "mein altes Haus", "meine alten Hunde"],
        ["meinem alten Hund", "meiner alten Kuh", "meinem alten Haus", "meinen alten Hunden"],
    ],
    "no": [
        ["kein alter Hund", "keine alte Kuh", "kein altes Haus", "keine alten Hunde"],
        ["keinen alten Hund", "keine alte Kuh", "kein altes Haus", "keine alten Hunde"],
        ["keinem alten Hund", "keiner alten Kuh", "keinem alten Haus", "keinen alten Hunden"],
    ],
    "every": [
        ["jeder alte Hund", "jede alte Kuh", "jedes alte Haus"],
        ["jeden alten Hund", "jede alte Kuh", "jedes alte Haus"],
        ["jedem alten Hund", "jeder alten Kuh", "jedem alten Haus"],
    ],
}


def ways(sentence: Sentence, draws: int = 400) -> set[str]:
    """Every text that the realiser gives a meaning."""
    texts = set()
    for seed in range(draws):
        words = REALISER.realise(sentence, random.Random(seed))
        texts.add("".join(w.form + " " * w.space_after for w in words).strip())
    return texts


@pytest.mark.parametrize("concept", DECLENSIONS)
def test_declension(concept: str) -> None:
    cells = [noun_form(concept, number, case) for number in ("sg", "pl") for case in CASES]
    assert cells == DECLENSIONS[concept].split()


@pytest.mark.parametrize("concept", CONJUGATIONS)
def test_conjugation(concept: str) -> None:
    persons = ("1sg", "2sg", "3sg", "1pl")
    cells = [verb_form(concept, tense, p) for tense in ("present", "past") for p in persons]
    assert cells == CONJUGATIONS[concept].split()
    assert verb_form(concept, "past", "3pl") == cells[-1]


@pytest.mark.parametrize("determiner", NOUN_PHRASES)
def test_determiners_adjectives_and_nouns_agree(determiner: str) -> None:
    nouns = ("dog.n", "cow.n", "house.n", "dog.n")
    for row, case in zip(NOUN_PHRASES[determiner], CASES, strict=False):
        for column, expected in enumerate(row):
            number = "pl" if column == 3 else "sg"
            words = [
                determiner_form(determiner, column, case),
                adjective_form("old.a", determiner, column, case),
                noun_form(nouns[column], number, case),
            ]
            assert " ".join(filter(None, words)) == expected


def test_adjectives_with_a_changing_stem_or_reading() -> None:
    assert adjective_form("expensive.a", "my", 0, "nom") == "teurer"
    assert adjective_form("expensive.a", "definite", 0, "acc") == "teuren"
    assert adjective_form("new.a", "indefinite", 2, "nom") == "neues"
    assert adjective_form("new.a", "indefinite", 2, "nom", animate=True) == "junges"


DOG, A_DOG = NounPhrase("dog.n"), NounPhrase("dog.n", determiner="indefinite")
EVERY_DOG = NounPhrase("dog.n", determiner="every")
TWO_DOGS = NounPhrase("dog.n", "pl", "indefinite", ("big.a",), "two.m")
IN_GARDEN = Phrase("in.d", NounPhrase("garden.n"))

SENTENCES = {
    # negation: nicht after a definite object, kein for an indefinite one
    Clause(HE, "see.v", DOG, negated=True): {
        "Er sieht den Hund nicht.",
        "Den Hund sieht er nicht.",
    },
    Clause(HE, "see.v", A_DOG, negated=True): {"Er sieht keinen Hund."},
    Clause(HE, "help.v", A_DOG, tense="past", negated=True): {"Er half keinem Hund."},
    Clause(HE, "see.v", NounPhrase("cat.n", "pl", "indefinite", ("new.a",)), negated=True): {
        "Er sieht keine jungen Katzen."
    },
    Clause(HE, "see.v", A_DOG, negated=True, adverb="often.r"): {"Er sieht nicht oft einen Hund."},
    Clause(HE, "see.v", EVERY_DOG, negated=True): {"Er sieht nicht jeden Hund."},
    Clause(HE, "see.v", TWO_DOGS, negated=True): {"Er sieht nicht zwei große Hunde."},
    Clause(ME, quality="good.a", negated=True, adverb="always.r"): {"Ich bin nicht immer gut."},
    Clause(ME, "sleep.v", negated=True, phrase=IN_GARDEN): {
        "Ich schlafe nicht in dem Garten.",
        "In dem Garten schlafe ich nicht.",
    },
    Clause(Name("anna.p"), "see.v", DOG, negated=True, adverb="today.r"): {
        "Anna sieht heute den Hund nicht.",
        "Heute sieht Anna den Hund nicht.",
        "Den Hund sieht Anna heute nicht.",
    },
    # numerals in an oblique case, after each kind of determiner
    Clause(ME, "help.v", TWO_DOGS): {"Ich helfe zwei großen Hunden."},
    Clause(ME, "sleep.v", phrase=Phrase("with.d", TWO_DOGS)): {
        "Ich schlafe mit zwei großen Hunden.",
        "Mit zwei großen Hunden schlafe ich.",
    },
    Clause(ME, "help.v", NounPhrase("dog.n", "pl", "this", ("big.a",), "three.m")): {
        "Ich helfe diesen drei großen Hunden.",
        "Diesen drei großen Hunden helfe ich.",
    },
    Clause(NounPhrase("dog.n", "pl", "my", ("big.a",), "five.m"), "sleep.v"): {
        "Meine fünf großen Hunde schlafen."
    },
    Clause(NounPhrase("dog.n", "pl", "indefinite", ("big.a",), "five.m"), "sleep.v"): {
        "Fünf große Hunde schlafen."
    },
    # "without" takes the accusative; weak nouns decline
    Clause(THEY, "sing.v", phrase=Phrase("without.d", NounPhrase("bear.n", "sg", "my"))): {
        "Sie singen ohne meinen Bären.",
        "Ohne meinen Bären singen sie.",
    },
    Clause(NounPhrase("boy.n", determiner="every"), "love.v", NounPhrase("soldier.n")): {
        "Jeder Junge liebt den Soldaten.",
        "Den Soldaten liebt jeder Junge.",
    },
    # animals eat otherwise than people
    Clause(NounPhrase("mouse.n"), "eat.v", A_DOG, tense="past"): {"Die Maus fraß einen Hund."},
    Clause(ME, "eat.v", A_DOG, tense="past"): {"Ich aß einen Hund."},
    # to answer a person, to answer a letter
    Clause(HE, "answer.v", Name("maria.p")): {"Er antwortet Maria."},
    Clause(HE, "answer.v", NounPhrase("letter.n", determiner="every")): {
        "Er beantwortet jeden Brief."
    },
}


@pytest.mark.parametrize("clause", SENTENCES, ids=lambda c: min(SENTENCES[c]))
def test_all_ways_to_say_a_clause(clause: Clause) -> None:
    assert ways(Sentence(clause)) == SENTENCES[clause]


def test_subordinate_clauses_end_in_the_verb() -> None:
    laugh = Clause(HE, "laugh.v")
    help_dog = Clause(Pronoun("she.o"), "help.v", DOG, negated=True)
    assert ways(Sentence(laugh, "because.s", help_dog)) == {
        "Er lacht, weil sie dem Hund nicht hilft.",
        "Er lacht, da sie dem Hund nicht hilft.",
        "Er lacht, denn sie hilft dem Hund nicht.",
        "Er lacht, denn dem Hund hilft sie nicht.",
        "Weil sie dem Hund nicht hilft, lacht er.",
        "Da sie dem Hund nicht hilft, lacht er.",
    }


def test_when_is_als_once_in_the_past_and_wenn_otherwise() -> None:
    def pair(tense: str, adverb: str | None) -> Sentence:
        first = Clause(HE, "laugh.v", tense=tense, negated=True, adverb=adverb)
        return Sentence(first, "when.s", Clause(THEY, quality="sad.a", tense=tense))

    assert ways(pair("present", None)) == {
        "Er lacht nicht, wenn sie traurig sind.",
        "Wenn sie traurig sind, lacht er nicht.",
    }
    assert ways(pair("past", None)) == {
        "Er lachte nicht, als sie traurig waren.",
        "Als sie traurig waren, lachte er nicht.",
    }
    assert ways(pair("past", "always.r")) == {
        "Er lachte nicht immer, wenn sie traurig waren.",
        "Wenn sie traurig waren, lachte er nicht immer.",
    }


def test_coordination() -> None:
    laugh, sing = Clause(HE, "laugh.v"), Clause(ME, "sing.v")
    assert ways(Sentence(laugh, "and.c", sing)) == {"Er lacht und ich singe."}
    assert ways(Sentence(laugh, "but.c", sing)) == {"Er lacht, aber ich singe."}
    same = Sentence(laugh, "and.c", Clause(HE, "sing.v"))
    assert ways(same) == {"Er lacht und er singt.", "Er lacht und singt."}


def test_tags() -> None:
    phrase = NounPhrase("dog.n", "pl", "my", ("big.a",), "two.m")
    clause = Clause(HE, "see.v", phrase, negated=True)
    words = REALISER.realise(Sentence(clause, "because.s", Clause(HE, quality="bad.a")), Lowest())
    assert [(w.form, w.upos, w.concept) for w in words] == [
        ("Er", "PRON", "he.o"),
        ("sieht", "VERB", "see.v"),
        ("meine", "DET", None),
        ("zwei", "NUM", "two.m"),
        ("großen", "ADJ", "big.a"),
        ("Hunde", "NOUN", "dog.n"),
        ("nicht", "PART", None),
        (",", "PUNCT", None),
        ("weil", "SCONJ", "because.s"),
        ("er", "PRON", "he.o"),
        ("schlecht", "ADJ", "bad.a"),
        ("ist", "AUX", None),
        (".", "PUNCT", None),
    ]
    assert [w.form for w in words if not w.space_after] == ["nicht", "ist"]


class Lowest(random.Random):
    """Draws so high that no rarer way is taken."""

    def random(self) -> float:
        return 0.999


def test_every_realised_word_is_a_form_of_its_concept() -> None:
    people = [Pronoun(p) for p in PRONOUNS] + [Name(n) for n in NAMES]
    phrases = [
        NounPhrase(noun, number, determiner, (adjective,), numeral)
        for noun, adjective in zip(NOUNS, 3 * ADJECTIVES, strict=False)
        for number, determiner, numeral in [
            ("sg", "every", None),
            ("sg", "indefinite", None),
            ("pl", "definite", None),
            ("pl", "indefinite", "two.m"),
        ]
    ]
    rng = random.Random(1)
    clauses = []
    for concept, tense in product(VERBS, ("present", "past")):
        for subject in (*people, *rng.sample(phrases, 6)):
            clauses.append(
                Clause(
                    subject,
                    concept,
                    rng.choice(phrases) if concept in TRANSITIVE else None,
                    tense=tense,
                    negated=rng.random() < 0.4,
                    phrase=Phrase(rng.choice(PREPOSITIONS), rng.choice(phrases)),
                    adverb=rng.choice(ADVERBS),
                )
            )
    clauses += [Clause(subject, quality=a) for a in ADJECTIVES for subject in (HE, phrases[-1])]
    clauses += [Clause(p, "see.v", p) for p in phrases]
    links = (*COORDINATORS, *SUBORDINATORS)
    seen = set()
    for clause in clauses:
        sentence = Sentence(clause, rng.choice(links), rng.choice(clauses))
        words = REALISER.realise(sentence, rng)
        assert words[0].form[0].isupper()
        assert words[-1].form == "."
        assert not words[-2].space_after
        for index, word in enumerate(words):
            if word.concept is None:
                continue
            seen.add(word.concept)
            forms = REALISER.forms(word.concept)
            first = word.form[0].lower() + word.form[1:]
            assert word.form in forms or (index == 0 and first in forms)
    lexicon = {*NOUNS, *VERBS, *ADJECTIVES, *NAMES, *PRONOUNS, *NUMERALS[:1], *ADVERBS}
    assert seen >= lexicon | {*PREPOSITIONS, *links}


def test_forms_start_with_the_citation_form_and_repeat_nothing() -> None:
    assert REALISER.forms("see.v")[0] == "sehen"
    assert REALISER.forms("bear.n") == ["Bär", "Bären"]
    assert REALISER.forms("expensive.a")[:2] == ["teuer", "teure"]
    for concept in (*NOUNS, *VERBS, *ADJECTIVES, *NUMERALS, *INTRANSITIVE):
        forms = REALISER.forms(concept)
        assert len(forms) == len(set(forms)) > 0


def test_unknown_concept() -> None:
    with pytest.raises(KeyError):
        REALISER.forms("unicorn.n")


def test_same_state_of_the_generator_gives_the_same_words() -> None:
    sentence = Sentence(Clause(HE, "see.v", DOG, adverb="there.r", phrase=IN_GARDEN))
    for seed in range(20):
        assert REALISER.realise(sentence, random.Random(seed)) == REALISER.realise(
            sentence, random.Random(seed)
        )


def test_other_constituents_than_the_subject_open_main_clauses_often() -> None:
    sentence = Sentence(Clause(HE, "see.v", DOG, adverb="today.r", phrase=IN_GARDEN))
    openers = [REALISER.realise(sentence, random.Random(s))[0].concept for s in range(500)]
    assert 0.5 < sum(concept != "he.o" for concept in openers) / 500 < 0.85
    bare = Sentence(Clause(HE, "see.v", DOG))
    openers = [REALISER.realise(bare, random.Random(s))[0].concept for s in range(500)]
    assert 0.02 < sum(concept != "he.o" for concept in openers) / 500 < 0.15
