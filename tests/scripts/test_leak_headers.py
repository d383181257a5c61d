"""The header bench: it finds what it plants in any place, and a tool that only copies leaks it all."""

from __future__ import annotations

import shutil
from collections import Counter

import pytest
from support.leak import header_cases, planting, run_headers

from tests.anonymize.plant import planted
from tests.anonymize.scenes import radiograph

COUNT = 54


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "one.dcm").write_bytes(planted(radiograph(None, (32, 48))))
    return folder


def test_places_vrs_depths_and_scripts_are_balanced():
    planned = header_cases.cases(["one.dcm"], 3024)
    assert Counter(case.vr for case in planned).keys() == set(planting.VRS)
    for name in ("vr", "depth"):
        times = Counter(getattr(case, name) for case in planned)
        assert max(times.values()) - min(times.values()) <= 1
    assert {case.place for case in planned} == set(header_cases.PLACES)
    assert planned[:COUNT] == header_cases.cases(["one.dcm"], COUNT)


def copies(path, out):
    shutil.copy(path, out)


def test_a_plant_is_found_wherever_it_stands_and_ours_leaves_none(data, tmp_path):
    ours = run_headers.ours()
    for case in header_cases.cases(["one.dcm"], COUNT):
        given = tmp_path / str(case.number)
        given.mkdir()
        path = given / case.file_name
        path.write_bytes(header_cases.original(case, data))
        for tool, leaks in ((copies, True), (ours, False)):
            out = given / "out"
            out.mkdir()
            outcome = run_headers.outcome(tool, path, out, case)
            assert outcome.leaking is leaks, case
            assert outcome.held is None, case
            shutil.rmtree(out)


def test_a_tool_that_fails_after_it_wrote_leaks_all_the_same(data, tmp_path):
    case = header_cases.cases(["one.dcm"], 1)[0]
    path = tmp_path / case.file_name
    path.write_bytes(header_cases.original(case, data))
    out = tmp_path / "out"
    out.mkdir()

    def fails(path, out):
        copies(path, out)
        raise ValueError

    outcome = run_headers.outcome(fails, path, out, case)
    assert outcome.held == "ValueError"
    assert outcome.leaking
