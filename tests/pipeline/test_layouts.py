"""Which layout templates count, by real signatures and manifests: revoked, rolled back (T11, F3)."""

from __future__ import annotations

import numpy as np
import pytest

from edge.anonymize.layout.learn import learn
from edge.anonymize.layout.match import Confirmed
from edge.anonymize.layout.still import still_of
from edge.anonymize.scanner.regions import kept_regions
from edge.anonymize.text.evidence import Trust
from edge.imaging.frames import Region
from edge.pipeline.layouts import Layouts, LayoutVersions
from edge.settings import Source
from edge.wire.keys import SigningKey
from edge.wire.layouts import sign
from edge.wire.manifest import LAYOUT, Manifest, Operator
from tests.anonymize.screens import PATIENTS, samples, vendor_a, vendor_b

TEMPLATE = learn(samples(), [[]] * 6, "sono-1").template


class House:
    """A box's directory of templates, and the clinic's word on who may sign them."""

    def __init__(self, folder):
        self.folder, self.key, self.now = folder, SigningKey.generate(), 0.0
        self.manifest: Manifest | None = self.naming(self.key)

    def naming(self, key, commands=(LAYOUT,), revoked=()):
        operator = Operator(name="ann", public=key.public.raw, commands=list(commands))
        return Manifest(
            version=1, site="demo", issued_ms=0, expires_ms=1, operators=[operator], revoked=list(revoked)
        )

    def put(self, version=1, key=None, name="sono.cose", site="demo"):
        path = self.folder / name
        template = TEMPLATE.model_copy(update={"version": version})
        new = path.with_suffix(".new")
        new.write_bytes(sign(template, site, key or self.key))
        new.replace(path)
        return path

    def start(self, *paths):
        """A daemon comes up."""
        versions = LayoutVersions(self.folder / "layouts.json")
        return Layouts(paths, "demo", lambda: self.manifest, versions, lambda: self.now)

    def later(self, layouts):
        self.now += 2.0
        return [c.template.version for c in layouts.current()]


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def test_a_signed_template_counts_and_its_digest_is_of_what_was_signed(house):
    (first,) = house.start(house.put()).current()
    (second,) = house.start(house.put(version=2)).current()
    assert first.template == TEMPLATE
    assert len(first.sha256) == 32
    assert first.sha256 != second.sha256


def test_what_nobody_in_the_manifest_signed_does_not_count(house):
    for path in (
        house.put(key=SigningKey.generate(), name="stranger"),
        house.put(site="elsewhere", name="elsewhere"),
        house.folder / "missing",
    ):
        layouts = house.start(path)
        assert layouts.current() == ()
        assert path.name in layouts.problems[0]
    house.manifest = house.naming(house.key, commands=("ping",))
    assert house.start(house.put()).current() == ()


def test_a_signer_who_is_revoked_while_the_box_runs_counts_no_more(house):
    layouts = house.start(house.put())
    assert house.later(layouts) == [1]
    house.manifest = house.naming(house.key, revoked=[house.key.kid])
    assert house.later(layouts) == []
    house.manifest = house.naming(house.key)
    assert house.later(layouts) == [1]
    house.manifest = None  # expired, or gone
    assert house.later(layouts) == []


def test_a_file_that_is_replaced_counts_within_a_second(house):
    layouts = house.start(house.put())
    assert house.later(layouts) == [1]
    house.put(version=2)
    assert house.later(layouts) == [2]
    (house.folder / "sono.cose").write_bytes(b"nonsense")
    assert house.later(layouts) == []


def test_an_older_template_is_refused_even_after_a_restart(house):
    assert house.later(house.start(house.put(version=3))) == [3]
    again = house.start(house.put(version=2))
    assert house.later(again) == []
    assert "rolled back" in again.problems[0]
    assert house.later(house.start(house.put(version=3))) == [3]


def test_a_damaged_memory_of_versions_stops_every_template(house):
    path = house.put()
    for damage in (b"{", b"[]", b'{"sono-1": "x"}'):
        (house.folder / "layouts.json").write_bytes(damage)
        assert house.start(path).current() == ()


def test_a_picture_of_a_folder_keeps_what_its_layout_keeps_and_nothing_of_another():
    source = Source(name="shots", kind="folder", modality="CR", body_part="CHEST", layouts=("sono.cose",))
    describe = still_of(source, lambda: [Confirmed(TEMPLATE, bytes(32))])
    known, unknown = describe(vendor_a(PATIENTS[3], 9)), describe(vendor_b(PATIENTS[3], 9))
    assert (known.modality, known.body_part) == ("CR", "CHEST")
    no, yes = (Trust(("latin",), frozenset(proved)) for proved in ((), ("latin",)))
    assert kept_regions(known, 720, 1280, no) == TEMPLATE.regions()
    # Though CR alone would be kept whole.
    assert kept_regions(unknown, 720, 1280, yes) == "unknown_layout"
    plain = still_of(source.model_copy(update={"layouts": ()}), list)(np.zeros((720, 1280), np.uint8))
    assert kept_regions(plain, 720, 1280, yes) == (Region(0, 0, 1280, 720),)
    assert kept_regions(plain, 720, 1280, no) == "unproved_script"
