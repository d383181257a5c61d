"""The README's way from a folder of images to a signed model with figures, by the lines that it prints."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from phantom_images import phantom
from tiny_audit import TINY

from edge.imaging.bundle import Bundle
from trainer import cli
from trainer.audit import material

README = Path(__file__).resolve().parents[2] / "README.md"


def printed(folder: Path) -> list[list[str]]:
    """The commands of the section, with the names in capitals as places under ``folder``."""
    section = README.read_text().split("### Train on your own images")[1].split("\n## ")[0]
    blocks = "\n".join(re.findall(r"```\n(.*?)```", section, re.DOTALL))
    lines = [line.split("#")[0] for line in blocks.splitlines() if line.startswith("trainer ")]
    words = [line.replace("audit.html", "AUDIT").split()[1:] for line in lines]
    place = re.compile(r"(IMAGES|RUN|KEYS|BUNDLE|AUDIT)(/.*)?")
    return [[str(folder / word) if place.fullmatch(word) else word for word in each] for each in words]


def test_the_readmes_lines_lead_from_a_folder_per_class_to_a_signed_card_with_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(material, "Size", lambda: TINY)
    rng = np.random.default_rng(8)
    for number in range(60):
        folder = tmp_path / "IMAGES" / ("chest", "head")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{number}.png"), phantom(rng, number))
    split, fit, audit, export = printed(tmp_path)
    assert [each[0] for each in (split, fit, audit, export)] == ["split", "fit", "audit", "export"]
    assert cli.main(split) == 0
    assert cli.main([*fit, "--views", "1", "--steps", "4"]) == 0  # the images show nothing; be quick
    assert cli.main(audit) == 0
    assert cli.main(export) == 0
    told = capsys.readouterr()
    assert "this is read number 1 of this split" in told.out
    assert "trainer export:" not in told.err, "nothing is left to do"
    assert (tmp_path / "AUDIT").is_file()
    Bundle.load(tmp_path / "BUNDLE", tmp_path / "KEYS" / "root.json")
    card = (tmp_path / "BUNDLE" / "targets" / "MODEL_CARD.md").read_text()
    assert "no claim was contradicted" in card
    assert "| accuracy | " in card
    assert "Not " not in card.split("## Figures")[1].split("\n")[2]
