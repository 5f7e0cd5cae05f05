"""German: four cases, three genders, verb second in main clauses and last in subordinate ones.

Artificial: preposition and article stay apart (``in dem Garten``), because Universal Dependencies
splits ``im`` into the syntactic words ``in`` and ``dem`` and the demo has no multiword tokens. No
separable verbs, no perfect tense, no plural "you".
"""

from __future__ import annotations

import random
from dataclasses import dataclass
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
    Tense,
    Word,
)

Case = Literal["nom", "acc", "dat", "gen"]
Person = Literal["1sg", "2sg", "3sg", "1pl", "3pl"]
Position = Literal["second", "first", "last"]  # of the finite verb

ANIMATE = frozenset((*PERSONS, *ANIMALS))
CASES: tuple[Case, ...] = ("nom", "acc", "dat", "gen")

# gender, nominative singular, genitive singular, nominative plural
NOUNS = {
    "woman.n": "f Frau Frau Frauen",
    "man.n": "m Mann Mannes Männer",
    "girl.n": "n Mädchen Mädchens Mädchen",
    "boy.n": "m Junge Jungen Jungen",
    "teacher.n": "m Lehrer Lehrers Lehrer",
    "doctor.n": "m Arzt Arztes Ärzte",
    "farmer.n": "m Bauer Bauern Bauern",
    "student.n": "m Student Studenten Studenten",
    "friend.n": "m Freund Freundes Freunde",
    "neighbour.n": "m Nachbar Nachbarn Nachbarn",
    "soldier.n": "m Soldat Soldaten Soldaten",
    "cook.n": "m Koch Kochs Köche",
    "painter.n": "m Maler Malers Maler",
    "driver.n": "m Fahrer Fahrers Fahrer",
    "dog.n": "m Hund Hundes Hunde",
    "cat.n": "f Katze Katze Katzen",
    "horse.n": "n Pferd Pferdes Pferde",
    "bird.n": "m Vogel Vogels Vögel",
    "cow.n": "f Kuh Kuh Kühe",
    "mouse.n": "f Maus Maus Mäuse",
    "bear.n": "m Bär Bären Bären",
    "book.n": "n Buch Buches Bücher",
    "letter.n": "m Brief Briefes Briefe",
    "apple.n": "m Apfel Apfels Äpfel",
    "bread.n": "n Brot Brotes Brote",
    "cup.n": "f Tasse Tasse Tassen",
    "table.n": "m Tisch Tisches Tische",
    "chair.n": "m Stuhl Stuhls Stühle",
    "lamp.n": "f Lampe Lampe Lampen",
    "car.n": "n Auto Autos Autos",
    "key.n": "m Schlüssel Schlüssels Schlüssel",
    "picture.n": "n Bild Bildes Bilder",
    "flower.n": "f Blume Blume Blumen",
    "hat.n": "m Hut Hutes Hüte",
    "ball.n": "m Ball Balls Bälle",
    "stone.n": "m Stein Steins Steine",
    "knife.n": "n Messer Messers Messer",
    "bag.n": "f Tasche Tasche Taschen",
    "drink.n": "n Getränk Getränks Getränke",
    "answer.n": "f Antwort Antwort Antworten",
    "paint.n": "f Farbe Farbe Farben",
    "house.n": "n Haus Hauses Häuser",
    "garden.n": "m Garten Gartens Gärten",
    "school.n": "f Schule Schule Schulen",
    "market.n": "m Markt Marktes Märkte",
    "forest.n": "m Wald Waldes Wälder",
    "river.n": "m Fluss Flusses Flüsse",
    "street.n": "f Straße Straße Straßen",
    "city.n": "f Stadt Stadt Städte",
    "kitchen.n": "f Küche Küche Küchen",
    "bridge.n": "f Brücke Brücke Brücken",
}

# infinitive, present 1sg 2sg 3sg, past 1sg 2sg
# A person is answered with "antworten" and the dative; animals eat with "fressen".
OTHER_VERBS = {
    "answer.v": "antworten antworte antwortest antwortet antwortete antwortetest",
    "eat.v": "fressen fresse frisst frisst fraß fraßest",
}
VERBS = {
    "see.v": "sehen sehe siehst sieht sah sahst",
    "buy.v": "kaufen kaufe kaufst kauft kaufte kauftest",
    "sell.v": "verkaufen verkaufe verkaufst verkauft verkaufte verkauftest",
    "eat.v": "essen esse isst isst aß aßest",
    "carry.v": "tragen trage trägst trägt trug trugst",
    "find.v": "finden finde findest findet fand fandest",
    "lose.v": "verlieren verliere verlierst verliert verlor verlorst",
    "love.v": "lieben liebe liebst liebt liebte liebtest",
    "know.v": "kennen kenne kennst kennt kannte kanntest",
    "help.v": "helfen helfe hilfst hilft half halfst",
    "hear.v": "hören höre hörst hört hörte hörtest",
    "paint.v": "malen male malst malt malte maltest",
    "wash.v": "waschen wasche wäschst wäscht wusch wuschst",
    "hide.v": "verstecken verstecke versteckst versteckt versteckte verstecktest",
    "bring.v": "bringen bringe bringst bringt brachte brachtest",
    "drink.v": "trinken trinke trinkst trinkt trank trankst",
    "answer.v": "beantworten beantworte beantwortest beantwortet beantwortete beantwortetest",
    "cook.v": "kochen koche kochst kocht kochte kochtest",
    "sleep.v": "schlafen schlafe schläfst schläft schlief schliefst",
    "run.v": "laufen laufe läufst läuft lief liefst",
    "laugh.v": "lachen lache lachst lacht lachte lachtest",
    "sing.v": "singen singe singst singt sang sangst",
    "work.v": "arbeiten arbeite arbeitest arbeitet arbeitete arbeitetest",
    "wait.v": "warten warte wartest wartet wartete wartetest",
    "swim.v": "schwimmen schwimme schwimmst schwimmt schwamm schwammst",
}
COPULA: dict[Tense, dict[Person, str]] = {
    "present": {"1sg": "bin", "2sg": "bist", "3sg": "ist", "1pl": "sind", "3pl": "sind"},
    "past": {"1sg": "war", "2sg": "warst", "3sg": "war", "1pl": "waren", "3pl": "waren"},
}

# predicative form, stem before an ending
ADJECTIVES = {
    "big.a": "groß groß",
    "small.a": "klein klein",
    "old.a": "alt alt",
    "new.a": "neu neu",
    "red.a": "rot rot",
    "green.a": "grün grün",
    "white.a": "weiß weiß",
    "black.a": "schwarz schwarz",
    "blue.a": "blau blau",
    "good.a": "gut gut",
    "bad.a": "schlecht schlecht",
    "happy.a": "glücklich glücklich",
    "sad.a": "traurig traurig",
    "fast.a": "schnell schnell",
    "slow.a": "langsam langsam",
    "strong.a": "stark stark",
    "weak.a": "schwach schwach",
    "expensive.a": "teuer teur",
    "cheap.a": "billig billig",
}
_YOUNG = "jung jung"

# Endings in the order m f n pl, by case.
Endings = dict[Case, tuple[str, str, str, str]]
STRONG: Endings = {
    "nom": ("er", "e", "es", "e"),
    "acc": ("en", "e", "es", "e"),
    "dat": ("em", "er", "em", "en"),
}
WEAK: Endings = {
    "nom": ("e", "e", "e", "en"),
    "acc": ("en", "e", "e", "en"),
    "dat": ("en", "en", "en", "en"),
}
MIXED: Endings = {  # after ein, kein, mein
    "nom": ("er", "e", "es", "en"),
    "acc": ("en", "e", "es", "en"),
    "dat": ("en", "en", "en", "en"),
}
ARTICLE: Endings = {
    "nom": ("der", "die", "das", "die"),
    "acc": ("den", "die", "das", "die"),
    "dat": ("dem", "der", "dem", "den"),
}
EIN: Endings = {  # of ein, kein, mein
    "nom": ("", "e", "", "e"),
    "acc": ("en", "e", "", "e"),
    "dat": ("em", "er", "em", "en"),
}
_GENDERS = "mfn"

NAMES = {
    "anna.p": "Anna",
    "peter.p": "Peter",
    "maria.p": "Maria",
    "paul.p": "Paul",
    "sofia.p": "Sofia",
    "victor.p": "Viktor",
}
PRONOUNS: dict[str, tuple[str, Person]] = {
    "i.o": ("ich", "1sg"),
    "you.o": ("du", "2sg"),
    "he.o": ("er", "3sg"),
    "she.o": ("sie", "3sg"),
    "we.o": ("wir", "1pl"),
    "they.o": ("sie", "3pl"),
}
NUMERALS = {"two.m": "zwei", "three.m": "drei", "five.m": "fünf"}
# The first form is the usual one; the second, where there is one, is chosen now and then.
ADVERBS = {
    "today.r": "heute",
    "often.r": "oft",
    "always.r": "immer",
    "here.r": "hier",
    "there.r": "dort da",
    "again.r": "wieder",
}
CONNECTIVES = {"and.c": "und", "but.c": "aber", "because.s": "weil da denn", "when.s": "wenn als"}
PREPOSITIONS: dict[str, tuple[str, Case]] = {
    "in.d": ("in", "dat"),
    "behind.d": ("hinter", "dat"),
    "near.d": ("bei", "dat"),
    "with.d": ("mit", "dat"),
    "without.d": ("ohne", "acc"),
}
_ON = frozenset(("market.n", "street.n", "bridge.n", "table.n", "chair.n", "picture.n"))
_REPEATED = frozenset(("often.r", "always.r"))
_NEGATABLE = frozenset(("often.r", "always.r", "again.r"))  # "nicht oft", not "oft nicht"
_PLACE_ADVERBS = frozenset(("here.r", "there.r"))

# How often something other than the subject opens a main clause (about two in five in running
# text); "immer" hardly ever does.
_FRONTED = {
    "today.r": 0.5,
    "often.r": 0.2,
    "again.r": 0.2,
    "here.r": 0.4,
    "there.r": 0.4,
    "always.r": 0.0,
}
_FRONTED_PHRASE = 0.3
_FRONTED_OBJECT = 0.08
_FRONTED_CLAUSE = 0.2


def noun_form(concept: str, number: Number, case: Case) -> str:
    """One cell of the declension of a noun."""
    _, nominative, genitive, plural = NOUNS[concept].split()
    if number == "pl":
        return plural + "n" if case == "dat" and plural[-1] not in "ns" else plural
    if case == "gen":
        return genitive
    weak = genitive.endswith("n") and genitive != nominative
    return genitive if weak and case != "nom" else nominative


def verb_form(concept: str, tense: Tense, person: Person, *, other: bool = False) -> str:
    """A finite form; ``other`` picks the second verb of a concept that has two."""
    row = OTHER_VERBS[concept] if other else VERBS[concept]
    return _conjugate(row, tense, person)


def _conjugate(row: str, tense: Tense, person: Person) -> str:
    infinitive, first, second, third, past, past_second = row.split()
    if tense == "present":
        return {"1sg": first, "2sg": second, "3sg": third}.get(person, infinitive)
    if person in ("1pl", "3pl"):
        return past + ("n" if past.endswith("e") else "en")
    return past_second if person == "2sg" else past


def determiner_form(determiner: str, column: int, case: Case) -> str:
    """The determiner before a noun of ``column`` (0 m, 1 f, 2 n, 3 plural); "" for none.

    ``no`` is the negated indefinite, "kein".
    """
    if determiner == "definite":
        return ARTICLE[case][column]
    if determiner == "indefinite":
        return "ein" + EIN[case][column] if column < 3 else ""
    if determiner in ("my", "no"):
        return {"my": "mein", "no": "kein"}[determiner] + EIN[case][column]
    return {"this": "dies", "every": "jed"}[determiner] + STRONG[case][column]


def adjective_form(
    concept: str, determiner: str, column: int, case: Case, *, animate: bool = False
) -> str:
    """The attributive form, strong, weak or mixed after ``determiner``."""
    if determiner in ("definite", "this", "every"):
        endings = WEAK
    elif determiner in ("my", "no") or column < 3:
        endings = MIXED
    else:
        endings = STRONG  # no determiner: the indefinite plural, with or without a numeral
    return _adjective_row(concept, animate)[1] + endings[case][column]


def _adjective_row(concept: str, animate: bool) -> list[str]:
    row = _YOUNG if concept == "new.a" and animate else ADJECTIVES[concept]
    return row.split()


def _noun_phrase(phrase: Object, case: Case, *, negated: bool = False) -> list[Word]:
    if isinstance(phrase, Name):
        return [Word(NAMES[phrase.name], "PROPN", phrase.name)]
    column = 3 if phrase.number == "pl" else _GENDERS.index(NOUNS[phrase.noun][0])
    kind = "no" if negated else phrase.determiner
    words = []
    if determiner := determiner_form(kind, column, case):
        words.append(Word(determiner, "DET"))
    if phrase.numeral:
        words.append(Word(NUMERALS[phrase.numeral], "NUM", phrase.numeral))
    for concept in phrase.adjectives:
        form = adjective_form(concept, kind, column, case, animate=phrase.noun in ANIMATE)
        words.append(Word(form, "ADJ", concept))
    words.append(Word(noun_form(phrase.noun, phrase.number, case), "NOUN", phrase.noun))
    return words


def _subject(subject: Subject) -> tuple[list[Word], Person]:
    if isinstance(subject, Pronoun):
        form, person = PRONOUNS[subject.pronoun]
        return [Word(form, "PRON", subject.pronoun)], person
    plural = isinstance(subject, NounPhrase) and subject.number == "pl"
    return _noun_phrase(subject, "nom"), "3pl" if plural else "3sg"


def _adverb(concept: str, rng: random.Random) -> list[Word]:
    usual, *rare = ADVERBS[concept].split()
    return [Word(rare[0] if rare and rng.random() < 0.3 else usual, "ADV", concept)]


def _phrase(phrase: Phrase) -> list[Word]:
    form, case = PREPOSITIONS[phrase.preposition]
    inner = phrase.noun_phrase
    if phrase.preposition == "in.d" and isinstance(inner, NounPhrase) and inner.noun in _ON:
        form = "auf"
    return [Word(form, "ADP", phrase.preposition), *_noun_phrase(inner, case)]


def _takes_dative(verb: str, obj: Object) -> bool:
    to_someone = isinstance(obj, Name) or obj.noun in ANIMATE
    return verb == "help.v" or (verb == "answer.v" and to_someone)


def _indefinite(obj: Object | None) -> bool:
    return isinstance(obj, NounPhrase) and obj.determiner == "indefinite"


@dataclass
class _Parts:
    """The constituents of a clause; what is fronted is emptied here."""

    subject: list[Word]
    verb: list[Word]
    adverb: list[Word]
    obj: list[Word]
    phrase: list[Word]
    predicate: list[Word]


def _parts(clause: Clause, rng: random.Random) -> _Parts:
    subject, person = _subject(clause.subject)
    obj: list[Word] = []
    predicate: list[Word] = []
    if clause.verb:
        dative = clause.obj is not None and _takes_dative(clause.verb, clause.obj)
        animal = isinstance(clause.subject, NounPhrase) and clause.subject.noun in ANIMALS
        other = (clause.verb == "answer.v" and dative) or (clause.verb == "eat.v" and animal)
        form = verb_form(clause.verb, clause.tense, person, other=other)
        verb = [Word(form, "VERB", clause.verb)]
        if clause.obj:
            obj = _noun_phrase(clause.obj, "dat" if dative else "acc")
    else:
        assert clause.quality is not None
        verb = [Word(COPULA[clause.tense][person], "AUX")]
        owner = clause.subject
        animate = not isinstance(owner, NounPhrase) or owner.noun in ANIMATE
        predicate = [Word(_adjective_row(clause.quality, animate)[0], "ADJ", clause.quality)]
    adverb = _adverb(clause.adverb, rng) if clause.adverb else []
    phrase = _phrase(clause.phrase) if clause.phrase else []
    return _Parts(subject, verb, adverb, obj, phrase, predicate)


def _front(clause: Clause, parts: _Parts, rng: random.Random) -> list[Word]:
    """Take out of ``parts`` what opens the main clause: the subject unless chance has it."""
    blocked = clause.negated and clause.adverb in _REPEATED
    if clause.adverb and not blocked and rng.random() < _FRONTED[clause.adverb]:
        front, parts.adverb = parts.adverb, []
    elif clause.phrase and rng.random() < _FRONTED_PHRASE:
        front, parts.phrase = parts.phrase, []
    elif _can_open(clause) and rng.random() < _FRONTED_OBJECT:
        front, parts.obj = parts.obj, []
    else:
        front, parts.subject = parts.subject, []
    return front


def _can_open(clause: Clause) -> bool:
    """Whether the object is known to the hearer and its case is seen in its form."""
    obj = clause.obj
    if not isinstance(obj, NounPhrase) or obj.determiner not in ("definite", "this", "my"):
        return False
    assert clause.verb is not None
    masculine = NOUNS[obj.noun].startswith("m") and obj.number == "sg"
    return masculine or _takes_dative(clause.verb, obj)


def _middle_field(clause: Clause, parts: _Parts, rng: random.Random) -> list[Word]:
    """What stands between the finite verb (or the conjunction) and the end of the clause.

    "nicht" follows the subject, definite objects and "heute", and precedes "oft", phrases of
    place, quantified objects and the predicate; "kein" replaces it before an indefinite object.
    """
    today = parts.adverb if clause.adverb == "today.r" else []
    place = parts.adverb if clause.adverb in _PLACE_ADVERBS else []
    late = parts.adverb if clause.adverb in _NEGATABLE else []
    nicht = [Word("nicht", "PART")] if clause.negated else []
    phrase, obj = parts.phrase, parts.obj
    if parts.predicate:
        body = place + phrase + nicht + late + parts.predicate
    elif not obj:
        body = nicht + late + place + phrase
    elif _indefinite(clause.obj) or (nicht and _quantified(clause.obj)):
        if nicht and not late and not _quantified(clause.obj):
            assert clause.obj is not None
            nicht, obj = [], _noun_phrase(clause.obj, _object_case(clause), negated=True)
        focus = nicht + late + obj
        phrase_last = bool(late) or rng.random() < 0.4
        body = place + (focus + phrase if phrase_last else phrase + focus)
    elif late and not nicht and (_quantified(clause.obj) or rng.random() < 0.5):
        body = late + obj + phrase
    else:
        body = obj + place + nicht + late + phrase
    return parts.subject + today + body


def _quantified(obj: Object | None) -> bool:
    if not isinstance(obj, NounPhrase):
        return False
    counted = obj.determiner == "indefinite" and obj.numeral is not None
    return counted or obj.determiner == "every"


def _object_case(clause: Clause) -> Case:
    assert clause.verb is not None
    assert clause.obj is not None
    return "dat" if _takes_dative(clause.verb, clause.obj) else "acc"


def _clause(
    clause: Clause, position: Position, rng: random.Random, *, subject: bool = True
) -> list[Word]:
    """One clause; without ``subject`` it shares that of the clause before (verb first)."""
    parts = _parts(clause, rng)
    if not subject:
        parts.subject = []
    if position == "last":
        return _middle_field(clause, parts, rng) + parts.verb
    front = _front(clause, parts, rng) if position == "second" else []
    return front + parts.verb + _middle_field(clause, parts, rng)


def _shares_subject(first: Clause, second: Clause) -> bool:
    return first.subject == second.subject and not (
        isinstance(first.subject, NounPhrase) and first.subject.determiner == "indefinite"
    )


def _connective(sentence: Sentence, rng: random.Random) -> tuple[Word, Position]:
    """The conjunction and the place of the finite verb after it."""
    concept, second = sentence.connective, sentence.second
    assert concept is not None
    assert second is not None
    if concept in ("and.c", "but.c"):
        return Word(CONNECTIVES[concept], "CCONJ", concept), "second"
    if concept == "when.s":
        # "als" is for what happened once, "wenn" for the present and for what happened often.
        repeated = {sentence.first.adverb, second.adverb} & _REPEATED
        form = "als" if second.tense == "past" and not repeated else "wenn"
        return Word(form, "SCONJ", concept), "last"
    chance = rng.random()
    if chance < 0.12:
        return Word("denn", "CCONJ", concept), "second"
    return Word("da" if chance < 0.27 else "weil", "SCONJ", concept), "last"


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


class German:
    """Realiser of German."""

    code = "de"

    def realise(self, sentence: Sentence, rng: random.Random) -> list[Word]:
        """Say ``sentence`` in German."""
        first, second = sentence.first, sentence.second
        if second is None:
            return _punctuated(_clause(first, "second", rng))
        link, position = _connective(sentence, rng)
        if position == "last":
            subordinate = [link, *_clause(second, "last", rng)]
            if rng.random() < _FRONTED_CLAUSE:
                return _punctuated(subordinate, _clause(first, "first", rng))
            return _punctuated(_clause(first, "second", rng), subordinate)
        if link.concept == "and.c":
            if _shares_subject(first, second) and rng.random() < 0.6:
                rest = _clause(second, "first", rng, subject=False)
                main = [*_subject(first.subject)[0], *_clause(first, "first", rng, subject=False)]
                return _punctuated([*main, link, *rest])
            main = _clause(first, "second", rng)
            return _punctuated([*main, link, *_clause(second, "second", rng)])
        return _punctuated(_clause(first, "second", rng), [link, *_clause(second, "second", rng)])

    def forms(self, concept: str) -> list[str]:
        """Declension (four cases), conjugation (infinitive, finite forms) or synonyms."""
        return list(dict.fromkeys(_forms(concept)))


def _forms(concept: str) -> list[str]:
    if concept in NOUNS:
        numbers: tuple[Number, ...] = ("sg", "pl")
        return [noun_form(concept, number, case) for number in numbers for case in CASES]
    if concept in VERBS:
        rows = [VERBS[concept]] + ([OTHER_VERBS[concept]] if concept in OTHER_VERBS else [])
        return [form for row in rows for form in _conjugation(row)]
    if concept in ADJECTIVES:
        rows = [ADJECTIVES[concept]] + ([_YOUNG] if concept == "new.a" else [])
        pairs = [row.split() for row in rows]
        endings = ("e", "en", "er", "es", "em")
        return [form for base, stem in pairs for form in (base, *(stem + e for e in endings))]
    if concept in PRONOUNS:
        return [PRONOUNS[concept][0]]
    if concept in PREPOSITIONS:
        return [PREPOSITIONS[concept][0], *(["auf"] if concept == "in.d" else [])]
    for table in (NAMES, NUMERALS, ADVERBS, CONNECTIVES):
        if concept in table:
            return table[concept].split()
    raise KeyError(concept)


def _conjugation(row: str) -> list[str]:
    persons: tuple[Person, ...] = ("1sg", "2sg", "3sg", "1pl", "3pl")
    tenses: tuple[Tense, ...] = ("present", "past")
    return [row.split()[0], *(_conjugate(row, t, p) for t in tenses for p in persons)]


REALISER = German()
