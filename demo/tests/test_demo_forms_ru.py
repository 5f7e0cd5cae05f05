"""Russian forms and sentences against tables written out by hand."""

from __future__ import annotations

import random
from itertools import product

import pytest

from demo.languages.ru import (
    CASES,
    GENDERS,
    PERFECTIVE,
    REALISER,
    adjective_form,
    determiner_form,
    locative,
    name_form,
    noun_form,
    numeral_form,
    past_form,
    present_form,
)
from demo.meaning import (
    ADJECTIVES,
    ADVERBS,
    ANIMALS,
    COORDINATORS,
    NAMES,
    NOUNS,
    NUMERALS,
    PERSONS,
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

HE, SHE, ME, THEY = (Pronoun(p) for p in ("he.o", "she.o", "i.o", "they.o"))

NAME_TABLES = {
    "maria.p": "Мария Марии Марии Марию Марией Марии",
    "sofia.p": "София Софии Софии Софию Софией Софии",
    "anna.p": "Анна Анны Анне Анну Анной Анне",
    "peter.p": "Пётр Петра Петру Петра Петром Петре",
    "paul.p": "Павел Павла Павлу Павла Павлом Павле",
    "victor.p": "Виктор Виктора Виктору Виктора Виктором Викторе",
}
NUMERAL_TABLES = {
    "two.m": "два двух двум два двумя двух",
    "three.m": "три трёх трём три тремя трёх",
    "five.m": "пять пяти пяти пять пятью пяти",
}
# nominative, genitive, dative, accusative, instrumental, prepositional; singular, then plural
DECLENSIONS = {
    "woman.n": "женщина женщины женщине женщину женщиной женщине "
    "женщины женщин женщинам женщин женщинами женщинах",
    "man.n": "мужчина мужчины мужчине мужчину мужчиной мужчине "
    "мужчины мужчин мужчинам мужчин мужчинами мужчинах",
    "bird.n": "птица птицы птице птицу птицей птице птицы птиц птицам птиц птицами птицах",
    "kitchen.n": "кухня кухни кухне кухню кухней кухне кухни кухонь кухням кухни кухнями кухнях",
    "cup.n": "чашка чашки чашке чашку чашкой чашке чашки чашек чашкам чашки чашками чашках",
    "mouse.n": "мышь мыши мыши мышь мышью мыши мыши мышей мышам мышей мышами мышах",
    "horse.n": "лошадь лошади лошади лошадь лошадью лошади "
    "лошади лошадей лошадям лошадей лошадьми лошадях",
    "friend.n": "друг друга другу друга другом друге "
    "друзья друзей друзьям друзей друзьями друзьях",
    "neighbour.n": "сосед соседа соседу соседа соседом соседе "
    "соседи соседей соседям соседей соседями соседях",
    "soldier.n": "солдат солдата солдату солдата солдатом солдате "
    "солдаты солдат солдатам солдат солдатами солдатах",
    "teacher.n": "учитель учителя учителю учителя учителем учителе "
    "учителя учителей учителям учителей учителями учителях",
    "chair.n": "стул стула стулу стул стулом стуле стулья стульев стульям стулья стульями стульях",
    "knife.n": "нож ножа ножу нож ножом ноже ножи ножей ножам ножи ножами ножах",
    "stone.n": "камень камня камню камень камнем камне камни камней камням камни камнями камнях",
    "flower.n": "цветок цветка цветку цветок цветком цветке "
    "цветы цветов цветам цветы цветами цветах",
    "house.n": "дом дома дому дом домом доме дома домов домам дома домами домах",
    "letter.n": "письмо письма письму письмо письмом письме "
    "письма писем письмам письма письмами письмах",
    "apple.n": "яблоко яблока яблоку яблоко яблоком яблоке "
    "яблоки яблок яблокам яблоки яблоками яблоках",
}

# masculine, feminine, neuter, plural, each: nominative, genitive, dative, accusative (of a
# thing), instrumental, prepositional
ADJECTIVE_TABLES = {
    "old.a": "старый старого старому старый старым старом "
    "старая старой старой старую старой старой "
    "старое старого старому старое старым старом "
    "старые старых старым старые старыми старых",
    "big.a": "большой большого большому большой большим большом "
    "большая большой большой большую большой большой "
    "большое большого большому большое большим большом "
    "большие больших большим большие большими больших",
    "small.a": "маленький маленького маленькому маленький маленьким маленьком "
    "маленькая маленькой маленькой маленькую маленькой маленькой "
    "маленькое маленького маленькому маленькое маленьким маленьком "
    "маленькие маленьких маленьким маленькие маленькими маленьких",
    "good.a": "хороший хорошего хорошему хороший хорошим хорошем "
    "хорошая хорошей хорошей хорошую хорошей хорошей "
    "хорошее хорошего хорошему хорошее хорошим хорошем "
    "хорошие хороших хорошим хорошие хорошими хороших",
    "blue.a": "синий синего синему синий синим синем "
    "синяя синей синей синюю синей синей "
    "синее синего синему синее синим синем "
    "синие синих синим синие синими синих",
    "expensive.a": "дорогой дорогого дорогому дорогой дорогим дорогом "
    "дорогая дорогой дорогой дорогую дорогой дорогой "
    "дорогое дорогого дорогому дорогое дорогим дорогом "
    "дорогие дорогих дорогим дорогие дорогими дорогих",
}
DETERMINER_TABLES = {
    "this": "этот этого этому этот этим этом эта этой этой эту этой этой "
    "это этого этому это этим этом эти этих этим эти этими этих",
    "my": "мой моего моему мой моим моём моя моей моей мою моей моей "
    "моё моего моему моё моим моём мои моих моим мои моими моих",
    "own": "свой своего своему свой своим своём своя своей своей свою своей своей "
    "своё своего своему своё своим своём свои своих своим свои своими своих",
}

# я, ты, он, мы, они; он, она, оно, они in the past
CONJUGATIONS = {
    "see.v": "вижу видишь видит видим видят видел видела видело видели",
    "eat.v": "ем ешь ест едим едят ел ела ело ели",
    "carry.v": "несу несёшь несёт несём несут нёс несла несло несли",
    "love.v": "люблю любишь любит любим любят любил любила любило любили",
    "hear.v": "слышу слышишь слышит слышим слышат слышал слышала слышало слышали",
    "hide.v": "прячу прячешь прячет прячем прячут прятал прятала прятало прятали",
    "wash.v": "мою моешь моет моем моют мыл мыла мыло мыли",
    "drink.v": "пью пьёшь пьёт пьём пьют пил пила пило пили",
    "cook.v": "готовлю готовишь готовит готовим готовят готовил готовила готовило готовили",
    "paint.v": "рисую рисуешь рисует рисуем рисуют рисовал рисовала рисовало рисовали",
    "sell.v": "продаю продаёшь продаёт продаём продают продавал продавала продавало продавали",
    "find.v": "нахожу находишь находит находим находят находил находила находило находили",
    "sleep.v": "сплю спишь спит спим спят спал спала спало спали",
    "sing.v": "пою поёшь поёт поём поют пел пела пело пели",
    "wait.v": "жду ждёшь ждёт ждём ждут ждал ждала ждало ждали",
    "laugh.v": "смеюсь смеёшься смеётся смеёмся смеются смеялся смеялась смеялось смеялись",
}
PERFECTIVE_PASTS = {
    "find.v": "нашёл нашла нашло нашли",
    "help.v": "помог помогла помогло помогли",
    "bring.v": "принёс принесла принесло принесли",
    "eat.v": "съел съела съело съели",
    "sell.v": "продал продала продало продали",
    "hide.v": "спрятал спрятала спрятало спрятали",
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


@pytest.mark.parametrize("concept", NAME_TABLES)
def test_names_decline(concept: str) -> None:
    assert [name_form(concept, case) for case in CASES] == NAME_TABLES[concept].split()


def test_second_locative() -> None:
    assert [locative(f"{n}.n") for n in ("forest", "garden", "bridge", "house", "river")] == [
        "лесу",
        "саду",
        "мосту",
        "доме",
        "реке",
    ]


@pytest.mark.parametrize("concept", ADJECTIVE_TABLES)
def test_adjective_declension(concept: str) -> None:
    cells = [adjective_form(concept, g, case) for g in ("m", "f", "n", "pl") for case in CASES]
    assert cells == ADJECTIVE_TABLES[concept].split()


@pytest.mark.parametrize("determiner", DETERMINER_TABLES)
def test_determiner_declension(determiner: str) -> None:
    cells = [determiner_form(determiner, g, case) for g in ("m", "f", "n", "pl") for case in CASES]
    assert cells == DETERMINER_TABLES[determiner].split()


def test_animate_heads_take_the_genitive_as_accusative() -> None:
    assert adjective_form("old.a", "m", "acc", animate_head=True) == "старого"
    assert adjective_form("old.a", "pl", "acc", animate_head=True) == "старых"
    assert adjective_form("old.a", "f", "acc", animate_head=True) == "старую"
    assert determiner_form("every", "m", "acc", animate_head=True) == "каждого"
    assert adjective_form("new.a", "m", "acc", animate_head=True, young=True) == "молодого"


def test_numerals() -> None:
    for concept, table in NUMERAL_TABLES.items():
        cells = [numeral_form(concept, "m", case) for case in CASES]
        assert cells == table.split()
    assert numeral_form("two.m", "f", "nom") == "две"
    assert numeral_form("two.m", "f", "acc") == "две"
    assert numeral_form("two.m", "f", "acc", animate_head=True) == "двух"
    assert numeral_form("five.m", "f", "acc", animate_head=True) == "пять"


@pytest.mark.parametrize("concept", CONJUGATIONS)
def test_conjugation(concept: str) -> None:
    present = [present_form(concept, p) for p in ("1sg", "2sg", "3sg", "1pl", "3pl")]
    past = [past_form(concept, gender, "imperfective") for gender in GENDERS]
    assert present + past == CONJUGATIONS[concept].split()


@pytest.mark.parametrize("concept", PERFECTIVE_PASTS)
def test_perfective_past(concept: str) -> None:
    past = [past_form(concept, gender, "perfective") for gender in GENDERS]
    assert past == PERFECTIVE_PASTS[concept].split()


def noun(concept: str, *rest: object) -> NounPhrase:
    return NounPhrase(f"{concept}.n", *rest)  # type: ignore[arg-type]


BIG = ("big.a",)
SENTENCES = {
    # animate and inanimate accusatives
    Clause(HE, "know.v", noun("student", "sg", "this", BIG)): {
        "Он знает этого большого студента.",
        "Он этого большого студента знает.",
    },
    Clause(HE, "know.v", noun("house", "sg", "this", BIG)): {
        "Он знает этот большой дом.",
        "Он этот большой дом знает.",
    },
    Clause(HE, "know.v", noun("mouse", "pl", "this", BIG)): {
        "Он знает этих больших мышей.",
        "Он этих больших мышей знает.",
    },
    Clause(HE, "know.v", noun("man", "sg", "every", ("new.a",))): {
        "Он знает каждого молодого мужчину.",
        "Он каждого молодого мужчину знает.",
    },
    # numerals: government in the nominative and the inanimate accusative
    Clause(noun("table", "pl", "indefinite", BIG, "two.m"), quality="old.a"): {
        "Два больших стола старые."
    },
    Clause(noun("book", "pl", "my", BIG, "three.m"), quality="old.a"): {
        "Мои три большие книги старые."
    },
    Clause(noun("letter", "pl", "this", BIG, "two.m"), quality="old.a", tense="past"): {
        "Эти два больших письма были старыми."
    },
    Clause(noun("kitchen", "pl", "this", BIG, "five.m"), quality="old.a", tense="past"): {
        "Эти пять больших кухонь были старыми."
    },
    Clause(HE, "know.v", noun("cup", "pl", "this", BIG, "two.m")): {
        "Он знает эти две большие чашки.",
        "Он эти две большие чашки знает.",
    },
    # ... animate accusatives
    Clause(HE, "know.v", noun("friend", "pl", "indefinite", BIG, "two.m")): {
        "Он знает двух больших друзей.",
        "Он двух больших друзей знает.",
    },
    Clause(HE, "know.v", noun("dog", "pl", "my", BIG, "three.m")): {
        "Он знает моих трёх больших собак.",
        "Он моих трёх больших собак знает.",
    },
    Clause(HE, "know.v", noun("bear", "pl", "indefinite", (), "five.m")): {
        "Он знает пять медведей.",
        "Он пять медведей знает.",
    },
    # ... oblique cases
    Clause(HE, "help.v", noun("woman", "pl", "this", ("new.a",), "two.m")): {
        "Он помогает этим двум молодым женщинам.",
        "Он этим двум молодым женщинам помогает.",
    },
    Clause(THEY, "sing.v", phrase=Phrase("with.d", noun("horse", "pl", "my", (), "five.m"))): {
        "Они поют с моими пятью лошадьми.",
        "Они с моими пятью лошадьми поют.",
        "С моими пятью лошадьми они поют.",
    },
    Clause(THEY, "sing.v", phrase=Phrase("in.d", noun("forest", "pl", "this", BIG, "two.m"))): {
        "Они поют в этих двух больших лесах.",
        "Они в этих двух больших лесах поют.",
        "В этих двух больших лесах они поют.",
    },
    Clause(THEY, "sing.v", phrase=Phrase("in.d", noun("forest", "sg", "my", BIG))): {
        "Они поют в моём большом лесу.",
        "Они в моём большом лесу поют.",
        "В моём большом лесу они поют.",
    },
    Clause(THEY, "sing.v", phrase=Phrase("near.d", noun("bridge", "pl", "this", (), "three.m"))): {
        f"{text}."
        for near in ("около", "возле")
        for text in (
            f"Они поют {near} этих трёх мостов",
            f"Они {near} этих трёх мостов поют",
            f"{near.capitalize()} этих трёх мостов они поют",
        )
    },
    # prepositions with a vowel
    Clause(THEY, "sing.v", phrase=Phrase("with.d", noun("student"))): {
        "Они поют со студентом.",
        "Они со студентом поют.",
        "Со студентом они поют.",
    },
    # negation
    Clause(HE, "sleep.v", negated=True): {"Он не спит."},
    Clause(HE, "sleep.v", negated=True, adverb="always.r"): {"Он не всегда спит."},
    Clause(SHE, quality="good.a", negated=True): {"Она не хорошая."},
    Clause(SHE, quality="good.a", negated=True, tense="past"): {"Она не была хорошей."},
    # aspect: habits are imperfective
    Clause(SHE, "help.v", Name("anna.p"), tense="past", adverb="always.r"): {
        "Она всегда помогала Анне.",
        "Она Анне всегда помогала.",
    },
    Clause(HE, "help.v", Name("paul.p"), tense="past"): {
        "Он помог Павлу.",
        "Он Павлу помог.",
    },
    Clause(HE, "help.v", Name("paul.p"), tense="past", negated=True): {
        "Он не помог Павлу.",
        "Он Павлу не помог.",
    },
    # to answer a person, to answer a letter; to bring a person, to bring a thing
    Clause(HE, "answer.v", Name("maria.p")): {"Он отвечает Марии.", "Он Марии отвечает."},
    Clause(HE, "answer.v", noun("letter")): {"Он отвечает на письмо.", "Он на письмо отвечает."},
    Clause(HE, "bring.v", noun("cook")): {"Он приводит повара.", "Он повара приводит."},
    Clause(HE, "bring.v", noun("bread")): {"Он приносит хлеб.", "Он хлеб приносит."},
    # order: the object first where its case is seen
    Clause(noun("cat"), "see.v", noun("dog")): {
        "Кошка видит собаку.",
        "Кошка собаку видит.",
        "Собаку видит кошка.",
    },
    Clause(noun("mouse"), "see.v", noun("horse")): {"Мышь видит лошадь."},
    Clause(noun("bear"), "sleep.v", phrase=Phrase("in.d", noun("garden"))): {
        "Медведь спит в саду.",
        "Медведь в саду спит.",
        "В саду спит медведь.",
        "В саду медведь спит.",
    },
    # dropped pronouns, the speaker a man, свой
    Clause(ME, "wash.v", noun("cup", "sg", "my")): {
        "Я мою свою чашку.",
        "Я мою мою чашку.",
        "Я свою чашку мою.",
        "Я мою чашку мою.",
        "Мою свою чашку.",
        "Мою мою чашку.",
    },
    Clause(ME, "sleep.v", tense="past"): {"Я спал."},
}


@pytest.mark.parametrize("clause", SENTENCES, ids=lambda c: min(SENTENCES[c]))
def test_all_ways_to_say_a_clause(clause: Clause) -> None:
    assert ways(Sentence(clause)) == SENTENCES[clause]


def test_subordinate_clauses() -> None:
    laugh, sad = Clause(HE, "laugh.v", tense="past"), Clause(SHE, quality="sad.a", tense="past")
    assert ways(Sentence(laugh, "when.s", sad)) == {
        "Он смеялся, когда она была грустной.",
        "Когда она была грустной, он смеялся.",
    }
    assert ways(Sentence(laugh, "because.s", sad)) == {
        "Он смеялся, потому что она была грустной.",
        "Он смеялся, поскольку она была грустной.",
        "Поскольку она была грустной, он смеялся.",
    }


def test_a_repeated_time_makes_both_clauses_imperfective() -> None:
    bring = Clause(SHE, "bring.v", noun("bread"), tense="past", adverb="often.r")
    help_ = Clause(HE, "help.v", Name("paul.p"), tense="past")
    for text in ways(Sentence(help_, "when.s", bring)):
        assert "помогал" in text
        assert "приносила" in text
    assert all("помогал" not in text for text in ways(Sentence(help_, "because.s", bring)))


@pytest.mark.parametrize("negated", [False, True])
def test_what_a_subject_did_once_has_one_aspect(negated: bool) -> None:
    # "ела яблоко" does not entail "съела яблоко", nor does "не съела" entail "не ела".
    shares = []
    for noun_, verb in product((*PERSONS, *ANIMALS), PERFECTIVE):
        obj = noun("bread")
        past = PERFECTIVE[verb].split()
        for adverb in (None, "today.r"):
            clause = Clause(noun(noun_[:-2]), verb, obj, None, "past", negated, None, adverb)
            said = [
                word.form.lower()
                for seed in range(4)
                for word in REALISER.realise(Sentence(clause), random.Random(seed))
                if word.concept == verb
            ]
            assert len(set(said)) == 1
            shares.append(said[0] in past)
    assert 0.5 < sum(shares) / len(shares) < 0.8


def test_coordination() -> None:
    laugh, sing = Clause(HE, "laugh.v"), Clause(THEY, "sing.v")
    assert ways(Sentence(laugh, "and.c", sing)) == {"Он смеётся, и они поют."}
    assert ways(Sentence(laugh, "but.c", sing)) == {"Он смеётся, но они поют."}
    same = Sentence(laugh, "and.c", Clause(HE, "sing.v"))
    assert ways(same) == {"Он смеётся, и он поёт.", "Он смеётся и поёт."}


def test_a_speaker_keeps_one_gender() -> None:
    work = Clause(ME, "work.v", tense="past")
    sad = Clause(ME, quality="sad.a", tense="past", negated=True)
    assert ways(Sentence(work, "when.s", sad)) == {
        "Я работал, когда я не был грустным.",
        "Когда я не был грустным, я работал.",
    }


def test_tags() -> None:
    see = Clause(HE, "see.v", noun("dog", "pl", "my", BIG, "two.m"), negated=True)
    bad = Clause(Name("anna.p"), quality="bad.a", tense="past", adverb="often.r")
    sentence = Sentence(see, "because.s", bad)
    said = {}
    for seed in range(200):
        words = REALISER.realise(sentence, random.Random(seed))
        said[" ".join(w.form for w in words)] = words
    words = said["Он не видит моих двух больших собак , потому что Анна часто была плохой ."]
    assert [(w.upos, w.concept) for w in words] == [
        ("PRON", "he.o"),
        ("PART", None),
        ("VERB", "see.v"),
        ("DET", None),
        ("NUM", "two.m"),
        ("ADJ", "big.a"),
        ("NOUN", "dog.n"),
        ("PUNCT", None),
        ("ADV", None),
        ("SCONJ", None),
        ("PROPN", "anna.p"),
        ("ADV", "often.r"),
        ("AUX", None),
        ("ADJ", "bad.a"),
        ("PUNCT", None),
    ]
    assert [w.form for w in words if not w.space_after] == ["собак", "плохой"]


def test_every_realised_word_is_a_form_of_its_concept() -> None:
    people = [Pronoun(p) for p in PRONOUNS] + [Name(n) for n in NAMES]
    phrases = [
        NounPhrase(noun, number, determiner, (adjective,), numeral)
        for noun, adjective in zip(NOUNS, 3 * ADJECTIVES, strict=False)
        for number, determiner, numeral in [
            ("sg", "every", None),
            ("sg", "my", None),
            ("pl", "definite", None),
            ("pl", "this", "two.m"),
            ("pl", "indefinite", "five.m"),
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
    lexicon = {*NOUNS, *VERBS, *ADJECTIVES, *NAMES, *PRONOUNS, "two.m", "five.m", *ADVERBS}
    assert seen >= lexicon | {*PREPOSITIONS, *links}


def test_forms_start_with_the_citation_form_and_repeat_nothing() -> None:
    assert REALISER.forms("see.v")[:2] == ["видеть", "вижу"]
    assert REALISER.forms("see.v")[-5] == "увидеть"
    assert REALISER.forms("two.m") == ["два", "две", "двух", "двум", "двумя"]
    assert "лесу" in REALISER.forms("forest.n")
    assert {"новый", "молодой"} <= set(REALISER.forms("new.a"))
    for concept in (*NOUNS, *VERBS, *ADJECTIVES, *NUMERALS, *SUBORDINATORS):
        forms = REALISER.forms(concept)
        assert len(forms) == len(set(forms)) > 0


def test_unknown_concept() -> None:
    with pytest.raises(KeyError):
        REALISER.forms("unicorn.n")


def test_order_and_pronouns_vary_at_modest_rates() -> None:
    sentence = Sentence(Clause(noun("cat"), "see.v", noun("dog")))
    first = [REALISER.realise(sentence, random.Random(s))[0].concept for s in range(500)]
    assert 0.05 < first.count("dog.n") / 500 < 0.2
    sentence = Sentence(Clause(ME, "sleep.v"))
    first = [REALISER.realise(sentence, random.Random(s))[0].concept for s in range(500)]
    assert 0.15 < first.count("sleep.v") / 500 < 0.45
    assert REALISER.realise(sentence, random.Random(7)) == REALISER.realise(
        sentence, random.Random(7)
    )
