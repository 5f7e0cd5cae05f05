"""French: elision, adjectives on both sides of the noun, ``ne ... pas``, the compound past.

Syntactic words as UD has them: ``du`` and ``au`` appear as ``de le`` and ``à le`` (the partitive
article ``du`` is one word there and here); elided words
(``l'``, ``n'``, ``qu'``) are words of their own without a space after them. The past is the
passé composé of events (always with *avoir*) and the imparfait of states (to love, to know, to
be). Pronouns are masculine where the meaning leaves the gender open.
"""

from __future__ import annotations

import random
import unicodedata
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
woman.n f femme femmes
man.n m homme hommes
girl.n f fille filles
boy.n m garçon garçons
teacher.n m professeur professeurs
doctor.n m médecin médecins
farmer.n m fermier fermiers
student.n m étudiant étudiants
friend.n m ami amis
neighbour.n m voisin voisins
soldier.n m soldat soldats
cook.n m cuisinier cuisiniers
painter.n m peintre peintres
driver.n m conducteur conducteurs
dog.n m chien chiens
cat.n m chat chats
horse.n m cheval chevaux
bird.n m oiseau oiseaux
cow.n f vache vaches
mouse.n f souris souris
bear.n m ours ours
book.n m livre livres
letter.n f lettre lettres
apple.n f pomme pommes
bread.n m pain pains
cup.n f tasse tasses
table.n f table tables
chair.n f chaise chaises
lamp.n f lampe lampes
car.n f voiture voitures
key.n f clé clés
picture.n m tableau tableaux
flower.n f fleur fleurs
hat.n m chapeau chapeaux
ball.n f balle balles
stone.n f pierre pierres
knife.n m couteau couteaux
bag.n m sac sacs
drink.n f boisson boissons
answer.n f réponse réponses
paint.n f peinture peintures
house.n f maison maisons
garden.n m jardin jardins
school.n f école écoles
market.n m marché marchés
forest.n f forêt forêts
river.n f rivière rivières
street.n f rue rues
city.n f ville villes
kitchen.n f cuisine cuisines
bridge.n m pont ponts
""".splitlines()
    )
}

# Verb: infinitive; present of 1sg 2sg 3sg 1pl 3pl; past participle (of states: the imparfait).
# bring.v+ is the verb for persons and animals.
VERBS: dict[str, tuple[str, ...]] = {
    cells[0]: tuple(cells[1:])
    for cells in (
        line.split()
        for line in """\
see.v voir vois vois voit voyons voient vu
buy.v acheter achète achètes achète achetons achètent acheté
sell.v vendre vends vends vend vendons vendent vendu
eat.v manger mange manges mange mangeons mangent mangé
carry.v porter porte portes porte portons portent porté
find.v trouver trouve trouves trouve trouvons trouvent trouvé
lose.v perdre perds perds perd perdons perdent perdu
love.v aimer aime aimes aime aimons aiment aimais aimais aimait aimions aimaient
know.v connaître connais connais connaît connaissons connaissent \
connaissais connaissais connaissait connaissions connaissaient
help.v aider aide aides aide aidons aident aidé
hear.v entendre entends entends entend entendons entendent entendu
paint.v peindre peins peins peint peignons peignent peint
wash.v laver lave laves lave lavons lavent lavé
hide.v cacher cache caches cache cachons cachent caché
bring.v apporter apporte apportes apporte apportons apportent apporté
bring.v+ amener amène amènes amène amenons amènent amené
drink.v boire bois bois boit buvons boivent bu
answer.v répondre réponds réponds répond répondons répondent répondu
cook.v cuisiner cuisine cuisines cuisine cuisinons cuisinent cuisiné
sleep.v dormir dors dors dort dormons dorment dormi
run.v courir cours cours court courons courent couru
laugh.v rire ris ris rit rions rient ri
sing.v chanter chante chantes chante chantons chantent chanté
work.v travailler travaille travailles travaille travaillons travaillent travaillé
wait.v attendre attends attends attend attendons attendent attendu
swim.v nager nage nages nage nageons nagent nagé
""".splitlines()
    )
}
HAVE = ("ai", "as", "a", "avons", "ont")
BE = (
    ("suis", "es", "est", "sommes", "sont"),
    ("étais", "étais", "était", "étions", "étaient"),
)

# concept: masculine and feminine singular, masculine and feminine plural
ADJECTIVES: dict[str, tuple[str, ...]] = {
    cells[0]: tuple(cells[1:])
    for cells in (
        line.split()
        for line in """\
big.a grand grande grands grandes
small.a petit petite petits petites
old.a vieux vieille vieux vieilles
new.a nouveau nouvelle nouveaux nouvelles
red.a rouge rouge rouges rouges
green.a vert verte verts vertes
white.a blanc blanche blancs blanches
black.a noir noire noirs noires
blue.a bleu bleue bleus bleues
good.a bon bonne bons bonnes
bad.a mauvais mauvaise mauvais mauvaises
happy.a heureux heureuse heureux heureuses
sad.a triste triste tristes tristes
fast.a rapide rapide rapides rapides
slow.a lent lente lents lentes
strong.a fort forte forts fortes
weak.a faible faible faibles faibles
expensive.a cher chère chers chères
cheap.a abordable abordable abordables abordables
""".splitlines()
    )
}
YOUNG = ("jeune", "jeune", "jeunes", "jeunes")  # new.a of persons and animals
# Masculine singular directly before a vowel.
BEFORE_VOWEL = {"vieux": "vieil", "nouveau": "nouvel"}
# Adjectives before the noun, in the order in which two of them come: bon, nouveau, grand, vieux.
PREPOSED = {"good.a": 0, "bad.a": 0, "new.a": 1, "big.a": 2, "small.a": 2, "old.a": 3}
YOUNG_RANK = 3

NAMES = {
    "anna.p": "Anne",
    "peter.p": "Pierre",
    "maria.p": "Marie",
    "paul.p": "Paul",
    "sofia.p": "Sophie",
    "victor.p": "Victor",
}
WOMEN = ("anna.p", "maria.p", "sofia.p")
PRONOUNS = {
    "i.o": "je",
    "you.o": "tu",
    "he.o": "il",
    "she.o": "elle",
    "we.o": "nous",
    "they.o": "ils",
}
PERSON = {"i.o": 0, "you.o": 1, "he.o": 2, "she.o": 2, "we.o": 3, "they.o": 4}
NUMERALS = {"two.m": "deux", "three.m": "trois", "five.m": "cinq"}
ADVERBS = {
    "today.r": "aujourd'hui",
    "often.r": "souvent",
    "always.r": "toujours",
    "here.r": "ici",
    "there.r": "là",
    "again.r": "nouveau",  # de nouveau, à nouveau
}
PREPOSITIONS = {
    "in.d": "dans",
    "behind.d": "derrière",
    "near.d": "près",
    "with.d": "avec",
    "without.d": "sans",
}
CONNECTIVES = {
    "and.c": ("et",),
    "but.c": ("mais",),
    "because.s": ("parce", "car"),
    "when.s": ("quand", "lorsque"),
}

# Masculine and feminine singular, plural; before vowels see _elide.
DETERMINERS = {
    "definite": ("le", "la", "les"),
    "indefinite": ("un", "une", "des"),
    "this": ("ce", "cette", "ces"),
    "my": ("mon", "ma", "mes"),
    "every": ("chaque", "chaque", "chaque"),
}
ELIDED = {"le", "la", "de", "ne", "je", "que", "lorsque"}
LIAISON = {"ce": "cet", "ma": "mon"}

MASS = ("bread.n", "paint.n")  # partitive where indefinite: du pain
ANIMATE = frozenset((*PERSONS, *ANIMALS))

ON_FOR_WE = 0.3
FRONT_TODAY = 0.6
FRONT_PHRASE = 0.12
INVERT_AFTER_PHRASE = 0.4  # Dans le jardin dort un chien
FRONT_TIME_CLAUSE = 0.45
CAR = 0.35
LORSQUE = 0.3
COLOUR_BESIDE_NOUN = 0.5  # une voiture rouge rapide, beside: une voiture rouge et rapide


def _vowel(word: str) -> bool:
    """Whether a word begins with a vowel sound; every ``h`` of this lexicon is silent."""
    return unicodedata.normalize("NFD", word.lower())[0] in "aeiouyh"


def _elide(words: list[Word]) -> list[Word]:
    """Adapt each grammar word to a vowel that follows: l'ami, n'est, cet ours, mon école."""
    result = []
    for word, following in zip(words, [*words[1:], None], strict=True):
        if following is not None and _vowel(following.form):
            if word.form in ELIDED:
                word = replace(word, form=word.form[:-1] + "'", space_after=False)
            elif word.form in LIAISON:
                word = replace(word, form=LIAISON[word.form])
        result.append(word)
    return result


def _adjective(concept: str, gender: str, number: Number, *, animate: bool) -> Word:
    forms = YOUNG if concept == "new.a" and animate else ADJECTIVES[concept]
    return Word(forms[(gender == "f") + 2 * (number == "pl")], "ADJ", concept)


def _noun_phrase(phrase: Object, rng: random.Random, *, indefinite: str = "") -> list[Word]:
    """A noun phrase; ``indefinite`` says what becomes of un, une, des.

    ``subject``: mass nouns have *un* rather than the partitive; ``de``: all are *de* (objects
    under negation); ``plural``: no *des*, no partitive (after *de*); ``none``: neither, and no
    *un* without adjectives (after *sans*).
    """
    if isinstance(phrase, Name):
        return [Word(NAMES[phrase.name], "PROPN", phrase.name)]
    gender, singular, plural = NOUNS[phrase.noun]
    animate = phrase.noun in ANIMATE
    is_plural = phrase.number == "pl"

    before = [a for a in phrase.adjectives if a in PREPOSED]
    before.sort(key=lambda a: YOUNG_RANK if a == "new.a" and animate else PREPOSED[a])
    after = [a for a in reversed(phrase.adjectives) if a not in PREPOSED]  # innermost first
    colours = [a for a in after if a in DIMENSIONS["colour"]]
    after = colours + [a for a in after if a not in colours]

    words = []
    if phrase.determiner != "indefinite":
        forms = DETERMINERS[phrase.determiner]
        words.append(Word(forms[2 if is_plural else gender == "f"], "DET"))
    elif phrase.numeral is None:
        partitive = phrase.noun in MASS and indefinite != "subject"
        bare = indefinite in ("plural", "none") and (is_plural or partitive)
        bare = bare or (indefinite == "none" and not phrase.adjectives)
        if indefinite == "de" or (is_plural and before and not bare):
            words.append(Word("de", "DET"))
        elif partitive and not bare:
            partitive_words = [Word("de", "ADP"), Word("la", "DET")]
            words += partitive_words if gender == "f" else [Word("du", "DET")]
        elif not bare:
            words.append(Word(DETERMINERS["indefinite"][2 if is_plural else gender == "f"], "DET"))
    if phrase.numeral is not None:
        words.append(Word(NUMERALS[phrase.numeral], "NUM", phrase.numeral))
    words += [_adjective(a, gender, phrase.number, animate=animate) for a in before]
    if before and not is_plural and _vowel(singular):
        words[-1] = replace(words[-1], form=BEFORE_VOWEL.get(words[-1].form, words[-1].form))
    words.append(Word(plural if is_plural else singular, "NOUN", phrase.noun))
    adjoin = bool(colours) and rng.random() < COLOUR_BESIDE_NOUN
    for position, concept in enumerate(after):
        if position and not adjoin:
            words.append(Word("et", "CCONJ"))
        words.append(_adjective(concept, gender, phrase.number, animate=animate))
    return words


def _phrase(phrase: Phrase, rng: random.Random) -> list[Word]:
    form = PREPOSITIONS[phrase.preposition]
    if phrase.preposition == "near.d":
        head = [Word(form, "ADV", phrase.preposition), Word("de", "ADP")]
        return head + _noun_phrase(phrase.noun_phrase, rng, indefinite="plural")
    head = [Word(form, "ADP", phrase.preposition)]
    article = "none" if phrase.preposition == "without.d" else ""
    return head + _noun_phrase(phrase.noun_phrase, rng, indefinite=article)


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


def _predicate(clause: Clause, person: int) -> tuple[Word, Word | None]:
    """The finite word, and the participle of a compound past."""
    past = clause.tense == "past"
    if clause.verb is None:
        return Word(BE[past][person], "AUX"), None
    verb = clause.verb
    if verb == "bring.v" and _animate(clause.obj):
        verb = "bring.v+"
    _, *forms = VERBS[verb]
    if not past:
        return Word(forms[person], "VERB", clause.verb), None
    if len(forms) > 6:
        return Word(forms[5 + person], "VERB", clause.verb), None
    return Word(HAVE[person], "AUX"), Word(forms[5], "VERB", clause.verb)


def _animate(obj: Object | None) -> bool:
    return obj is not None and (isinstance(obj, Name) or obj.noun in ANIMATE)


def _adverb(concept: str | None, rng: random.Random) -> list[Word]:
    if concept is None:
        return []
    if concept == "again.r":
        return [Word(rng.choice(("de", "à")), "ADP"), Word("nouveau", "ADJ", concept)]
    return [Word(ADVERBS[concept], "ADV", concept)]


def _clause(clause: Clause, rng: random.Random, *, initial: bool) -> list[Word]:
    """The words of a clause; only a sentence-initial one puts anything before its subject."""
    person, gender, number, animate = _agreement(clause.subject)
    if isinstance(clause.subject, Pronoun):
        pronoun = PRONOUNS[clause.subject.pronoun]
        if pronoun == "nous" and clause.verb is not None and rng.random() < ON_FOR_WE:
            pronoun, person = "on", 2
        subject = [Word(pronoun, "PRON", clause.subject.pronoun)]
    else:
        subject = _noun_phrase(clause.subject, rng, indefinite="subject")
    finite, participle = _predicate(clause, person)
    complement: list[Word] = []
    if clause.quality is not None:
        complement = [_adjective(clause.quality, gender, number, animate=animate)]
    elif clause.obj is not None and clause.verb == "answer.v":
        complement = [Word("à", "ADP"), *_noun_phrase(clause.obj, rng)]
    elif clause.obj is not None:
        article = "de" if clause.negated else ""
        complement = _noun_phrase(clause.obj, rng, indefinite=article)

    adverb = _adverb(clause.adverb, rng)
    phrase = _phrase(clause.phrase, rng) if clause.phrase else []
    front: list[Word] = []
    inside: list[Word] = []  # after the finite word, before the participle
    after: list[Word] = []  # after the participle, before the object
    inverted = False
    if initial and clause.adverb == "today.r" and rng.random() < FRONT_TODAY:
        front, adverb = _close(adverb, ","), []
    elif clause.adverb in ("often.r", "always.r"):
        inside, adverb = adverb, []
    elif clause.adverb == "again.r" and rng.random() < 0.5:
        after, adverb = adverb, []
    if initial and phrase and clause.verb and not front and rng.random() < FRONT_PHRASE:
        inverted = (
            clause.obj is None
            and not clause.negated
            and not isinstance(clause.subject, Pronoun)
            and clause.phrase is not None
            and clause.phrase.preposition in ("in.d", "behind.d", "near.d")
            and rng.random() < INVERT_AFTER_PHRASE
        )
        front, phrase = phrase if inverted else _close(phrase, ","), []

    verb = [finite]
    if clause.negated:
        verb = [Word("ne", "ADV"), finite, Word("pas", "ADV")]
    verb += inside
    if participle is not None:
        verb.append(participle)
    verb += after
    core = verb + subject if inverted else subject + verb
    return [*front, *core, *complement, *phrase, *adverb]


def _close(words: list[Word], mark: str) -> list[Word]:
    return [*words[:-1], replace(words[-1], space_after=False), Word(mark, "PUNCT")]


def _link(connective: str, rng: random.Random) -> list[Word]:
    if connective == "because.s":
        if rng.random() < CAR:
            return [Word("car", "CCONJ", connective)]
        return [Word("parce", "ADV", connective), Word("que", "SCONJ")]
    if connective == "when.s":
        return [Word("lorsque" if rng.random() < LORSQUE else "quand", "SCONJ", connective)]
    return [Word(CONNECTIVES[connective][0], "CCONJ", connective)]


class French:
    """Realiser of French."""

    code = "fr"

    def realise(self, sentence: Sentence, rng: random.Random) -> list[Word]:
        """Say a meaning in French (see ``Realiser``)."""
        words = _clause(sentence.first, rng, initial=True)
        if sentence.connective is not None and sentence.second is not None:
            link = _link(sentence.connective, rng)
            second = _clause(sentence.second, rng, initial=False)
            if sentence.connective == "when.s" and rng.random() < FRONT_TIME_CLAUSE:
                words = [*_close([*link, *second], ","), *words]
            elif link[0].form in ("mais", "car"):
                words = [*_close(words, ","), *link, *second]
            else:
                words = [*words, *link, *second]
        words = _elide(_close(words, "."))
        return [replace(words[0], form=words[0].form[0].upper() + words[0].form[1:]), *words[1:]]

    def forms(self, concept: str) -> list[str]:
        """Every form of a concept, citation form first."""
        if concept in NOUNS:
            found = list(NOUNS[concept][1:])
        elif concept in VERBS:
            found = [*VERBS[concept], *VERBS.get(concept + "+", ())]
        elif concept in ADJECTIVES:
            found = list(ADJECTIVES[concept])
            found += [BEFORE_VOWEL[form] for form in found if form in BEFORE_VOWEL]
            if concept == "new.a":
                found += YOUNG
        elif concept in PRONOUNS:
            found = [PRONOUNS[concept]]
            found += {"i.o": ["j'"], "we.o": ["on"]}.get(concept, [])
        elif concept in CONNECTIVES:
            found = list(CONNECTIVES[concept])
            found += [form[:-1] + "'" for form in found if form in ELIDED]
        else:
            found = [{**NAMES, **NUMERALS, **ADVERBS, **PREPOSITIONS}[concept]]
        return list(dict.fromkeys(found))


REALISER = French()
