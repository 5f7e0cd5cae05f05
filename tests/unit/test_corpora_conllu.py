from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langspec.corpora.conllu import UPOS, join_words, read_conllu


def block(*lines: str, ident: str | None = None) -> str:
    head = [f"# sent_id = {ident}"] if ident else []
    rows = []
    for line in lines:
        number, form, upos, misc = line.split()
        rows.append("\t".join([number, form.replace("~", " "), "_", upos, *"_____", misc]))
    return "\n".join([*head, *rows]) + "\n\n"


def read_text(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "x.conllu"
    path.write_bytes(text.encode())
    return [join_words(s.words, s.space_after) for s in read_conllu(path)]


def test_words_labels_and_ids(tmp_path: Path) -> None:
    path = tmp_path / "x.conllu"
    first = block("1 Dogs NOUN _", "2 bark VERB SpaceAfter=No", "3 . PUNCT _", ident="a-1")
    path.write_text("# newdoc id = d\n" + first + block("1 Yes INTJ _"))
    one, two = read_conllu(path)
    assert (one.sent_id, one.words, one.labels) == (
        "a-1",
        ["Dogs", "bark", "."],
        ["NOUN", "VERB", "PUNCT"],
    )
    assert one.space_after == [True, False, True]
    assert (two.sent_id, two.words, two.line) == (None, ["Yes"], 7)


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        # the words spell the surface form: no space inside
        (["1-2 don't _ _", "1 do AUX _", "2 n't PART _", "3 go VERB _"], "don't go"),
        # they do not: spaces inside
        (["1-2 du _ _", "1 de ADP _", "2 le DET _", "3 pain NOUN _"], "de le pain"),
        # SpaceAfter=No of the range is that of its last word
        (["1-2 zum _ SpaceAfter=No", "1 zu ADP _", "2 dem DET _", "3 , PUNCT _"], "zu dem,"),
        # SpaceAfter on a word inside the range says nothing
        (["1-2 ab _ _", "1 a X _", "2 b X SpaceAfter=No", "3 c X _"], "ab c"),
        # empty nodes are no words, wherever they stand
        (["0.1 e _ _", "1 a X _", "1.1 f VERB SpaceAfter=No", "1.2 g VERB _", "2 b X _"], "a b"),
        # words with spaces, other keys in MISC, and a key that only looks alike
        (["1 25~000 NUM Translit=x|SpaceAfter=No", "2 % SYM _"], "25 000%"),
        (["1 a X xSpaceAfter=No", "2 b X _"], "a b"),
        # a literal underscore in a real sentence is a word
        (["1 _ SYM _", "2 b X _"], "_ b"),
    ],
)
def test_natural_spacing(tmp_path: Path, lines: list[str], text: str) -> None:
    assert read_text(tmp_path, block(*lines)) == [text]


def test_single_underscore_is_kept_beside_real_sentences(tmp_path: Path) -> None:
    assert read_text(tmp_path, block("1 _ SYM _") + block("1 a X _")) == ["_", "a"]


def test_only_line_feeds_end_lines(tmp_path: Path) -> None:
    text = block("1 a X _").replace("\ta\t", "\ta\u2028b\x85c\t")
    assert read_text(tmp_path, text) == ["a\u2028b\x85c"]


_forms = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1
).filter(lambda form: form != "_" and form.strip())
_sentences = st.lists(
    st.lists(st.tuples(_forms, st.sampled_from(UPOS), st.booleans()), min_size=1, max_size=6),
    min_size=1,
    max_size=5,
)


@settings(max_examples=30)
@given(_sentences)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, sentences: list[list[tuple[str, str, bool]]]
) -> None:
    path = tmp_path_factory.mktemp("c") / "x.conllu"
    rows = []
    for words in sentences:
        for i, (form, upos, space) in enumerate(words, start=1):
            misc = "_" if space else "SpaceAfter=No"
            rows.append("\t".join([str(i), form, "_", upos, *"_____", misc]))
        rows.append("")
    path.write_bytes(("\n".join(rows) + "\n").encode())
    read = [list(zip(s.words, s.labels, s.space_after, strict=True)) for s in read_conllu(path)]
    assert read == sentences
