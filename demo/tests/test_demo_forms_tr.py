"""Turkish of the demo, against paradigms and sentences written out by hand."""

from __future__ import annotations

import random
from functools import cache

import pytest
from demo_sayings import any_sentence, sayings, tags

from demo.languages.tr import REALISER
from demo.meaning import Clause, Name, NounPhrase, Phrase, Pronoun, Sentence


@pytest.mark.parametrize(
    "table",
    [
        "book.n kitap kitabı kitaba kitabın kitapta kitapla kitaplar kitabım kitabımı kitaplarım",
        "dog.n köpek köpeği köpeğe köpeğin köpekte köpekle köpekler köpeğim köpeğimi köpeklerim",
        "horse.n at atı ata atın atta atla atlar atım atımı atlarım",
        "cat.n kedi kediyi kediye kedinin kedide kediyle kediler kedim kedimi kedilerim",
        "picture.n resim resmi resme resmin resimde resimle resimler resmim resmimi resimlerim",
        "city.n şehir şehri şehre şehrin şehirde şehirle şehirler şehrim şehrimi şehirlerim",
        "river.n nehir nehri nehre nehrin nehirde nehirle nehirler nehrim nehrimi nehirlerim",
        "street.n sokak sokağı sokağa sokağın sokakta sokakla sokaklar sokağım sokağımı "
        "sokaklarım",
        "ball.n top topu topa topun topta topla toplar topum topumu toplarım",
        "stone.n taş taşı taşa taşın taşta taşla taşlar taşım taşımı taşlarım",
        "driver.n şoför şoförü şoföre şoförün şoförde şoförle şoförler şoförüm şoförümü "
        "şoförlerim",
        "bridge.n köprü köprüyü köprüye köprünün köprüde köprüyle köprüler köprüm köprümü "
        "köprülerim",
        "apple.n elma elmayı elmaya elmanın elmada elmayla elmalar elmam elmamı elmalarım",
        "neighbour.n komşu komşuyu komşuya komşunun komşuda komşuyla komşular komşum komşumu "
        "komşularım",
    ],
)
def test_noun_cases(table: str) -> None:
    """Nominative, accusative, dative, genitive, locative, instrumental; plural; my."""
    concept, *expected = table.split()
    forms = REALISER.forms(concept)
    assert forms[:6] == expected[:6]
    assert forms[6] == expected[6]
    assert [forms[12], forms[13], forms[18]] == expected[7:]
    assert len(forms) == 24


def test_names_have_an_apostrophe() -> None:
    expected = "Anna Anna'yı Anna'ya Anna'nın Anna'da Anna'yla"
    assert REALISER.forms("anna.p") == expected.split()
    expected = "Peter Peter'i Peter'e Peter'in Peter'de Peter'le"
    assert REALISER.forms("peter.p") == expected.split()
    assert "Viktor'u" in REALISER.forms("victor.p")


@pytest.mark.parametrize(
    "table",
    [
        "see.v görmek görüyor gördü görmüyor görmedi gördüğünde",
        "buy.v almak alıyor aldı almıyor almadı aldığında",
        "sell.v satmak satıyor sattı satmıyor satmadı sattığında",
        "eat.v yemek yiyor yedi yemiyor yemedi yediğinde",
        "carry.v taşımak taşıyor taşıdı taşımıyor taşımadı taşıdığında",
        "find.v bulmak buluyor buldu bulmuyor bulmadı bulduğunda",
        "lose.v kaybetmek kaybediyor kaybetti kaybetmiyor kaybetmedi kaybettiğinde",
        "love.v sevmek seviyor seviyordu sevmiyor sevmiyordu sevdiğinde",
        "help.v etmek ediyor etti etmiyor etmedi ettiğinde",
        "paint.v boyamak boyuyor boyadı boyamıyor boyamadı boyadığında",
        "wash.v yıkamak yıkıyor yıkadı yıkamıyor yıkamadı yıkadığında",
        "drink.v içmek içiyor içti içmiyor içmedi içtiğinde",
        "sleep.v uyumak uyuyor uyudu uyumuyor uyumadı uyuduğunda",
        "run.v koşmak koşuyor koştu koşmuyor koşmadı koştuğunda",
        "sing.v söylemek söylüyor söyledi söylemiyor söylemedi söylediğinde",
        "wait.v beklemek bekliyor bekledi beklemiyor beklemedi beklediğinde",
        "swim.v yüzmek yüzüyor yüzdü yüzmüyor yüzmedi yüzdüğünde",
    ],
)
def test_verbs_in_the_third_person(table: str) -> None:
    concept, *expected = table.split()
    forms = REALISER.forms(concept)
    assert forms[0] == expected[0]
    assert [forms[i] for i in (3, 8)] == expected[1:3]
    assert set(expected) <= set(forms)


def test_personal_endings() -> None:
    forms = REALISER.forms("see.v")
    present = "görüyorum görüyorsun görüyor görüyoruz görüyorlar"
    past = "gördüm gördün gördü gördük gördüler"
    assert forms[1:11] == [*present.split(), *past.split()]
    state = "biliyordum biliyordun biliyordu biliyorduk biliyorlardı"
    assert set(state.split()) <= set(REALISER.forms("know.v"))
    when = "gördüğümde gördüğünde gördüğümüzde gördüklerinde görmediğimde görmediklerinde"
    assert set(when.split()) <= set(forms)


def _said(clause: Clause, *, by: str = "") -> set[str]:
    return {one for one in sayings(REALISER, clause) if one.startswith(by)}


def test_definite_objects_are_accusative_and_indefinite_things_bare() -> None:
    def bought(determiner: str, number: str = "sg", numeral: str | None = None) -> set[str]:
        phrase = NounPhrase("book.n", number, determiner, (), numeral)  # type: ignore[arg-type]
        return _said(Clause(Pronoun("i.o"), "buy.v", phrase, tense="past"))

    assert {"Kitabı aldım.", "Ben kitabı aldım."} <= bought("definite")
    assert bought("indefinite") == {"Bir kitap aldım.", "Ben bir kitap aldım."}
    assert "Kitapları aldım." in bought("definite", "pl")
    assert "Kitaplar aldım." in bought("indefinite", "pl")
    assert "İki kitap aldım." in bought("indefinite", "pl", "two.m")
    assert "İki kitabı aldım." in bought("definite", "pl", "two.m")
    assert "Bu üç kitabı aldım." in bought("this", "pl", "three.m")
    assert {"Kitabımı aldım.", "Benim kitabımı aldım."} <= bought("my")
    assert "Her kitabı aldım." in bought("every")
    friend = NounPhrase("friend.n", "pl", "indefinite")
    assert "Bazı arkadaşları seviyorum." in _said(Clause(Pronoun("i.o"), "love.v", friend))
    anna = Clause(Pronoun("we.o"), "hear.v", Name("anna.p"), negated=True)
    assert "Anna'yı duymuyoruz." in _said(anna)
    answer = Clause(Pronoun("i.o"), "know.v", NounPhrase("answer.n"))
    assert "Cevabı biliyorum." in _said(answer)
    help_ = Clause(Pronoun("you.o"), "help.v", NounPhrase("cow.n"), tense="past")
    assert "İneğe yardım ettin." in _said(help_)


def test_phrases() -> None:
    def slept(preposition: str, phrase: NounPhrase | Name) -> set[str]:
        return _said(Clause(Name("paul.p"), "sleep.v", phrase=Phrase(preposition, phrase)))

    house = NounPhrase("house.n")
    assert {"Paul evde uyuyor.", "Evin içinde Paul uyuyor."} <= slept("in.d", house)
    assert "Paul evimin arkasında uyuyor." in slept("behind.d", NounPhrase("house.n", "sg", "my"))
    assert "Paul Anna'nın yakınında uyuyor." in slept("near.d", Name("anna.p"))
    dogs = NounPhrase("dog.n", "pl", "definite")
    assert {"Paul köpeklerle uyuyor.", "Paul köpekler ile uyuyor."} <= slept("with.d", dogs)
    assert "Paul bir şapka olmadan uyuyor." in slept(
        "without.d", NounPhrase("hat.n", "sg", "indefinite")
    )


def test_copula() -> None:
    def is_(pronoun: str, quality: str, tense: str = "present", negated: bool = False) -> set[str]:
        return _said(
            Clause(Pronoun(pronoun), None, None, quality, tense, negated)  # type: ignore[arg-type]
        )

    assert "Büyüğüm." in is_("i.o", "big.a")
    assert "Gencim." in is_("i.o", "new.a")
    assert "Yaşlıyız." in is_("we.o", "old.a")
    assert "İyisin." in is_("you.o", "good.a")
    assert is_("he.o", "happy.a") == {"O mutlu."}
    assert "Küçüktük." in is_("we.o", "small.a", "past")
    assert "Mutluydular." in is_("they.o", "happy.a", "past")
    assert "Zayıf değillerdi." in is_("they.o", "weak.a", "past", True)
    assert "Kötü değilim." in is_("i.o", "bad.a", "present", True)
    house = Clause(NounPhrase("house.n"), quality="old.a", tense="past")
    assert tags(REALISER, house) == [
        ("Ev", "NOUN"),
        ("eski", "ADJ"),
        ("ydi", "AUX"),
        (".", "PUNCT"),
    ]


def test_adjectives_stand_before_bir() -> None:
    phrase = NounPhrase("car.n", "sg", "indefinite", ("big.a", "red.a"))
    said = sayings(REALISER, Clause(Name("maria.p"), "sell.v", phrase))
    assert said == {
        "Maria büyük kırmızı bir araba satıyor.",
        "Maria bir büyük kırmızı araba satıyor.",
    }


def test_scrambling_keeps_bare_objects_before_the_verb() -> None:
    definite = sayings(REALISER, Clause(Name("anna.p"), "see.v", NounPhrase("bird.n")), 400)
    assert definite == {
        "Anna kuşu görüyor.",
        "Kuşu Anna görüyor.",
        "Anna görüyor kuşu.",
        "Kuşu görüyor Anna.",
    }
    bird = NounPhrase("bird.n", determiner="indefinite")
    assert sayings(REALISER, Clause(Name("anna.p"), "see.v", bird), 400) == {
        "Anna bir kuş görüyor."
    }


def test_reason_and_time() -> None:
    wait = Clause(Name("anna.p"), "wait.v", tense="past")
    run = Clause(Pronoun("i.o"), "run.v", tense="past")
    assert "Anna bekledi, çünkü koştum." in sayings(REALISER, Sentence(wait, "because.s", run))
    when = sayings(REALISER, Sentence(wait, "when.s", run))
    assert {"Koştuğumda Anna bekledi.", "Koştuğum zaman, Anna bekledi."} <= when
    they = Clause(Pronoun("they.o"), "run.v", tense="past", negated=True)
    assert "Koşmadıklarında Anna bekledi." in sayings(REALISER, Sentence(wait, "when.s", they))
    sad = Clause(NounPhrase("girl.n"), quality="sad.a", tense="past", negated=True)
    assert "Kız üzgün olmadığında Anna bekledi." in sayings(
        REALISER, Sentence(wait, "when.s", sad)
    )


def test_a_pronoun_stays_beside_another_third_person() -> None:
    he = Clause(Pronoun("he.o"), "laugh.v")
    said = sayings(REALISER, Sentence(Clause(Name("anna.p"), "wait.v"), "and.c", he))
    assert said == {"Anna bekliyor ve o gülüyor."}
    assert "Gülüyor." in sayings(REALISER, he)


def test_a_denied_indefinite_in_the_accusative_is_hicbir() -> None:
    for number in ("sg", "pl"):
        friend = NounPhrase("friend.n", number, "indefinite", ("old.a",))
        love = Clause(Name("anna.p"), "love.v", friend, negated=True)
        assert "Anna hiçbir yaşlı arkadaşı sevmiyor." in sayings(REALISER, love)
        assert all("hiçbir" in text.lower() for text in sayings(REALISER, love))
    two = NounPhrase("friend.n", "pl", "indefinite", numeral="two.m")
    said = sayings(REALISER, Clause(Name("anna.p"), "love.v", two, negated=True))
    assert "Anna iki arkadaşı sevmiyor." in said


def test_a_plural_subject_has_no_bazi() -> None:
    # "Some dogs slept" would not entail "dogs slept".
    dogs = NounPhrase("dog.n", "pl", "indefinite")
    assert sayings(REALISER, Clause(dogs, "sleep.v", tense="past")) == {"Köpekler uyudu."}


def test_o_before_a_noun_phrase_is_set_off_by_a_comma() -> None:
    clause = Clause(Pronoun("she.o"), "lose.v", NounPhrase("key.n"), tense="past")
    said = sayings(REALISER, clause, 400)
    assert "O, anahtarı kaybetti." in said
    assert "O anahtarı kaybetti." not in said  # "he lost that key"


def test_every_word_of_a_concept_is_one_of_its_forms() -> None:
    rng = random.Random(0)
    forms_of = cache(REALISER.forms)
    for _ in range(800):
        for word in REALISER.realise(any_sentence(rng), rng):
            if word.concept is not None:
                forms = forms_of(word.concept)
                lowered = word.form.replace("İ", "i").replace("I", "ı").lower()
                assert word.form in forms or lowered in forms
