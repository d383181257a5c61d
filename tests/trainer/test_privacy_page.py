"""docs/privacy.md, which a privacy engineer signs: its tests are there and its figures are computed."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from trainer.privacy.accounting import calibrate, epsilon, epsilon_gaussian, epsilon_prv
from trainer.privacy.spend import Release, Spend

ROOT = Path(__file__).parents[2]
DELTA = 1e-5

PAGE = (ROOT / "docs" / "privacy.md").read_text("utf-8") if (ROOT / "docs" / "privacy.md").is_file() else ""


def rows(title: str) -> list[list[str]]:
    """The table under a heading of the page, without its head."""
    part = PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_page_names_all_traps_with_tests_that_are_there() -> None:
    table = rows("The traps")
    assert [row[0] for row in table] == [str(n) for n in range(1, 12)]
    for row in table:
        named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", row[-1])
        assert named, f"trap {row[0]} names no test"
        for file, test in named:
            assert f"def {test}(" in (ROOT / "tests" / "trainer" / file).read_text("utf-8"), (file, test)


def spend_of(text: str) -> Spend:
    return tuple(
        Release("x", float(noise), float(rate), int(steps))
        for noise, rate, steps in re.findall(r"noise ([\d.]+), rate ([\d.]+), steps (\d+)", text)
    )


def test_the_page_states_what_the_accountants_say() -> None:
    table = rows("The accountants")
    assert table
    for what, pld, prv, exact in table:
        spend = spend_of(what)
        assert float(pld) == pytest.approx(epsilon(spend, DELTA), abs=6e-4)
        assert float(prv) == pytest.approx(epsilon_prv(spend, DELTA), abs=6e-4)
        if all(release.sampling_rate == 1 for release in spend):
            assert float(exact) == pytest.approx(epsilon_gaussian(spend, DELTA), abs=6e-4)
        else:
            assert exact == "no closed form"


def test_the_page_states_group_privacy_as_computed() -> None:
    table = rows("Group privacy")
    spend = spend_of(rows("The accountants")[0][0])
    for size, value in table:
        assert float(value) == pytest.approx(epsilon(spend, DELTA, int(size)), abs=0.06)


def test_group_privacy_by_mixtures_meets_the_exact_formula() -> None:
    """Without sampling, k units together are one Gaussian of k times the size."""
    (release,) = calibrate(lambda noise: (Release("steps", noise, 1.0, 3),), 2.0, DELTA)
    for size in (2, 5):
        exact = epsilon_gaussian((replace(release, noise=release.noise / size),), DELTA)
        assert epsilon((release,), DELTA, size) == pytest.approx(exact, rel=1e-3)
    nearly_all = (replace(release, sampling_rate=0.9999),)
    exact = epsilon_gaussian((replace(release, noise=release.noise / 2),), DELTA)
    assert epsilon(nearly_all, DELTA, 2) == pytest.approx(exact, rel=2e-2)
