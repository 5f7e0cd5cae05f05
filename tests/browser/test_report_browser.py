"""The page in headless Chromium: nothing is requested, nothing is broken, it fits a phone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import imread, imsave

from langspec.tuning.records import TrialRecord, write_study
from published_rows import PUBLISHED, add_published
from report_files import build_made_up, write_predictions, write_run

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("run with spaces")
    methods = ("frozen", "finetune", "control", "grl")
    write_run(root, points=6, unlearnt=methods[2:])
    for task in ("pos", "nli"):
        write_predictions(root / "results", task, dict.fromkeys(methods, 0.8), items=40)
        add_published(root, task)
    title = "What does fine-tuning do to an encoder's languages?"
    build_made_up(
        root, root / "report", tasks=("pos", "nli"), methods=methods, title=title,
        published=PUBLISHED, studies=[swept(root / "a study")],
    )  # fmt: skip
    return (root / "report" / "index.html").as_uri()


def swept(folder: Path) -> Path:
    """A study of one trial, with a figure on white as Optuna draws them."""
    tune = {
        "task": "pos", "method": "grl", "space": "default", "penalty": 0.5, "epochs": 1,
        "rows": None, "train_seed": 1, "selection": "source_dev", "pareto": False, "rule": "score",
    }  # fmt: skip
    trial = TrialRecord(0, "COMPLETE", values={"a": 1.0}, score=0.3, dev_macro_f1=0.8, dev_leak=1)
    write_study(folder, [trial], uid="u", parts={"tune": tune, "space": {"a": "1"}}, code="c")
    (folder / "figures").mkdir()
    pixels = np.ones((200, 300, 3))
    pixels[80:120, 100:200] = 0.1, 0.3, 0.7
    imsave(folder / "figures" / "history.png", pixels)
    return folder


@pytest.fixture(scope="module")
def details(page: str) -> str:
    return page.replace("index.html", "details.html")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no chromium and chromedriver on the path")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    session = webdriver.Chrome(options=options, service=service)
    yield session
    session.quit()


def open_page(
    browser: Any, page: str, width: int, scheme: str = "light", height: int = 900
) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    browser.get(page)


def requests(browser: Any) -> list[str]:
    messages = [
        json.loads(entry["message"])["message"] for entry in browser.get_log("performance")
    ]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


@pytest.mark.parametrize("which", ["page", "details"])
def test_nothing_is_requested_but_the_page_itself(
    browser: Any, which: str, request: pytest.FixtureRequest
) -> None:
    page = request.getfixturevalue(which)
    browser.get_log("performance")
    browser.get_log("browser")
    open_page(browser, page, 1200)
    loaded = requests(browser)
    assert page in loaded
    assert [url for url in loaded if url != page and not url.startswith("data:")] == []
    assert browser.get_log("browser") == []


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (400, 800)])
def test_the_answers_fit_on_one_screen(browser: Any, page: str, width: int, height: int) -> None:
    open_page(browser, page, width, height=height)
    first = browser.find_element("css selector", "#first")
    assert first.rect["y"] + first.rect["height"] <= height
    assert len(first.text.split()) <= 120
    assert [len(c.text) > 30 for c in first.find_elements("css selector", ".card")] == [True] * 3
    figures = first.find_elements("css selector", "img")
    assert [figure.get_property("naturalWidth") > 0 for figure in figures] == [True] * 2
    letters = browser.execute_script(
        "return [...document.querySelectorAll('#first *')].map("
        "e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(letters) >= 11
    assert "Measured as Tanti et al. 2021 (hollow), POS" in first.text
    columns = first.find_elements("css selector", "#unlearns th[scope=col]")
    assert [column.text for column in columns] == ["Removes: F1", "Costs: accuracy"]


def test_the_first_page_is_at_most_seven_screens(browser: Any, page: str) -> None:
    open_page(browser, page, 1280)
    tall = browser.execute_script("return document.documentElement.scrollHeight")
    assert 900 < tall <= 7 * 900


@pytest.mark.parametrize("which", ["page", "details"])
def test_images_show_and_say_what_they_show(
    browser: Any, which: str, request: pytest.FixtureRequest
) -> None:
    open_page(browser, request.getfixturevalue(which), 1200)
    widths = browser.execute_script("return [...document.images].map(i => i.naturalWidth)")
    assert len(widths) >= 10
    assert all(width > 0 for width in widths)
    assert all(browser.execute_script("return [...document.images].map(i => i.alt.length > 0)"))


def test_the_headline_table_shows(browser: Any, details: str) -> None:
    open_page(browser, details, 1200)
    table = browser.find_element("css selector", "#table-headline table")
    assert table.is_displayed()
    assert "0.842" in table.text


@pytest.mark.parametrize("width", [400, 1200])
@pytest.mark.parametrize("which", ["page", "details"])
def test_the_page_never_scrolls_sideways(
    browser: Any, which: str, width: int, request: pytest.FixtureRequest
) -> None:
    open_page(browser, request.getfixturevalue(which), width)
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_a_table_that_scrolls_keeps_its_row_names_and_says_so(browser: Any, details: str) -> None:
    open_page(browser, details, 400)
    left, hint = browser.execute_script("""
      const box = document.querySelector('#table-headline .scroll');
      const name = box.querySelector('tbody tr:not(.section) th');
      const before = name.getBoundingClientRect().left;
      const hint = getComputedStyle(box.querySelector('.hint')).display;
      box.scrollLeft = 300;
      return [[before, name.getBoundingClientRect().left], hint];
    """)
    assert left[0] == pytest.approx(left[1], abs=1)
    assert hint == "block"
    open_page(browser, details, 1800)
    hints = browser.execute_script(
        "return [...document.querySelectorAll('.table .scroll')].filter(b => b.offsetParent)"
        ".map(b => [b.scrollWidth > b.clientWidth,"
        " getComputedStyle(b.querySelector('.hint')).display])"
    )
    assert [False, "none"] in hints
    assert [False, "block"] not in hints


def test_text_stands_out_in_light_and_dark(browser: Any, page: str, details: str) -> None:
    ratio = """
      const light = c => { const [r, g, b] = c.match(/\\d+/g).map(v => { v /= 255;
        return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4 });
        return .2126 * r + .7152 * g + .0722 * b };
      const behind = e => { for (; e; e = e.parentElement) {
        const c = getComputedStyle(e).backgroundColor;
        if (!/, 0\\)$/.test(c)) return c } return 'rgb(255, 255, 255)' };
      return arguments[0].map(s => { const e = document.querySelector(s);
        const [ink, back] = [light(getComputedStyle(e).color), light(behind(e))];
        return (Math.max(ink, back) + .05) / (Math.min(ink, back) + .05) });
    """
    parts = {
        page: ["body", ".banner", ".card h2", ".card .verdict", ".card .soft", "figcaption"],
        details: ["body", "figcaption", "nav a", "td.score small"],
    }
    for scheme in ("light", "dark"):
        for url, selectors in parts.items():
            open_page(browser, url, 1200, scheme)
            assert min(browser.execute_script(ratio, selectors)) >= 4.5, (scheme, url)


def test_figures_follow_the_page_into_the_dark(browser: Any, page: str, details: str) -> None:
    shown = ((page, "#first img"), (page, ".question img"), (details, "#sweeps img"))
    for scheme, ground in (("light", "#ffffff"), ("dark", "#171c22")):
        for url, selector in shown:
            open_page(browser, url, 1200, scheme)
            picture = browser.find_element("css selector", selector).screenshot_as_png
            pixels = imread(BytesIO(picture), format="png")[..., :3]
            assert to_hex(pixels[2, 2]) == ground, (scheme, selector)
            assert float(pixels.max() - pixels.min()) > 0.5  # and something is drawn on it
