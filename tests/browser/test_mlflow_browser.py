"""MLflow's own pages over langspec's runs: two methods compared, a registered model opened."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from test_report_browser import browser  # noqa: F401  # the same headless Chromium

from conftest import CHECKOUT
from langspec.files import write_json
from langspec.results import Result, write_results
from langspec.tracking.methods_view import write_views
from langspec.tracking.replay_runs import replay
from langspec.tracking.runs import Tracker
from langspec.tracking.training_runs import Training

pytestmark = [pytest.mark.browser, pytest.mark.slow]

STRENGTHS = {"finetune": 0.0, "grl": 0.3, "adversary": 0.1}


def write_method(results: Path, method: str, strength: float) -> list[Result]:
    """Files of a training with one seed; its rows."""
    training = Training(
        name="demo", task="pos", method=method, selection="source_dev",
        params={f"train.methods.{method}.strength": strength}, data_hash="d" * 64,
        encoder_hash="e" * 64, effective_precision="fp32", processes=1, run_key=method * 3,
    )  # fmt: skip
    folder = results / "demo" / "train" / "pos" / method
    (folder / "seed-1").mkdir(parents=True)
    (folder / "seed-1" / "steps.csv").write_text("step,loss\n1,0.5\n2,0.25\n")
    (folder / "seed-1" / "epochs.csv").write_text("step,epoch,val_accuracy\n2,1,0.75\n")
    values = {name: getattr(training, name) for name in Training.__dataclass_fields__}
    seed = {"seed": 1, "run_key": f"{method} 1", "best_epoch": 1, "dev": {"accuracy": 0.75}}
    write_json(folder / "run.json", {"schema": 1, **values, "seeds": [seed]})
    more = {"task": "pos", "method": method, "seed": 1, "split": "test", "measure": "m", "n": 10}
    rows = [
        Result(corpus="pos", language="mean_targets", layer=-1, probe="", unit="token",
               metric="accuracy", value=0.8125 - strength, **more)  # type: ignore[arg-type]
    ]  # fmt: skip
    rows += [
        Result(corpus="text", language="all", layer=layer, probe="linear", unit="token",
               metric="macro_f1", value=0.9375 - strength * layer / 4, **more)  # type: ignore[arg-type]
        for layer in range(5)
    ]  # fmt: skip
    return rows


@dataclass(frozen=True)
class Pages:
    """Addresses that `langspec ui` printed, the server's own, and the store behind it."""

    table: str
    charts: str
    server: str
    tracker: Tracker


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """The pages as `langspec ui` serves them, on a free port, until Ctrl-C."""
    root = tmp_path_factory.mktemp("mlflow pages")
    tracker = Tracker.open(root=root)
    rows = [r for m, s in STRENGTHS.items() for r in write_method(root / "results", m, s)]
    write_results(root / "results" / "demo" / "evaluate" / "pos" / "results.csv", rows)
    replay(tracker, root / "results", "demo")
    client = tracker.client
    assert client is not None
    run = tracker.find_run("finetune 1")
    assert run is not None
    client.create_registered_model("langspec-pos", description="Best seed of every method.")
    client.create_model_version(
        "langspec-pos", source=f"runs:/{run.info.run_id}/model", run_id=run.info.run_id,
        tags={"langspec.transfer": "0.8125"}, description="finetune on pos, seed 1",
    )  # fmt: skip
    client.set_registered_model_alias("langspec-pos", "champion", "1")
    shutil.copy(CHECKOUT / "params.yaml", root)
    with (root / "ui.log").open("wb") as log:
        process = subprocess.Popen(
            [Path(sys.executable).parent / "langspec", "ui", "--port", "0", "--no-browser"],
            cwd=root, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True,
        )  # fmt: skip
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    assert lines[2].startswith("Ctrl-C"), (lines, (root / "ui.log").read_text()[-3000:])
    try:
        table, charts = (line.split()[-1] for line in lines[:2])
        yield Pages(table, charts, table.partition("/#")[0], tracker)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
    with pytest.raises(urllib.error.URLError, match="refused"):  # the server ended with it
        urllib.request.urlopen(f"{table.partition('/#')[0]}/health", timeout=5)


def body_with(session: Any, *texts: str, seconds: float = 90) -> str:
    """The page's text once it holds ``texts``; LANGSPEC_LOOK names a folder for pictures."""
    deadline = time.monotonic() + seconds
    read: Callable[[], str] = lambda: session.execute_script("return document.body.innerText")  # noqa: E731
    text = read()
    while not all(one in text for one in texts):
        if time.monotonic() > deadline:
            missing = [one for one in texts if one not in text]
            pytest.fail(f"{missing} not on {session.current_url}:\n{text[:3000]}")
        time.sleep(1)
        text = read()
    if folder := os.environ.get("LANGSPEC_LOOK"):
        name = "-".join(texts[0].split())[:40].replace("/", "_")
        session.save_screenshot(str(Path(folder) / f"{name}.png"))
    return text


def size(session: Any) -> None:
    session.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 1600, "height": 1400, "deviceScaleFactor": 1, "mobile": False},
    )


def test_the_address_shows_the_methods_with_their_numbers(
    browser: Any,  # noqa: F811
    pages: Pages,
) -> None:
    """In a fresh profile: no search, no click."""
    size(browser)
    browser.get(pages.table)
    names = [f"demo-{method}" for method in STRENGTHS]
    text = body_with(browser, *names, "headline/transfer", "headline/leak", "lambda")
    assert "seed-1" not in text  # runs of methods alone
    for strength in STRENGTHS.values():
        assert f"{0.8125 - strength:.4f}".rstrip("0") in text, strength


def test_the_charts_are_those_that_compare_methods(
    browser: Any,  # noqa: F811
    pages: Pages,
) -> None:
    size(browser)
    browser.get(pages.charts)
    body_with(browser, "Methods", "headline/leak vs. headline/transfer", "leak/linear/by_layer")


def test_a_second_start_writes_nothing(pages: Pages) -> None:
    client = pages.tracker.client
    assert client is not None
    before = {one.name: one.tags for one in client.search_experiments()}
    assert [one.name for one in write_views(client)] == ["langspec-pos"]
    assert {one.name: one.tags for one in client.search_experiments()} == before


def test_two_runs_are_compared(
    browser: Any,  # noqa: F811
    pages: Pages,
) -> None:
    address, tracker = pages.server, pages.tracker
    found = [tracker.find_run(method * 3) for method in ("finetune", "grl")]
    ids = [run.info.run_id for run in found if run is not None]
    assert len(ids) == 2
    size(browser)
    quoted = ",".join(f'"{one}"' for one in ids)
    experiment = tracker.experiment("langspec-pos")
    browser.get(f'{address}/#/compare-runs?runs=[{quoted}]&experiments=["{experiment}"]')
    text = body_with(browser, "headline/transfer", "headline/leak", "lambda", "0.3")
    for value in ("0.813", "0.638", "0.513"):  # transfer of both, leak of grl: three digits
        assert value in text or value[:-1] in text


def test_the_registered_model_shows_its_champion(
    browser: Any,  # noqa: F811
    pages: Pages,
) -> None:
    address = pages.server
    size(browser)
    browser.get(f"{address}/#/models/langspec-pos")
    body_with(browser, "langspec-pos", "champion", "Version 1")
    browser.get(f"{address}/#/models/langspec-pos/versions/1")
    body_with(browser, "finetune on pos, seed 1", "langspec.transfer")
