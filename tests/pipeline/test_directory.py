"""Whom the box answers to: only a manifest in force, and never an older one (threat model, T11, F5)."""

from __future__ import annotations

import pytest

from edge.pipeline.directory import ManifestDirectory
from edge.pipeline.post import NoRecipientError
from edge.wire.keys import Kem, PrivateKey, SigningKey
from edge.wire.manifest import Custodian, Manifest, Receiver, SealTo

ROOT, OTHER = SigningKey.generate(), SigningKey.generate()
SEAL = SealTo(public=PrivateKey.generate(Kem.XWING).recipient.raw)


def _manifest(version, *, root=ROOT, expires_ms=1000):
    receivers = [Receiver(name="r", seal=SEAL, ack=OTHER.public.raw)]
    custodians = [Custodian(name="c", seal=SEAL)]
    return Manifest(
        version=version, site="here", issued_ms=1, expires_ms=expires_ms,
        receivers=receivers, custodians=custodians,
    ).sign(root)  # fmt: skip


@pytest.fixture
def world(tmp_path):
    path, now = tmp_path / "manifest.cose", [500]

    def make():
        return ManifestDirectory(path, ROOT.public, "here", tmp_path / "version", lambda: now[0])

    return path, now, make


def test_a_manifest_in_force_names_recipients(world):
    path, _, make = world
    path.write_bytes(_manifest(1))
    assert len(make().receivers()) == 1


@pytest.mark.parametrize("data", [None, b"", _manifest(1, root=OTHER), _manifest(1, expires_ms=400)])
def test_without_one_nothing_may_be_sealed(world, data):
    path, _, make = world
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(NoRecipientError):
        make().receivers()


def test_it_runs_out_while_in_use_also_by_the_last_time_known(world):
    path, now, make = world
    path.write_bytes(_manifest(1))
    directory = make()
    now[0] = None  # nothing is known of the time: expiry cannot be judged
    assert directory.receivers()
    now[0] = 1000  # a time that is surely past
    with pytest.raises(NoRecipientError):
        directory.receivers()
    assert directory.reason == "expired"


def test_an_older_one_is_refused_even_after_a_restart(world):
    path, _, make = world
    path.write_bytes(_manifest(2))
    assert make().receivers()
    path.write_bytes(_manifest(1))
    with pytest.raises(NoRecipientError):
        make().receivers()
    path.write_bytes(_manifest(2))  # the control: the one that was in force is
    assert make().receivers()
