"""How many seeds an equivalence needs, and which difference so many seeds detect.

    python benchmarks/seeds_needed.py
    python benchmarks/seeds_needed.py --deviations 0.3 1.2 --comparisons 1 7

Calculated, not simulated (``measurement/power.py``; ``tests/unit/test_power.py`` holds it against
simulation). Noise is the standard deviation of the paired difference of one seed, in units of the
margin: with a margin of a point, .56 means .56 points. The noise of test items is left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

SEEDS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20)


def tables(deviations: Sequence[float], comparisons: Sequence[int]) -> str:
    """Two tables in Markdown: powers by number of seeds, and detectable differences."""
    from langspec.measurement.difference import JudgeOptions, SeedNoise
    from langspec.measurement.power import detectable_with, equivalence_power

    heads = [f"{one:g} margins" for one in deviations]
    options = JudgeOptions(margin=1.0)
    lines = [_row(["seeds", "first of", *heads, "detectable"]),
             "|" + "---:|" * (len(heads) + 3)]  # fmt: skip
    for seeds in SEEDS:
        found = detectable_with(SeedNoise(1.0), None, seeds, options)
        for count in comparisons:
            powers = [
                equivalence_power(SeedNoise(one), None, seeds, 1.0, options.alpha / count)
                for one in deviations
            ]
            cells = [str(seeds), str(count), *(f"{power:.2f}" for power in powers)]
            lines.append(_row([*cells, f"{found:.2f}" if count == 1 else ""]))
    return "\n".join(lines)


def needed(deviations: Sequence[float], comparisons: Sequence[int]) -> str:
    """A table in Markdown: the seeds that an equivalence needs for 80 % power."""
    from langspec.measurement.difference import Difference, JudgeOptions, SeedNoise
    from langspec.measurement.power import seeds_for_equivalence

    lines = [_row(["first of", *(f"{one:g} margins" for one in deviations)]),
             "|" + "---:|" * (len(deviations) + 1)]  # fmt: skip
    for count in comparisons:
        of = [Difference(0.0, (), training=SeedNoise(one)) for one in deviations]
        seeds = [seeds_for_equivalence(one, JudgeOptions(margin=1.0), count) for one in of]
        lines.append(_row([str(count), *map(str, seeds)]))
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Calculate and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--deviations", nargs="+", type=float, default=[0.25, 0.56, 1.0, 2.0])
    parser.add_argument("--comparisons", nargs="+", type=int, default=[1, 4])
    given = parser.parse_args(arguments)
    print(tables(given.deviations, given.comparisons))
    print()
    print(needed(given.deviations, given.comparisons))


if __name__ == "__main__":
    main()
