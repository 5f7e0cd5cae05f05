"""Writes the samples of README and docs anew, from a project whose pipeline has run.

    PYTHONPATH=src:tests python tests/doc_samples.py PROJECT [--check]

Between ``<!-- output of: COMMAND -->`` and ``<!-- end of output -->`` it puts what COMMAND prints
in PROJECT: a Markdown table as it is, anything else as a block. A picture below
``<!-- copy of: FILE -->`` becomes that file of PROJECT. ``--check`` changes nothing, names the
pages whose samples differ (pictures are not compared), and ends with 1 if there are any.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from conftest import CHECKOUT
from doc_pages import COPY, SAMPLE, name_of, pages


def printed(command: str, project: Path) -> str:
    """What a command line prints in a project, as a table or a block of a page."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(CHECKOUT / "src"),
                   "CHECKOUT": str(CHECKOUT)}  # fmt: skip
    script = command.replace("python benchmarks/", 'python "$CHECKOUT"/benchmarks/')
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=project, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{command}: {done.stderr.strip()[-500:]}")
    text = "\n".join(line.rstrip() for line in done.stdout.strip("\n").splitlines())
    if text.startswith("|"):  # cells without padding: a longer number changes one line
        return re.sub(r" {2,}", " ", re.sub(r"-{4,}", "---", text)) + "\n"
    return f"```text\n{text}\n```\n"


def rewrite(text: str, project: Path) -> str:
    """A page's text with every sample made anew."""
    return SAMPLE.sub(
        lambda found: found["head"] + printed(found["command"], project) + found["tail"], text
    )


def main() -> int:
    """Rewrite or compare all pages."""
    parser = argparse.ArgumentParser(description="Write the samples of README and docs anew.")
    parser.add_argument("project", type=Path)
    parser.add_argument("--check", action="store_true", help="change nothing, name what differs")
    arguments = parser.parse_args()
    stale = []
    for page in pages():
        old = page.read_text(encoding="utf-8")
        new = rewrite(old, arguments.project)
        if new != old:
            stale.append(name_of(page))
        if not arguments.check:
            page.write_text(new, encoding="utf-8")
            for source, target in COPY.findall(new):
                shutil.copyfile(arguments.project / source, page.parent / target)
    print("\n".join(stale) or "every sample is as the commands print it")
    return int(arguments.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
