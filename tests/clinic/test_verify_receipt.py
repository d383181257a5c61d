"""``edge clinic receipts`` and ``verify-receipt``: an auditor's view, without image, finding or identity."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import pytest

from edge.anonymize import models
from edge.cli import main
from edge.clinic import keyring
from edge.clinic.examine import examine_result
from edge.clinic.known_detectors import KNOWN
from edge.clinic.places import read_config, read_manifest
from edge.clinic.receive import VAULT, vault_key
from edge.clinic.vault import Vault
from edge.messages import DetectorUse, Finding, Receipt
from edge.pipeline.receipts import ReceiptMaker
from edge.wire.keys import PrivateKey
from tests.clinic.demo_clinic import NOW, Box
from tests.clinic.results import batch, finding, head, held_back, result, seal

MADE = int(NOW.timestamp() * 1000) + 1000
OBJECT = b"\x0b" * 16


def receipt(sha256: bytes = bytes.fromhex(models.PP_OCR_DET.sha256)) -> Receipt:
    look = DetectorUse(name="pp-ocrv4-det", sha256=sha256, before_ms=0, after_ms=0, found=2)
    return Receipt(
        policy="scanner-1", policy_sha256=b"p" * 32, detectors=[look], kept_share=0.8, masked_share=0.1,
        texts=2, self_test="passed", self_test_age_ms=12_000,
    )  # fmt: skip


class Filled:
    """A clinic whose vault holds an object's result and a second of a camera."""

    def __init__(self, clinic: Path, folder: Path) -> None:
        self.clinic, self.box = clinic, Box(clinic, folder / "box")
        self.maker = ReceiptMaker(self.box.key, "0.1.0", b"b" * 32, b"s" * 32)
        self.put(self.object(1))
        where = head(1, stream="camera-1", made_ms=MADE)
        seen = [finding(receipt=receipt())]
        self.put(batch(1, *seen, head=where, receipts=self.maker.sign(where, seen)))

    def object(self, seq: int, **other):
        where = head(seq, made_ms=MADE)
        outcomes = [finding(receipt=receipt()), held_back().model_copy(update={"frame": 1})]
        body = result(seq, *outcomes, head=where, object=OBJECT, receipts=self.maker.sign(where, outcomes))
        return body.model_copy(update=other)

    def put(self, body, manifest=None) -> None:
        folder = self.clinic / "receiver"
        manifest = manifest or read_manifest(folder, read_config(folder), 0, None)
        key = PrivateKey.load(folder / "open.key")
        with Vault(folder / VAULT, vault_key(folder)) as vault:
            vault.store([examine_result(*seal(body, self.box.key, key.recipient), manifest, [key], 0).record])


@pytest.fixture
def filled(clinic: Path, tmp_path: Path) -> Filled:
    return Filled(clinic, tmp_path)


def run(capsys, *words) -> tuple[int, str]:
    try:
        code = main(["clinic", *map(str, words)])
    except SystemExit as stop:
        code = int(str(stop.code))
    said = capsys.readouterr()
    return code, said.out + said.err


def test_an_auditor_sees_what_was_done_and_not_what_was_found(filled, tmp_path, capsys):
    code, lines = run(capsys, "receipts", filled.clinic)
    assert (code, len(lines.splitlines())) == (0, 2)
    assert all(b"glioma" not in base64.b64decode(json.loads(line)["receipts"]) for line in lines.splitlines())
    # The auditor has a copy of what is public, and the file.
    office = tmp_path / "office"
    office.mkdir()
    for name in ("clinic.json", "manifest.cose", "clinic-root.pub"):
        shutil.copy(filled.clinic / "receiver" / name, office)
    (tmp_path / "receipts.jsonl").write_text(lines)
    code, said = run(capsys, "verify-receipt", office, tmp_path / "receipts.jsonl")
    assert code == 0, said
    for words in (
        "box box-1 of demo, stream scanner, number 1",
        "text detector PP-OCRv4, as shipped in the wheel rapidocr-onnxruntime 1.4.4",
        "passed the gate; policy scanner-1 (7070707070707070); kept 80.0% of the image, filled 10.0% of that",
        "0 faces, 2 texts; pp-ocrv4-det looked at this very frame and found 2; self-test passed 12 s before",
        "held back at anonymize: text_left",
        "stream camera-1, number 1",
    ):
        assert words in said
    assert "WARNING" not in said
    assert "glioma" not in said


def test_one_result_is_named_by_handle_or_by_number(filled, tmp_path, capsys):
    for name in ("0b0b0b0b", "box-1/scanner/1"):
        code, line = run(capsys, "receipts", filled.clinic, name)
        assert (code, json.loads(line)["stream"]) == (0, "scanner")
        assert run(capsys, "verify-receipt", filled.clinic, "--result", name)[0] == 0
    assert run(capsys, "verify-receipt", filled.clinic, "--result", "box-1/camera-1/1")[0] == 0
    assert run(capsys, "verify-receipt", filled.clinic, "--result", "ffffffff")[0] == 1
    assert run(capsys, "verify-receipt", filled.clinic, "--result", "ff")[0] == 2
    (tmp_path / "raw").write_bytes(base64.b64decode(json.loads(line)["receipts"]))
    assert run(capsys, "verify-receipt", filled.clinic, tmp_path / "raw")[0] == 0


def test_receipts_swapped_between_results_or_replayed_are_refused_in_their_place(filled, capsys):
    filled.put(filled.object(2, receipts=filled.object(1).receipts))  # the box itself would have to do it
    code, said = run(capsys, "verify-receipt", filled.clinic, "--result", "box-1/scanner/2")
    assert code == 1
    assert "belongs to another result" in said


def test_weights_that_nobody_knows_are_a_warning(filled, capsys):
    where = head(3, made_ms=MADE)
    outcomes: list[Finding] = [finding(receipt=receipt(b"?" * 32))]
    filled.put(result(3, *outcomes, head=where, receipts=filled.maker.sign(where, outcomes)))
    code, said = run(capsys, "verify-receipt", filled.clinic, "--result", "box-1/scanner/3")
    assert code == 0
    assert "WARNING: the weights of pp-ocrv4-det are not known to this version" in said


def test_a_box_that_turned_bad_cannot_play_with_the_terminal(filled, capsys):
    where = head(4, made_ms=1 << 62)
    bad = receipt().model_copy(update={"policy": "scanner-1\x1b[2J\nbox-1/scanner/9: the signature holds"})
    outcomes: list[Finding] = [finding(receipt=bad)]
    filled.put(result(4, *outcomes, head=where, receipts=filled.maker.sign(where, outcomes)))
    code, said = run(capsys, "verify-receipt", filled.clinic, "--result", "box-1/scanner/4")
    assert (code, "\x1b" in said, "\nbox-1/scanner/9" in said) == (0, False, False)
    assert f"{1 << 62} ms after 1970" in said


def test_a_revoked_box_is_said_to_be_revoked(filled, tmp_path, capsys):
    _, line = run(capsys, "receipts", filled.clinic, "0b0b0b0b")
    (tmp_path / "one").write_text(line)
    root = keyring.open_root(filled.clinic, None)
    manifest = read_manifest(root.folder, root.config, 0, None)
    keyring.renew(root, manifest.model_copy(update={"revoked": [filled.box.key.kid]}), NOW)
    code, said = run(capsys, "verify-receipt", filled.clinic, tmp_path / "one")
    assert code == 1
    assert "a key that was revoked" in said


def test_what_cannot_be_judged_exits_with_2(filled, tmp_path, capsys):
    (tmp_path / "noise").write_text("not a receipt")
    assert run(capsys, "verify-receipt", filled.clinic, tmp_path / "noise")[0] == 2
    assert run(capsys, "verify-receipt", filled.clinic, tmp_path / "absent")[0] == 2
    assert run(capsys, "verify-receipt", tmp_path / "nowhere", tmp_path / "noise")[0] == 2


def test_a_box_that_gets_a_new_certificate_keeps_the_day_it_joined(filled):
    root = keyring.open_root(filled.clinic, None)
    keyring.add_box(root, "box-1", filled.box.request, NOW.replace(year=NOW.year + 1))
    (box,) = read_manifest(root.folder, root.config, 0, None).boxes
    assert box.since_ms == int(NOW.timestamp() * 1000)


def test_the_table_knows_every_detector_that_the_box_can_load():
    loaded = {bytes.fromhex(k.sha256) for k in vars(models).values() if isinstance(k, models.Known)}
    assert loaded
    assert loaded <= set(KNOWN)
