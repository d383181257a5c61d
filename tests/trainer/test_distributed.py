"""Two real processes under ``torchrun``, joined by gloo, take the step that one process takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from scipy import stats
from torch import nn

from trainer.privacy.private_step import PrivateStepper

ROOT = Path(__file__).resolve().parents[2]
WIDE = 3000
PROGRAM = """
import json, sys
import torch
from torch import nn
from trainer.privacy.private_step import PrivateStepper
from trainer.training import distributed

torch.set_num_threads(1)
team = distributed.join(torch.device("cpu"))
assert team.size == 2
torch.manual_seed(team.rank)  # The ranks begin with different weights, and must end with the same.
inputs = torch.linspace(-1, 1, 20 * 6, dtype=torch.float64).view(20, 6)
result, seen = {}, []
CASES = ("sum", 0.0, 6, 1.0), ("noise", 3.0, WIDE, 0.5), ("empty", 3.0, WIDE, 1e-12)
for name, noise, width, rate in CASES:
    data = inputs if width == 6 else torch.zeros(20, width, dtype=torch.float64)
    model = nn.Linear(width, 1, bias=False, dtype=torch.float64)
    before = model.weight.detach().clone()
    def loss(net, rows):
        seen.extend(rows.tolist())
        return net(data[rows])[:, 0]
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
    stepper = PrivateStepper(
        model, optimizer, loss, noise_multiplier=noise, clip=0.5, records=20, rate=rate, physical=3, team=team
    )
    start = model.weight.detach().clone()
    stepper.step()
    result[name] = (model.weight.detach() - start).flatten().tolist()
    if name == "sum":
        result["seen"] = sorted(seen)
    result["moved to the first's weights"] = team.rank == 0 or not torch.equal(before, start)
with open(f"{sys.argv[1]}/{team.rank}.json", "w") as file:
    json.dump(result, file)
distributed.leave()
""".replace("WIDE", str(WIDE))


def torchrun(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--master-addr", "127.0.0.1", "--master-port", "0", "--rdzv-backend", "c10d"]
    command += ["--rdzv-endpoint", "127.0.0.1:0", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, list[float]]]:
    folder = tmp_path_factory.mktemp("ranks")
    (folder / "program.py").write_text(PROGRAM)
    done = torchrun([str(folder / "program.py"), str(folder)], folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


def test_without_noise_two_processes_take_the_step_of_one(ranks: list[dict[str, list[float]]]) -> None:
    inputs = torch.linspace(-1, 1, 20 * 6, dtype=torch.float64).view(20, 6)
    model = nn.Linear(6, 1, bias=False, dtype=torch.float64)
    start = model.weight.detach().clone()
    PrivateStepper(
        model,
        torch.optim.SGD(model.parameters(), lr=1.0),
        lambda net, rows: net(inputs[rows])[:, 0],
        noise_multiplier=0.0,
        clip=0.5,
        records=20,
        rate=1.0,
        physical=20,
    ).step()
    wanted = (model.weight.detach() - start).flatten()
    for rank in ranks:
        assert torch.allclose(torch.tensor(rank["sum"], dtype=torch.float64), wanted, atol=1e-12)
        assert rank["moved to the first's weights"]


def test_each_record_of_a_sample_is_taken_by_one_process(ranks: list[dict[str, list[float]]]) -> None:
    assert sorted(ranks[0]["seen"] + ranks[1]["seen"]) == list(range(20))
    assert len(ranks[0]["seen"]) == len(ranks[1]["seen"]) == 10


@pytest.mark.parametrize(("name", "rate"), [("noise", 0.5), ("empty", 1e-12)])
def test_noise_is_added_once_for_all_processes(
    ranks: list[dict[str, list[float]]], name: str, rate: float
) -> None:
    """Noise of both ranks would be sqrt(2) too wide; a mean over ranks, half as wide."""
    assert ranks[0][name] == ranks[1][name]
    values = torch.tensor(ranks[0][name], dtype=torch.float64).numpy() / (3.0 * 0.5 / (rate * 20))
    assert values.std() == pytest.approx(1, abs=0.06)
    assert stats.kstest(values, "norm").pvalue > 1e-6


def test_fit_under_torchrun_keeps_one_ledger_and_writes_one_run(index: Path, tmp_path: Path) -> None:
    options = {"data": index, "epsilon": 8, "delta": 1e-5, "depth": "all", "steps": 1, "sampling-rate": 1}
    options |= {"out": tmp_path / "run", "ledger": tmp_path / "ledger", "device": "cpu", "physical": 4}
    options["unit"] = "image"
    words = [
        "-m",
        "trainer",
        "fit",
        *(part for name, value in options.items() for part in (f"--{name}", value)),
    ]
    done = torchrun([str(word) for word in words], ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("trained on 40 images") == 1
    assert (tmp_path / "run" / "run.json").is_file()
    # One process speaks.
    assert done.stderr.count("DP-SGD steps: 1/1") == 1
