"""A kept table of faulty files: each reader must name the place, what is wrong and the cure.

Every fault is a small change of a file that the same reader accepts, so that it is the change
that is refused.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from langspec.corpora.conllu import Column, read_conllu
from langspec.corpora.custom import CustomTask, Part, read_rows
from langspec.corpora.lines import MAX_LINE_BYTES, read_text
from langspec.corpora.wikipedia import read_dump, read_extract
from langspec.corpora.xnli import read_pairs
from langspec.encoders.pretraining_text import (
    read_dictionary,
    read_sentences,
    read_unlabelled_pairs,
)
from langspec.errors import LangspecError


def word(ident: str, form: str = "a", upos: str = "NOUN", misc: str = "_") -> str:
    return "\t".join([ident, form, "_", upos, *"_____", misc]) + "\n"


def pair(**changes: Any) -> bytes:
    row = {
        "language": "de",
        "gold_label": "neutral",
        "sentence1": "Ein Hund schläft.",
        "sentence2": "Er träumt.",
        "pairID": "1",
        "promptID": "p",
    } | changes
    row = {name: value for name, value in row.items() if value is not ...}
    return (json.dumps(row, ensure_ascii=False) + "\n").encode()


def sentence(**changes: Any) -> bytes:
    row = {
        "line": 0,
        "language": "de",
        "words": ["Hunde", "."],
        "concepts": ["dog.n", None],
        "space_after": [False, True],
    } | changes
    return (json.dumps({k: v for k, v in row.items() if v is not ...}) + "\n").encode()


def unlabelled(**changes: Any) -> bytes:
    row = {"line": 0, "language": "de", "premise": "a", "hypothesis": "b"} | changes
    return (json.dumps({k: v for k, v in row.items() if v is not ...}) + "\n").encode()


def review(**changes: Any) -> bytes:
    row = {"body": "Gut.", "stars": 1, "item": "a", "lang": "de", "part": "test"} | changes
    row = {name: value for name, value in row.items() if value is not ...}
    return (json.dumps(row, ensure_ascii=False) + "\n").encode()


def named(**changes: Any) -> bytes:
    row = {"tokens": ["Anna", "geht"], "tags": [1, 0]} | changes
    row = {name: value for name, value in row.items() if value is not ...}
    return (json.dumps(row, ensure_ascii=False) + "\n").encode()


def article(**changes: Any) -> bytes:
    row = {"id": "1", "url": "u", "title": "T", "text": "T\n\nEin Satz."} | changes
    row = {name: value for name, value in row.items() if value is not ...}
    return (json.dumps(row, ensure_ascii=False) + "\n").encode()


def dump(text: str = "Ein Satz.") -> bytes:
    return (
        '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/"><siteinfo><namespaces>'
        '<namespace key="0" /></namespaces></siteinfo><page><title>T</title><ns>0</ns><id>1</id>'
        f"<revision><id>2</id><text>{text}</text></revision></page></mediawiki>"
    ).encode()


REVIEWS = CustomTask(
    unit="text",
    format="jsonl",
    path="*.jsonl",
    labels=["1", "2"],
    text="body",
    label="stars",
    language_field="lang",
    split_field="part",
    group_field="item",
)
NAMES = CustomTask(
    unit="token",
    format="jsonl",
    path="{language}.{split}.jsonl",
    labels=["0", "1"],
    text="tokens",
    label="tags",
)
FEATURE = Column("feats.Number", ("Sing", "Plur"))
DOC = b'<doc id="1" url="u" title="T">\nT\n\nEin Satz.\n</doc>\n'


def feature(feats: str) -> bytes:
    return ("\t".join(["1", "a", "_", "NOUN", "_", feats, *"____"]) + "\n\n").encode()


READERS: dict[str, tuple[Callable[[Path], Any], bytes]] = {
    "conllu": (
        read_conllu,
        ("# sent_id = 1\n1-2\tab\t" + "_\t" * 7 + "_\n" + word("1") + word("2") + "\n").encode(),
    ),
    "xnli": (read_pairs, pair() + pair(pairID="2") + pair(language="fr")),
    "multinli": (
        lambda path: read_pairs(path, language="en"),
        pair(language=...) + pair(language=..., pairID="2"),
    ),
    "text": (read_text, "Ein Hund.\n\nÜber Nacht".encode()),
    "feature": (lambda path: read_conllu(path, FEATURE), feature("Case=Nom|Number=Sing")),
    "reviews": (
        lambda path: read_rows(path, Part("r.jsonl", None, None), REVIEWS),
        review() + review(stars="2", part="validation"),
    ),
    "names": (lambda path: read_rows(path, Part("de.test.jsonl", "de", "test"), NAMES), named()),
    "extract": (read_extract, DOC + b"\n" + DOC),
    "extract_json": (read_extract, article() + article(id="2")),
    "dump": (read_dump, dump()),
    "pretrain_sentences": (read_sentences, sentence() + sentence(line=1)),
    "pretrain_pairs": (read_unlabelled_pairs, unlabelled()),
    "dictionary": (read_dictionary, b"concept\tlanguage\tform\trank\ndog.n\tde\tHund\t0\n"),
}


@dataclass(frozen=True)
class Fault:
    reader: str
    name: str
    data: bytes
    message: str
    line: int | None


def conllu(name: str, text: str, message: str, line: int | None) -> Fault:
    return Fault("conllu", name, text.encode(), message, line)


WORD = word("1")
RANGE = "\t".join(["1-2", "ab", *"_______", "_"]) + "\n"
HEAD = b"concept\tlanguage\tform\trank\n"

FAULTS = [
    # conllu: lines and columns
    conllu("nine columns", "1\ta\t_\tNOUN\t_\t_\t_\t_\t_\n\n", "9 columns; expected 10", 1),
    conllu("eleven columns", WORD[:-1] + "\tx\n\n", "11 columns; expected 10", 1),
    conllu("spaces for tabs", WORD.replace("\t", " ") + "\n", "separated by one tab", 1),
    conllu("white space for an empty line", WORD + " \n", "1 columns; expected 10", 2),
    conllu("empty form", word("1", form="") + "\n", "an empty FORM", 1),
    conllu("blank form", word("1", form=" ") + "\n", "an empty FORM", 1),
    # conllu: ids
    conllu("starts with 2", word("2") + "\n", "word id 2; expected 1", 1),
    conllu("id repeated", WORD + WORD + "\n", "word id 1; expected 2", 2),
    conllu("id left out", WORD + word("3") + "\n", "word id 3; expected 2", 2),
    conllu("id with zeros", word("01") + "\n", "word id 01; expected 1", 1),
    conllu("id no number", word("x") + "\n", "id 'x'; expected a number", 1),
    conllu("id in other digits", word("١") + "\n", "expected a number", 1),
    conllu("id empty", word("") + "\n", "id ''; expected a number", 1),
    conllu("range too late", WORD + RANGE + "\n", "range 1-2; expected 2-N", 2),
    conllu("range of one", RANGE.replace("1-2", "1-1") + WORD + "\n", "expected 1-N", 1),
    conllu("range backwards", RANGE.replace("1-2", "1-0") + WORD + "\n", "expected 1-N", 1),
    conllu("range of three ends", RANGE.replace("1-2", "1-2-3") + WORD + "\n", "id '1-2-3'", 1),
    conllu("range beyond the end", RANGE + WORD + "\n", "the sentence has 1 words", 1),
    conllu(
        "ranges overlap",
        RANGE + WORD + RANGE.replace("1-2", "2-3") + word("2") + word("3") + "\n",
        "range 2-3 overlaps",
        3,
    ),
    conllu("empty node too early", word("1.1") + WORD + "\n", "expected 0.1", 1),
    conllu("empty node skips", WORD + word("1.2") + "\n", "expected 1.1", 2),
    # conllu: tags
    conllu("unknown upos", word("1", upos="NOM") + "\n", "UPOS 'NOM' in column 4", 1),
    conllu("no upos", word("1", upos="_") + "\n", "UPOS '_' in column 4", 1),
    conllu("upos in lower case", word("1", upos="noun") + "\n", "UPOS 'noun'", 1),
    # conllu: sentences
    conllu("only comments", "# text = x\n\n", "a sentence without words", 1),
    conllu("only a range", RANGE + "\n", "a sentence without words", 1),
    conllu("two empty lines", WORD + "\n\n", "an empty line without a sentence", 3),
    conllu("starts with an empty line", "\n" + WORD + "\n", "an empty line without", 1),
    conllu("comment inside", WORD + "# text = x\n\n", "a comment inside a sentence", 2),
    conllu("two ids", "# sent_id = 1\n# sent_id = 2\n" + WORD + "\n", "second sent_id", 2),
    conllu("id twice", ("# sent_id = 1\n" + WORD + "\n") * 2, "sent_id '1' occurs twice", 4),
    conllu("no last empty line", WORD, "not ended by an empty line", 1),
    conllu("cut in a line", WORD + "\n" + WORD[:7], "the last line has no line end", 3),
    conllu("stripped", word("1", "_") + word("2", "_") + "\n", "without its text", None),
    # conllu: bytes
    Fault("conllu", "byte order mark", b"\xef\xbb\xbf" + WORD.encode() + b"\n", "sed -i", 1),
    Fault("conllu", "windows ends", (WORD + "\n").replace("\n", "\r\n").encode(), "sed -i", 1),
    Fault("conllu", "latin 1", (word("1", "é") + "\n").encode("latin-1"), "iconv", 1),
    Fault("conllu", "utf-16", (WORD + "\n").encode("utf-16"), "iconv -f UTF-16", 1),
    Fault("conllu", "utf-16 unmarked", (WORD + "\n").encode("utf-16-le"), "a NUL", 1),
    Fault("conllu", "empty", b"", "the file is empty", None),
    Fault("conllu", "gzip", b"\x1f\x8b\x08\x00abc", "gzip archive", None),
    Fault("conllu", "overlong", b"x" * (MAX_LINE_BYTES + 1), "a line longer than", 1),
    # xnli
    Fault("xnli", "cut json", pair() + pair()[:20], "broken json", 2),
    Fault("xnli", "two objects", pair()[:-1] + pair(), "broken json", 1),
    Fault("xnli", "empty line", pair() + b"\n", "broken json", 2),
    Fault("xnli", "a list", b"[1]\n", "a json list", 1),
    Fault("xnli", "deep", b"[" * 100_000 + b"\n", "json", 1),
    Fault("xnli", "no label", pair(gold_label=...), "'gold_label' is missing", 1),
    Fault("xnli", "no language", pair(language=...), "'language' is missing", 1),
    Fault("xnli", "no premise", pair(sentence1=...), "'sentence1' is missing", 1),
    Fault("xnli", "no hypothesis", pair(sentence2=...), "'sentence2' is missing", 1),
    Fault("xnli", "no pair id", pair(pairID=...), "'pairID' is missing", 1),
    Fault("xnli", "no prompt id", pair(promptID=...), "'promptID' is missing", 1),
    Fault("xnli", "empty pair id", pair(pairID=""), "'pairID' holds ''", 1),
    Fault("xnli", "null pair id", pair(pairID=None), "'pairID' holds None", 1),
    Fault("xnli", "premise null", pair(sentence1=None), "is a NoneType; expected a string", 1),
    Fault("xnli", "label a number", pair(gold_label=0), "is a int; expected a string", 1),
    Fault("xnli", "unknown label", pair(gold_label="maybe"), "gold_label 'maybe'", 1),
    Fault("xnli", "label in capitals", pair(gold_label="Neutral"), "gold_label 'Neutral'", 1),
    Fault("xnli", "unknown language", pair(language="xx"), "language 'xx' is unknown", 1),
    Fault("xnli", "language by name", pair(language="German"), "'German' is unknown", 1),
    Fault("xnli", "pair twice", pair() + pair(sentence2="x"), "pairID '1' occurs twice", 2),
    Fault("xnli", "half a character", rb"{" + pair()[1:].replace(b"Er", rb"\ud83d"), "half", 1),
    Fault("xnli", "latin 1", pair().decode().encode("latin-1"), "iconv", 1),
    Fault("xnli", "byte order mark", b"\xef\xbb\xbf" + pair(), "byte order mark", 1),
    Fault("xnli", "windows ends", pair().replace(b"\n", b"\r\n"), "Windows line ends", 1),
    Fault("xnli", "empty", b"", "the file is empty", None),
    Fault("xnli", "zip", b"PK\x03\x04abc", "zip archive", None),
    # multinli
    Fault("multinli", "pair twice", pair() * 2, "occurs twice for language en", 2),
    Fault("multinli", "tsv", b"neutral\ta\tb\n", "broken json", 1),
    Fault("multinli", "no prompt id", pair(promptID=...), "'promptID' is missing", 1),
    Fault("multinli", "unknown label", pair(gold_label=""), "gold_label ''", 1),
    Fault("multinli", "empty", b"", "the file is empty", None),
    # text
    Fault("text", "empty", b"", "the file is empty", None),
    Fault("text", "latin 1", b"a\nb\ncaf\xe9\n", "byte 0xe9 at byte 4", 3),
    Fault("text", "cut in a character", "aé".encode()[:-1], "not UTF-8", 1),
    Fault("text", "old mac ends", b"a\rb\rc\n", "a carriage return inside", 1),
    Fault("text", "byte order mark", b"\xef\xbb\xbfa\n", "byte order mark", 1),
    Fault("text", "utf-16", "a\n".encode("utf-16"), "is UTF-16", 1),
    Fault("text", "binary", b"a\nb\0c\n", "a NUL", 2),
    Fault("text", "bzip2", b"BZh91AY", "bzip2 archive", None),
    Fault("text", "overlong", b"a\n" + b"x" * (MAX_LINE_BYTES + 1), "a line longer", 2),
    # another column of CoNLL-U
    Fault("feature", "not there", feature("Case=Nom"), "feats.Number '_'; expected one of", 1),
    Fault("feature", "no features", feature("_"), "feats.Number '_'", 1),
    Fault("feature", "unknown value", feature("Number=Dual"), "feats.Number 'Dual'", 1),
    # a task's own json lines
    Fault("reviews", "broken", review() + b"{\n", "broken json", 2),
    Fault("reviews", "a list", b"[]\n", "a json list", 1),
    Fault("reviews", "no text", review(body=...), "'body' is missing", 1),
    Fault("reviews", "no label", review(stars=...), "'stars' is missing", 1),
    Fault("reviews", "no language", review(lang=...), "'lang' is missing", 1),
    Fault("reviews", "no split", review(part=...), "'part' is missing", 1),
    Fault("reviews", "no item", review(item=...), "'item' is missing", 1),
    Fault("reviews", "unknown label", review(stars=5), "stars '5'; expected one of 1, 2", 1),
    Fault("reviews", "unknown language", review(lang="xx"), "language 'xx' is unknown", 1),
    Fault("reviews", "unknown split", review(part="eval"), "split 'eval'; expected one of", 1),
    Fault("reviews", "label a fraction", review(stars=1.0), "'stars' holds 1.0", 1),
    Fault("reviews", "label null", review(stars=None), "'stars' holds None", 1),
    Fault("reviews", "text a list", review(body=["a"]), "'body' is a list", 1),
    Fault("reviews", "half a character", review(body="#").replace(b"#", rb"\ud83d"), "half", 1),
    Fault(
        "reviews",
        "mixed encodings",
        review() + review(body="é").decode().encode("latin-1"),
        "byte 0xe9",
        2,
    ),
    Fault("reviews", "overlong", review() + b"x" * (MAX_LINE_BYTES + 1), "a line longer", 2),
    Fault("reviews", "empty", b"", "the file is empty", None),
    Fault("names", "fewer labels", named(tags=[1]), "2 words and 1 labels", 1),
    Fault("names", "no words", named(tokens=[], tags=[]), "0 words and 0 labels", 1),
    Fault("names", "words a text", named(tokens="Anna"), "'tokens' is a str; expected a list", 1),
    Fault("names", "empty word", named(tokens=["", "a"]), "'tokens' holds ''", 1),
    Fault("names", "unknown label", named(tags=[7, 0]), "tags '7'", 1),
    # Wikipedia
    Fault("extract", "text before", b"Hallo\n" + DOC, "text outside of a document", 1),
    Fault("extract", "no id", b'<doc url="u" title="T">\n', "a document without id", 1),
    Fault("extract", "not ended", DOC[:-7], "is not ended by </doc>", 4),
    Fault("extract", "one in another", DOC[:-7] + DOC, "inside document 1", 5),
    Fault("extract", "latin 1", DOC.replace(b"Satz", b"S\xe4tz"), "not UTF-8", 4),
    Fault("extract", "overlong", DOC[:-7] + b"x" * (MAX_LINE_BYTES + 1), "a line longer", 5),
    Fault("extract", "gzip", b"\x1f\x8b\x08\x00abc", "gzip archive", None),
    Fault("extract", "empty", b"", "the file is empty", None),
    Fault("extract_json", "broken", article() + article()[:9] + b"\n", "broken json", 2),
    Fault("extract_json", "no text", article(text=...), "'text' is missing", 1),
    Fault("extract_json", "no id", article(id=...), "'id' is missing", 1),
    Fault("extract_json", "id a number", article(id=7), "'id' is no text", 1),
    Fault("dump", "cut short", dump()[:-30], "no whole dump", None),
    Fault("dump", "another xml", b"<html></html>", "no whole dump", None),
    Fault("dump", "no xml", b"Hallo", "no whole dump", None),
    Fault("dump", "empty", b"", "no whole dump", None),
    Fault("dump", "latin 1", dump("é").decode().encode("latin-1"), "not UTF-8", None),
    # the demo's pre-training data
    Fault("pretrain_sentences", "no words", sentence(words=...), "'words': expected a list", 1),
    Fault("pretrain_sentences", "uneven", sentence(concepts=["a"]), "lists of lengths", 1),
    Fault("pretrain_sentences", "words a text", sentence(words="ab"), "expected a list", 1),
    Fault("pretrain_sentences", "null word", sentence(words=["a", None]), "list of str", 1),
    Fault("pretrain_sentences", "negative line", sentence(line=-1), "line -1", 1),
    Fault("pretrain_sentences", "line true", sentence(line=True), "'line': expected a int", 1),
    Fault("pretrain_sentences", "unknown language", sentence(language="q"), "is unknown", 1),
    Fault("pretrain_pairs", "no premise", unlabelled(premise=...), "'premise'", 1),
    Fault("pretrain_pairs", "broken", unlabelled() + b"{\n", "broken json", 2),
    Fault("pretrain_pairs", "cut", unlabelled() + unlabelled()[:-1], "no line end", 2),
    Fault("dictionary", "no header", b"dog.n\tde\tHund\t0\n", "header", 1),
    Fault("dictionary", "three columns", HEAD + b"dog.n\tde\tHund\n", "3 columns", 2),
    Fault("dictionary", "empty form", HEAD + b"dog.n\tde\t\t0\n", "none empty", 2),
    Fault("dictionary", "rank a word", HEAD + b"dog.n\tde\tHund\tno\n", "rank 'no'", 2),
    Fault("dictionary", "rank too high", HEAD + b"dog.n\tde\tHund\t40000\n", "rank", 2),
    Fault("dictionary", "unknown language", HEAD + b"dog.n\tzz\tHund\t0\n", "is unknown", 2),
]


PACKERS = {"bz2": bz2.compress, "gz": gzip.compress, "xz": lzma.compress}


@pytest.mark.parametrize("name", READERS)
def test_reader_accepts_the_file_without_fault(name: str, tmp_path: Path) -> None:
    read, data = READERS[name]
    path = tmp_path / "file"
    path.write_bytes(data)
    assert list(read(path))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f.reader}-{f.name}".replace(" ", "_"))
def test_fault_is_refused_at_its_place(fault: Fault, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(fault.data)
    with pytest.raises(LangspecError) as error:
        list(READERS[fault.reader][0](path))
    place = f"{path}:{fault.line}: " if fault.line else f"{path}: "
    assert str(error.value).startswith(place)
    assert fault.message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_faults_are_distinct() -> None:
    assert len({(fault.reader, fault.name) for fault in FAULTS}) == len(FAULTS)
    assert len({(fault.reader, fault.data) for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("name", READERS)
def test_missing_file_is_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(LangspecError, match="cannot be read"):
        list(READERS[name][0](tmp_path / "gone"))


@pytest.mark.parametrize(("ending", "pack"), PACKERS.items())
@pytest.mark.parametrize("name", ["conllu", "xnli", "text"])
def test_a_compressed_file_is_read_alike_and_refused_where_it_is_cut(
    name: str, ending: str, pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    read, data = READERS[name]
    plain, packed = tmp_path / "file", tmp_path / f"file.{ending}"
    plain.write_bytes(data)
    packed.write_bytes(pack(data))
    assert list(read(packed)) == list(read(plain))
    packed.write_bytes(pack(data)[:-9])
    with pytest.raises(LangspecError, match="the compressed file is cut short") as error:
        list(read(packed))
    assert str(error.value).startswith(f"{packed}: ")
    packed.write_bytes(data)
    with pytest.raises(LangspecError, match=r"is damaged|cannot be read") as error:
        list(read(packed))
    assert str(error.value).startswith(f"{packed}: ")
