"""Russian: six cases, animate accusatives, aspect, no articles, no present copula, free order.

Choices among what the language allows: predicate adjectives are long, nominative in the present
and instrumental after "был"; a numeral subject takes a plural verb; the letter "ё" is written.
Artificial: verbs of motion keep one stem (бегать, нести), there is no genitive of negation, "я"
is always a man and "ты" a woman, and what one subject did once has one aspect. The last two keep
a meaning said twice the same: "ты помогла" is not "ты помог", and "ела" does not entail "съела".
"""

from __future__ import annotations

import random
import zlib
from typing import Literal

from demo.meaning import (
    ANIMALS,
    PERSONS,
    Clause,
    Name,
    NounPhrase,
    Number,
    Object,
    Phrase,
    Pronoun,
    Sentence,
    Subject,
    Word,
)

Case = Literal["nom", "gen", "dat", "acc", "ins", "loc"]
Gender = Literal["m", "f", "n", "pl"]  # what adjectives and past tenses agree with
Person = Literal["1sg", "2sg", "3sg", "1pl", "3pl"]
Aspect = Literal["imperfective", "perfective"]

ANIMATE = frozenset((*PERSONS, *ANIMALS))
CASES: tuple[Case, ...] = ("nom", "gen", "dat", "acc", "ins", "loc")
GENDERS: tuple[Gender, ...] = ("m", "f", "n", "pl")

# gender; nominative, genitive singular; nominative, genitive, dative plural
NOUNS = {
    "woman.n": "f женщина женщины женщины женщин женщинам",
    "man.n": "m мужчина мужчины мужчины мужчин мужчинам",
    "girl.n": "f девочка девочки девочки девочек девочкам",
    "boy.n": "m мальчик мальчика мальчики мальчиков мальчикам",
    "teacher.n": "m учитель учителя учителя учителей учителям",
    "doctor.n": "m врач врача врачи врачей врачам",
    "farmer.n": "m фермер фермера фермеры фермеров фермерам",
    "student.n": "m студент студента студенты студентов студентам",
    "friend.n": "m друг друга друзья друзей друзьям",
    "neighbour.n": "m сосед соседа соседи соседей соседям",
    "soldier.n": "m солдат солдата солдаты солдат солдатам",
    "cook.n": "m повар повара повара поваров поварам",
    "painter.n": "m художник художника художники художников художникам",
    "driver.n": "m водитель водителя водители водителей водителям",
    "dog.n": "f собака собаки собаки собак собакам",
    "cat.n": "f кошка кошки кошки кошек кошкам",
    "horse.n": "f лошадь лошади лошади лошадей лошадям",
    "bird.n": "f птица птицы птицы птиц птицам",
    "cow.n": "f корова коровы коровы коров коровам",
    "mouse.n": "f мышь мыши мыши мышей мышам",
    "bear.n": "m медведь медведя медведи медведей медведям",
    "book.n": "f книга книги книги книг книгам",
    "letter.n": "n письмо письма письма писем письмам",
    "apple.n": "n яблоко яблока яблоки яблок яблокам",
    "bread.n": "m хлеб хлеба хлебы хлебов хлебам",
    "cup.n": "f чашка чашки чашки чашек чашкам",
    "table.n": "m стол стола столы столов столам",
    "chair.n": "m стул стула стулья стульев стульям",
    "lamp.n": "f лампа лампы лампы ламп лампам",
    "car.n": "f машина машины машины машин машинам",
    "key.n": "m ключ ключа ключи ключей ключам",
    "picture.n": "f картина картины картины картин картинам",
    "flower.n": "m цветок цветка цветы цветов цветам",
    "hat.n": "f шляпа шляпы шляпы шляп шляпам",
    "ball.n": "m мяч мяча мячи мячей мячам",
    "stone.n": "m камень камня камни камней камням",
    "knife.n": "m нож ножа ножи ножей ножам",
    "bag.n": "f сумка сумки сумки сумок сумкам",
    "drink.n": "m напиток напитка напитки напитков напиткам",
    "answer.n": "m ответ ответа ответы ответов ответам",
    "paint.n": "f краска краски краски красок краскам",
    "house.n": "m дом дома дома домов домам",
    "garden.n": "m сад сада сады садов садам",
    "school.n": "f школа школы школы школ школам",
    "market.n": "m рынок рынка рынки рынков рынкам",
    "forest.n": "m лес леса леса лесов лесам",
    "river.n": "f река реки реки рек рекам",
    "street.n": "f улица улицы улицы улиц улицам",
    "city.n": "m город города города городов городам",
    "kitchen.n": "f кухня кухни кухни кухонь кухням",
    "bridge.n": "m мост моста мосты мостов мостам",
}
NAMES = {  # gender; nominative, genitive
    "anna.p": "f Анна Анны",
    "peter.p": "m Пётр Петра",
    "maria.p": "f Мария Марии",
    "paul.p": "m Павел Павла",
    "sofia.p": "f София Софии",
    "victor.p": "m Виктор Виктора",
}
_LOCATIVE = {"forest.n": "лесу", "garden.n": "саду", "bridge.n": "мосту"}  # after в, на only
_INSTRUMENTAL_PLURAL = {"horse.n": "лошадьми"}

# infinitive; present 1sg 2sg 3sg 1pl 3pl; past m f n pl
IMPERFECTIVE = {
    "see.v": "видеть вижу видишь видит видим видят видел видела видело видели",
    "buy.v": "покупать покупаю покупаешь покупает покупаем покупают "
    "покупал покупала покупало покупали",
    "sell.v": "продавать продаю продаёшь продаёт продаём продают "
    "продавал продавала продавало продавали",
    "eat.v": "есть ем ешь ест едим едят ел ела ело ели",
    "carry.v": "нести несу несёшь несёт несём несут нёс несла несло несли",
    "find.v": "находить нахожу находишь находит находим находят "
    "находил находила находило находили",
    "lose.v": "терять теряю теряешь теряет теряем теряют терял теряла теряло теряли",
    "love.v": "любить люблю любишь любит любим любят любил любила любило любили",
    "know.v": "знать знаю знаешь знает знаем знают знал знала знало знали",
    "help.v": "помогать помогаю помогаешь помогает помогаем помогают "
    "помогал помогала помогало помогали",
    "hear.v": "слышать слышу слышишь слышит слышим слышат слышал слышала слышало слышали",
    "paint.v": "рисовать рисую рисуешь рисует рисуем рисуют рисовал рисовала рисовало рисовали",
    "wash.v": "мыть мою моешь моет моем моют мыл мыла мыло мыли",
    "hide.v": "прятать прячу прячешь прячет прячем прячут прятал прятала прятало прятали",
    "bring.v": "приносить приношу приносишь приносит приносим приносят "
    "приносил приносила приносило приносили",
    "drink.v": "пить пью пьёшь пьёт пьём пьют пил пила пило пили",
    "answer.v": "отвечать отвечаю отвечаешь отвечает отвечаем отвечают "
    "отвечал отвечала отвечало отвечали",
    "cook.v": "готовить готовлю готовишь готовит готовим готовят "
    "готовил готовила готовило готовили",
    "sleep.v": "спать сплю спишь спит спим спят спал спала спало спали",
    "run.v": "бегать бегаю бегаешь бегает бегаем бегают бегал бегала бегало бегали",
    "laugh.v": "смеяться смеюсь смеёшься смеётся смеёмся смеются "
    "смеялся смеялась смеялось смеялись",
    "sing.v": "петь пою поёшь поёт поём поют пел пела пело пели",
    "work.v": "работать работаю работаешь работает работаем работают "
    "работал работала работало работали",
    "wait.v": "ждать жду ждёшь ждёт ждём ждут ждал ждала ждало ждали",
    "swim.v": "плавать плаваю плаваешь плавает плаваем плавают плавал плавала плавало плавали",
}
_LEAD = (  # to bring someone, who walks: приводить, not приносить
    "приводить привожу приводишь приводит приводим приводят приводил приводила приводило приводили"
)
# infinitive; past m f n pl
PERFECTIVE = {
    "see.v": "увидеть увидел увидела увидело увидели",
    "buy.v": "купить купил купила купило купили",
    "sell.v": "продать продал продала продало продали",
    "eat.v": "съесть съел съела съело съели",
    "find.v": "найти нашёл нашла нашло нашли",
    "lose.v": "потерять потерял потеряла потеряло потеряли",
    "help.v": "помочь помог помогла помогло помогли",
    "hear.v": "услышать услышал услышала услышало услышали",
    "paint.v": "нарисовать нарисовал нарисовала нарисовало нарисовали",
    "wash.v": "вымыть вымыл вымыла вымыло вымыли",
    "hide.v": "спрятать спрятал спрятала спрятало спрятали",
    "bring.v": "принести принёс принесла принесло принесли",
    "drink.v": "выпить выпил выпила выпило выпили",
    "answer.v": "ответить ответил ответила ответило ответили",
    "cook.v": "приготовить приготовил приготовила приготовило приготовили",
}
_HAVE_LED = "привести привёл привела привело привели"
_WAS: dict[Gender, str] = {"m": "был", "f": "была", "n": "было", "pl": "были"}

# nominative singular masculine; the class of endings below
ADJECTIVES = {
    "big.a": "большой mixed",
    "small.a": "маленький mixed",
    "old.a": "старый hard",
    "new.a": "новый hard",
    "red.a": "красный hard",
    "green.a": "зелёный hard",
    "white.a": "белый hard",
    "black.a": "чёрный hard",
    "blue.a": "синий soft",
    "good.a": "хороший hushing",
    "bad.a": "плохой mixed",
    "happy.a": "счастливый hard",
    "sad.a": "грустный hard",
    "fast.a": "быстрый hard",
    "slow.a": "медленный hard",
    "strong.a": "сильный hard",
    "weak.a": "слабый hard",
    "expensive.a": "дорогой mixed",
    "cheap.a": "дешёвый hard",
}
_YOUNG = "молодой hard"

# Endings in the order nom gen dat ins loc; the accusative follows from animacy.
_ADJECTIVE_ENDINGS: dict[str, dict[Gender, str]] = {
    "hard": {
        "m": "ый ого ому ым ом",
        "n": "ое ого ому ым ом",
        "f": "ая ой ой ой ой",
        "pl": "ые ых ым ыми ых",
    },
    "mixed": {  # after к, г, х or a stressed ending after ш: и for ы
        "m": "ий ого ому им ом",
        "n": "ое ого ому им ом",
        "f": "ая ой ой ой ой",
        "pl": "ие их им ими их",
    },
    "hushing": {
        "m": "ий его ему им ем",
        "n": "ее его ему им ем",
        "f": "ая ей ей ей ей",
        "pl": "ие их им ими их",
    },
    "soft": {
        "m": "ий его ему им ем",
        "n": "ее его ему им ем",
        "f": "яя ей ей ей ей",
        "pl": "ие их им ими их",
    },
}
_DETERMINERS: dict[str, dict[Gender, str]] = {  # nom gen dat ins loc, then the feminine accusative
    "this": {
        "m": "этот этого этому этим этом",
        "n": "это этого этому этим этом",
        "f": "эта этой этой этой этой эту",
        "pl": "эти этих этим этими этих",
    },
    "my": {
        "m": "мой моего моему моим моём",
        "n": "моё моего моему моим моём",
        "f": "моя моей моей моей моей мою",
        "pl": "мои моих моим моими моих",
    },
    "own": {  # "my" when the subject is "I"
        "m": "свой своего своему своим своём",
        "n": "своё своего своему своим своём",
        "f": "своя своей своей своей своей свою",
        "pl": "свои своих своим своими своих",
    },
    "every": {
        "m": "каждый каждого каждому каждым каждом",
        "n": "каждое каждого каждому каждым каждом",
        "f": "каждая каждой каждой каждой каждой каждую",
        "pl": "каждые каждых каждым каждыми каждых",
    },
}
NUMERALS = {  # nom gen dat ins loc, then the feminine nominative
    "two.m": "два двух двум двумя двух две",
    "three.m": "три трёх трём тремя трёх",
    "five.m": "пять пяти пяти пятью пяти",
}
PRONOUNS: dict[str, tuple[str, Person]] = {
    "i.o": ("я", "1sg"),
    "you.o": ("ты", "2sg"),
    "he.o": ("он", "3sg"),
    "she.o": ("она", "3sg"),
    "we.o": ("мы", "1pl"),
    "they.o": ("они", "3pl"),
}
_PRONOUN_GENDERS: dict[str, Gender] = {
    "i.o": "m",
    "you.o": "f",
    "he.o": "m",
    "she.o": "f",
    "we.o": "pl",
    "they.o": "pl",
}
# The first form is the usual one; the second, where there is one, is chosen now and then.
ADVERBS = {
    "today.r": "сегодня",
    "often.r": "часто",
    "always.r": "всегда",
    "here.r": "здесь тут",
    "there.r": "там",
    "again.r": "снова опять",
}
CONNECTIVES = {"and.c": "и", "but.c": "но", "because.s": "поскольку", "when.s": "когда"}
PREPOSITIONS: dict[str, tuple[str, Case]] = {
    "in.d": ("в во на", "loc"),
    "behind.d": ("за", "ins"),
    "near.d": ("около возле", "gen"),
    "with.d": ("с со", "ins"),
    "without.d": ("без", "gen"),
}
_ON = frozenset(
    ("market.n", "street.n", "bridge.n", "kitchen.n", "table.n", "chair.n", "picture.n")
)
_REPEATED = frozenset(("often.r", "always.r"))

# Where an adverb stands: chance to open the clause, chance to stand before the verb; else last.
_PLACES = {
    "today.r": (0.5, 0.4),
    "often.r": (0.15, 0.85),
    "always.r": (0.0, 1.0),
    "again.r": (0.2, 0.8),
    "here.r": (0.35, 0.3),
    "there.r": (0.35, 0.3),
}
_PHRASE_FIRST = 0.3
_PHRASE_BEFORE_VERB = 0.08
_OBJECT_VERB_SUBJECT = 0.1
_SUBJECT_OBJECT_VERB = 0.05
_VERB_SUBJECT = 0.35  # after an opening adverb or phrase
_VERB_NEW_SUBJECT = 0.7  # the same where the subject is news: it comes last
_DROPPED = 0.3
_FRONTED_CLAUSE = 0.3
_VOWELS = "аеёиоуыэюя"


def noun_form(concept: str, number: Number, case: Case) -> str:
    """One cell of the declension of a noun; the accusative follows from animacy."""
    gender, nominative, genitive, *plural = NOUNS[concept].split()
    animate = concept in ANIMATE
    if number == "sg":
        return _singular(gender, nominative, genitive, case, animate)
    if case == "acc":
        case = "gen" if animate else "nom"
    if case in ("nom", "gen", "dat"):
        return plural[("nom", "gen", "dat").index(case)]
    if case == "loc":
        return plural[2][:-1] + "х"
    return _INSTRUMENTAL_PLURAL.get(concept, plural[2] + "и")


def locative(concept: str) -> str:
    """The singular after "в" and "на": some masculines have a stressed -у there."""
    return _LOCATIVE.get(concept) or noun_form(concept, "sg", "loc")


def name_form(concept: str, case: Case) -> str:
    """One cell of the declension of a name."""
    gender, nominative, genitive = NAMES[concept].split()
    return _singular(gender, nominative, genitive, case, animate=True)


def _singular(gender: str, nominative: str, genitive: str, case: Case, animate: bool) -> str:
    stem, last = genitive[:-1], nominative[-1]
    if case == "nom":
        return nominative
    if case == "gen":
        return genitive
    if last in "ая":  # женщина, кухня, Мария
        softened = "ей" if last == "я" or stem.endswith("ц") else "ой"
        oblique = stem + ("и" if nominative.endswith("ия") else "е")
        accusative = stem + ("у" if last == "а" else "ю")
        return {"dat": oblique, "acc": accusative, "ins": stem + softened, "loc": oblique}[case]
    if gender == "f":  # лошадь, мышь
        return {"dat": genitive, "acc": nominative, "ins": stem + "ью", "loc": genitive}[case]
    soft = last == "ь"
    return {
        "dat": stem + ("ю" if soft else "у"),
        "acc": genitive if animate else nominative,
        "ins": stem + ("ем" if soft else "ом"),
        "loc": stem + "е",
    }[case]


def adjective_form(
    concept: str, gender: Gender, case: Case, *, animate_head: bool = False, young: bool = False
) -> str:
    """The long form; ``animate_head`` decides the accusative, ``young`` reads "new" as "young"."""
    citation, kind = (_YOUNG if concept == "new.a" and young else ADJECTIVES[concept]).split()
    if case == "nom" and gender == "m":
        return citation
    endings = _ADJECTIVE_ENDINGS[kind]
    stem = citation[:-2]
    if case == "acc" and gender == "f":
        return stem + ("юю" if kind == "soft" else "ую")
    if case == "acc" and gender == "m" and not animate_head:
        return citation
    return stem + _cell(endings[gender], gender, case, animate_head)


def determiner_form(
    determiner: str, gender: Gender, case: Case, *, animate_head: bool = False
) -> str:
    """The form of "this", "my", "own" (свой) or "every"."""
    row = _DETERMINERS[determiner][gender]
    if gender == "f" and case == "acc":
        return row.split()[-1]
    return _cell(row, gender, case, animate_head)


def _cell(row: str, gender: Gender, case: Case, animate_head: bool) -> str:
    if case == "acc":
        case = "gen" if animate_head and gender in ("m", "pl") else "nom"
    return row.split()[("nom", "gen", "dat", "ins", "loc").index(case)]


def numeral_form(concept: str, gender: Gender, case: Case, *, animate_head: bool = False) -> str:
    """The form of a numeral; ``gender`` is that of the counted noun in the singular."""
    row = NUMERALS[concept].split()
    if case == "acc":
        case = "gen" if animate_head and concept != "five.m" else "nom"
    if case == "nom" and gender == "f" and concept == "two.m":
        return row[5]
    return row[("nom", "gen", "dat", "ins", "loc").index(case)]


def present_form(concept: str, person: Person, *, someone: bool = False) -> str:
    """Present of the imperfective; ``someone``: the object is a living being."""
    row = _LEAD if concept == "bring.v" and someone else IMPERFECTIVE[concept]
    return row.split()[1 + ("1sg", "2sg", "3sg", "1pl", "3pl").index(person)]


def past_form(concept: str, gender: Gender, aspect: Aspect, *, someone: bool = False) -> str:
    """Past tense in an aspect the verb has; ``someone``: the object is a living being."""
    lead = concept == "bring.v" and someone
    if aspect == "perfective":
        row = _HAVE_LED if lead else PERFECTIVE[concept]
    else:
        row = _LEAD if lead else IMPERFECTIVE[concept]
    return row.split()[GENDERS.index(gender) - 4]


def _living(obj: Object | Pronoun | None) -> bool:
    return obj is not None and (not isinstance(obj, NounPhrase) or obj.noun in ANIMATE)


def _gender(noun: str) -> Gender:
    genders: dict[str, Gender] = {"m": "m", "f": "f", "n": "n"}
    return genders[NOUNS[noun][0]]


def _noun_phrase(phrase: Object, case: Case, *, own: bool = False) -> list[Word]:
    """``case`` ``loc`` is that of "в" and "на"; ``own``: "my" is the subject's, hence "свой"."""
    if isinstance(phrase, Name):
        return [Word(name_form(phrase.name, case), "PROPN", phrase.name)]
    animate = phrase.noun in ANIMATE
    noun_gender = _gender(phrase.noun)
    gender: Gender = "pl" if phrase.number == "pl" else noun_gender
    numeral = phrase.numeral
    determiner_case = adjective_case = case
    noun = noun_form(phrase.noun, phrase.number, case)
    if phrase.number == "sg" and case == "loc":
        noun = locative(phrase.noun)
    if numeral and case in ("nom", "acc"):
        # The numeral governs the noun, unless it agrees as a genitive itself (двух друзей).
        if case == "acc" and animate:
            determiner_case = adjective_case = "gen"
            noun = noun_form(phrase.noun, "pl", "gen")
        elif numeral == "five.m":
            adjective_case = "gen"
            noun = noun_form(phrase.noun, "pl", "gen")
        else:
            adjective_case = "nom" if noun_gender == "f" else "gen"
            noun = noun_form(phrase.noun, "sg", "gen")
    words = []
    if phrase.determiner in _DETERMINERS:
        kind = "own" if own and phrase.determiner == "my" else phrase.determiner
        form = determiner_form(kind, gender, determiner_case, animate_head=animate)
        words.append(Word(form, "DET"))
    if numeral:
        form = numeral_form(numeral, noun_gender, case, animate_head=animate)
        words.append(Word(form, "NUM", numeral))
    for concept in phrase.adjectives:
        form = adjective_form(concept, gender, adjective_case, animate_head=animate, young=animate)
        words.append(Word(form, "ADJ", concept))
    words.append(Word(noun, "NOUN", phrase.noun))
    return words


def _phrase(phrase: Phrase, rng: random.Random, *, own: bool) -> list[Word]:
    forms, case = PREPOSITIONS[phrase.preposition]
    inner = phrase.noun_phrase
    words = _noun_phrase(inner, case, own=own)
    form, *others = forms.split()
    following = words[0].form.lower()
    cluster = following[1] not in _VOWELS + "ь"
    if phrase.preposition == "with.d" and cluster and following[0] in "сзшж":
        form = "со"
    elif phrase.preposition == "near.d" and rng.random() < 0.3:
        form = others[0]
    elif phrase.preposition == "in.d":
        if isinstance(inner, NounPhrase) and inner.noun in _ON:
            form = "на"
        elif cluster and following[0] in "вф":
            form = "во"
    return [Word(form, "ADP", phrase.preposition), *words]


def _adverb(concept: str, rng: random.Random) -> Word:
    usual, *rare = ADVERBS[concept].split()
    return Word(rare[0] if rare and rng.random() < 0.25 else usual, "ADV", concept)


def _head(subject: Subject) -> str:
    if isinstance(subject, NounPhrase):
        return subject.noun
    return subject.name if isinstance(subject, Name) else subject.pronoun


def _share(*concepts: str) -> float:
    """A number from 0 to 1 that is always the same for the same concepts."""
    return zlib.crc32(" ".join(concepts).encode()) / 2**32


class _Speaker:
    """Clauses of one sentence."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.habitual = False

    def subject(self, clause: Clause) -> tuple[list[Word], Person, Gender]:
        subject = clause.subject
        if isinstance(subject, Pronoun):
            form, person = PRONOUNS[subject.pronoun]
            return [Word(form, "PRON", subject.pronoun)], person, _PRONOUN_GENDERS[subject.pronoun]
        words = _noun_phrase(subject, "nom")
        if isinstance(subject, Name):
            return words, "3sg", "f" if NAMES[subject.name].startswith("f") else "m"
        if subject.number == "pl":
            return words, "3pl", "pl"
        return words, "3sg", _gender(subject.noun)

    def verb(self, clause: Clause, person: Person, gender: Gender) -> Word:
        assert clause.verb is not None
        someone = _living(clause.obj)
        if clause.tense == "present":
            form = present_form(clause.verb, person, someone=someone)
        else:
            form = past_form(clause.verb, gender, self._aspect(clause), someone=someone)
        return Word(form, "VERB", clause.verb)

    def _aspect(self, clause: Clause) -> Aspect:
        """Habits are imperfective, a single event of a subject always of one aspect."""
        habit = self.habitual or clause.adverb in _REPEATED
        if habit or clause.verb not in PERFECTIVE:
            return "imperfective"
        limit = 0.3 if clause.verb in ("see.v", "hear.v") else 0.7
        return (
            "perfective" if _share(clause.verb, _head(clause.subject)) < limit else "imperfective"
        )

    def object(self, clause: Clause, *, own: bool) -> tuple[list[Word], bool]:
        """The object, and whether its form alone shows that it is not the subject."""
        obj = clause.obj
        if obj is None:
            return [], False
        if clause.verb == "answer.v" and not _living(obj):
            return [Word("на", "ADP"), *_noun_phrase(obj, "acc", own=own)], True
        case: Case = "dat" if clause.verb in ("help.v", "answer.v") else "acc"
        words = _noun_phrase(obj, case, own=own)
        return words, words[-1].form != _noun_phrase(obj, "nom")[-1].form

    def clause(self, clause: Clause, *, shared: bool = False) -> list[Word]:
        """One clause; ``shared``: its subject is that of the clause before and is left out."""
        rng = self.rng
        subject, person, gender = self.subject(clause)
        own = clause.subject == Pronoun("i.o") and rng.random() < 0.75
        before, opening, closing = self._around(clause, own=own)
        if clause.quality:
            core = self._copular(clause, subject, before, gender, shared=shared)
            return opening + core + closing
        negation = [Word("не", "PART")] if clause.negated else []
        verb = self.verb(clause, person, gender)
        if negation and clause.adverb in _REPEATED:
            group = [*negation, *before, verb]  # не всегда спит
        else:
            group = [*before, *negation, verb]
        obj, marked = self.object(clause, own=own)
        if shared or self._drops(clause):
            return opening + group + obj + closing
        full = not isinstance(clause.subject, Pronoun)
        chance = rng.random()
        if obj:
            if marked and full and chance < _OBJECT_VERB_SUBJECT:
                return opening + obj + group + subject + closing
            if (marked or not full) and chance > 1 - _SUBJECT_OBJECT_VERB:
                return opening + subject + obj + group + closing
            return opening + subject + group + obj + closing
        new = isinstance(clause.subject, NounPhrase) and clause.subject.determiner == "indefinite"
        if full and opening and chance < (_VERB_NEW_SUBJECT if new else _VERB_SUBJECT):
            return opening + group + subject + closing
        return opening + subject + group + closing

    def _around(self, clause: Clause, *, own: bool) -> tuple[list[Word], list[Word], list[Word]]:
        """Adverb and phrase: what stands before the verb, first and last in the clause."""
        before: list[Word] = []
        opening: list[Word] = []
        closing: list[Word] = []
        if clause.adverb:
            first, middle = _PLACES[clause.adverb]
            denied = clause.negated and clause.adverb in _REPEATED
            chance = 0.0 if clause.quality else self.rng.random()
            place = before
            if not denied and not clause.quality:
                if chance < first:
                    place = opening
                elif chance >= first + middle:
                    place = closing
            place.append(_adverb(clause.adverb, self.rng))
        if clause.phrase:
            words = _phrase(clause.phrase, self.rng, own=own)
            chance = self.rng.random()
            if chance < _PHRASE_FIRST:
                opening += words
            elif chance < _PHRASE_FIRST + _PHRASE_BEFORE_VERB or clause.quality:
                before[:0] = words
            else:
                closing += words
        return before, opening, closing

    def _copular(
        self,
        clause: Clause,
        subject: list[Word],
        before: list[Word],
        gender: Gender,
        *,
        shared: bool,
    ) -> list[Word]:
        assert clause.quality is not None
        young = _living(clause.subject)
        case: Case = "nom" if clause.tense == "present" else "ins"
        predicate = [
            Word(adjective_form(clause.quality, gender, case, young=young), "ADJ", clause.quality)
        ]
        copula = [Word(_WAS[gender], "AUX")] if clause.tense == "past" else []
        negation = [Word("не", "PART")] if clause.negated else []
        if negation and clause.adverb in _REPEATED:
            *place, adverb = before
            before, negation = place, [*negation, adverb]
        return ([] if shared else subject) + before + negation + copula + predicate

    def _drops(self, clause: Clause) -> bool:
        """ "I", "you" and "we" show in a present verb and are left out now and then."""
        subject = clause.subject
        chance = self.rng.random()
        if not isinstance(subject, Pronoun) or subject.pronoun not in ("i.o", "you.o", "we.o"):
            return False
        return clause.tense == "present" and chance < _DROPPED


def _shares_subject(first: Clause, second: Clause) -> bool:
    return first.subject == second.subject and not (
        isinstance(first.subject, NounPhrase) and first.subject.determiner == "indefinite"
    )


def _punctuated(*clauses: list[Word]) -> list[Word]:
    """Join clauses with commas, close with a full stop, capitalise the first letter."""
    words: list[Word] = []
    for index, clause in enumerate(clauses):
        mark = "." if index == len(clauses) - 1 else ","
        last = clause[-1]
        words += [*clause[:-1], Word(last.form, last.upos, last.concept, space_after=False)]
        words.append(Word(mark, "PUNCT"))
    first = words[0]
    form = first.form[0].upper() + first.form[1:]
    return [Word(form, first.upos, first.concept, first.space_after), *words[1:]]


class Russian:
    """Realiser of Russian."""

    code = "ru"

    def realise(self, sentence: Sentence, rng: random.Random) -> list[Word]:
        """Say ``sentence`` in Russian."""
        speaker = _Speaker(rng)
        first, second, concept = sentence.first, sentence.second, sentence.connective
        if second is None or concept is None:
            return _punctuated(speaker.clause(first))
        if concept in ("and.c", "but.c"):
            link = Word(CONNECTIVES[concept], "CCONJ", concept)
            shared = _shares_subject(first, second) and rng.random() < 0.6
            main = speaker.clause(first)
            rest = [link, *speaker.clause(second, shared=shared)]
            if shared and concept == "and.c":
                return _punctuated([*main, *rest])
            return _punctuated(main, rest)
        if concept == "when.s":  # both clauses tell of the same habit, or neither does
            speaker.habitual = bool({first.adverb, second.adverb} & _REPEATED)
        links = [Word(CONNECTIVES[concept], "SCONJ", concept)]
        movable = True
        if concept == "because.s" and rng.random() < 0.8:
            links = [Word("потому", "ADV"), Word("что", "SCONJ")]
            movable = False
        main = speaker.clause(first)
        subordinate = [*links, *speaker.clause(second)]
        if movable and rng.random() < _FRONTED_CLAUSE:
            return _punctuated(subordinate, main)
        return _punctuated(main, subordinate)

    def forms(self, concept: str) -> list[str]:
        """Declension, conjugation of both aspects, or synonyms."""
        return list(dict.fromkeys(_forms(concept)))


def _forms(concept: str) -> list[str]:
    if concept in NOUNS:
        numbers: tuple[Number, ...] = ("sg", "pl")
        cells = [noun_form(concept, number, case) for number in numbers for case in CASES]
        return [*cells, locative(concept)]
    if concept in NAMES:
        return [name_form(concept, case) for case in CASES]
    if concept in IMPERFECTIVE:
        rows = [IMPERFECTIVE[concept], PERFECTIVE.get(concept, "")]
        if concept == "bring.v":
            rows += [_LEAD, _HAVE_LED]
        return [form for row in rows for form in row.split()]
    if concept in ADJECTIVES:
        return [
            adjective_form(concept, gender, case, animate_head=animate, young=young)
            for young in ((False, True) if concept == "new.a" else (False,))
            for animate in (False, True)
            for gender in GENDERS
            for case in CASES
        ]
    if concept in NUMERALS:
        forms = NUMERALS[concept].split()
        return [forms[0], *forms[5:], *forms[1:5]]
    if concept in PRONOUNS:
        return [PRONOUNS[concept][0]]
    if concept in PREPOSITIONS:
        return PREPOSITIONS[concept][0].split()
    for table in (ADVERBS, CONNECTIVES):
        if concept in table:
            return table[concept].split()
    raise KeyError(concept)


REALISER = Russian()
