"""The commands that a user types, on the shipped model and procedural images; and the page."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.classify.decide import decide
from edge.classify.onnx_cpu import OnnxCpuClassifier
from edge.imaging.bundle import Bundle
from trainer import cli
from trainer.data import dataset
from trainer.evaluation import evaluate, page, precision
from trainer.evaluation.others import unlike
from trainer.evaluation.runner import Runner, own_probabilities
from trainer.release import card_figures

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "firmware_config" / "model"
TRUSTED = ROOT / "firmware_config" / "model-root.json"


def command(*words: object) -> int:
    return cli.main([str(word) for word in words])


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    return Bundle.load(MODEL, TRUSTED)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory, shipped: Bundle) -> Path:
    """An index with every class of the shipped model in two splits, and one class that it lacks."""
    folder = tmp_path_factory.mktemp("index")
    rng = np.random.default_rng(0)
    names = [each.name for each in shipped.classes] + ["mri_new"]
    rows = []
    for number in range(4 * len(names)):
        label = names[number % len(names)]
        small = rng.integers(0, 255, (12, 12)).astype(np.uint8) // (1 + number % 3)
        cv2.imwrite(
            str(folder / f"{number}.png"), cv2.resize(small, (224, 224), interpolation=cv2.INTER_CUBIC)
        )
        rows.append(
            {
                "file": f"{number}.png",
                "task_label": label,
                "modality": "MRI" if label.startswith("mri") else "XR",
                "group_id": f"g{number}",
                "split": ("train", "val")[(number // len(names)) % 2],
                "source": ("kermany", "nih-cxr14")[number % 2],
                "age": str(number),
                "sex": "FM"[number % 2],
            }
        )
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder / "index.csv"


class Checker(HTMLParser):
    """Finds whatever could act or fetch, and tags that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: list[str] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "iframe", "object", "link", "form"}:
            self.bad.append(tag)
        for name, value in attrs:
            if name.startswith("on") or (name in {"src", "href"} and not (value or "").startswith("data:")):
                self.bad.append(f"{name}={value}")
            if tag == "img" and name == "alt" and not value:
                self.bad.append("img without words")
        if tag not in {"meta", "img", "circle"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"meta", "img", "circle"} and self.open.pop() != tag:
            self.bad.append(f"unbalanced {tag}")

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def judged(table: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, str, Path]:
    out = tmp_path_factory.mktemp("out")
    words = ["evaluate", "--bundle", MODEL, "--root", TRUSTED, "--data", table, "--split", "val"]
    more = ["--json", out / "e.json", "--html", out / "e.html", "--skip", "faithfulness"]
    assert command(*words, *more) == 0
    return json.loads((out / "e.json").read_text()), (out / "e.html").read_text(), out


def test_the_json_has_what_others_read(judged: tuple[dict, str, Path]) -> None:
    result, _, _ = judged
    assert result["images"] == 14
    assert result["left_out"] == 2
    assert result["left_out_classes"] == ["mri_new"]
    assert result["split_reads"] == 1
    assert not result["published_sets_only"]
    for part, key in (
        (result, "accuracy"), (result, "mean_within_modality_balanced_accuracy"), (result, "macro_f1"),
        (result, "accuracy_modality_unknown"), (result["per_modality"]["MRI"], "balanced_accuracy"),
        (result["per_modality"]["XR"], "balanced_accuracy"), (result["shortcut"]["MRI"], "margin"),
    ):  # fmt: skip
        low, high = part[f"{key}_interval"]
        assert low <= part[key] <= high
    assert set(result["within_source"]) <= {"kermany", "nih-cxr14"}
    assert result["subgroups"]["age"]["unknown"] == 0
    assert result["precision"]["label_changes_at_margin"] == 0
    assert len(result["degraded"]) == 12
    shown = result["as_shown"]
    assert shown["right"] + shown["wrong"] + shown["no_label"] == pytest.approx(1, abs=1e-3)
    assert shown["no_label"] == result["abstained"]
    assert result["privacy_mode"] == "release"
    assert "faithfulness" not in result
    assert result["per_modality"]["MRI"]["evidence"] == "few groups, no evidence"


def test_the_page_is_plain_safe_and_says_what_matters(judged: tuple[dict, str, Path]) -> None:
    result, text, _ = judged
    checker = Checker()
    checker.feed(text)
    assert not checker.bad
    assert not checker.open
    assert "default-src 'none'" in text
    assert "http" not in checker.text
    said = " ".join(checker.text.split())
    part = result["per_modality"]["MRI"]["per_class"]["mri_glioma"]
    low, high = part["sensitivity_interval"]
    found = f"{100 * part['sensitivity']:.0f} ({100 * low:.0f} to {100 * high:.0f})"
    assert f"Forced to answer each time, it would find {found}." in said
    right = round(100 * part["sensitivity_as_shown"])
    assert f"Of 100 brain MRI images with a glioma the device gives the right label for {right} (" in said
    assert "at most 7.4 times as likely as without it" in said
    assert "hardly" not in said
    assert "A research run" not in said
    assert "Research use, not for diagnosis." in said
    assert "epsilon 2.00" in said
    assert "they are no evidence" in said
    assert said.index("In plain words") < said.index("What it cannot do") < said.index("Main figures")
    # Pictures are plots alone: nothing but vector graphics is in the page.
    assert set(re.findall(r'src="data:([^;]+)', text)) == {"image/svg+xml"}


def test_what_is_written_is_for_its_owner_alone(judged: tuple[dict, str, Path]) -> None:
    for name in ("e.json", "e.html"):
        assert (judged[2] / name).stat().st_mode & 0o777 == 0o600


def test_turned_images_are_shown_wherever_others_are(judged: tuple[dict, str, Path]) -> None:
    part = {"images": 8, "abstained": 0.25, "abstained_interval": [0.03, 0.65]}
    part |= {"abstained_trials": 8, "abstained_count": 2}
    kind = "MRI turned by 90 degrees"
    whole = {**part, "per_kind": {kind: part}, "weakest_kinds": [kind], "mean_of_kinds": 0.25}
    whole["per_family"] = {}
    others = {"standard": whole, "turned": whole, "valid": {**part, "per_group": {"mri_brain": part}}}
    others |= {"held_out_from_threshold": True}
    result = {**judged[0], "others": others}
    line = next(line for line in evaluate.table(result).splitlines() if line.startswith("right kind"))
    assert "0.250  (0.030 to 0.650)" in line
    text = page.page(result)
    assert "MRI turned by 90 degrees" in text
    assert "on their side or upside down, it withholds a label for 25 (3 to 65) of 100" in text
    card = "\n".join(card_figures.figure_lines(result))
    assert "turned by 90 or 180 degrees, that got no label | 0.250 (0.030 to 0.650) |" in card


def test_pooled_shares_hide_no_kind(judged: tuple[dict, str, Path]) -> None:
    few = {"abstained": 0.1, "abstained_interval": [0.02, 0.3], "abstained_trials": 24, "abstained_count": 2}
    most = {**few, "abstained": 0.98, "abstained_interval": [0.9, 1.0], "abstained_count": 23}
    standard = {**most, "images": 48, "mean_of_kinds": 0.5, "weakest_kinds": ["limb"]}
    standard["per_kind"] = {"limb": few, "noise": most}
    standard["per_family"] = {"drawn": most}
    valid = {**few, "images": 14, "per_group": {"mri_brain": {**few, "images": 6, "abstained": 0.17}}}
    turned = {**most, "images": 2, "per_kind": {}}
    others = {"standard": standard, "turned": turned, "valid": valid, "held_out_from_threshold": False}
    result = {**judged[0], "others": others}
    own = result["per_modality"]["MRI"]
    low, high = own["abstained_interval"]
    share = f"{own['abstained']:.3f}  ({low:.3f} to {high:.3f})"
    lines = evaluate.table(result).splitlines()
    assert any(line.startswith("  of MRI") and share in line for line in lines)
    assert any(line.startswith("  of mri_brain") and "0.170" in line for line in lines)
    assert any(line.startswith("  weak: limb") and line.endswith("2 of 24") for line in lines)
    assert any(line.startswith("  mean over kinds of image") and "0.500" in line for line in lines)
    text = page.page(result)
    said = "limb, no label for 2 of 24. The threshold for that was chosen on these very images"
    assert said in text
    assert "counted alike, for 50" in text
    assert "Brain MRI: no label" in text
    assert "valid images, Brain MRI" in text
    card = "\n".join(card_figures.figure_lines(result))
    assert f"| MRI: abstained | {share.replace('  ', ' ')} |" in card
    assert "| the same, a weak kind: limb | 0.100 (0.020 to 0.300), 2 of 24 |" in card
    assert "| the same, mean over their kinds | 0.500 |" in card
    assert "chosen on these very images | yes" in card


def test_real_scans_are_told_apart_from_what_was_drawn(judged: tuple[dict, str, Path]) -> None:
    def shares(hits: int, trials: int, hardest: int, images: int) -> dict:
        share = {"images": images}
        for key, count, of in (("abstained", hits, trials), ("most_alike", hardest, images)):
            share |= {f"{key}_count": count, f"{key}_trials": of, key: round(count / of, 4)}
            share[f"{key}_interval"] = [0.1, 0.9]
        return share

    families = {"scans": shares(11, 14, 4, 7), "drawn": shares(500, 528, 240, 264)}
    standard = {**shares(511, 542, 244, 271), "mean_of_kinds": 0.9, "weakest_kinds": [], "per_kind": {}}
    standard |= {"per_family": families, "with_header": {"images": 10}}
    for key in ("refused_by_header", "abstained"):
        standard["with_header"] |= {f"{key}_count": 10, f"{key}_trials": 10, key: 1.0}
        standard["with_header"][f"{key}_interval"] = [0.69, 1.0]
    turned = {"images": 0}
    valid = {"abstained": 0.1, "abstained_interval": [0.02, 0.3], "images": 14, "per_group": {}}
    others = {"standard": standard, "turned": turned, "valid": valid, "held_out_from_threshold": True}
    result = {**judged[0], "others": others}
    truth = (
        "The drawn pictures were never seen when the threshold for that was chosen, though others of "
        "their kinds were; the files, photographs and scans, all were."
    )
    card = "\n".join(card_figures.figure_lines(result))
    assert (
        "| the same, real scans and radiographs of other kinds | 0.786 (0.100 to 0.900), 11 of 14 |" in card
    )
    assert "other kinds, each as what it looks most like | 0.571 (0.100 to 0.900), 4 of 7 |" in card
    assert (
        "| the same, each image once, as what it looks most like | 0.900 (0.100 to 0.900), 244 of 271 |"
        in card
    )
    assert "| the same, drawn pictures | 0.947 (0.100 to 0.900), 500 of 528 |" in card
    assert "no label, header then pixels | 1.000 (0.690 to 1.000), 10 of 10 |" in card
    assert truth in card
    text = page.page(result)
    assert "no label for 4 of 7 real scans and radiographs of other kinds; 240 of 264 drawn pictures." in text
    assert truth in text
    said = re.sub("<[^>]+>", "|", text)
    assert re.search(r"DICOM files, header then pixels\|+10 of 10\|", said)
    lines = evaluate.table(result).splitlines()
    assert any("real scans and radiographs" in line and line.endswith("4 of 7") for line in lines)
    # Figures of an older trainer are shown as they are.
    del standard["per_family"]
    assert "header then pixels" not in "\n".join(card_figures.figure_lines(result))


def test_other_images_are_offered_and_thresholds_told(table: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    cv2.imwrite(str(own / "a.png"), np.random.default_rng(1).integers(0, 255, (300, 300)).astype(np.uint8))
    words = ["evaluate", "--bundle", MODEL, "--root", TRUSTED, "--data", table, "--split", "val"]
    more = ["--others", own, "--json", tmp_path / "e.json", "--html", tmp_path / "e.html"]
    assert command(*words, *more, "--skip", "shortcut,degraded,faithfulness,precision") == 0
    found = json.loads((tmp_path / "e.json").read_text())["others"]
    assert found["own"]["images"] == 1
    assert not found["held_out_from_threshold"]
    assert found["standard"]["images"] > 50
    least = [each["least"] for each in found["least_likeness"]]
    assert least == sorted(least)
    # The higher, the more is held back.
    for kind in ("valid", "others"):
        shares = [each[kind] for each in found["least_likeness"]]
        assert shares == sorted(shares)
        assert shares[-1] > 0
    assert "other thresholds of likeness would hold back" in (tmp_path / "e.html").read_text()


def test_a_label_with_markup_stays_text(
    judged: tuple[dict, str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    result, _, _ = judged
    monkeypatch.setattr("trainer.evaluation.plots.svg", lambda figure: "<svg/>")
    text = page.page(json.loads(json.dumps(result).replace("mri_glioma", "<script>alert(1)</script>")))
    checker = Checker()
    checker.feed(text)
    assert not checker.bad
    assert "<script>alert(1)</script>" in checker.text


def test_each_read_is_counted_and_printed(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    skip = ["--skip", "shortcut,degraded,faithfulness,precision"]
    words = ["evaluate", "--bundle", MODEL, "--data", table, "--split", "val", *skip]
    assert command(*words) == 0
    assert "read number 1 of this split" in capsys.readouterr().out
    # A part of the split is a read of the split.
    assert command(*words, "--only", "kermany") == 0
    said = capsys.readouterr().out
    assert "read number 2 of this split" in said
    assert max(map(len, said.splitlines())) < 110


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--split", "nowhere"], "nowhere"),
        (["--skip", "everything"], "shortcut"),
        (["--others", "/does/not/exist"], "exist"),
        (["--folds", "50", "--public", "drawn"], "fewer folds"),
        (["--folds", "2"], "--public"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    table: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    quick = ["--skip", "shortcut,degraded,faithfulness,precision"]
    code = command("evaluate", "--bundle", MODEL, "--data", table, "--split", "val", *quick, *words)
    lines = capsys.readouterr().err.splitlines()
    assert code == 2
    assert lines[-1].startswith("trainer: ")
    assert said in lines[-1]


def test_folds_that_cannot_be_made_cost_no_reading(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(table.parent, tmp_path / "data")
    index = tmp_path / "data" / table.name
    with index.open(newline="") as file:
        gone = next(row["file"] for row in csv.DictReader(file) if row["split"] == "train")
    (index.parent / gone).unlink()
    skip = ["--skip", "shortcut,degraded,faithfulness,precision,without_copies"]
    words = ["evaluate", "--bundle", MODEL, "--data", index, "--split", "val", *skip]
    words += ["--ledger", tmp_path / "ledgers"]
    assert command(*words, "--folds", "2", "--public", "drawn") == 2
    assert "which folds train on, are not here" in capsys.readouterr().err
    assert command(*words) == 0
    assert "read number 1 of this split" in capsys.readouterr().out


def test_the_boxs_classifier_says_what_was_judged(shipped: Bundle, edge_data: Path) -> None:
    """EDGE_PRECISION_SPLIT names the split to take whole; by default it is a twentieth of val."""
    split = os.environ.get("EDGE_PRECISION_SPLIT", "val")
    group = {each.name: each.group for each in shipped.classes}
    there = [r for r in dataset.read(edge_data / "index.csv") if r.split == split and r.label in group]
    there = there if "EDGE_PRECISION_SPLIT" in os.environ else there[::20]
    images = dataset.load_all(there)
    groups = [group[record.label] for record in there]
    judged = own_probabilities(shipped, Runner.of(shipped).run(images)["logits"], groups)
    halved = own_probabilities(shipped, Runner.of(shipped, "fp16").run(images)["logits"], groups)
    box = OnnxCpuClassifier(shipped)
    on_box = np.zeros_like(judged)
    names = [each.name for each in shipped.classes]
    for row, image in enumerate(images):
        raw = box.run(shipped.preprocessing.to_network_input(image))
        decision = decide(raw.logits[0], raw.features[0], raw.cam[0], groups[row], shipped)
        for name, value in decision.probabilities.items():
            on_box[row, names.index(name)] = value
        sure = judged[row].max() >= shipped.min_probability[groups[row]]
        strange = bool(unlike(shipped, raw.features, [groups[row]])[0])
        assert (decision.label is not None) == (sure and not strange)
    same, half = precision.compare(judged, on_box), precision.compare(judged, halved)
    assert same["label_changes"] == 0
    assert same["largest_difference"] < 1e-6
    assert half["label_changes_at_margin"] == 0
    assert half["largest_difference"] < 0.01
    print(
        f"{split}, {len(there)} images: box {same['largest_difference']}, FP16 {half['largest_difference']}"
    )


def test_others_without_a_folder_means_the_standard_set(tmp_path: Path) -> None:
    from trainer.cli import build_parser
    from trainer.evaluation.cli import _strangers

    words = ["evaluate", "--data", str(tmp_path), "--bundle", str(tmp_path), "--others"]
    assert _strangers(build_parser().parse_args(words)).own is None
    assert _strangers(build_parser().parse_args([*words, str(tmp_path)])).own == tmp_path
    assert _strangers(build_parser().parse_args(words[:-1])) is None
