"""The page of an audit in headless Chromium: answers at the top, nothing broken, fits a phone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audit_fixtures import planted, write_texts
from langspec.audit.measure import measure
from langspec.audit.options import AuditOptions, EncoderChoice, Measures
from langspec.audit.run import write_audit
from langspec.audit.text_folder import read_texts

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MANY = ("af", "ar", "bg", "de", "el", "en", "es", "fa", "fi", "fr", "hi", "ja", "kk", "ru", "ta",
        "tr", "zh")  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no chromium and chromedriver on the path")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    profile = f"--user-data-dir={tmp_path_factory.mktemp('profile')}"
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-sync", profile):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    session = webdriver.Chrome(options=options, service=service)
    yield session
    session.quit()


def page(root: Path, codes: tuple[str, ...], encoders: int) -> str:
    folder = write_texts(root / "text", codes, 200)
    texts = read_texts(folder, parallel=True, max_texts=200, seed=0, near=0.8, place="--text")
    names = ("planted", "blend")[:encoders]
    options = AuditOptions(tuple(map(EncoderChoice, names)), folder, max_words=30)
    clusters = {code: i for i, code in enumerate(codes)}
    audits = [
        measure(
            planted(clusters, strength, name), texts, texts, options, Measures(), banks=root / "b"
        )
        for name, strength in zip(names, (4.0, 0.0), strict=False)
    ]
    write_audit(root / "out", audits, [texts], options)
    return (root / "out" / "index.html").as_uri()


@pytest.mark.parametrize(("codes", "encoders"), [(MANY[:6], 2), (MANY, 1)])
def test_the_first_screen_answers(
    browser: Any, tmp_path: Path, codes: tuple[str, ...], encoders: int
) -> None:
    uri = page(tmp_path, codes, encoders)
    browser.get_log("browser")
    for width, height in ((1200, 900), (390, 800)):
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        browser.get(uri)
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width
        cards = browser.find_elements("css selector", ".answer .short")
        assert len(cards) == 3 * encoders
        if width == 1200:  # all three answers of the first encoder without scrolling
            assert all(card.location["y"] + card.size["height"] < height for card in cards[:3])
    assert cards[0].text == f"{len(codes)} of {len(codes)} kept apart, 0 mixed, 0 undecided."
    broken = browser.execute_script(
        "return [...document.images].filter(i => !i.naturalWidth).length"
    )
    assert broken == 0
    ids = browser.execute_script(
        "return [...document.querySelectorAll('nav a')].map(a => a.getAttribute('href').slice(1))"
    )
    assert all(browser.find_elements("id", name) for name in ids)
    assert browser.get_log("browser") == []
