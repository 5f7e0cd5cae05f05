"""A user who has neither a name nor a home, as in containers."""

from __future__ import annotations

import getpass
import os
import pwd
import tempfile
from pathlib import Path

import pytest

from langspec.user_names import name_user


@pytest.fixture
def unlisted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An id that no passwd file lists; the folder for temporary files."""

    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "")  # so that what is set below is taken back
        monkeypatch.delenv(name)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_libraries_get_a_name_and_a_home(unlisted: Path) -> None:
    with pytest.raises(KeyError):
        getpass.getuser()
    with pytest.raises(RuntimeError):
        Path.home()
    for _ in range(2):
        name_user()
        assert getpass.getuser() == str(os.getuid())
        assert Path.home() == unlisted / f"langspec-home-{os.getuid()}"
        assert Path.home().stat().st_mode & 0o777 == 0o700
        del os.environ["HOME"]


def test_a_home_that_others_can_read_is_not_taken(unlisted: Path) -> None:
    (unlisted / f"langspec-home-{os.getuid()}").mkdir(mode=0o777)
    (unlisted / f"langspec-home-{os.getuid()}").chmod(0o777)
    name_user()
    assert Path.home().parent == unlisted
    assert Path.home().stat().st_mode & 0o777 == 0o700


def test_who_has_both_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "anna")
    monkeypatch.delenv("LOGNAME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    name_user()
    assert (os.environ["USER"], os.environ["HOME"]) == ("anna", str(tmp_path))
