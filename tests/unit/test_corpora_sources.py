from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from corpora_files import conllu, files_in, official_folder, options, plain, write
from langspec.corpora.manifest import add_folder, check, entered, locate
from langspec.corpora.prepare import prepare
from langspec.corpora.sources import discover
from langspec.errors import LangspecError
from langspec.files import sha256_file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return official_folder(tmp_path / "my corpora")


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "data" / "sources.json", tmp_path / ".langspec" / "sources.json"


def test_everything_official_is_recognised(folder: Path) -> None:
    write(folder / "README.md", "hello")
    write(folder / "text" / "toy" / "LICENSE.txt", "CC BY-NC 4.0")
    write(folder / "ud" / "UD_Czech" / "cs_pdt-ud-train-l.conllu", "")
    found = discover(folder)
    kinds = {(f.kind, f.language, f.treebank, f.split) for f in found.files}
    assert ("ud", "de", "de_toy", "dev") in kinds
    assert ("ud", "cs", "cs_pdt", "train") in kinds
    assert ("xnli", None, None, "test") in kinds
    assert ("multinli", "en", None, "train") in kinds
    assert ("text", "fr", None, None) in kinds
    assert len(kinds) == 3 * 3 + 1 + 2 + 1 + 3
    assert found.ignored == ["README.md"]
    licences = {f.name: f.licence_name for f in found.files}
    assert licences["ud/UD_X-de/de_toy-ud-dev.conllu"] == "CC BY-SA 4.0"
    assert licences["text/toy/de.txt"] == "CC BY-NC 4.0"
    assert licences["multinli/multinli_1.0_train.jsonl"] is None
    assert {("ud", "de", "de_toy", split) for split in ("dev", "test", "train")} <= kinds


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://creativecommons.org/licenses/by-nc-sa/3.0/", "CC BY-NC-SA 3.0"),
        ("Creative Commons License Attribution-ShareAlike 4.0 International", "CC BY-SA 4.0"),
        ("Attribution-NonCommercial-ShareAlike 2.5", "CC BY-NC-SA 2.5"),
        ("ask the author", None),
    ],
)
def test_licence_names(tmp_path: Path, text: str, name: str | None) -> None:
    write(tmp_path / "de.txt", "x\n")
    write(tmp_path / "LICENSE", text)
    assert [f.licence_name for f in discover(tmp_path).files] == [name]


def test_manifest_is_relative_sorted_and_found_again(
    folder: Path, places: tuple[Path, Path]
) -> None:
    add_folder(folder, *places)
    text = places[0].read_text()
    assert str(folder.parent) not in text
    entries = json.loads(text)["files"]
    assert [e["name"] for e in entries] == sorted(e["name"] for e in entries)
    for entry in entries:
        assert entry["sha256"] == sha256_file(folder / entry["name"])
    located = locate(*places, {})
    assert [file.source.name for file in located] == [e["name"] for e in entries]
    assert all(file.path.is_file() for file in located)
    before = places[0].read_bytes()
    add_folder(folder, *places)
    assert places[0].read_bytes() == before


def test_two_folders_are_merged(tmp_path: Path, folder: Path, places: tuple[Path, Path]) -> None:
    other = tmp_path / "more"
    write(other / "fi_toy-ud-test.conllu", conllu(*plain("fi", 2)))
    add_folder(folder, *places)
    add_folder(other, *places)
    assert len(locate(*places, {})) == 16
    assert len(locate(*places, {"LANGSPEC_CORPORA": f"{other}:{folder}"})) == 16
    with pytest.raises(LangspecError, match=r"fi_toy-ud-test\.conllu: the file is missing"):
        locate(*places, {"LANGSPEC_CORPORA": str(folder)})


def test_a_part_of_a_folder_takes_the_place_of_its_files(
    folder: Path, places: tuple[Path, Path]
) -> None:
    add_folder(folder, *places)
    write(folder / "text" / "wiki" / "de.txt", "eine Zeile\n")
    found = add_folder(folder / "text" / "wiki", *places)
    assert sorted(found.changed) == [f"text/toy/{code}.txt" for code in ("de", "en", "fr")]
    names = [file.source.name for file in locate(*places, {}) if file.source.kind == "text"]
    assert names == ["de.txt"]
    found = add_folder(folder / "xnli", *places)
    assert found.changed == []  # only their names
    assert len(locate(*places, {})) == 9 + 2 + 1 + 1


def test_files_gone_from_a_known_folder_leave_the_manifest(
    tmp_path: Path, folder: Path, places: tuple[Path, Path]
) -> None:
    other = tmp_path / "more"
    write(other / "fi_toy-ud-test.conllu", conllu(*plain("fi", 2)))
    add_folder(folder, *places)
    add_folder(other, *places)
    (folder / "text" / "toy" / "de.txt").unlink()
    (folder / "ud" / "UD_X-de" / "de_toy-ud-dev.conllu").unlink()
    found = add_folder(folder, *places)
    assert found.removed == ["ud/UD_X-de/de_toy-ud-dev.conllu"]
    assert len(locate(*places, {})) == 14
    # A machine that knows none of the folders yet takes nothing away.
    places[1].unlink()
    assert add_folder(other, *places).removed == []
    add_folder(folder, *places)
    assert len(locate(*places, {})) == 14


def test_variable_names_the_folder(folder: Path, places: tuple[Path, Path]) -> None:
    add_folder(folder, *places)
    moved = folder.rename(folder.with_name("moved"))
    with pytest.raises(LangspecError, match="that was added is gone"):
        locate(*places, {})
    assert locate(*places, {"LANGSPEC_CORPORA": str(moved)})
    places[1].unlink()
    with pytest.raises(LangspecError, match="does not know yet; run langspec corpora add"):
        locate(*places, {})
    with pytest.raises(LangspecError, match="named by LANGSPEC_CORPORA is gone"):
        locate(*places, {"LANGSPEC_CORPORA": str(folder)})


def test_missing_and_changed_files_are_named(folder: Path, places: tuple[Path, Path]) -> None:
    add_folder(folder, *places)
    file = folder / "text" / "toy" / "de.txt"
    text = file.read_text()
    file.write_text(text.replace("line 1 ", "LINE 1 "))
    with pytest.raises(LangspecError, match=r"de\.txt: has changed.*another SHA-256"):
        locate(*places, {})
    file.write_text(text + "more\n")
    with pytest.raises(LangspecError, match=r"de\.txt: has changed.*bytes, not"):
        locate(*places, {})
    file.unlink()
    with pytest.raises(LangspecError, match=r"text/toy/de\.txt: the file is missing"):
        locate(*places, {})


def test_bad_manifests_are_refused(places: tuple[Path, Path]) -> None:
    manifest, local = places
    with pytest.raises(LangspecError, match="no such manifest"):
        locate(manifest, local, {})
    write(manifest, '{"schema": 1, "files": []}')
    with pytest.raises(LangspecError, match="lists no files"):
        locate(manifest, local, {})
    for text, message in (
        ("{", "not JSON"),
        ("[]", "a JSON list, no object"),
        ('{"schema": 1, "files": [{"name": "x"}]}', r"files\.0\.kind: field required"),
        ('{"schema": 1, "files": [{"name": 3}]}', r"files\.0\.name: input should be a valid str"),
        ('{"schema": 9, "files": []}', "expected schema 1, found 9"),
    ):
        write(manifest, text)
        with pytest.raises(LangspecError, match=f"{message}.*remove it and run langspec corpora"):
            locate(manifest, local, {})


def test_manifest_cannot_point_out_of_the_folder(folder: Path, places: tuple[Path, Path]) -> None:
    add_folder(folder, *places)
    places[0].write_text(places[0].read_text().replace("text/toy/de.txt", "../../etc/passwd"))
    with pytest.raises(LangspecError, match="expected names below the folder"):
        locate(*places, {})


def test_folders_that_are_none(tmp_path: Path, places: tuple[Path, Path]) -> None:
    with pytest.raises(LangspecError, match="no such folder"):
        add_folder(tmp_path / "gone", *places)
    write(tmp_path / "ud.tgz", "x")
    with pytest.raises(LangspecError, match=r"is an archive; unpack it \(tar -xf"):
        add_folder(tmp_path / "ud.tgz", *places)
    write(tmp_path / "a" / "XNLI-1.0.zip", "x")
    with pytest.raises(LangspecError, match=r"unpack its archives first \(XNLI-1.0.zip\)"):
        add_folder(tmp_path / "a", *places)
    with pytest.raises(LangspecError, match=r"is an archive; unpack it \(unzip"):
        add_folder(tmp_path / "a" / "XNLI-1.0.zip", *places)
    write(tmp_path / "b" / "README.txt", "x")
    with pytest.raises(LangspecError, match="no file with an official name"):
        add_folder(tmp_path / "b", *places)
    with pytest.raises(LangspecError, match="is a file; expected the folder"):
        add_folder(tmp_path / "b" / "README.txt", *places)
    assert not places[0].exists()
    assert not places[1].exists()


def test_unknown_code_in_a_text_folder(folder: Path) -> None:
    write(folder / "text" / "toy" / "xx.txt", "a\n")
    with pytest.raises(LangspecError, match=r"xx\.txt: unknown language code 'xx'"):
        discover(folder)


def test_one_part_twice(folder: Path) -> None:
    shutil.copytree(folder / "xnli", folder / "copy")
    with pytest.raises(LangspecError, match=r"the same file twice: copy/xnli\.dev\.jsonl"):
        discover(folder)


def test_links(tmp_path: Path, folder: Path) -> None:
    write(tmp_path / "outside.txt", "x\n")
    link = folder / "text" / "toy" / "tr.txt"
    link.symlink_to(tmp_path / "outside.txt")
    with pytest.raises(LangspecError, match=r"tr\.txt: a link out of the folder"):
        discover(folder)
    link.unlink()
    link.symlink_to(tmp_path / "gone")
    with pytest.raises(LangspecError, match=r"tr\.txt: a link to nothing"):
        discover(folder)
    link.unlink()
    link.symlink_to("de.txt")
    assert "text/toy/tr.txt" in {file.name for file in discover(folder).files}


def test_files_in_needs_no_manifest(folder: Path) -> None:
    assert len(files_in(folder)) == 15


def test_a_file_that_vanishes_after_the_check_is_one_line(
    folder: Path, places: tuple[Path, Path]
) -> None:
    add_folder(folder, *places)
    files = locate(*places, {})
    (folder / "xnli" / "xnli.test.jsonl").unlink()
    with pytest.raises(LangspecError, match=r"xnli\.test\.jsonl: cannot be read \(No such file"):
        prepare(files, folder.parent / "out", **options())
    assert not list((folder.parent / "out").glob("*"))


def test_changed_and_missing_files_are_listed_by_check(
    folder: Path, places: tuple[Path, Path]
) -> None:
    add_folder(folder, *places)
    assert check(*places, {}) == []
    assert entered(*places) == [folder]
    write(folder / "text" / "toy" / "de.txt", "other\n")
    (folder / "xnli" / "xnli.test.jsonl").unlink()
    faults = check(*places, {})
    assert len(faults) == 2
    assert "de.txt: has changed" in faults[0]
    assert "xnli.test.jsonl: the file is missing" in faults[1]


def test_wikipedia_takes_the_place_of_other_language_text(
    tmp_path: Path, folder: Path, places: tuple[Path, Path]
) -> None:
    add_folder(folder, *places)
    for code in ("de", "en"):
        write(tmp_path / "wiki" / code / "AA" / "wiki_00", "x")
        write(tmp_path / "wiki" / code / "AA" / "wiki_01", "y")
    add_folder(tmp_path / "wiki", *places)
    kinds = [file.source.kind for file in locate(*places, {})]
    assert kinds.count("wiki_extract") == 4
    assert kinds.count("text") == 0
    assert kinds.count("ud") == 9


def test_compressed_files_are_recognised_and_a_plain_one_beside_them_is_preferred(
    tmp_path: Path,
) -> None:
    for name in ("en_x-ud-train.conllu.gz", "xnli.test.jsonl.xz", "t/en.txt.bz2", "t/de.txt"):
        write(tmp_path / name, name)
    found = {file.name: file.kind for file in discover(tmp_path).files}
    assert found == {
        "en_x-ud-train.conllu.gz": "ud",
        "t/de.txt": "text",
        "t/en.txt.bz2": "text",
        "xnli.test.jsonl.xz": "xnli",
    }
    write(tmp_path / "en_x-ud-train.conllu", "x")
    again = discover(tmp_path)
    assert "en_x-ud-train.conllu" in {file.name for file in again.files}
    assert again.ignored == ["en_x-ud-train.conllu.gz"]
