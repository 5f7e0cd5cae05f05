"""The demo corpora: deterministic, well formed, right, and free of short cuts."""

from __future__ import annotations

import json
import random
import re
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from demo import meaning, write
from demo.contractions import surface
from demo.generate import CONCEPTS, LANGUAGES, Sizes, generate, realiser
from demo.meaning import Clause, Name, NounPhrase, Phrase, Sentence, Word
from demo.nli_labels import LABELS, label
from demo.sample import HELD_OUT, OBJECTS, Sampler, held_out_pair, profile
from langspec.errors import LangspecError
from langspec.files import sha256_folder
from langspec.measurement import baselines

TAGS = "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X"
UPOS = frozenset(TAGS.split())
SMALL = Sizes(60, 20, 20, 3, 3, 3, 30, 60, 20)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "raw"
    sizes = Sizes(300, 40, 40, 600, 3, 420, 40, 40, 20)
    generate(folder, languages=list(LANGUAGES), source="en", sizes=sizes, seed=3)
    return folder


def read_pairs(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_words(path: Path) -> list[list[list[str]]]:
    blocks = path.read_text(encoding="utf-8").strip().split("\n\n")
    return [
        [line.split("\t") for line in block.splitlines() if line[0] != "#"] for block in blocks
    ]


def train_pairs(raw: Path) -> list[dict[str, str]]:
    return read_pairs(raw / "multinli" / "multinli_1.0" / "multinli_1.0_train.jsonl")


def test_same_arguments_same_bytes_other_seed_other_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        generate(tmp_path / name, languages=["en", "de"], source="en", sizes=SMALL, seed=seed)
    first, again, other = (sha256_folder(tmp_path / name) for name in "abc")
    assert first == again
    assert first != other


def test_unknown_language_and_source_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LangspecError, match="no grammar of 'zh'"):
        generate(tmp_path / "x", languages=["en", "zh"], source="en", sizes=SMALL, seed=1)
    with pytest.raises(LangspecError, match="source language 'en'"):
        generate(tmp_path / "x", languages=["de"], source="en", sizes=SMALL, seed=1)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("code", LANGUAGES)
def test_random_meanings_are_realised_with_known_forms_and_valid_tags(code: str) -> None:
    voice = realiser(code)
    forms = {concept: set(voice.forms(concept)) for concept in CONCEPTS}
    rng = random.Random(5)
    sampler = Sampler(rng, profile(code))
    tags: set[str] = set()
    for _ in range(1500):
        words = voice.realise(sampler.sentence(), rng)
        tags |= {word.upos for word in words}
        assert words[-1].upos == "PUNCT"
        text = write.text_of(words)
        assert text[0] == text[0].upper()
        assert "  " not in text
        for word in words:
            assert word.form
            assert word.form.strip() == word.form
            if word.concept is not None:
                known = {form.casefold() for form in forms[word.concept]}
                # Turkish has its own capital of i.
                lower = word.form.replace("İ", "i").casefold()
                assert lower in known, (code, word)
    assert tags <= UPOS
    assert {"NOUN", "VERB", "ADJ", "PROPN", "PRON", "DET", "NUM", "ADV", "CCONJ"} <= tags


def test_vocabulary_needs_subwords_and_is_ambiguous() -> None:
    forms = {
        code: {form.lower() for name in CONCEPTS for form in realiser(code).forms(name)}
        for code in LANGUAGES
    }
    assert sum(map(len, forms.values())) > 1000
    voice, rng = realiser("en"), random.Random(1)
    sampler = Sampler(rng, profile("en"))
    tags: dict[str, set[str]] = defaultdict(set)
    for _ in range(4000):
        for word in voice.realise(sampler.sentence(), rng):
            tags[word.form.lower()].add(word.upos)
    for form in ("cook", "cooks", "drink", "drinks", "answer", "answers", "paint"):
        assert tags[form] == {"NOUN", "VERB"}


def test_conllu_has_ten_columns_and_its_text(raw: Path) -> None:
    for path in sorted((raw / "ud").rglob("*.conllu")):
        for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
            comments = [line for line in block.splitlines() if line.startswith("#")]
            rows = [line.split("\t") for line in block.splitlines() if line[0] != "#"]
            assert all(len(row) == 10 for row in rows)
            numbered = [row for row in rows if "-" not in row[0]]
            assert [row[0] for row in numbered] == [str(i + 1) for i in range(len(numbered))]
            assert all(row[3] in UPOS for row in numbered)
            inside: set[str] = set()
            text = ""
            for row in rows:
                if row[0] not in inside:
                    text += row[1] + " " * (row[9] != "SpaceAfter=No")
                inside |= set(row[0].split("-")) if "-" in row[0] else set()
            assert comments[1] == "# text = " + text.rstrip()


@pytest.mark.parametrize(
    ("code", "meant", "syntactic", "printed"),
    [
        ("es", Phrase("near.d", NounPhrase("garden.n")), "cerca de el jardín", "cerca del jardín"),
        ("es", Phrase("near.d", NounPhrase("house.n")), "cerca de la casa", "cerca de la casa"),
        ("fr", Phrase("near.d", NounPhrase("garden.n")), "près de le jardin", "près du jardin"),
        (
            "fr",
            Phrase("near.d", NounPhrase("garden.n", "pl")),
            "près de les jardins",
            "près des jardins",
        ),
        ("fr", Phrase("near.d", NounPhrase("friend.n")), "près de l'ami", "près de l'ami"),
        ("fr", Phrase("near.d", NounPhrase("house.n")), "près de la maison", "près de la maison"),
    ],
)
def test_contractions_are_printed(code: str, meant: Phrase, syntactic: str, printed: str) -> None:
    rng = random.Random(1)
    sentence = Sentence(Clause(ANNA, "sleep.v", phrase=meant))
    words = realiser(code).realise(sentence, rng)
    assert syntactic.casefold() in write.text_of(words).casefold()
    assert printed.casefold() in write.text_of(surface(code, words)).casefold()
    assert [w.concept for w in words if w.concept] == [
        w.concept for w in surface(code, words) if w.concept
    ]


@pytest.mark.parametrize(
    ("noun", "number", "printed"),
    [("dog.n", "sg", "au chien"), ("dog.n", "pl", "aux chiens"), ("friend.n", "sg", "à l'ami")],
)
def test_french_dative_contracts(noun: str, number: meaning.Number, printed: str) -> None:
    sentence = Sentence(Clause(ANNA, "answer.v", NounPhrase(noun, number)))
    words = surface("fr", realiser("fr").realise(sentence, random.Random(1)))
    assert printed in write.text_of(words)


def test_contraction_keeps_a_capital() -> None:
    words = [Word("A", "ADP"), Word("el", "DET"), Word("gato", "NOUN", "cat.n")]
    assert surface("es", words) == [Word("Al", "ADP"), words[2]]
    assert surface("de", words) == words


def test_printed_files_have_contractions_only(raw: Path) -> None:
    apart = {"es": r"\b(a|de) el\b", "fr": r"\b(à|de) les?\b"}
    printed = {"es": r"\b(al|del)\b", "fr": r"\b(du|des|aux?)\b"}
    texts: dict[str, str] = {}
    for code in apart:
        texts[code] = (raw / "text" / "demo" / f"{code}.txt").read_text(encoding="utf-8")
        (treebank,) = (raw / "ud").glob(f"*/{code}_demo-ud-test.conllu")
        blocks = treebank.read_text(encoding="utf-8")
        texts[code] += "\n".join(re.findall("# text = (.*)", blocks))
        assert re.search(r"^\d+-\d+\t", blocks, re.MULTILINE)
    for split in ("dev", "test"):
        for row in read_pairs(raw / "xnli" / "XNLI-1.0" / f"xnli.{split}.jsonl"):
            if row["language"] in apart:
                texts[row["language"]] += f"{row['sentence1']}\n{row['sentence2']}\n"
    for row in read_pairs(raw / "pretrain" / "sentences.jsonl"):
        if row["language"] in apart:
            texts[row["language"]] += " ".join(row["words"]) + "\n"
            assert len(row["words"]) == len(row["concepts"]) == len(row["space_after"])
    for code, text in texts.items():
        assert not re.search(apart[code], text, re.IGNORECASE)
        assert re.search(printed[code], text, re.IGNORECASE)


def test_source_training_has_no_held_out_word_or_combination() -> None:
    rng = random.Random(2)
    free, held = (Sampler(rng, profile("en"), source_training=flag) for flag in (False, True))

    def seen(sampler: Sampler) -> tuple[set[str], set[tuple[str, str]]]:
        concepts, pairs = set(), set()
        for _ in range(3000):
            sentence = sampler.sentence()
            words = realiser("en").realise(sentence, rng)
            concepts |= {word.concept for word in words if word.concept}
            for clause in (sentence.first, sentence.second):
                if clause and clause.verb and isinstance(clause.obj, NounPhrase):
                    pairs.add((clause.verb, clause.obj.noun))
        return concepts, pairs

    concepts, pairs = seen(held)
    assert not concepts & set(HELD_OUT)
    assert not any(held_out_pair(*pair) for pair in pairs)
    concepts, pairs = seen(free)
    assert set(HELD_OUT) <= concepts
    assert sum(held_out_pair(*pair) for pair in pairs) > 20


def test_no_test_sentence_is_trained_on(raw: Path) -> None:
    def texts(split: str) -> set[str]:
        path = raw / "ud" / "UD_English-Demo" / f"en_demo-ud-{split}.conllu"
        return {" ".join(row[1] for row in rows) for rows in read_words(path)}

    assert not texts("train") & (texts("test") | texts("dev"))
    trained = {row[key] for row in train_pairs(raw) for key in ("sentence1", "sentence2")}
    tested = {
        row[key]
        for split in ("dev", "test")
        for row in read_pairs(raw / "xnli" / "XNLI-1.0" / f"xnli.{split}.jsonl")
        for key in ("sentence1", "sentence2")
    }
    assert not trained & tested


def test_items_are_shared_by_languages_and_labels_balanced(raw: Path) -> None:
    rows = read_pairs(raw / "xnli" / "XNLI-1.0" / "xnli.test.jsonl")
    by_language: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        by_language[row["language"]][row["promptID"]] = row["gold_label"]
    assert set(by_language) == set(LANGUAGES)
    assert all(labels == by_language["en"] for labels in by_language.values())
    assert set(Counter(by_language["en"].values()).values()) == {140}
    assert set(Counter(row["gold_label"] for row in train_pairs(raw)).values()) == {200}


def length_overlap_accuracy(raw: Path) -> dict[str, float]:
    train = train_pairs(raw)
    rows = read_pairs(raw / "xnli" / "XNLI-1.0" / "xnli.test.jsonl")
    answers = baselines.length_overlap(
        [(row["sentence1"], row["sentence2"]) for row in train],
        [row["gold_label"] for row in train],
        [(row["sentence1"], row["sentence2"]) for row in rows],
    )
    right: dict[str, list[bool]] = defaultdict(list)
    for answer, row in zip(answers, rows, strict=True):
        right[row["language"]].append(answer == row["gold_label"])
    return {code: sum(found) / len(found) for code, found in right.items()}


def hypothesis_only_accuracy(raw: Path) -> float:
    train = train_pairs(raw)
    rows = read_pairs(raw / "xnli" / "XNLI-1.0" / "xnli.test.jsonl")
    english = [row for row in rows if row["language"] == "en"]
    answers = baselines.hypothesis_only(
        [(row["sentence1"], row["sentence2"]) for row in train],
        [row["gold_label"] for row in train],
        [(row["sentence1"], row["sentence2"]) for row in english],
    )
    right = [a == row["gold_label"] for a, row in zip(answers, english, strict=True)]
    return sum(right) / len(right)


def test_blind_baselines_stay_low_in_every_language(raw: Path) -> None:
    # 420 items: chance is within .38 (two standard deviations), so .45 is more than bad luck.
    found = length_overlap_accuracy(raw)
    assert set(found) == set(LANGUAGES)
    assert all(accuracy < 0.45 for accuracy in found.values()), found
    assert hypothesis_only_accuracy(raw) < 0.45


@pytest.mark.slow
def test_blind_baselines_stay_low_at_the_default_size(tmp_path: Path) -> None:
    sizes = Sizes(1, 1, 1, nli_dev=3, text_lines=1, pretrain_lines=1, pretrain_pairs=1)
    generate(tmp_path / "raw", languages=list(LANGUAGES), source="en", sizes=sizes, seed=7)
    assert all(x < 0.45 for x in length_overlap_accuracy(tmp_path / "raw").values())
    assert hypothesis_only_accuracy(tmp_path / "raw") < 0.5  # 300 items: a standard error of .027


def test_baselines_find_planted_artefacts() -> None:
    # Guards the test above: the classifiers do see lengths, negations and single words.
    rng = random.Random(1)
    labels = [rng.choice(["a", "b"]) for _ in range(400)]
    texts = [("one two three", "not one two" if x == "a" else "one two") for x in labels]
    assert baselines.length_overlap(texts, labels, texts) == labels
    assert baselines.hypothesis_only(texts, labels, texts) == labels
    assert baselines.lexicon(["a", "a", "A", "b"], ["X", "Y", "Y", "X"], ["a", "c"]) == ["Y", "X"]
    assert baselines.majority("abc", ["X", "Y", "Y"], "de") == ["Y", "Y"]


DOG = NounPhrase("dog.n", adjectives=("big.a",))
PLAIN = NounPhrase("dog.n")
SMALL_DOG = NounPhrase("dog.n", adjectives=("small.a",))
CAT = NounPhrase("cat.n")
CUP = NounPhrase("cup.n", determiner="indefinite")
HOUSE = Phrase("in.d", NounPhrase("kitchen.n"))
FOREST = Phrase("in.d", NounPhrase("forest.n"))
HAT, RED_HAT = (
    NounPhrase("hat.n", determiner="indefinite", adjectives=names) for names in ((), ("red.a",))
)
ANNA = Name("anna.p")


def sleeps(subject: meaning.Subject = PLAIN, **more: object) -> Clause:
    return Clause(subject, "sleep.v", **more)  # type: ignore[arg-type]


def buys(obj: NounPhrase, **more: object) -> Clause:
    return Clause(ANNA, "buy.v", obj, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("premise", "hypothesis", "expected"),
    [
        (sleeps(DOG), sleeps(), "entailment"),
        (sleeps(), sleeps(DOG), "neutral"),
        (sleeps(DOG), sleeps(SMALL_DOG), "contradiction"),
        (sleeps(DOG), sleeps(NounPhrase("dog.n", adjectives=("old.a",))), "neutral"),
        (sleeps(DOG), Clause(PLAIN, quality="big.a"), "entailment"),
        (sleeps(DOG), Clause(PLAIN, quality="small.a", negated=True), "entailment"),
        (sleeps(DOG, negated=True), Clause(PLAIN, quality="small.a"), "contradiction"),
        (sleeps(phrase=HOUSE), sleeps(), "entailment"),
        (sleeps(negated=True), sleeps(negated=True, phrase=HOUSE), "entailment"),
        (sleeps(negated=True, phrase=HOUSE), sleeps(negated=True), "neutral"),
        (sleeps(negated=True, phrase=HOUSE), sleeps(), "neutral"),
        (sleeps(negated=True), sleeps(phrase=HOUSE), "contradiction"),
        (sleeps(phrase=HOUSE), sleeps(phrase=FOREST), "contradiction"),
        (sleeps(phrase=HOUSE), sleeps(phrase=FOREST, negated=True), "entailment"),
        (buys(RED_HAT), buys(HAT), "entailment"),
        (buys(HAT, negated=True), buys(RED_HAT, negated=True), "entailment"),
        (buys(RED_HAT, negated=True), buys(HAT, negated=True), "neutral"),
        (buys(HAT), buys(RED_HAT, negated=True), "neutral"),
        (buys(RED_HAT), buys(HAT, negated=True), "contradiction"),
        (sleeps(adverb="often.r"), sleeps(adverb="always.r"), "neutral"),
        (sleeps(adverb="always.r"), sleeps(adverb="often.r"), "entailment"),
        # Readers may disagree: no label.
        (sleeps(negated=True, adverb="often.r"), sleeps(negated=True), None),
        (sleeps(NounPhrase("dog.n", determiner="every")), sleeps(), None),
        (sleeps(DOG, negated=True), sleeps(negated=True), None),
        # Two differences make two events, which may both have been.
        (Clause(ANNA, "sing.v"), Clause(Name("maria.p"), "sleep.v"), None),
        (buys(HAT), Clause(ANNA, "sell.v", CUP), None),
        (buys(HAT), buys(CUP), "contradiction"),
        (buys(HAT), Clause(ANNA, "sell.v", HAT), "contradiction"),
        (
            Clause(ANNA, quality="happy.a", phrase=HOUSE),
            Clause(ANNA, quality="sad.a", phrase=FOREST),
            None,
        ),
        (sleeps(adverb="often.r"), Clause(CAT, "sleep.v", adverb="often.r"), None),
        (sleeps(), Clause(CAT, "sleep.v"), "contradiction"),
        (Clause(DOG, quality="good.a"), Clause(SMALL_DOG, quality="good.a"), None),
        (Clause(ANNA, "find.v", HAT), Clause(ANNA, "lose.v", HAT), None),
        (Clause(ANNA, "find.v", HAT), Clause(ANNA, "hide.v", HAT), None),
        # Another dog may have been meant.
        (
            sleeps(replace(DOG, determiner="indefinite")),
            Clause(replace(PLAIN, determiner="indefinite"), quality="big.a", negated=True),
            None,
        ),
    ],
)
def test_labels_of_clauses(premise: Clause, hypothesis: Clause, expected: str | None) -> None:
    assert label(Sentence(premise), Sentence(hypothesis)) == expected


def test_labels_of_two_clauses() -> None:
    both = Sentence(sleeps(), "because.s", buys(RED_HAT))
    assert label(both, Sentence(buys(HAT)), 1) == "entailment"
    assert label(both, Sentence(sleeps(), "and.c", buys(HAT))) == "entailment"
    assert label(both, Sentence(sleeps(), "but.c", buys(HAT))) == "entailment"
    joined = Sentence(sleeps(), "and.c", buys(RED_HAT))
    assert label(joined, both) == "neutral"
    assert label(joined, Sentence(sleeps(negated=True), "and.c", buys(HAT))) == "contradiction"
    assert label(Sentence(sleeps()), joined) == "neutral"
    assert label(Sentence(sleeps(negated=True), "because.s", buys(HAT)), both) is None


def test_every_label_comes_with_negation_and_of_every_length(raw: Path) -> None:
    seen: dict[tuple[bool, bool], set[str]] = defaultdict(set)
    lengths: dict[int, Counter[str]] = defaultdict(Counter)
    for row in train_pairs(raw):
        negated = [" not " in row[key] for key in ("sentence1", "sentence2")]
        seen[negated[0], negated[1]].add(row["gold_label"])
        words = row["sentence2"].replace(",", "").split()
        lengths[len(words)][row["gold_label"]] += 1
    assert len(seen) == 4
    assert all(found == set(LABELS) for found in seen.values())
    assert all(len(set(counts.values())) == 1 and len(counts) == 3 for counts in lengths.values())


def test_objects_go_with_their_verbs() -> None:
    sampler = Sampler(random.Random(4), profile("tr"))
    for _ in range(1000):
        sentence = sampler.sentence()
        for clause in (sentence.first, sentence.second):
            if clause is None:
                continue
            assert (clause.verb is None) != (clause.quality is None)
            assert (clause.obj is not None) == (clause.verb in meaning.TRANSITIVE)
            if clause.verb is not None and clause.obj is not None:
                obj = clause.obj
                name = obj.noun if isinstance(obj, NounPhrase) else obj.name
                assert name in OBJECTS[clause.verb]
