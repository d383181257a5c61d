"""Layout templates: proposed, looked at, signed by an operator, and what a box refuses."""

from __future__ import annotations

import stat
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.anonymize.layout.learn import learn
from edge.cli import main
from edge.clinic import keyring
from edge.clinic.places import role_folder
from edge.clinic.receive import ManifestFile
from edge.imaging.layout_template import LayoutTemplate
from edge.wire.codec import encode
from edge.wire.keys import SigningKey
from edge.wire.layouts import LayoutError, digest, read_unverified, sign, verify
from edge.wire.manifest import Manifest
from edge.wire.signed import sign_message
from tests.anonymize.screens import PATIENTS, samples, vendor_a, vendor_b


@pytest.fixture(scope="module")
def template() -> LayoutTemplate:
    return learn(samples(), [[]] * 6, "sono-1", version=3).template


@pytest.fixture
def operator(clinic: Path) -> Path:
    return role_folder(clinic, "operator")


@pytest.fixture
def key(operator: Path) -> SigningKey:
    return SigningKey.load(operator / keyring.COMMAND_KEY)


@pytest.fixture
def manifest(operator: Path) -> Manifest:
    return ManifestFile(operator).current()


def refused(data: bytes, manifest: Manifest, site: str = "demo") -> str:
    with pytest.raises(LayoutError) as error:
        verify(data, site, manifest)
    return error.value.reason


def test_a_box_takes_what_an_operator_signed_for_its_site(template, key, manifest):
    signed = sign(template, "demo", key)
    assert verify(signed, "demo", manifest) == template


def test_a_box_refuses_all_else(template, key, manifest):
    signed = sign(template, "demo", key)
    draft = read_unverified(signed)[0]
    assert draft == template
    assert refused(encode(template), manifest) == "malformed"  # a draft
    assert refused(signed, manifest, site="elsewhere") == "forged"
    assert refused(signed[:-1] + bytes([signed[-1] ^ 1]), manifest) == "forged"
    assert refused(sign(template, "demo", SigningKey.generate()), manifest) == "unknown_sender"
    assert refused(sign_message("manifest", encode(template), key), manifest) == "forged"
    assert refused(sign_message("layout template demo", b"\xa0", key), manifest) == "invalid"


def test_the_signer_needs_the_role_and_loses_it_by_revocation(template, key, manifest):
    signed = sign(template, "demo", key)
    plain = [o.model_copy(update={"commands": ["ping", "status"]}) for o in manifest.operators]
    assert refused(signed, manifest.model_copy(update={"operators": plain})) == "unknown_sender"
    assert refused(signed, manifest.model_copy(update={"revoked": [key.kid]})) == "unknown_sender"


def test_learn_show_sign_and_check_by_command(tmp_path, clinic, manifest, capsys):
    paths = []
    for seed, patient in enumerate(PATIENTS[:3]):
        paths.append(tmp_path / f"{seed}.png")
        cv2.imwrite(str(paths[-1]), vendor_a(patient, seed)[:, :, ::-1])
    draft = tmp_path / "sono.layout"
    assert main(["layout", "learn", *map(str, paths), "--out", str(draft), "--name", "sono-1"]) == 0
    said = capsys.readouterr().out
    found = digest(read_unverified(draft.read_bytes())[0])
    assert f"--confirm {found}" in said
    for written in (draft, tmp_path / "sono.layout.png"):
        assert stat.S_IMODE(written.stat().st_mode) == 0o600

    sign_it = ["clinic", "sign-layout", str(clinic), str(draft), "--confirm"]
    with pytest.raises(SystemExit) as unconfirmed:
        main([*sign_it, "0" * 16])
    assert unconfirmed.value.code == 2
    assert not (tmp_path / "sono.layout.cose").exists()
    assert main([*sign_it, found]) == 0
    signed = tmp_path / "sono.layout.cose"
    template = verify(signed.read_bytes(), "demo", manifest)
    assert digest(template) == found
    assert main(["layout", "show", str(signed)]) == 0
    assert found in capsys.readouterr().out

    same, other = tmp_path / "same.jpg", tmp_path / "other.png"
    cv2.imwrite(str(same), vendor_a(PATIENTS[3], 50)[:, :, ::-1])
    cv2.imwrite(str(other), vendor_b(PATIENTS[3], 50)[:, :, ::-1])
    assert main(["layout", "check", str(signed), str(same)]) == 0
    assert main(["layout", "check", str(signed), str(same), str(other)]) == 1
    assert main(["layout", "check", str(paths[0]), str(same)]) == 2  # a picture is no template


def test_the_picture_outlines_what_is_kept(tmp_path, capsys):
    film = cv2.VideoWriter(str(tmp_path / "s.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 5, (1280, 720))
    for seed in range(5):
        film.write(vendor_a(PATIENTS[seed % 3], seed)[:, :, ::-1])
    film.release()
    draft = tmp_path / "v.layout"
    assert main(["layout", "learn", str(tmp_path / "s.avi"), "--out", str(draft)]) == 0
    picture = cv2.imread(str(tmp_path / "v.layout.png"))[:, :, ::-1]
    (region,) = read_unverified(draft.read_bytes())[0].keep
    assert np.array_equal(picture[region.top, (region.left + region.right) // 2], (0, 220, 0))
    assert picture.shape[0] > 720
    assert main(["layout", "learn", str(tmp_path / "s.avi"), "--out", str(draft)]) == 2  # it is there
    assert "sono" not in capsys.readouterr().err
