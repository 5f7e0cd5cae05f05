"""Spanish: gender and number agreement, dropped subjects, personal ``a``, two copulas.

Syntactic words as UD has them: ``al`` and ``del`` appear as ``a el`` and ``de el``. The past is
the preterite of events and the imperfect of states (to love, to know, to be). Mood takes
*estar*, every other adjective *ser*. *Nuevamente* says again.r in one word. Pronouns are
masculine where the meaning leaves the gender open.
"""

from __future__ import annotations

import random
from dataclasses import replace

from demo.meaning import (
    ANIMALS,
    DIMENSIONS,
    PERSONS,
    Clause,
    Name,
    Number,
    Object,
    Phrase,
    Pronoun,
    Sentence,
    Subject,
    Word,
)

# concept: gender, singular, plural
NOUNS: dict[str, tuple[str, str, str]] = {
    concept: (gender, singular, plural)
    for concept, gender, singular, plural in (
        line.split()
        for line in """\
woman.n f mujer mujeres
man.n m hombre hombres
girl.n f niña niñas
boy.n m niño niños
teacher.n m maestro maestros
doctor.n m médico médicos
farmer.n m granjero granjeros
student.n m estudiante estudiantes
friend.n m amigo amigos
neighbour.n m vecino vecinos
soldier.n m soldado soldados
cook.n m cocinero cocineros
painter.n m pintor pintores
driver.n m conductor conductores
dog.n m perro perros
cat.n m gato gatos
horse.n m caballo caballos
bird.n m pájaro pájaros
cow.n f vaca vacas
mouse.n m ratón ratones
bear.n m oso osos
book.n m libro libros
letter.n f carta cartas
apple.n f manzana manzanas
bread.n m pan panes
cup.n f taza tazas
table.n f mesa mesas
chair.n f silla sillas
lamp.n f lámpara lámparas
car.n m coche coches
key.n f llave llaves
picture.n m cuadro cuadros
flower.n f flor flores
hat.n m sombrero sombreros
ball.n f pelota pelotas
stone.n f piedra piedras
knife.n m cuchillo cuchillos
bag.n m bolso bolsos
drink.n f bebida bebidas
answer.n f respuesta respuestas
paint.n f pintura pinturas
house.n f casa casas
garden.n m jardín jardines
school.n f escuela escuelas
market.n m mercado mercados
forest.n m bosque bosques
river.n m río ríos
street.n f calle calles
city.n f ciudad ciudades
kitchen.n f cocina cocinas
bridge.n m puente puentes
""".splitlines()
    )
}

# concept: infinitive; present of 1sg 2sg 3sg 1pl 3pl; past of the same
VERBS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    cells[0]: (cells[1], tuple(cells[2:7]), tuple(cells[7:12]))
    for cells in (
        line.split()
        for line in """\
see.v ver veo ves ve vemos ven vi viste vio vimos vieron
buy.v comprar compro compras compra compramos compran \
compré compraste compró compramos compraron
sell.v vender vendo vendes vende vendemos venden vendí vendiste vendió vendimos vendieron
eat.v comer como comes come comemos comen comí comiste comió comimos comieron
carry.v llevar llevo llevas lleva llevamos llevan llevé llevaste llevó llevamos llevaron
find.v encontrar encuentro encuentras encuentra encontramos encuentran \
encontré encontraste encontró encontramos encontraron
lose.v perder pierdo pierdes pierde perdemos pierden perdí perdiste perdió perdimos perdieron
love.v amar amo amas ama amamos aman amaba amabas amaba amábamos amaban
know.v conocer conozco conoces conoce conocemos conocen \
conocía conocías conocía conocíamos conocían
help.v ayudar ayudo ayudas ayuda ayudamos ayudan ayudé ayudaste ayudó ayudamos ayudaron
hear.v oír oigo oyes oye oímos oyen oí oíste oyó oímos oyeron
paint.v pintar pinto pintas pinta pintamos pintan pinté pintaste pintó pintamos pintaron
wash.v lavar lavo lavas lava lavamos lavan lavé lavaste lavó lavamos lavaron
hide.v esconder escondo escondes esconde escondemos esconden \
escondí escondiste escondió escondimos escondieron
bring.v traer traigo traes trae traemos traen traje trajiste trajo trajimos trajeron
drink.v beber bebo bebes bebe bebemos beben bebí bebiste bebió bebimos bebieron
answer.v contestar contesto contestas contesta contestamos contestan \
contesté contestaste contestó contestamos contestaron
cook.v cocinar cocino cocinas cocina cocinamos cocinan \
cociné cocinaste cocinó cocinamos cocinaron
sleep.v dormir duermo duermes duerme dormimos duermen \
dormí dormiste durmió dormimos durmieron
run.v correr corro corres corre corremos corren corrí corriste corrió corrimos corrieron
laugh.v reír río ríes ríe reímos ríen reí reíste rio reímos rieron
sing.v cantar canto cantas canta cantamos cantan canté cantaste cantó cantamos cantaron
work.v trabajar trabajo trabajas trabaja trabajamos trabajan \
trabajé trabajaste trabajó trabajamos trabajaron
wait.v esperar espero esperas espera esperamos esperan \
esperé esperaste esperó esperamos esperaron
swim.v nadar nado nadas nada nadamos nadan nadé nadaste nadó nadamos nadaron
""".splitlines()
    )
}

SER = (["soy", "eres", "es", "somos", "son"], ["era", "eras", "era", "éramos", "eran"])
ESTAR = (
    ["estoy", "estás", "está", "estamos", "están"],
    ["estaba", "estabas", "estaba", "estábamos", "estaban"],
)

# concept: masculine and feminine singular, masculine and feminine plural
ADJECTIVES: dict[str, tuple[str, ...]] = {
    cells[0]: tuple(cells[1:])
    for cells in (
        line.split()
        for line in """\
big.a grande grande grandes grandes
small.a pequeño pequeña pequeños pequeñas
old.a viejo vieja viejos viejas
new.a nuevo nueva nuevos nuevas
red.a rojo roja rojos rojas
green.a verde verde verdes verdes
white.a blanco blanca blancos blancas
black.a negro negra negros negras
blue.a azul azul azules azules
good.a bueno buena buenos buenas
bad.a malo mala malos malas
happy.a feliz feliz felices felices
sad.a triste triste tristes tristes
fast.a rápido rápida rápidos rápidas
slow.a lento lenta lentos lentas
strong.a fuerte fuerte fuertes fuertes
weak.a débil débil débiles débiles
expensive.a caro cara caros caras
cheap.a barato barata baratos baratas
""".splitlines()
    )
}
YOUNG = ("joven", "joven", "jóvenes", "jóvenes")  # new.a of persons and animals

# Adjectives that may stand before the noun, with how often they do there; never grande with a
# person or an animal, since un gran amigo is a great friend, not a big one.
PREPOSED = {"big.a": 0.4, "small.a": 0.35, "good.a": 0.6, "bad.a": 0.6}
# Short forms directly before a noun: masculine singular, and of grande both genders.
SHORT = {("good.a", "m"): "buen", ("bad.a", "m"): "mal", ("big.a", "m"): "gran"}
SHORT[("big.a", "f")] = "gran"

NAMES = dict(
    zip(
        ["anna.p", "peter.p", "maria.p", "paul.p", "sofia.p", "victor.p"],
        ["Ana", "Pedro", "María", "Pablo", "Sofía", "Víctor"],
        strict=True,
    )
)
WOMEN = ("anna.p", "maria.p", "sofia.p")
PRONOUNS = {
    "i.o": "yo",
    "you.o": "tú",
    "he.o": "él",
    "she.o": "ella",
    "we.o": "nosotros",
    "they.o": "ellos",
}
PERSON = {"i.o": 0, "you.o": 1, "he.o": 2, "she.o": 2, "we.o": 3, "they.o": 4}
NUMERALS = {"two.m": "dos", "three.m": "tres", "five.m": "cinco"}
ADVERBS = {
    "today.r": "hoy",
    "often.r": "frecuentemente",
    "always.r": "siempre",
    "here.r": "aquí",
    "there.r": "allí",
    "again.r": "nuevamente",
}
PREPOSITIONS = {
    "in.d": "en",
    "behind.d": "detrás",
    "near.d": "cerca",
    "with.d": "con",
    "without.d": "sin",
}
CONNECTIVES = {"and.c": "y", "but.c": "pero", "because.s": "porque", "when.s": "cuando"}
INVARIABLE = {**NAMES, **PRONOUNS, **NUMERALS, **ADVERBS, **PREPOSITIONS, **CONNECTIVES}

# Masculine and feminine singular, masculine and feminine plural.
ARTICLES = {
    "definite": ("el", "la", "los", "las"),
    "indefinite": ("un", "una", "unos", "unas"),
    "this": ("este", "esta", "estos", "estas"),
    "my": ("mi", "mi", "mis", "mis"),
    "every": ("cada", "cada", "cada", "cada"),
}

MASS = ("bread.n", "paint.n")  # no article where indefinite, but as a subject
ANIMATE = frozenset((*PERSONS, *ANIMALS))
# Animals are bought and eaten as goods: no personal "a" there.
GOODS = frozenset(["buy.v", "sell.v", "eat.v", "drink.v", "cook.v"])

DROP_SUBJECT = 0.85
INVERT = 0.2  # of intransitive clauses without anything fronted
INVERT_AFTER_FRONTED = 0.65
FRONT_PHRASE = 0.15
FRONT_TODAY = 0.55
FRONT_TIME_CLAUSE = 0.35
BARE_PLURAL = 0.6  # compra libros, beside: compra unos libros
COLOUR_BESIDE_NOUN = 0.5  # un coche rojo rápido, beside: un coche rojo y rápido


def _cell(gender: str, number: Number) -> int:
    return (gender == "f") + 2 * (number == "pl")


def _adjective(concept: str, gender: str, number: Number, *, animate: bool) -> str:
    forms = YOUNG if concept == "new.a" and animate else ADJECTIVES[concept]
    return forms[_cell(gender, number)]


def _noun_phrase(
    phrase: Object, rng: random.Random, *, subject: bool = False, denied: bool = False
) -> list[Word]:
    """A noun phrase; other than as a subject an indefinite one may lack its article.

    ``denied``: object under negation or after *sin*, where *unos* would mean certain ones.
    """
    if isinstance(phrase, Name):
        return [Word(NAMES[phrase.name], "PROPN", phrase.name)]
    gender, *noun_forms = NOUNS[phrase.noun]
    animate = phrase.noun in ANIMATE
    words = []
    bare = phrase.determiner == "indefinite" and (
        phrase.numeral is not None
        or (phrase.noun in MASS and not subject)
        or (
            phrase.number == "pl"
            and not subject
            and (denied or (not animate and rng.random() < BARE_PLURAL))
        )
    )
    if not bare:
        words.append(Word(ARTICLES[phrase.determiner][_cell(gender, phrase.number)], "DET"))
    if phrase.numeral is not None:
        words.append(Word(NUMERALS[phrase.numeral], "NUM", phrase.numeral))

    after = list(reversed(phrase.adjectives))  # innermost first
    movable = [a for a in after if a in PREPOSED and not (a == "big.a" and animate)]
    before = [a for a in movable if rng.random() < PREPOSED[a]][:1]
    for concept in before:
        after.remove(concept)
        form = _adjective(concept, gender, phrase.number, animate=animate)
        if phrase.number == "sg":
            form = SHORT.get((concept, gender), form)
        words.append(Word(form, "ADJ", concept))
    words.append(Word(noun_forms[phrase.number == "pl"], "NOUN", phrase.noun))

    colours = [a for a in after if a in DIMENSIONS["colour"]]
    after = colours + [a for a in after if a not in colours]
    adjoin = bool(colours) and rng.random() < COLOUR_BESIDE_NOUN
    for position, concept in enumerate(after):
        if position and not adjoin:
            words.append(Word("y", "CCONJ"))
        form = _adjective(concept, gender, phrase.number, animate=animate)
        words.append(Word(form, "ADJ", concept))
    return words


def _personal_a(verb: str, obj: Object, *, denied: bool) -> bool:
    if isinstance(obj, Name) or verb == "help.v":
        return True
    if obj.noun in PERSONS:
        # No ve hombres: nobody in particular. Contestar a someone is no direct object.
        plural = obj.determiner == "indefinite" and obj.number == "pl" and obj.numeral is None
        return verb == "answer.v" or not (denied and plural)
    return obj.noun in ANIMALS and obj.determiner != "indefinite" and verb not in GOODS


def _object(verb: str, obj: Object, rng: random.Random, *, denied: bool) -> list[Word]:
    marker = [Word("a", "ADP")] if _personal_a(verb, obj, denied=denied) else []
    return marker + _noun_phrase(obj, rng, denied=denied)


def _phrase(phrase: Phrase, rng: random.Random) -> list[Word]:
    form = PREPOSITIONS[phrase.preposition]
    if phrase.preposition in ("behind.d", "near.d"):
        head = [Word(form, "ADV", phrase.preposition), Word("de", "ADP")]
    else:
        head = [Word(form, "ADP", phrase.preposition)]
    return head + _noun_phrase(phrase.noun_phrase, rng, denied=phrase.preposition == "without.d")


def _agreement(subject: Subject) -> tuple[int, str, Number, bool]:
    """Person (a column of the verb tables), gender, number and animacy of a subject."""
    if isinstance(subject, Pronoun):
        person = PERSON[subject.pronoun]
        gender = "f" if subject.pronoun == "she.o" else "m"
        return person, gender, "pl" if person > 2 else "sg", True
    if isinstance(subject, Name):
        return 2, "f" if subject.name in WOMEN else "m", "sg", True
    person = 4 if subject.number == "pl" else 2
    return person, NOUNS[subject.noun][0], subject.number, subject.noun in ANIMATE


def _subject(subject: Subject, rng: random.Random) -> list[Word]:
    if isinstance(subject, Pronoun):
        if rng.random() < DROP_SUBJECT:
            return []
        return [Word(PRONOUNS[subject.pronoun], "PRON", subject.pronoun)]
    return _noun_phrase(subject, rng, subject=True)


def _predicate(clause: Clause) -> tuple[list[Word], list[Word]]:
    """The finite word, and the adjective that a copula takes."""
    person, gender, number, animate = _agreement(clause.subject)
    past = clause.tense == "past"
    if clause.verb is not None:
        return [Word(VERBS[clause.verb][1 + past][person], "VERB", clause.verb)], []
    assert clause.quality is not None
    copula = ESTAR if clause.quality in DIMENSIONS["mood"] else SER
    form = _adjective(clause.quality, gender, number, animate=animate)
    return [Word(copula[past][person], "AUX")], [Word(form, "ADJ", clause.quality)]


def _clause(clause: Clause, rng: random.Random) -> list[Word]:
    subject = _subject(clause.subject, rng)
    finite, complement = _predicate(clause)
    if clause.negated:
        finite = [Word("no", "ADV"), *finite]
    if clause.verb is not None and clause.obj is not None:
        complement = _object(clause.verb, clause.obj, rng, denied=clause.negated)
    phrase = _phrase(clause.phrase, rng) if clause.phrase else []
    adverb = [Word(ADVERBS[clause.adverb], "ADV", clause.adverb)] if clause.adverb else []

    front: list[Word] = []
    if clause.adverb == "today.r" and rng.random() < FRONT_TODAY:
        front, adverb = adverb, []
    elif phrase and clause.verb is not None and rng.random() < FRONT_PHRASE:
        front, phrase = phrase, []

    near: list[Word] = []  # adverbs that stay beside the verb
    if clause.adverb in ("often.r", "always.r", "again.r") and rng.random() < 0.7:
        near, adverb = adverb, []
        if clause.adverb == "always.r" and not clause.negated and rng.random() < 0.6:
            finite, near = near + finite, []

    if not isinstance(clause.subject, Pronoun) and clause.verb is not None and clause.obj is None:
        inverted = rng.random() < (INVERT_AFTER_FRONTED if front else INVERT)
    else:
        inverted = False
    core = [*finite, *near, *subject] if inverted else [*subject, *finite, *near]
    return [*front, *core, *complement, *phrase, *adverb]


def _close(words: list[Word], mark: str) -> list[Word]:
    return [*words[:-1], replace(words[-1], space_after=False), Word(mark, "PUNCT")]


class Spanish:
    """Realiser of Spanish."""

    code = "es"

    def realise(self, sentence: Sentence, rng: random.Random) -> list[Word]:
        """Say a meaning in Spanish (see ``Realiser``)."""
        words = _clause(sentence.first, rng)
        if sentence.connective is not None and sentence.second is not None:
            second = _clause(sentence.second, rng)
            upos = "CCONJ" if sentence.connective.endswith(".c") else "SCONJ"
            link = Word(CONNECTIVES[sentence.connective], upos, sentence.connective)
            if sentence.connective == "when.s" and rng.random() < FRONT_TIME_CLAUSE:
                words = [*_close([link, *second], ","), *words]
            elif sentence.connective == "but.c":
                words = [*_close(words, ","), link, *second]
            else:
                words = [*words, link, *second]
        words[0] = replace(words[0], form=words[0].form[0].upper() + words[0].form[1:])
        return _close(words, ".")

    def forms(self, concept: str) -> list[str]:
        """Every form of a concept, citation form first."""
        if concept in NOUNS:
            found = list(NOUNS[concept][1:])
        elif concept in VERBS:
            infinitive, present, past = VERBS[concept]
            found = [infinitive, *present, *past]
        elif concept in ADJECTIVES:
            found = [*ADJECTIVES[concept], *(f for (c, _), f in SHORT.items() if c == concept)]
            if concept == "new.a":
                found += YOUNG
        else:
            found = [INVARIABLE[concept]]
        return list(dict.fromkeys(found))


REALISER = Spanish()
