"""The commands of README and docs, typed as they stand into a finished project of size `tiny`.

Blocks with a mark (`doc_pages`) are left out; `tests/unit/test_docs.py` counts them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from audit_fixtures import write_texts
from conftest import CHECKOUT, Make
from doc_pages import SAMPLE, blocks, name_of, pages
from doc_samples import printed
from langspec.config import parse_yaml

pytestmark = pytest.mark.slow

BINARIES = Path(sys.executable).parent
METHODS = ["frozen", "finetune", "control", "grl", "adversary"]
LAYERS = 12
RUN = {name_of(page): [one for one in blocks(page) if (one.language, one.mark) == ("sh", "")]
       for page in pages()}  # fmt: skip
# These change what others read, so they come last: another corpus is added, caches are emptied.
LAST = ["docs/running.md", "docs/corpora.md"]
PAGES = [name for name in RUN if RUN[name] and name not in LAST] + LAST


def typed(folder: Path, script: str) -> None:
    """Run lines as somebody types them, with the environment activated."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "GIT"))}
    variables |= {
        "PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "LANGSPEC_CACHE": str(folder.parent / "cache"),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=variables,
        capture_output=True, text=True, timeout=1500, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, f"{script}\n{done.stdout[-1500:]}{done.stderr[-2500:]}"


def write_xlmr(folder: Path, lines: list[str], seed: int) -> None:
    """A folder of an XLM-R of twelve narrow layers with random weights."""
    import torch
    import transformers as hf

    from langspec.encoders.wordpiece import train_wordpiece

    tokenizer = train_wordpiece(lines, 200)
    torch.manual_seed(seed)
    config = hf.XLMRobertaConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=LAYERS,
        num_attention_heads=2, intermediate_size=32, max_position_embeddings=66,
        type_vocab_size=1, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    hf.XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def change_values(path: Path) -> None:
    """All methods, and of the measures those that the pages show."""
    values = parse_yaml(path.read_text(encoding="utf-8"))
    if "also" not in values["train"]:
        values["train"]["run"] = METHODS
    values["evaluate"]["beyond"]["run"] = []
    values["evaluate"]["trajectory"]["of"] = []
    values["evaluate"]["erasers"] |= {"attackers": [], "layers": "head", "run": ["leace"]}
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, ready_project: Make) -> Path:
    """A committed project after `dvc repro`, with what the pages name beside it."""
    folder = ready_project(tmp_path_factory.mktemp("documents") / "langspec")
    for name in (".gitignore", "pyproject.toml"):
        shutil.copy(CHECKOUT / name, folder)
    shutil.copytree(CHECKOUT / "accelerate", folder / "accelerate")
    shutil.copytree(CHECKOUT / "data" / "encoders" / "demo", folder / "data" / "encoders" / "demo")
    change_values(folder / "params.yaml")
    languages = write_texts(folder / "text", ("de", "en", "fr", "ru", "tr"), 200)
    lines = [line for file in languages.glob("*.txt") for line in file.read_text().splitlines()]
    for seed, name in enumerate(("my-xlmr", "xlm-roberta-base")):
        write_xlmr(folder / name, lines, seed)
    corpora = folder / "src" / "langspec" / "corpora" / "generated" / "tiny"
    shutil.copytree(corpora, folder / "CORPORA", ignore=shutil.ignore_patterns("*.json"))
    typed(
        folder,
        "git init -q && git config user.name N && git config user.email n@example.org\n"
        "dvc init -q && dvc config core.autostage false && dvc repro -q\n"
        "git add -A . && git commit -qm first",
    )
    return folder


@pytest.mark.parametrize("name", PAGES)
def test_the_commands_of_a_page_run(project: Path, name: str) -> None:
    values = project / "params.yaml"
    before = values.read_bytes()
    try:
        for block in RUN[name]:
            typed(project, block.text)
    finally:
        values.write_bytes(before)


def test_the_samples_can_be_made(project: Path) -> None:
    found = [
        (sample["command"], sample["body"])
        for page in pages()
        for sample in SAMPLE.finditer(page.read_text(encoding="utf-8"))
    ]
    for command, body in found:
        made = printed(command.replace("results/demo", "results/tiny"), project)
        assert made.startswith("|") == body.startswith("|"), command
        if "claims" in command:
            rows = made.strip().splitlines()[2:]
            assert len(rows) == 4
            assert "POS: `control` → `grl`: targets" in rows[2]
            assert "tokens .593 → .005" in rows[1]
