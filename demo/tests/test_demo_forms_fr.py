"""French of the demo, against paradigms and sentences written out by hand."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from demo_sayings import any_sentence, sayings, tags

from demo.languages.fr import REALISER
from demo.meaning import (
    TRANSITIVE,
    Clause,
    Name,
    NounPhrase,
    Phrase,
    Pronoun,
    Sentence,
)

BOOK = NounPhrase("book.n", determiner="indefinite")


@pytest.mark.parametrize(
    ("concept", "forms"),
    [
        ("horse.n", "cheval chevaux"),
        ("bird.n", "oiseau oiseaux"),
        ("picture.n", "tableau tableaux"),
        ("knife.n", "couteau couteaux"),
        ("mouse.n", "souris"),
        ("bear.n", "ours"),
        ("woman.n", "femme femmes"),
        ("old.a", "vieux vieille vieilles vieil"),
        ("new.a", "nouveau nouvelle nouveaux nouvelles nouvel jeune jeunes"),
        ("white.a", "blanc blanche blancs blanches"),
        ("happy.a", "heureux heureuse heureuses"),
        ("good.a", "bon bonne bons bonnes"),
        ("expensive.a", "cher chère chers chères"),
        ("blue.a", "bleu bleue bleus bleues"),
    ],
)
def test_nouns_and_adjectives(concept: str, forms: str) -> None:
    assert REALISER.forms(concept) == forms.split()


@pytest.mark.parametrize(
    ("verb", "present", "past"),
    [
        ("see.v", "vois vois voit voyons voient", "vu"),
        ("buy.v", "achète achètes achète achetons achètent", "acheté"),
        ("eat.v", "mange manges mange mangeons mangent", "mangé"),
        ("sell.v", "vends vends vend vendons vendent", "vendu"),
        ("paint.v", "peins peins peint peignons peignent", "peint"),
        ("drink.v", "bois bois boit buvons boivent", "bu"),
        ("hear.v", "entends entends entend entendons entendent", "entendu"),
        ("sleep.v", "dors dors dort dormons dorment", "dormi"),
        ("run.v", "cours cours court courons courent", "couru"),
        ("laugh.v", "ris ris rit rions rient", "ri"),
        ("swim.v", "nage nages nage nageons nagent", "nagé"),
        ("wait.v", "attends attends attend attendons attendent", "attendu"),
    ],
)
def test_verbs(verb: str, present: str, past: str) -> None:
    obj = BOOK if verb in TRANSITIVE else None
    ending = " un livre." if obj else "."
    forms = present.split()
    subjects = ("i.o", "you.o", "she.o", "we.o", "they.o")
    pronouns = ("J'" if forms[0][0] in "ae" else "Je ", "Tu ", "Elle ", "Nous ", "Ils ")
    auxiliaries = ("J'ai ", "Tu as ", "Elle a ", "Nous avons ", "Ils ont ")
    for subject, pronoun, form, auxiliary in zip(
        subjects, pronouns, forms, auxiliaries, strict=True
    ):
        now = Clause(Pronoun(subject), verb, obj)
        assert pronoun + form + ending in sayings(REALISER, now, 20)
        then = Clause(Pronoun(subject), verb, obj, tense="past")
        assert auxiliary + past + ending in sayings(REALISER, then, 20)


def test_states_have_the_imparfait() -> None:
    def say(subject: str, verb: str) -> set[str]:
        return sayings(REALISER, Clause(Pronoun(subject), verb, Name("paul.p"), tense="past"))

    assert say("i.o", "love.v") == {"J'aimais Paul."}
    assert say("they.o", "know.v") == {"Ils connaissaient Paul."}
    assert say("we.o", "know.v") == {"Nous connaissions Paul.", "On connaissait Paul."}


def test_elision_and_forms_before_vowels() -> None:
    def subject(noun: str, determiner: str, *adjectives: str, number: str = "sg") -> set[str]:
        phrase = NounPhrase(noun, number, determiner, adjectives)  # type: ignore[arg-type]
        return sayings(REALISER, Clause(phrase, "sleep.v"))

    assert subject("friend.n", "definite") == {"L'ami dort."}
    assert subject("man.n", "this") == {"Cet homme dort."}
    assert subject("school.n", "my") == {"Mon école dort."}
    assert subject("school.n", "my", "small.a") == {"Ma petite école dort."}
    assert subject("bird.n", "this", "old.a") == {"Ce vieil oiseau dort."}
    assert subject("bird.n", "definite", "old.a", number="pl") == {"Les vieux oiseaux dorment."}
    assert subject("dog.n", "definite", "old.a") == {"Le vieux chien dort."}
    assert subject("bear.n", "indefinite", "new.a") == {"Un jeune ours dort."}
    assert subject("man.n", "indefinite", "sad.a", number="pl") == {"Des hommes tristes dorment."}
    assert subject("man.n", "indefinite", "good.a", number="pl") == {"De bons hommes dorment."}
    new = NounPhrase("answer.n", "sg", "indefinite", ("new.a",))
    assert sayings(REALISER, Clause(new, quality="good.a")) == {"Une nouvelle réponse est bonne."}
    words = tags(REALISER, Clause(NounPhrase("friend.n"), quality="happy.a", negated=True))
    assert words == [
        ("L'", "DET"),
        ("ami", "NOUN"),
        ("n'", "ADV"),
        ("est", "AUX"),
        ("pas", "ADV"),
        ("heureux", "ADJ"),
        (".", "PUNCT"),
    ]


def test_negation_turns_indefinite_objects_into_de() -> None:
    def negated(obj: NounPhrase, tense: str = "present", verb: str = "buy.v") -> set[str]:
        clause = Clause(Pronoun("he.o"), verb, obj, None, tense, True)  # type: ignore[arg-type]
        return sayings(REALISER, clause)

    assert negated(BOOK) == {"Il n'achète pas de livre."}
    bird = NounPhrase("bird.n", "pl", "indefinite")
    assert negated(bird, "past") == {"Il n'a pas acheté d'oiseaux."}
    two = NounPhrase("bird.n", "pl", "indefinite", (), "two.m")
    assert negated(two) == {"Il n'achète pas deux oiseaux."}
    assert negated(NounPhrase("book.n")) == {"Il n'achète pas le livre."}
    letter = NounPhrase("letter.n", determiner="indefinite")
    assert negated(letter, verb="answer.v") == {"Il ne répond pas à une lettre."}


def test_articles_after_prepositions() -> None:
    def said(preposition: str, noun: str, number: str = "sg", *adjectives: str) -> set[str]:
        phrase = NounPhrase(noun, number, "indefinite", adjectives)  # type: ignore[arg-type]
        clause = Clause(Pronoun("you.o"), "sleep.v", phrase=Phrase(preposition, phrase))
        return {one for one in sayings(REALISER, clause) if one.startswith("Tu")}

    assert said("without.d", "hat.n") == {"Tu dors sans chapeau."}
    assert said("without.d", "hat.n", "sg", "red.a") == {"Tu dors sans un chapeau rouge."}
    assert said("near.d", "house.n", "pl", "small.a") == {"Tu dors près de petites maisons."}
    assert said("near.d", "school.n") == {"Tu dors près d'une école."}
    assert said("with.d", "friend.n", "pl") == {"Tu dors avec des amis."}


def test_partitive_article() -> None:
    bread = NounPhrase("bread.n", "sg", "indefinite")
    words = tags(REALISER, Clause(Name("paul.p"), "eat.v", bread))
    assert words[2:4] == [("du", "DET"), ("pain", "NOUN")]
    paint = NounPhrase("paint.n", "sg", "indefinite")
    assert sayings(REALISER, Clause(Name("paul.p"), "find.v", paint)) == {
        "Paul trouve de la peinture."
    }
    assert sayings(REALISER, Clause(Name("paul.p"), "eat.v", bread, negated=True)) == {
        "Paul ne mange pas de pain."
    }


def test_only_places_put_the_subject_last() -> None:
    def said(preposition: str) -> set[str]:
        phrase = Phrase(preposition, NounPhrase("car.n"))
        return sayings(REALISER, Clause(NounPhrase("dog.n"), "sleep.v", phrase=phrase))

    assert "Dans la voiture dort le chien." in said("in.d")
    assert said("without.d") == {
        "Le chien dort sans la voiture.",
        "Sans la voiture, le chien dort.",
    }


def test_order_of_adjectives_around_the_noun() -> None:
    def objects(noun: str, *adjectives: str) -> set[str]:
        phrase = NounPhrase(noun, "sg", "definite", adjectives)
        return sayings(REALISER, Clause(Name("anna.p"), "see.v", phrase))

    assert objects("house.n", "big.a", "white.a") == {"Anne voit la grande maison blanche."}
    assert objects("garden.n", "small.a", "good.a") == {"Anne voit le bon petit jardin."}
    assert objects("car.n", "expensive.a", "red.a") == {
        "Anne voit la voiture rouge chère.",
        "Anne voit la voiture rouge et chère.",
    }


def test_adverbs_stand_after_the_finite_verb() -> None:
    clause = Clause(Pronoun("i.o"), "eat.v", BOOK, None, "past", True, adverb="often.r")
    assert sayings(REALISER, clause) == {"Je n'ai pas souvent mangé de livre."}
    again = Clause(Pronoun("i.o"), "swim.v", adverb="again.r")
    assert sayings(REALISER, again) == {"Je nage de nouveau.", "Je nage à nouveau."}


def test_reason_and_time() -> None:
    late = Clause(Pronoun("they.o"), "sleep.v", tense="past")
    rain = Clause(Name("sofia.p"), "wait.v", tense="past")
    assert sayings(REALISER, Sentence(rain, "because.s", late)) == {
        "Sophie a attendu parce qu'ils ont dormi.",
        "Sophie a attendu, car ils ont dormi.",
    }
    assert sayings(REALISER, Sentence(rain, "when.s", late)) == {
        "Sophie a attendu quand ils ont dormi.",
        "Sophie a attendu lorsqu'ils ont dormi.",
        "Quand ils ont dormi, Sophie a attendu.",
        "Lorsqu'ils ont dormi, Sophie a attendu.",
    }


def test_every_word_of_a_concept_is_one_of_its_forms() -> None:
    rng = random.Random(0)
    for _ in range(800):
        for word in REALISER.realise(any_sentence(rng), rng):
            if word.concept is not None:
                forms = REALISER.forms(word.concept)
                assert word.form in forms or word.form.lower() in forms


def test_no_elidable_word_stays_whole_before_a_vowel() -> None:
    rng = random.Random(1)
    for _ in range(800):
        words = REALISER.realise(any_sentence(rng), rng)
        for word, following in pairwise(words):
            if word.form.lower() in ("le", "la", "de", "ne", "je", "que", "ce", "ma", "lorsque"):
                assert following.form[0].lower() not in "aeéhiou", (word, following)
            if word.form.endswith("'"):
                assert not word.space_after
                assert following.form[0].lower() in "aeéhiou"
