"""Files and folders are replaced whole, where a link leads, with the mode that they had."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from langspec.errors import DamagedFile, LangspecError
from langspec.files import atomic_file, atomic_folder, read_record, write_text
from langspec.unfinished import is_unfinished, prefix_of, writer_lives


@pytest.fixture(params=[0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_linked_file_is_replaced_where_it_lies(tmp_path: Path) -> None:
    real, link = tmp_path / "away" / "real.txt", tmp_path / "link.txt"
    real.parent.mkdir()
    link.symlink_to(real)
    write_text(link, "one")  # the link dangles
    write_text(link, "two")
    assert link.is_symlink()
    assert real.read_text() == "two"
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["away", "link.txt", "real.txt"]


def test_a_linked_folder_is_replaced_where_it_lies(tmp_path: Path) -> None:
    real, link = tmp_path / "away", tmp_path / "link"
    real.mkdir()
    (real / "old").write_text("")
    link.symlink_to(real)
    with atomic_folder(link) as folder:
        (folder / "new").write_text("")
    assert link.is_symlink()
    assert [p.name for p in real.iterdir()] == ["new"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["away", "link"]


def test_new_things_follow_the_umask(tmp_path: Path, umask: int) -> None:
    write_text(tmp_path / "file", "x")
    with atomic_folder(tmp_path / "folder"):
        pass
    assert mode(tmp_path / "file") == 0o666 & ~umask
    assert mode(tmp_path / "folder") == 0o777 & ~umask


def test_replaced_things_keep_their_mode(tmp_path: Path, umask: int) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("x")
    file.chmod(0o640)
    folder.mkdir()
    folder.chmod(0o750)
    write_text(file, "y")
    with atomic_folder(folder):
        pass
    assert (mode(file), mode(folder)) == (0o640, 0o750)


def test_a_body_that_fails_leaves_everything(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old").write_text("")

    def fail() -> None:
        with atomic_folder(folder) as fresh:
            (fresh / "new").write_text("")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert [p.name for p in tmp_path.rglob("*")] == ["folder", "old"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EROFS, "Read-only file system", "a/part"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
        OSError(errno.EFBIG, "File too large"),
        RuntimeError("I/O error: File too large (os error 27)"),
        OSError(errno.ENAMETOOLONG, "File name too long", "a/part"),
    ],
)
@pytest.mark.parametrize("writer", [atomic_file, atomic_folder])
def test_a_full_disk_is_told_with_the_path(
    tmp_path: Path, writer: Callable[[Path], Any], error: Exception
) -> None:
    with (
        pytest.raises(OSError, match=r"No space|Read-only|too l") as told,
        writer(tmp_path / "out"),
    ):
        raise error
    assert told.value.filename == str(tmp_path / "out")
    assert not [*tmp_path.iterdir()]


def test_other_errors_of_a_body_pass_unchanged(tmp_path: Path) -> None:
    gone = FileNotFoundError(errno.ENOENT, "No such file", "an input")
    with pytest.raises(FileNotFoundError) as told, atomic_file(tmp_path / "out"):
        raise gone
    assert told.value is gone


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_text("x")
    for path in (file / "out", file / "below" / "out"):
        for write in (atomic_file, atomic_folder):
            with pytest.raises(LangspecError, match="data: is a file; expected a folder; move"):
                write(path).__enter__()
    assert file.read_text() == "x"


@dataclass(frozen=True)
class Record:
    name: str
    sizes: tuple[int, ...] = ()


def test_a_record_is_read_or_refused_by_its_key(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text('{"schema": 2, "name": "a", "sizes": [1, 2]}')
    assert read_record(path, Record, cure="do it", schema=2) == Record("a", (1, 2))
    for text, message in (
        ("{", "not JSON"),
        ('"\xe9"', "not JSON"),
        ("[1]", "a JSON list, no object"),
        ('{"name": "a"}', "expected schema 2, found None"),
        ('{"schema": 2, "name": "a", "colour": 1}', "unknown key 'colour'; expected name, sizes"),
        ('{"schema": 2}', "name: field required"),
        ('{"schema": 2, "name": 1}', "name: input should be a valid string"),
        ('{"schema": 2, "name": "a", "sizes": ["1"]}', r"sizes\.0: input should be a valid int"),
    ):
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(DamagedFile, match=rf"record\.json: {message}.*; do it$"):
            read_record(path, Record, cure="do it", schema=2)
    with pytest.raises(FileNotFoundError):
        read_record(tmp_path / "none", Record, cure="do it")


def test_a_link_into_the_cache_of_dvc_is_replaced(tmp_path: Path) -> None:
    """Other commits read the object that it names."""
    cached = tmp_path / ".dvc" / "cache" / "files" / "md5" / "12" / "345"
    cached.parent.mkdir(parents=True)
    cached.write_text("of an older commit")
    link = tmp_path / "metrics.json"
    link.symlink_to(cached)
    write_text(link, "new")
    assert cached.read_text() == "of an older commit"
    assert not link.is_symlink()
    assert link.read_text() == "new"


def test_a_folder_that_another_process_replaces_is_replaced_too(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with atomic_folder(folder) as first:
        (first / "a").write_text("1")
        with atomic_folder(folder) as second:
            (second / "b").write_text("2")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "a"]


def test_a_folder_that_another_process_moves_away_is_no_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, exists = tmp_path / "out", Path.exists
    target.mkdir()

    def gone_after(path: Path, **options: bool) -> bool:
        there = exists(path, **options)
        if path == target and there:
            target.rename(tmp_path / "moved away")
        return there

    monkeypatch.setattr(Path, "exists", gone_after)
    with atomic_folder(target) as folder:
        (folder / "new").touch()
    assert exists(target / "new")


def test_two_processes_may_replace_one_folder_again_and_again(tmp_path: Path) -> None:
    """A process whose `dvc` was killed goes on beside the one that was started next."""
    code = (
        "import sys; from pathlib import Path; from langspec.files import atomic_folder\n"
        "for number in range(300):\n"
        "    with atomic_folder(Path(sys.argv[1])) as folder:\n"
        "        (folder / 'a').write_text(str(number))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "out")]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ended = [(process.communicate(timeout=60)[1], process.returncode) for process in processes]
    assert ended == [("", 0)] * 2
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "a"]


def test_what_is_being_written_says_whose_it_is(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "out") as folder, atomic_file(tmp_path / "a.b") as file:
        file.touch()
        for path in (folder, file, file.with_name(f"{file.name}-journal")):
            assert is_unfinished(path.name)
            assert writer_lives(path.name) is True
    script = "from langspec.unfinished import prefix_of; print(prefix_of('x'))"
    name = subprocess.check_output([sys.executable, "-c", script], text=True).strip()
    assert name != prefix_of("x")
    for ending in ("k2.part", "k2.old", "k2.part-journal"):
        assert writer_lives(name + ending) is False
    assert writer_lives(".x.0a1b2c3d-1.k2.part") is None  # of another machine
    assert writer_lives(".x.k2.part") is None
    assert not is_unfinished("notes.part")
    assert not is_unfinished(".gitignore")


@pytest.mark.parametrize("write", [atomic_file, atomic_folder])
def test_a_device_or_a_pipe_is_never_replaced(tmp_path: Path, write: Any) -> None:
    """Such as ``/dev/null``: root could."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(LangspecError, match="pipe: is a device or a pipe"), write(pipe):
        pass
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]
