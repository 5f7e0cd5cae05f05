"""The page in headless Chromium: nothing is requested, nothing is broken, it fits a phone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from report_files import build_made_up, write_run

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
    write_run(root, points=6)
    build_made_up(root, root / "report", tasks=("pos", "nli"))
    return (root / "report" / "index.html").as_uri()


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


def open_page(browser: Any, page: str, width: int, scheme: str = "light") -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
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


def test_nothing_is_requested_but_the_page_itself(browser: Any, page: str) -> None:
    browser.get_log("performance")
    browser.get_log("browser")
    open_page(browser, page, 1200)
    loaded = requests(browser)
    assert page in loaded
    assert [url for url in loaded if url != page and not url.startswith("data:")] == []
    assert browser.get_log("browser") == []


def test_images_and_the_headline_table_show(browser: Any, page: str) -> None:
    open_page(browser, page, 1200)
    widths = browser.execute_script("return [...document.images].map(i => i.naturalWidth)")
    assert len(widths) == 16
    assert all(width > 0 for width in widths)
    assert all(browser.execute_script("return [...document.images].map(i => i.alt.length > 0)"))
    table = browser.find_element("css selector", "#table-headline table")
    assert table.is_displayed()
    assert "0.842" in table.text


@pytest.mark.parametrize("width", [400, 1200])
def test_the_page_never_scrolls_sideways(browser: Any, page: str, width: int) -> None:
    open_page(browser, page, width)
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_text_stands_out_in_light_and_dark(browser: Any, page: str) -> None:
    ratio = """
      const light = c => { const [r, g, b] = c.match(/\\d+/g).map(v => { v /= 255;
        return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4 });
        return .2126 * r + .7152 * g + .0722 * b };
      const back = light(getComputedStyle(document.body).backgroundColor);
      return ['body', 'figcaption', 'nav a', 'td.score small'].map(s => {
        const ink = light(getComputedStyle(document.querySelector(s)).color);
        return (Math.max(ink, back) + .05) / (Math.min(ink, back) + .05) });
    """
    for scheme in ("light", "dark"):
        open_page(browser, page, 1200, scheme)
        assert min(browser.execute_script(ratio)) >= 4.5, scheme
