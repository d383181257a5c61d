"""The table from finished results: means, spreads, intervals, differences, gaps, marks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainer.comparison import recipes, report, results, summary
from trainer.comparison.results import Result
from trainer.privacy import choices


def made(row: str, repetition: int, mean: float, draws: np.ndarray, **more: Any) -> Result:
    figures = {"groups": 40, "per_modality": {"MRI": {"groups": 40, "evidence": ""}}}
    values = {
        "row": row,
        "repetition": repetition,
        "key": "k",
        "effort": "cpu",
        "made": "2026-01-01T00:00:00Z",
        "split": "test",
        "split_sha256": "ab",
        "split_reads": repetition,
        "images": 80,
        "groups": 40,
        "left_out": 0,
        "settings": {},
        "search": None,
        "privacy": {"epsilon": 2.0} if "eps" in row else None,
        "parameters": 10,
        "device": "CPU",
        "gpu": False,
        "cost": {
            "seconds": 60.0 * repetition,
            "cpu_seconds": 5.0,
            "memory_mib": 100.0,
            "gpu_memory_mib": None,
        },
        "notes": (),
        "headlines": {"mean": mean, "balanced/MRI": mean, "accuracy": mean},
        "draws": dict.fromkeys(("mean", "balanced/MRI", "accuracy"), draws.tolist()),
        "figures": figures,
    }
    return Result.model_validate({**values, **more})


DRAWS = np.linspace(0.7, 0.9, 2001)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    results.save(tmp_path, made("ours-eps2", 1, 0.80, DRAWS))
    results.save(tmp_path, made("ours-eps2", 2, 0.84, DRAWS + 0.04))
    results.save(tmp_path, made("probe", 1, 0.70, DRAWS / 2 + 0.3))
    results.save(tmp_path, made("resnet50", 1, 0.70, DRAWS))
    results.fail(tmp_path, "vgg16", 1, "failed: OutOfMemoryError: 12 GiB")
    return tmp_path


def rows(folder: Path, seeds: int = 3) -> dict[str, summary.Row]:
    found = list(results.load(folder).values())
    made = summary.table(found, results.failures(folder), seeds)
    return {row.recipe.row: row for row in made}


def test_repetitions_become_mean_spread_and_the_interval_of_the_mean(folder: Path) -> None:
    figure = rows(folder)["ours-eps2"].figures["mean"]
    assert figure.value == pytest.approx(0.82)
    assert figure.deviation == pytest.approx(0.04 / 2**0.5)
    # Draws of both repetitions averaged: 0.72 to 0.92, of which 95 % lie between these.
    assert (figure.low, figure.high) == pytest.approx((0.725, 0.915))


def test_a_single_repetition_has_no_spread(folder: Path) -> None:
    assert rows(folder)["resnet50"].figures["mean"].deviation is None


def test_differences_are_paired(folder: Path) -> None:
    gone = {each.subtrahend: each for each in summary.differences(list(rows(folder).values()))}
    figure = gone["probe"].figures["mean"]
    assert figure.value == pytest.approx(0.12)
    # Both go up and down together over the resamples, from 0.72 to 0.92 and from 0.65 to 0.75.
    assert (figure.low, figure.high) == pytest.approx((0.0725, 0.1675))
    assert set(gone) == {"probe"}


def test_a_difference_of_nothing_is_nothing(tmp_path: Path) -> None:
    results.save(tmp_path, made("ours-eps2", 1, 0.8, DRAWS))
    results.save(tmp_path, made("ours-quality-eps2", 1, 0.8, DRAWS))
    (gone,) = summary.differences(list(rows(tmp_path).values()))
    figure = gone.figures["mean"]
    assert (figure.value, figure.low, figure.high) == (0, 0, 0)


def test_gaps_are_shown_with_their_reason(folder: Path) -> None:
    report.write(folder, list(results.load(folder).values()), {("ours-eps1", 1): "time limit"}, 3, html=False)
    text = (folder / "comparison.md").read_text()
    assert "(vgg16): 3 of 3 missing, failed: OutOfMemoryError: 12 GiB; not run yet" in text
    assert "(ours-eps2): 1 of 3 missing, not run yet" in text
    assert "(ours-eps1): 3 of 3 missing, not run yet; time limit" in text
    assert "(probe)" not in text.split("## Missing")[1].split("## Recipes")[0]


def test_what_lacked_a_gpu_is_marked(folder: Path) -> None:
    known = rows(folder)
    assert known["resnet50"].gpu.startswith("NOT USED; it would give 224 px")
    assert known["ours-eps2"].gpu == "not needed"
    assert known["vgg16"].gpu.startswith("wanted: 224 px")
    results.save(folder, made("resnet50", 1, 0.9, DRAWS, gpu=True, effort="gpu"))
    assert rows(folder)["resnet50"].gpu == "used"


def test_markdown_and_json_say_the_same(folder: Path) -> None:
    said = report.write(folder, list(results.load(folder).values()), {}, 2, html=False)
    row = next(
        r for r in json.loads((folder / "comparison.json").read_text())["rows"] if r["row"] == "ours-eps2"
    )
    assert row["figures"]["mean"] == {"mean": 0.82, "deviation": 0.0283, "interval": [0.725, 0.915]}
    assert (row["repetitions"], row["seconds"], row["memory_mib"]) == (2, 90.0, 100.0)
    line = next(
        x for x in (folder / "comparison.md").read_text().splitlines() if x.startswith("| ours | 2 |")
    )
    assert "2/2" in line
    assert "0.820 ± 0.028 (0.725 to 0.915)" in line
    assert "0.820±0.028" in said


def test_the_table_says_how_many_settings_were_tried(folder: Path) -> None:
    search = {
        "chosen": {"rate": 0.001},
        "tried": [
            {"settings": {"rate": 0.001}, "score": 0.7},
            {"settings": {"rate": 1.0}, "score": None, "failed": "diverged"},
        ],
        "shortened": {"epochs": 5},
        "seconds": 1.0,
    }
    results.save(folder, made("resnet50", 1, 0.70, DRAWS, search=search))
    known = rows(folder)
    assert [known[name].tried for name in ("resnet50", "vgg16", "ours-eps2", "ours-noaug-eps2", "probe")] == [
        "2", "3", choices.ALL, "as ours", "1",
    ]  # fmt: skip
    said = report.write(folder, list(results.load(folder).values()), {}, 3, html=True)
    assert f" {choices.ALL}" in said
    text = (folder / "comparison.md").read_text()
    assert "| runs | settings tried |" in text
    assert "each tried with epochs 5; 1 of them diverged" in text
    assert "(rate at an end of what was tried: further values might do better)" in text
    assert f"{choices.ALL} networks, priors and settings of the head were compared by cross-" in text
    assert "settings tried" in (folder / "comparison.html").read_text()


def test_a_best_value_between_others_is_no_end(folder: Path) -> None:
    tried = [{"settings": {"rate": rate}, "score": score} for rate, score in ((1, 0.6), (2, 0.7), (3, 0.6))]
    search = {"chosen": {"rate": 2}, "tried": tried, "seconds": 1.0}
    results.save(folder, made("resnet50", 1, 0.70, DRAWS, search=search))
    report.write(folder, list(results.load(folder).values()), {}, 3, html=False)
    assert "at an end" not in (folder / "comparison.md").read_text()


def test_page_has_a_plot_and_every_row(folder: Path) -> None:
    report.write(folder, list(results.load(folder).values()), {}, 3, html=True)
    html = (folder / "comparison.html").read_text()
    assert html.count("data:image/svg+xml;base64,") == 2
    assert all(recipe.title in html for recipe in recipes.RECIPES)
    assert "<script" not in html


def test_an_empty_folder_gives_a_table_of_gaps(tmp_path: Path) -> None:
    report.write(tmp_path, [], {}, 3, html=True)
    assert "No row has a result yet." in (tmp_path / "comparison.md").read_text()
    assert len(json.loads((tmp_path / "comparison.json").read_text())["rows"]) == len(recipes.RECIPES)


def test_a_broken_result_is_named(folder: Path) -> None:
    results.path(folder, "probe", 1).write_text("{}")
    with pytest.raises(recipes.ComparisonError, match=r"probe-1\.json is no result of a comparison"):
        results.load(folder)


def test_every_row_has_a_name_of_its_own_and_every_difference_names_rows() -> None:
    names = [recipe.row for recipe in recipes.RECIPES]
    assert len(set(names)) == len(names)
    assert {name for pair in summary.DIFFERENCES for name in pair[:2]} <= set(names)
    assert names[-1] == "probe"
