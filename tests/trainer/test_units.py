"""Units of privacy: whose records are one, how many are used, and that no unit moves a sum by more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from trainer.data.record import Record
from trainer.privacy.spend import Release
from trainer.privacy.units import UnitError, Units, data_set, group, sum_by_unit
from trainer.training import dp_sgd, fixed_features


def record(
    number: int, patient: str = "", *, known: bool = True, cluster: str = "", label: str = "a"
) -> Record:
    name = f"{number}.png"
    return Record(
        Path("/data/set") / name,
        label,
        "MRI",
        "train",
        cluster or f"set/{name}",
        "",
        "set",
        patient,
        bool(patient) and known,
    )


def test_each_image_is_a_unit_by_default() -> None:
    records = [record(n, "p") for n in range(4)]
    made = group(records, "image")
    assert made.records == tuple(records)
    assert made.units.single
    assert (made.units.count, made.units.words) == (4, "image")


def test_a_cap_without_patients_is_refused() -> None:
    with pytest.raises(UnitError, match="--per-patient protects nobody without --unit patient"):
        group([record(0, "p")], "image", 3)


def test_records_of_a_patient_are_one_unit_across_classes() -> None:
    records = [record(0, "p"), record(1, "q"), record(2, "p", label="b"), record(3, "r")]
    made = group(records, "patient", 8)
    assert made.units.count == 3
    assert made.units.of_record[0] == made.units.of_record[2]
    assert len(set(made.units.of_record.tolist())) == 3
    assert made.units.words == "patient"


def test_the_cap_chooses_by_names_alone() -> None:
    """Neither the order of the index nor any other patient changes which images of one are used."""
    own = [record(n, "p") for n in range(20)]
    others = [record(n, f"q{n}") for n in range(20, 40)]

    def kept(records: list[Record]) -> set[Path]:
        return {each.file for each in group(records, "patient", 3).records if each.patient == "p"}

    first = kept(own + others)
    assert len(first) == 3
    assert kept([*reversed(others), *reversed(own)]) == first
    assert kept(own) == first
    assert kept([record(n, "p", label="b") for n in range(20)]) == first
    assert group(own + others, "patient", 3).units.cap == 3


def test_another_cap_makes_no_other_data_set(tmp_path: Path) -> None:
    records = [replace(record(n, f"p{n // 4}"), file=tmp_path / f"{n}.png") for n in range(12)]
    for number, each in enumerate(records):
        each.file.write_bytes(bytes([number]))
    made = [group(records, "patient", cap) for cap in (1, 3, 4)]
    assert [len(each.records) for each in made] == [3, 9, 12]
    known = [data_set("x", each.records, each.units) for each in made]
    assert len({each.fingerprint for each in known}) == 1
    assert {each.count for each in known} == {3}


def test_surrogates_are_called_so() -> None:
    mixed = [record(0, "p"), record(1, "q", known=False)]
    assert group(mixed, "patient", 8).units.words == "patient (surrogate ids: some patients are a guess)"
    clusters = [record(0, cluster="g1"), record(1, cluster="g1"), record(2, "p", cluster="g2")]
    made = group(clusters, "patient", 8)
    assert made.units.count == 2
    assert "surrogate ids: group_id" in made.units.words


def test_an_index_without_patients_is_refused() -> None:
    with pytest.raises(UnitError, match=r"patient_id, or group_id, in every row; 2 of 3 rows"):
        group([record(0), record(1), record(2, cluster="g")], "patient", 8)
    with pytest.raises(UnitError, match="at least one"):
        group([record(0, "p")], "patient", 0)


@given(st.lists(st.tuples(st.integers(-3, 3), st.floats(-10, 10)), max_size=30))
def test_sums_by_unit(rows: list[tuple[int, float]]) -> None:
    units = np.array([unit for unit, _ in rows], np.intp)
    values = torch.tensor([[value, 1.0] for _, value in rows], dtype=torch.float64).view(-1, 2)
    wanted = {unit: sum(v for u, v in rows if u == unit) for unit, _ in rows}
    got = sum_by_unit(values, units)
    assert got.shape == (len(wanted), 2)
    assert np.allclose(got[:, 0].numpy(), [wanted[unit] for unit in sorted(wanted)])
    assert got[:, 1].sum() == len(rows)


def patients(sizes: list[int]) -> Units:
    return Units(np.repeat(np.arange(len(sizes)), sizes), len(sizes), "patient", max(sizes, default=1))


def test_one_patient_moves_all_means_together_by_no_more_than_one() -> None:
    """The patient has images in both groups; per image it could move the two sums by eight."""
    units, groups = patients([8, 1, 1]), np.array([0, 0, 0, 0, 1, 1, 1, 1, 0, 1])
    features = torch.zeros(10, 2, 6)
    quiet = fixed_features.private_means(features, groups, 2, 0.0, units)
    features[:8] = 5.0
    loud = fixed_features.private_means(features, groups, 2, 0.0, units)
    # Each group holds two patients, by whose public number the sums were divided.
    assert float(((loud - quiet) * 2).norm()) == pytest.approx(1.0, rel=1e-5)
    assert float((loud[0] * 2).norm()) == pytest.approx(0.5**0.5, rel=1e-5)


@pytest.mark.parametrize("method", ["ghost", "samples"])
def test_dp_sgd_clips_the_sum_of_a_patients_gradients(method) -> None:
    inputs = torch.zeros(6, 4)
    inputs[:4, 0] = 1.0  # patient 0: four images, sum of gradients 4
    inputs[4, 1] = 0.1  # patient 1: one image, not clipped
    model = nn.Linear(4, 1, bias=False)
    nn.init.zeros_(model.weight)
    dp_sgd.run_steps(
        model,
        lambda net, rows: net(inputs[rows])[:, 0],
        6,
        Release("steps", 0.0),
        rate=1.0,
        clip=0.5,
        averaging=0.5,
        units=patients([4, 1, 1]).of_record,
        method=method,
    )
    moved = -model.weight.detach()[0] * 3  # divided by the public number of patients
    assert moved.tolist() == pytest.approx([0.5, 0.1, 0.0, 0.0], abs=1e-4)
