"""Turkish: vowel harmony, cases and possessives, verb-final order, dropped subjects.

The present is ``-Iyor``, the past ``-DI`` (of states ``-Iyordu``). A copula that has a form of its
own is a word of its own, as UD has it: ``büyük tü`` and ``büyüğ üm`` without a space between
them. *Yardım et-* (to help; its object is dative) and *şarkı söyle-* (to sing) are a noun and a
verb, and the verb carries the concept. Time clauses come first, nominalised (``aldığında``, or
``aldığı zaman``, where *zaman* carries when.s). *In* is the locative, at times ``içinde``; *with*
the instrumental, at times ``ile``; *without* is ``olmadan``. *Burada* and *orada* are adverbs.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Literal

from demo.meaning import (
    ANIMALS,
    PERSONS,
    Clause,
    Name,
    NounPhrase,
    Object,
    Phrase,
    Pronoun,
    Sentence,
    Subject,
    Word,
)

Case = Literal["nom", "acc", "dat", "gen", "loc", "ins"]
CASES: tuple[Case, ...] = ("nom", "acc", "dat", "gen", "loc", "ins")

# concept: the noun and, where it differs, its stem before a vowel
NOUNS: dict[str, tuple[str, str]] = {
    cells[0]: (cells[1], cells[-1])
    for cells in (
        line.split()
        for line in """\
woman.n kadın
man.n adam
girl.n kız
boy.n oğlan
teacher.n öğretmen
doctor.n doktor
farmer.n çiftçi
student.n öğrenci
friend.n arkadaş
neighbour.n komşu
soldier.n asker
cook.n aşçı
painter.n ressam
driver.n şoför
dog.n köpek köpeğ
cat.n kedi
horse.n at
bird.n kuş
cow.n inek ineğ
mouse.n fare
bear.n ayı
book.n kitap kitab
letter.n mektup mektub
apple.n elma
bread.n ekmek ekmeğ
cup.n fincan
table.n masa
chair.n sandalye
lamp.n lamba
car.n araba
key.n anahtar
picture.n resim resm
flower.n çiçek çiçeğ
hat.n şapka
ball.n top
stone.n taş
knife.n bıçak bıçağ
bag.n çanta
drink.n içecek içeceğ
answer.n cevap cevab
paint.n boya
house.n ev
garden.n bahçe
school.n okul
market.n pazar
forest.n orman
river.n nehir nehr
street.n sokak sokağ
city.n şehir şehr
kitchen.n mutfak mutfağ
bridge.n köprü
""".splitlines()
    )
}
NAMES = {
    "anna.p": "Anna",
    "peter.p": "Peter",
    "maria.p": "Maria",
    "paul.p": "Paul",
    "sofia.p": "Sofia",
    "victor.p": "Viktor",
}

# concept: the verb's stem and, where it differs, its stem before a vowel;
# know.v+ is the verb for what is neither a person nor an animal
VERBS: dict[str, tuple[str, str]] = {
    cells[0]: (cells[1], cells[-1])
    for cells in (
        line.split()
        for line in """\
see.v gör
buy.v al
sell.v sat
eat.v ye
carry.v taşı
find.v bul
lose.v kaybet kaybed
love.v sev
know.v tanı
know.v+ bil
help.v et ed
hear.v duy
paint.v boya
wash.v yıka
hide.v sakla
bring.v getir
drink.v iç
answer.v cevapla
cook.v pişir
sleep.v uyu
run.v koş
laugh.v gül
sing.v söyle
work.v çalış
wait.v bekle
swim.v yüz
""".splitlines()
    )
}
PARTICLES = {"help.v": "yardım", "sing.v": "şarkı"}
STATES = ("love.v", "know.v", "know.v+")

# concept: the adjective and, where it differs, its stem before a vowel
ADJECTIVES: dict[str, tuple[str, str]] = {
    cells[0]: (cells[1], cells[-1])
    for cells in (
        line.split()
        for line in """\
big.a büyük büyüğ
small.a küçük küçüğ
old.a eski
new.a yeni
red.a kırmızı
green.a yeşil
white.a beyaz
black.a siyah
blue.a mavi
good.a iyi
bad.a kötü
happy.a mutlu
sad.a üzgün
fast.a hızlı
slow.a yavaş
strong.a güçlü
weak.a zayıf
expensive.a pahalı
cheap.a ucuz
""".splitlines()
    )
}
OF_ANIMATES = {"old.a": ("yaşlı", "yaşlı"), "new.a": ("genç", "genc")}

PRONOUNS = {
    "i.o": "ben",
    "you.o": "sen",
    "he.o": "o",
    "she.o": "o",
    "we.o": "biz",
    "they.o": "onlar",
}
PERSON = {"i.o": 0, "you.o": 1, "he.o": 2, "she.o": 2, "we.o": 3, "they.o": 4}
NUMERALS = {"two.m": "iki", "three.m": "üç", "five.m": "beş"}
ADVERBS = {
    "today.r": ("bugün",),
    "often.r": ("sıkça",),
    "always.r": ("hep", "daima"),
    "here.r": ("burada",),
    "there.r": ("orada",),
    "again.r": ("tekrar", "yine"),
}
PREPOSITIONS = {
    "in.d": "içinde",
    "behind.d": "arkasında",
    "near.d": "yakınında",
    "with.d": "ile",
    "without.d": "olmadan",
}
CONNECTIVES = {
    "and.c": ("ve",),
    "but.c": ("ama", "fakat"),
    "because.s": ("çünkü",),
    "when.s": ("zaman",),
}

MASS = ("bread.n", "paint.n")  # without "bir"
ANIMATE = frozenset((*PERSONS, *ANIMALS))
# Nouns that "içinde" goes with.
ENCLOSED = ("house.n", "garden.n", "school.n", "forest.n", "kitchen.n", "car.n", "bag.n")
# Verbs that take an indefinite person as a bare object (bir kadın gördü).
BARE_PERSON = ("see.v", "find.v")

DROP_SUBJECT = 0.8
DROP_COPULAR_THIRD = 0.4
DROP_MY = 0.85  # evim, beside: benim evim
PLURAL_VERB = 0.25  # with a plural noun of persons
BIR_FIRST = 0.15  # bir büyük ev, beside: büyük bir ev
INSIDE = 0.35
ILE = 0.35
FRONT_TODAY = 0.65
PHRASE_FIRST = {"definite": 0.2, "indefinite": 0.65}  # by the subject
SCRAMBLE = 0.15  # of clauses with a case-marked object
OBJECT_EARLY = 0.25  # a case-marked object before phrases and adverbs
WHEN_ZAMAN = 0.4
COMMA_AFTER_TIME = 0.5

_VOWELS = "aıoueiöü"
_HIGH = dict(zip(_VOWELS, "ııuuiiüü", strict=True))
_LOW = dict(zip(_VOWELS, "aaaaeeee", strict=True))


def _last_vowel(stem: str) -> str:
    return next(letter for letter in reversed(stem.lower()) if letter in _VOWELS)


def _add(stem: str, suffix: str) -> str:
    """Attach a suffix: ``I`` and ``A`` follow vowel harmony, ``D`` the voice of what precedes."""
    for letter in suffix:
        if letter == "I":
            letter = _HIGH[_last_vowel(stem)]
        elif letter == "A":
            letter = _LOW[_last_vowel(stem)]
        elif letter == "D":
            letter = "t" if stem[-1] in "fstkçşhp" else "d"
        stem += letter
    return stem


def _ends_in_vowel(stem: str) -> bool:
    return stem[-1] in _VOWELS


# Case suffixes after a consonant and after a vowel; these begin with a vowel after a consonant.
_CASE_SUFFIXES: dict[Case, tuple[str, str]] = {
    "nom": ("", ""),
    "acc": ("I", "yI"),
    "dat": ("A", "yA"),
    "gen": ("In", "nIn"),
    "loc": ("DA", "DA"),
    "ins": ("lA", "ylA"),
}


def _noun(concept: str, case: Case, *, plural: bool = False, mine: bool = False) -> str:
    """Inflect a common noun."""
    stem, before_vowel = NOUNS[concept]
    if plural:
        stem = before_vowel = _add(stem, "lAr")
    if mine:
        stem = _add(stem, "m") if _ends_in_vowel(stem) else _add(before_vowel, "Im")
        before_vowel = stem
    suffix = _CASE_SUFFIXES[case][_ends_in_vowel(stem)]
    return _add(before_vowel if case in ("acc", "dat", "gen") else stem, suffix)


def _name(concept: str, case: Case) -> str:
    """Inflect a name: the suffix stands after an apostrophe."""
    name = NAMES[concept]
    suffix = _add(name, _CASE_SUFFIXES[case][_ends_in_vowel(name)])[len(name) :]
    return f"{name}'{suffix}" if suffix else name


_PRESENT = ("um", "sun", "", "uz", "lar")
_PAST = ("m", "n", "", "k", "lAr")
_IMPERFECT = ("dum", "dun", "du", "duk", "lardı")


def _verb(concept: str, person: int, tense: str, *, negated: bool) -> str:
    """A finite form; ``person`` counts 1sg 2sg 3sg 1pl 3pl."""
    stem, before_vowel = VERBS[concept]
    if tense == "past" and concept not in STATES:
        return _add(_add(_add(stem, "mA") if negated else stem, "DI"), _PAST[person])
    if negated:
        progressive = _add(stem, "mIyor")
    elif concept == "eat.v":
        progressive = "yiyor"
    elif _ends_in_vowel(stem):
        progressive = _add(stem[:-1], "Iyor")
    else:
        progressive = _add(before_vowel, "Iyor")
    return progressive + (_PRESENT if tense == "present" else _IMPERFECT)[person]


# Endings of the time clause, before "zaman" and with the locative.
_NOMINALISED = ("DIğIm", "DIğIn", "DIğI", "DIğImIz", "DIklArI")
_WHEN = ("DIğImdA", "DIğIndA", "DIğIndA", "DIğImIzdA", "DIklArIndA")


def _nominalised(stem: str, person: int, *, negated: bool, zaman: bool) -> str:
    stem = _add(stem, "mA") if negated else stem
    return _add(stem, (_NOMINALISED if zaman else _WHEN)[person])


def _verb_forms(concept: str) -> list[str]:
    stem, _ = VERBS[concept]
    forms = [_add(stem, "mAk")]
    for negated in (False, True):
        for tense in ("present", "past"):
            forms += [_verb(concept, person, tense, negated=negated) for person in range(5)]
    for negated in (False, True):
        for zaman in (True, False):
            forms += [_nominalised(stem, p, negated=negated, zaman=zaman) for p in range(5)]
    return forms


# Copula after a consonant and after a vowel; 3pl is said by the subject in the present.
_COPULA_PRESENT = (("Im", "yIm"), ("sIn", "sIn"), ("", ""), ("Iz", "yIz"), ("", ""))
_NOT_PRESENT = ("değilim", "değilsin", "değil", "değiliz", "değiller")
_NOT_PAST = ("değildim", "değildin", "değildi", "değildik", "değillerdi")


def _adjective(concept: str, *, animate: bool) -> tuple[str, str]:
    return OF_ANIMATES[concept] if animate and concept in OF_ANIMATES else ADJECTIVES[concept]


def _copular(concept: str, person: int, clause: Clause, *, animate: bool) -> list[Word]:
    """A predicate adjective and its copula."""
    stem, before_vowel = _adjective(concept, animate=animate)
    past = clause.tense == "past"
    if clause.negated:
        form = (_NOT_PAST if past else _NOT_PRESENT)[person]
        return [Word(stem, "ADJ", concept), Word(form, "AUX")]
    if past:
        suffix = ("yDI" if _ends_in_vowel(stem) else "DI") + _PAST[person]
    else:
        suffix = _COPULA_PRESENT[person][_ends_in_vowel(stem)]
        if suffix.startswith("I"):
            stem = before_vowel
    if not suffix:
        return [Word(stem, "ADJ", concept)]
    copula = _add(stem, suffix)[len(stem) :]
    return [Word(stem, "ADJ", concept, space_after=False), Word(copula, "AUX")]


def _noun_phrase(
    phrase: Object, case: Case, rng: random.Random, *, some: bool = False, none: bool = False
) -> list[Word]:
    """A noun phrase in a case; ``some`` marks an indefinite plural by *bazı*.

    ``none`` says an indefinite that is denied with *hiçbir*: *bir kızı sevmiyor* is said of a
    certain girl.
    """
    if isinstance(phrase, Name):
        return [Word(_name(phrase.name, case), "PROPN", phrase.name)]
    animate = phrase.noun in ANIMATE
    mine = phrase.determiner == "my"
    plural = phrase.number == "pl" and phrase.numeral is None
    words: list[Word] = []
    denied = none and phrase.determiner == "indefinite" and phrase.numeral is None
    if denied:
        plural = False
        words.append(Word("hiçbir", "DET"))
    elif phrase.determiner == "this":
        words.append(Word("bu", "DET"))
    elif phrase.determiner == "every":
        words.append(Word("her", "DET"))
    elif mine and rng.random() >= DROP_MY:
        words.append(Word("benim", "PRON"))
    elif phrase.determiner == "indefinite" and plural and some:
        words.append(Word("bazı", "DET"))
    if phrase.numeral is not None:
        words.append(Word(NUMERALS[phrase.numeral], "NUM", phrase.numeral))
    adjectives = [
        Word(_adjective(concept, animate=animate)[0], "ADJ", concept)
        for concept in phrase.adjectives
    ]
    single = phrase.determiner == "indefinite" and phrase.number == "sg" and not denied
    if single and phrase.noun not in MASS:
        bir = [Word("bir", "DET")]
        adjectives = bir + adjectives if rng.random() < BIR_FIRST else adjectives + bir
    form = _noun(phrase.noun, case, plural=plural, mine=mine)
    return [*words, *adjectives, Word(form, "NOUN", phrase.noun)]


def _phrase(phrase: Phrase, rng: random.Random) -> list[Word]:
    concept, inner = phrase.preposition, phrase.noun_phrase
    word = PREPOSITIONS[concept]
    if concept == "in.d":
        enclosed = isinstance(inner, NounPhrase) and inner.noun in ENCLOSED
        if not enclosed or rng.random() >= INSIDE:
            return _noun_phrase(inner, "loc", rng)
    if concept in ("in.d", "behind.d", "near.d"):
        return [*_noun_phrase(inner, "gen", rng), Word(word, "NOUN", concept)]
    if concept == "without.d":
        return [*_noun_phrase(inner, "nom", rng), Word(word, "ADV", concept)]
    if rng.random() < ILE:
        return [*_noun_phrase(inner, "nom", rng), Word(word, "ADP", concept)]
    return _noun_phrase(inner, "ins", rng)


def _object_case(verb: str, obj: Object) -> Case:
    """Dative of help.v; bare where an indefinite object may be, else accusative."""
    if verb == "help.v":
        return "dat"
    if isinstance(obj, Name) or obj.determiner != "indefinite" or verb in STATES:
        return "acc"
    return "acc" if obj.noun in PERSONS and verb not in BARE_PERSON else "nom"


def _indefinite(subject: Subject) -> bool:
    return isinstance(subject, NounPhrase) and subject.determiner == "indefinite"


def _mistakable(pronoun: Pronoun, other: Subject) -> bool:
    """Whether a clause without its pronoun would be about the subject of the other clause."""
    person = PERSON[pronoun.pronoun]
    if person not in (2, 4) or other == pronoun:
        return False
    if isinstance(other, Pronoun):
        return PERSON[other.pronoun] == person
    return person == 2 or (isinstance(other, NounPhrase) and other.number == "pl")


def _subject(clause: Clause, rng: random.Random, other: Subject | None) -> list[Word]:
    """The subject, or nothing; ``other`` is that of the other clause, if there are two."""
    subject = clause.subject
    if not isinstance(subject, Pronoun):
        return _noun_phrase(subject, "nom", rng)
    drop = DROP_SUBJECT
    if clause.quality is not None and subject.pronoun in ("he.o", "she.o", "they.o"):
        drop = DROP_COPULAR_THIRD
        if clause.tense == "present" and not clause.negated:
            drop = 0.0  # nothing else says the person
    if other is not None and _mistakable(subject, other):
        drop = 0.0
    if rng.random() < drop:
        return []
    return [Word(PRONOUNS[subject.pronoun], "PRON", subject.pronoun)]


def _person(clause: Clause, rng: random.Random) -> int:
    """The person that the predicate agrees with."""
    subject = clause.subject
    if isinstance(subject, Pronoun):
        return PERSON[subject.pronoun]
    if (
        isinstance(subject, NounPhrase)
        and subject.noun in PERSONS
        and subject.number == "pl"
        and subject.numeral is None
        and clause.verb is not None
        and rng.random() < PLURAL_VERB
    ):
        return 4
    return 2


def _predicate(clause: Clause, rng: random.Random, *, when: bool) -> list[Word]:
    """The words that end a clause; ``when`` makes it a time clause."""
    person = _person(clause, rng)
    animate = not isinstance(clause.subject, NounPhrase) or clause.subject.noun in ANIMATE
    zaman = when and rng.random() < WHEN_ZAMAN
    if clause.verb is not None:
        head = [Word(PARTICLES[clause.verb], "NOUN")] if clause.verb in PARTICLES else []
        obj = clause.obj
        thing = isinstance(obj, NounPhrase) and obj.noun not in ANIMATE
        verb = "know.v+" if clause.verb == "know.v" and thing else clause.verb
        if when:
            stem = VERBS[verb][0]
            form = _nominalised(stem, person, negated=clause.negated, zaman=zaman)
        else:
            form = _verb(verb, person, clause.tense, negated=clause.negated)
        words = [*head, Word(form, "VERB", clause.verb)]
    else:
        assert clause.quality is not None
        if when:
            form = _nominalised("ol", person, negated=clause.negated, zaman=zaman)
            adjective = _adjective(clause.quality, animate=animate)[0]
            words = [Word(adjective, "ADJ", clause.quality), Word(form, "AUX")]
        else:
            words = _copular(clause.quality, person, clause, animate=animate)
    if zaman:
        words.append(Word("zaman", "NOUN", "when.s"))
    return words


def _clause(
    clause: Clause, rng: random.Random, other: Subject | None = None, *, when: bool = False
) -> list[Word]:
    subject = _subject(clause, rng, other)
    predicate = _predicate(clause, rng, when=when)
    obj: list[Word] = []
    bare = False
    if clause.verb is not None and clause.obj is not None:
        case = _object_case(clause.verb, clause.obj)
        bare = case == "nom"
        obj = _noun_phrase(clause.obj, case, rng, some=not bare, none=not bare and clause.negated)
    phrase = _phrase(clause.phrase, rng) if clause.phrase else []
    adverb = (
        [Word(rng.choice(ADVERBS[clause.adverb]), "ADV", clause.adverb)] if clause.adverb else []
    )

    front: list[Word] = []
    if clause.adverb == "today.r" and rng.random() < FRONT_TODAY:
        front, adverb = adverb, []
    subject_kind = "indefinite" if _indefinite(clause.subject) else "definite"
    if phrase and rng.random() < PHRASE_FIRST[subject_kind]:
        front, phrase = front + phrase, []
    middle = phrase + adverb if rng.random() < 0.5 else adverb + phrase
    before, after = [*middle, *obj], [*predicate]
    if obj and not bare:
        draw = rng.random()
        if draw < SCRAMBLE:
            order = "OSV" if when else rng.choice(("OSV", "OSV", "SVO", "OVS"))
            if order == "OSV":
                front, before = [*obj, *front], middle
            elif order == "SVO":
                before, after = middle, [*predicate, *obj]
            else:
                subject, before, after = [], before, [*predicate, *subject]
        elif draw < SCRAMBLE + OBJECT_EARLY:
            before = [*obj, *middle]
    if before and before[0].upos in ("NOUN", "ADJ", "NUM") and _is_o(subject):
        subject = _close(subject, ",")
    return [*front, *subject, *before, *after]


def _is_o(subject: list[Word]) -> bool:
    """Whether a subject is the pronoun *o*, which without a comma reads "that" before a noun."""
    return [word.form for word in subject] == ["o"]


def _close(words: list[Word], mark: str) -> list[Word]:
    return [*words[:-1], replace(words[-1], space_after=False), Word(mark, "PUNCT")]


def _capital(form: str) -> str:
    return ("İ" if form[0] == "i" else form[0].upper()) + form[1:]


class Turkish:
    """Realiser of Turkish."""

    code = "tr"

    def realise(self, sentence: Sentence, rng: random.Random) -> list[Word]:
        """Say a meaning in Turkish (see ``Realiser``)."""
        connective, clause = sentence.connective, sentence.second
        words = _clause(sentence.first, rng, clause.subject if clause else None)
        if connective is not None and clause is not None:
            second = _clause(clause, rng, sentence.first.subject, when=connective == "when.s")
            if connective == "when.s":
                second = _close(second, ",") if rng.random() < COMMA_AFTER_TIME else second
                words = [*second, *words]
            else:
                link = Word(rng.choice(CONNECTIVES[connective]), "CCONJ", connective)
                if connective != "and.c":
                    words = _close(words, ",")
                words = [*words, link, *second]
        words = _close(words, ".")
        return [replace(words[0], form=_capital(words[0].form)), *words[1:]]

    def forms(self, concept: str) -> list[str]:
        """Every form of a concept, citation form first."""
        found: list[str]
        if concept in NOUNS:
            found = [
                _noun(concept, case, plural=plural, mine=mine)
                for mine in (False, True)
                for plural in (False, True)
                for case in CASES
            ]
        elif concept in NAMES:
            found = [_name(concept, case) for case in CASES]
        elif concept in VERBS:
            found = _verb_forms(concept)
            if concept + "+" in VERBS:
                found += _verb_forms(concept + "+")
        elif concept in ADJECTIVES:
            found = [*ADJECTIVES[concept], *OF_ANIMATES.get(concept, ())]
        elif concept in ADVERBS or concept in CONNECTIVES:
            found = list({**ADVERBS, **CONNECTIVES}[concept])
        else:
            found = [{**PRONOUNS, **NUMERALS, **PREPOSITIONS}[concept]]
        return list(dict.fromkeys(found))


REALISER = Turkish()
