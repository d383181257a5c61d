"""``trainer compare`` on procedural images: every row runs, a killed call goes on, research is counted."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from trainer.cli import build_parser
from trainer.comparison import material, methods, plain, recipes, results, run, search
from trainer.comparison.job import Job
from trainer.comparison.plan import Plan
from trainer.data import dataset, uses
from trainer.data.record import DataError
from trainer.evaluation import reads
from trainer.prior import SHIPPED
from trainer.privacy import choices, marker
from trainer.privacy.ledger import Ledgers

ROOT = Path(__file__).resolve().parents[2]


def compare(index: Path, out: Path, *more: object) -> int:
    args = build_parser().parse_args([*words_of(index, out), *(str(each) for each in more)])
    return int(args.run(args))


def words_of(index: Path, out: Path) -> list[str]:
    fixed = ["compare", "--data", str(index), "--out", str(out), "--ledger", str(out.parent / "ledgers")]
    return [*fixed, "--split", "val", "--quick", "--device", "cpu", "--public", "drawn images"]


@pytest.fixture(scope="module")
def drawn(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part of the shared index, its test split called val: 24 images to train on, 8 and 4 to judge by."""
    folder = tmp_path_factory.mktemp("drawn")
    shutil.copytree(index.parent / "phantoms", folder / "phantoms")
    with index.open(newline="") as file:
        every = list(csv.DictReader(file))
    rows = [*every[:24], *every[40:48], *every[56:]]
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({**row, "split": row["split"].replace("test", "val")} for row in rows)
    return folder / "index.csv"


@pytest.fixture(scope="module")
def whole(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All rows once."""
    out = tmp_path_factory.mktemp("whole") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "savez_compressed", np.savez)  # Most of the time of so small a run.
        assert compare(drawn, out, "--seeds", 1, "--html") == 0
    return out


def test_every_row_runs_through(whole: Path) -> None:
    found = results.load(whole)
    assert set(found) == {(recipe.row, 1) for recipe in recipes.RECIPES}
    assert not results.failures(whole)
    for result in found.values():
        assert set(result.headlines) == {
            "mean",
            "balanced/MRI",
            "balanced/XR",
            "accuracy",
            "accuracy_modality_unknown",
        }
        assert all(len(draws) == 2000 for draws in result.draws.values())
        assert (result.images, result.left_out) == (8, 4)
        assert result.cost["memory_mib"] > 50
        assert result.cost["seconds"] > 0
    text = (whole / "comparison.md").read_text()
    assert text.count("QUICK TRIAL") == len(recipes.RECIPES)
    assert "## Missing" not in text


def test_private_rows_state_their_guarantee_and_no_other_does(whole: Path) -> None:
    for (row, _), result in results.load(whole).items():
        recipe = recipes.choose([row])[0]
        if recipe.epsilon is None:
            assert result.privacy is None
            continue
        assert result.privacy is not None
        assert 0.95 * recipe.epsilon < result.privacy["epsilon"] <= recipe.epsilon
        assert result.privacy["records"] in {23, 24}


def test_repetitions_are_research_runs_with_noise_of_their_own_and_every_look_is_counted(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr(marker, "beside", lambda _: tmp_path / "note")
    compare(drawn, out, "--rows", "scattering-eps2,probe", "--seeds", 2)
    (account,) = Ledgers(tmp_path / "ledgers").accounts()
    assert json.loads((tmp_path / "note").read_text())["ledgers"] == [account.id]
    assert [(each.mode, each.finished, each.public) for each in account.runs] == [
        ("research", True, "a person says that these images are public: drawn images")
    ] * 3
    assert {bool(each.spend) for each in account.runs} == {True, False}, "the probe has no privacy"
    lines = (tmp_path / "ledgers" / reads.FILE).read_text().splitlines()
    assert [json.loads(line)["read"] for line in lines] == [1, 2, 3]
    found = results.load(out)
    assert max(each.split_reads for each in found.values()) == 3
    assert Counter(row for row, _ in found) == {"scattering-eps2": 2, "probe": 1}
    one, two = (found["scattering-eps2", k].figures["mean_confidence"] for k in (1, 2))
    assert one != two


def test_a_killed_call_goes_on_where_it_was(drawn: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    rows = "scattering-eps2,probe"
    words = [*words_of(drawn, out), "--rows", rows, "--seeds", "40"]
    child = subprocess.Popen(
        [sys.executable, "-m", "trainer.cli", *words],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 250
        while len(list((out / "results").glob("*.json"))) < 3:
            assert child.poll() is None, "it ended before it was killed"
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    kept = {file.name: file.stat().st_mtime_ns for file in (out / "results").glob("*.json")}
    assert 3 <= len(kept) < 40
    # Every file that has its name is whole.
    assert len(results.load(out)) == len(kept)
    done = Counter(row for row, _ in results.load(out))
    more = max(done.values()) + 1
    assert compare(drawn, out, "--rows", rows, "--seeds", more) == 0
    assert Counter(row for row, _ in results.load(out)) == {"probe": 1, "scattering-eps2": more}
    for name, when in kept.items():
        assert (out / "results" / name).stat().st_mtime_ns == when


def test_a_second_call_runs_nothing_unless_settings_differ(drawn: Path, tmp_path: Path) -> None:
    compare(drawn, tmp_path / "out", "--rows", "probe")
    before = (tmp_path / "ledgers" / reads.FILE).read_bytes()
    assert compare(drawn, tmp_path / "out", "--rows", "probe") == 0
    assert (tmp_path / "ledgers" / reads.FILE).read_bytes() == before
    first = results.load(tmp_path / "out")["probe", 1]
    compare(drawn, tmp_path / "out", "--rows", "probe", "--delta", 2e-5)
    assert results.load(tmp_path / "out")["probe", 1].key != first.key


def test_a_time_limit_stops_between_rows_and_says_so(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(drawn, tmp_path / "out", "--rows", "probe,ours-eps2", "--time-limit", 0.01) == 0
    assert not results.load(tmp_path / "out")
    assert "missing: time limit of 0.01 min" in capsys.readouterr().out


def test_a_row_that_fails_is_told_and_the_others_run(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(job: Job) -> None:
        raise MemoryError("12 GiB")

    monkeypatch.setitem(methods.METHODS, "features", broken)
    out = tmp_path / "out"
    assert compare(drawn, out, "--rows", "scattering-eps2,probe", "--seeds", 1) == 1
    assert set(results.load(out)) == {("probe", 1)}
    assert "missing: failed: MemoryError: 12 GiB" in capsys.readouterr().out
    monkeypatch.undo()
    monkeypatch.setenv("EDGE_LEDGER", str(tmp_path / "reads"))
    assert compare(drawn, out, "--rows", "scattering-eps2,probe", "--seeds", 1) == 0
    assert not results.failures(out)


def test_refusals(drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(recipes.ComparisonError, match="--rows names nothing"):
        compare(drawn, tmp_path / "out", "--rows", "nothing")
    with pytest.raises(recipes.ComparisonError, match="--public NAME"):
        material.research(tmp_path, "", "", dataset.read(drawn))
    records = [r for r in dataset.read(drawn) if r.split == "train"]
    with pytest.raises(DataError, match="another split to judge by"):
        material.load(records, "val", material.research(tmp_path, "", "x", []), uses.KNOWN)
    if not torch.cuda.is_available():
        with pytest.raises(recipes.ComparisonError, match="no GPU here"):
            compare(drawn, tmp_path / "out", "--device", "cuda")


def test_gpu_results_are_kept_on_a_cpu_and_cpu_results_are_made_again_on_a_gpu(drawn: Path) -> None:
    images = loaded(drawn, Path())
    recipe = recipes.choose(["resnet50"])
    plan = Plan(recipe, 2, Path(), torch.device("cpu"), "cpu", 1e-5, SHIPPED)
    marks = {
        effort: run.key(recipe[0], effort, images, 1e-5, SHIPPED)  # type: ignore[arg-type]
        for effort in ("cpu", "gpu")
    }

    class Known:
        def __init__(self, key: str) -> None:
            self.key = key

    def planned(effort: str, key: str) -> tuple[int, int]:
        items, missing = run.plan_items(
            dataclasses.replace(plan, effort=effort),
            images,
            {("resnet50", 1): Known(key)},  # type: ignore[dict-item]
        )
        return len(items), len(missing)

    assert planned("cpu", marks["cpu"]) == (1, 0)
    assert planned("cpu", marks["gpu"]) == (0, 1)  # No mixing of large and small runs in one row.
    assert planned("gpu", marks["cpu"]) == (2, 0)
    assert planned("gpu", marks["gpu"]) == (1, 0)


def loaded(drawn: Path, folder: Path) -> material.Material:
    terms = material.research(folder / "ledgers", "", "drawn images", [])
    return material.load(dataset.read(drawn), "val", terms, dict(uses.KNOWN))


def test_settings_are_chosen_on_training_groups_alone(drawn: Path, tmp_path: Path) -> None:
    images = loaded(drawn, tmp_path)
    recipe = recipes.choose(["ours-head-nodp"])[0]
    settings = recipe.with_effort("quick")
    job = Job(recipe, settings, images, torch.device("cpu"), 1, 1e-5, SHIPPED, tmp_path)
    blind = dataclasses.replace(images.judged, images=images.judged.images * 0)
    chosen, tried = search.searched(
        dataclasses.replace(job, material=dataclasses.replace(images, judged=blind)), "k", tmp_path
    )
    assert tried is not None
    assert len(tried["tried"]) == 3
    best = max(tried["tried"], key=lambda each: each["score"])
    assert chosen.settings["ridge"] == best["settings"]["ridge"]
    inner = images.inner()
    train, held = ({r.group for r in task.records} for task in (inner.train, inner.judged))
    assert not train & held
    assert train | held == {record.group for record in images.train.records}
    # Looked up the second time.
    assert search.searched(job, "k", tmp_path)[1] == tried


def test_a_search_that_is_broken_off_goes_on(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = loaded(drawn, tmp_path)
    recipe = recipes.choose(["ours-head-nodp"])[0]
    job = Job(
        recipe, recipe.with_effort("quick"), images, torch.device("cpu"), 1, 1e-5, SHIPPED, tmp_path
    )  # fmt: skip
    true, seen = methods.METHODS[recipe.method], []

    def dies(each: Job) -> object:
        seen.append(each.settings["ridge"])
        if len(seen) == 2:
            raise KeyboardInterrupt
        return true(each)

    monkeypatch.setitem(methods.METHODS, recipe.method, dies)
    with pytest.raises(KeyboardInterrupt):
        search.searched(job, "k", tmp_path)
    assert len(search.tried_so_far(recipe.row, "k", tmp_path)["tried"]) == 1
    _, tried = search.searched(job, "k", tmp_path)
    assert tried is not None
    # The first one once, the second one again, the third.
    assert seen == [1e-5, 1e-4, 1e-4, 1e-3]
    assert len(tried["tried"]) == 3
    # Under another key nothing of it is known.
    assert search.tried_so_far(recipe.row, "other", tmp_path) == {}


def test_every_row_that_is_trained_tries_several_settings() -> None:
    for recipe in recipes.RECIPES:
        if recipe.method == "ours":
            assert recipe.tried == (choices.ALL if recipe.family == "ours" else "as ours")
        elif recipe.method != "probe":
            heads = 12 if recipe.settings.get("whiten") else 4
            assert recipe.values == (heads if recipe.method == "features" else 3), recipe.row
    large = recipes.choose(["resnet50"])[0]
    assert large.searching(large.with_effort("cpu")) == {**large.with_effort("cpu"), "epochs": 3}
    assert large.search_cost("cpu") == pytest.approx(0.8 * 3 * 3 / 10)


def test_a_rate_that_diverges_is_tried_and_not_chosen(drawn: Path, tmp_path: Path) -> None:
    images = loaded(drawn, tmp_path)
    recipe = dataclasses.replace(recipes.choose(["resnet50"])[0], search={"rate": (1e-3, 1e30)})
    settings = {**recipe.with_effort("quick"), "batch": 4}
    job = Job(recipe, settings, images, torch.device("cpu"), 1, 1e-5, SHIPPED, tmp_path)
    chosen, tried = search.searched(job, "k", tmp_path)
    assert tried is not None
    assert [each["score"] is None for each in tried["tried"]] == [False, True]
    assert "diverged at a learning rate of 1e+30" in tried["tried"][1]["failed"]
    assert chosen.settings["rate"] == 1e-3
    assert chosen.settings["epochs"] == recipe.with_effort("quick")["epochs"]


def test_dp_sgd_rows_are_searched_too(drawn: Path, tmp_path: Path) -> None:
    recipe = recipes.choose(["cnn-eps5"])[0]
    settings = recipe.with_effort("quick")
    images = loaded(drawn, tmp_path)
    job = Job(recipe, settings, images, torch.device("cpu"), 1, 1e-5, SHIPPED, tmp_path)
    chosen, tried = search.searched(job, "k", tmp_path)
    assert tried is not None
    assert [each["settings"]["rate"] for each in tried["tried"]] == [0.2, 0.5, 1.5]
    made = methods.dp_sgd(chosen)
    assert made.settings["engine"]["rate"] == tried["chosen"]["rate"]
    (account,) = [
        each for each in Ledgers(tmp_path / "ledgers").accounts() if each.count < len(images.train.records)
    ]
    assert [run.mode for run in account.runs if run.account == account.id] == ["research"] * 3


def test_rows_without_privacy_are_on_record_too(drawn: Path, tmp_path: Path) -> None:
    recipe = recipes.choose(["ours-head-nodp"])[0]
    images = loaded(drawn, tmp_path)
    job = Job(recipe, recipe.with_effort("quick"), images, torch.device("cpu"), 1, 1e-5, SHIPPED, tmp_path)
    methods.make(job)
    (account,) = Ledgers(tmp_path / "ledgers").accounts()
    (run,) = account.of("research")
    assert (run.engine, run.epsilon, run.spend) == ("ours-head-nodp, without privacy", float("inf"), ())
    assert run.finished


class Steep(torch.nn.Module):
    """One weight whose gradient is as large as one likes."""

    def __init__(self, classes: int, slope: float) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.arange(classes) * 1e-4)
        self.slope = slope

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.slope * self.weight.expand(len(x), -1)


def test_without_privacy_no_gradient_is_clipped(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []

    class Watched(torch.optim.AdamW):
        def step(self, closure: object = None) -> None:
            seen.append(float(self.param_groups[0]["params"][0].grad.norm()))

    monkeypatch.setattr(torch.optim, "AdamW", Watched)
    task = loaded(drawn, tmp_path).train
    settings = {"epochs": 1, "batch": len(task.records), "rate": 1e-3, "decay": 0.0, "title": "t"}
    net = Steep(len(task.classes), 1e4)
    plain.train(net, task, plain.standard_input, torch.device("cpu"), **settings)  # type: ignore[arg-type]
    assert max(seen) > 100


def test_files_of_a_comparison_are_for_their_owner_alone(whole: Path) -> None:
    files = [whole / f"comparison.{kind}" for kind in ("md", "json", "html")]
    for file in [*files, *(whole / "results").glob("*.json")]:
        assert file.stat().st_mode & 0o777 == 0o600, file


def test_the_gate_takes_out_what_shows_nothing(drawn: Path, tmp_path: Path) -> None:
    images = loaded(drawn, tmp_path)
    pixels = images.train.images.copy()
    pixels[3] = 0
    spoiled = dataclasses.replace(images, train=dataclasses.replace(images.train, images=pixels))
    kept, dropped = spoiled.gated()
    plain, before = images.gated()
    assert dropped == before + 1
    assert len(kept.train.records) == len(plain.train.records) - 1
    assert images.train.records[3] not in kept.train.records
    assert kept.judged is spoiled.judged
