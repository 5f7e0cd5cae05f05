"""Spanish of the demo, against paradigms and sentences written out by hand."""

from __future__ import annotations

import random

import pytest
from demo_sayings import any_sentence, sayings, tags

from demo.languages.es import REALISER
from demo.meaning import Clause, Name, NounPhrase, Phrase, Pronoun, Sentence

BOOK = NounPhrase("book.n", determiner="indefinite")
PERSONS = ("i.o", "you.o", "he.o", "we.o", "they.o")


@pytest.mark.parametrize(
    ("concept", "forms"),
    [
        ("woman.n", "mujer mujeres"),
        ("painter.n", "pintor pintores"),
        ("mouse.n", "ratón ratones"),
        ("bread.n", "pan panes"),
        ("city.n", "ciudad ciudades"),
        ("garden.n", "jardín jardines"),
        ("student.n", "estudiante estudiantes"),
        ("big.a", "grande grandes gran"),
        ("good.a", "bueno buena buenos buenas buen"),
        ("happy.a", "feliz felices"),
        ("weak.a", "débil débiles"),
        ("new.a", "nuevo nueva nuevos nuevas joven jóvenes"),
    ],
)
def test_nouns_and_adjectives(concept: str, forms: str) -> None:
    assert REALISER.forms(concept) == forms.split()


@pytest.mark.parametrize(
    ("verb", "present", "past"),
    [
        (
            "run.v",
            "corro corres corre corremos corren",
            "corrí corriste corrió corrimos",
        ),
        ("sing.v", "canto cantas canta cantamos cantan", "canté cantaste cantó cantamos cantaron"),
        (
            "sleep.v",
            "duermo duermes duerme dormimos duermen",
            "dormí dormiste durmió dormimos durmieron",
        ),
        ("laugh.v", "río ríes ríe reímos ríen", "reí reíste rio reímos rieron"),
        ("see.v", "veo ves ve vemos ven", "vi viste vio vimos vieron"),
        ("hear.v", "oigo oyes oye oímos oyen", "oí oíste oyó oímos oyeron"),
        ("bring.v", "traigo traes trae traemos traen", "traje trajiste trajo trajimos trajeron"),
        (
            "know.v",
            "conozco conoces conoce conocemos conocen",
            "conocía conocías conocía conocíamos conocían",
        ),
        ("lose.v", "pierdo pierdes pierde perdemos pierden", "perdí perdiste perdió perdimos"),
        ("find.v", "encuentro encuentras encuentra encontramos encuentran", "encontré"),
        ("love.v", "amo amas ama amamos aman", "amaba amabas amaba amábamos amaban"),
    ],
)
def test_verbs(verb: str, present: str, past: str) -> None:
    for tense, forms in (("present", present), ("past", past)):
        for pronoun, form in zip(PERSONS, forms.split(), strict=False):
            obj = BOOK if verb not in ("run.v", "sing.v", "sleep.v", "laugh.v") else None
            said = sayings(REALISER, Clause(Pronoun(pronoun), verb, obj, tense=tense), 5)
            ending = " un libro." if obj else "."
            assert form.capitalize() + ending in said


def test_personal_a_before_persons_names_and_known_animals() -> None:
    def seen(obj: NounPhrase | Name, verb: str = "see.v") -> set[str]:
        return sayings(REALISER, Clause(Name("anna.p"), verb, obj, tense="past"))

    assert seen(NounPhrase("man.n")) == {"Ana vio a el hombre."}
    assert seen(Name("peter.p")) == {"Ana vio a Pedro."}
    assert seen(NounPhrase("dog.n", determiner="my")) == {"Ana vio a mi perro."}
    assert seen(NounPhrase("dog.n", determiner="indefinite")) == {"Ana vio un perro."}
    assert seen(NounPhrase("house.n")) == {"Ana vio la casa."}
    assert seen(NounPhrase("cow.n"), "buy.v") == {"Ana compró la vaca."}


def test_adjectives_agree_and_shorten_before_the_noun() -> None:
    def object_with(*adjectives: str, noun: str, number: str = "sg") -> set[str]:
        phrase = NounPhrase(noun, number, "definite", adjectives)  # type: ignore[arg-type]
        return sayings(REALISER, Clause(Pronoun("we.o"), "buy.v", phrase), 300)

    assert {"Compramos el buen libro.", "Compramos el libro bueno."} <= object_with(
        "good.a", noun="book.n"
    )
    assert "Compramos la buena mesa." in object_with("good.a", noun="table.n")
    assert "Compramos los malos libros." in object_with("bad.a", noun="book.n", number="pl")
    assert "Compramos la gran casa." in object_with("big.a", noun="house.n")
    assert "Compramos las grandes casas." in object_with("big.a", noun="house.n", number="pl")
    assert {"Compramos la taza roja cara.", "Compramos la taza roja y cara."} <= object_with(
        "expensive.a", "red.a", noun="cup.n"
    )
    said = object_with("new.a", noun="horse.n")
    assert any("el caballo joven" in one for one in said)


def test_a_big_friend_is_not_a_great_friend() -> None:
    for noun, big in (("friend.n", "amigo grande"), ("bear.n", "oso grande")):
        phrase = NounPhrase(noun, "sg", "indefinite", ("big.a",))
        said = sayings(REALISER, Clause(phrase, "see.v", NounPhrase("book.n")))
        assert said == {f"Un {big} ve el libro."}


def test_nobody_in_particular_under_negation_and_after_sin() -> None:
    def unseen(noun: str, verb: str = "see.v", numeral: str | None = None) -> set[str]:
        obj = NounPhrase(noun, "pl", "indefinite", (), numeral)
        clause = Clause(Name("anna.p"), verb, obj, None, "past", True)
        return sayings(REALISER, clause)

    assert unseen("house.n") == {"Ana no vio casas."}
    assert unseen("dog.n") == {"Ana no vio perros."}
    assert unseen("man.n") == {"Ana no vio hombres."}
    assert unseen("man.n", numeral="two.m") == {"Ana no vio a dos hombres."}
    assert unseen("man.n", "help.v") == {"Ana no ayudó a hombres."}
    assert unseen("man.n", "answer.v") == {"Ana no contestó a hombres."}
    without = Phrase("without.d", NounPhrase("flower.n", "pl", "indefinite"))
    said = sayings(REALISER, Clause(Name("anna.p"), "buy.v", NounPhrase("book.n"), phrase=without))
    assert said == {"Ana compra el libro sin flores.", "Sin flores Ana compra el libro."}


def test_two_copulas() -> None:
    sad = Clause(NounPhrase("girl.n"), quality="sad.a", tense="past", negated=True)
    assert sayings(REALISER, sad) == {"La niña no estaba triste."}
    strong = Clause(NounPhrase("bridge.n", "pl"), quality="strong.a")
    assert sayings(REALISER, strong) == {"Los puentes son fuertes."}
    assert tags(REALISER, strong) == [
        ("Los", "DET"),
        ("puentes", "NOUN"),
        ("son", "AUX"),
        ("fuertes", "ADJ"),
        (".", "PUNCT"),
    ]


def test_numerals_every_and_prepositions() -> None:
    dogs = NounPhrase("dog.n", "pl", "this", (), "two.m")
    near = Phrase("near.d", NounPhrase("river.n"))
    assert "Estos dos perros no duermen cerca de el río." in sayings(
        REALISER, Clause(dogs, "sleep.v", negated=True, phrase=near)
    )
    every = NounPhrase("school.n", determiner="every")
    assert "Tres niñas cantan en cada escuela." in sayings(
        REALISER,
        Clause(
            NounPhrase("girl.n", "pl", "indefinite", (), "three.m"),
            "sing.v",
            phrase=Phrase("in.d", every),
        ),
    )


def test_inversion_and_dropped_pronouns_are_choices() -> None:
    said = sayings(REALISER, Clause(Name("maria.p"), "sing.v"))
    assert said == {"María canta.", "Canta María."}
    said = sayings(REALISER, Clause(Pronoun("she.o"), quality="happy.a"))
    assert said == {"Ella está feliz.", "Está feliz."}


def test_time_clause_before_or_after() -> None:
    sentence = Sentence(
        Clause(Pronoun("i.o"), "laugh.v", tense="past"),
        "when.s",
        Clause(Name("paul.p"), "lose.v", NounPhrase("hat.n"), tense="past"),
    )
    said = sayings(REALISER, sentence)
    assert "Reí cuando Pablo perdió el sombrero." in said
    assert "Cuando Pablo perdió el sombrero, reí." in said


def test_every_word_of_a_concept_is_one_of_its_forms() -> None:
    rng = random.Random(0)
    for _ in range(800):
        for word in REALISER.realise(any_sentence(rng), rng):
            if word.concept is not None:
                forms = REALISER.forms(word.concept)
                assert word.form in forms or word.form.lower() in forms
