"""Bad images, honest maps, strangers: what is done to pixels."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from edge.classify.decide import decide
from edge.classify.onnx_cpu import OnnxCpuClassifier
from edge.imaging.bundle import Bundle, ClassInfo, IntendedUse
from edge.imaging.frames import Acquisition
from trainer.data.dataset import Record
from trainer.data.uses import KNOWN
from trainer.evaluation import faithfulness, other_images, others, robustness
from trainer.evaluation.errors import EvaluationError
from trainer.evaluation.judge import scored
from trainer.evaluation.other_images import Other
from trainer.evaluation.other_pictures import DRAWN

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "imaging"))
import make_dicom

ROOT = Path(__file__).resolve().parents[2]


def picture(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    small = rng.integers(40, 220, (14, 14)).astype(np.uint8)
    return np.asarray(cv2.resize(small, (224, 224), interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.mark.parametrize("name", list(robustness.CHANGES))
def test_a_change_repeats_and_changes(name: str) -> None:
    images = np.stack([picture(0), picture(1)])
    before = images.copy()
    first, second = robustness.degraded(images, name), robustness.degraded(images, name)
    assert (first == second).all()
    assert (images == before).all()
    assert first.shape == images.shape
    assert first.dtype == np.uint8
    assert (first != images).mean() > 0.05


def test_less_light_is_noisier_by_the_law_of_photons() -> None:
    gray = np.full((224, 224), 186, np.uint8)  # half of the light
    rng = np.random.default_rng(0)
    many, few = (robustness.low_light(gray, rng, photons) for photons in (2000, 200))
    assert abs(float(many.mean()) - 186) < 2
    # Ten times fewer photons: the noise grows by a little more than the root of ten, for read noise adds.
    assert 3 < few.std() / many.std() < 4.5


class Scene:
    """A model that sees one corner: its certainty is that corner's share of brightness."""

    def __init__(self) -> None:
        self.images = np.full((6, 224, 224), 20, np.uint8)
        self.images[:, :64, :64] = 250
        rules: Any = SimpleNamespace(
            classes=(ClassInfo(name="a", group="g"), ClassInfo(name="b", group="g")),
            min_probability={"g": 0.5},
        )
        records = [Record(Path(f"{i}"), "ab"[i % 2], "MRI", "val", f"g{i}", "", "") for i in range(6)]
        self.them = scored(self.predict(self.images, list(range(6))), records, rules)

    @staticmethod
    def predict(images: np.ndarray, _: list[int]) -> np.ndarray:
        corner = images[:, :64, :64].mean((1, 2)) / 255
        return np.stack([corner, 1 - corner], 1)

    def gains(self, row: int, column: int) -> tuple[dict[str, Any], dict[str, Any]]:
        y, x = np.mgrid[0:7, 0:7]
        cams = np.zeros((6, 2, 7, 7), np.float32)
        cams[:, 0] = -np.hypot(y - row, x - column)  # no two far cells are alike by accident of order
        rows = np.arange(6)
        found = faithfulness.faithfulness(self.them, rows, self.images, cams, self.predict)
        return found["deletion"], found["insertion"]


def test_a_true_map_beats_chance_and_a_false_one_does_not() -> None:
    scene = Scene()
    for part in scene.gains(0, 0):
        assert part["better_than_random"]
        assert part["gain"] > 0.02
    for part in scene.gains(6, 6):
        assert not part["better_than_random"]
        assert part["gain"] < 0
    deletion, insertion = scene.gains(0, 0)
    assert deletion["curve"][0] == insertion["curve"][-1]  # nothing removed is all shown


def test_the_sample_holds_every_class_and_spreads_over_patients() -> None:
    rules: Any = SimpleNamespace(
        classes=(ClassInfo(name="a", group="g"), ClassInfo(name="b", group="g")), min_probability={"g": 0.5}
    )
    records = [
        Record(Path(f"{i}"), "a" if i < 90 else "b", "MRI", "val", f"g{i // 3}", "", "") for i in range(99)
    ]
    them = scored(np.full((99, 2), 0.5), records, rules)
    rows = faithfulness.choose(them, np.random.default_rng(0), 20)
    assert (them.labels[rows] == 1).sum() == 9
    assert len({records[row].group for row in rows if records[row].label == "a"}) == 10


def test_drawn_strangers_repeat_and_differ() -> None:
    first, second = other_images.drawn(True, 2), other_images.drawn(True, 2)
    assert [each.kind for each in first] == [each.kind for each in second]
    assert all((a.image == b.image).all() for a, b in zip(first, second, strict=True))
    assert {each.kind for each in first} == set(DRAWN)
    for one, two in zip(first[::2], first[1::2], strict=True):
        assert one.image.shape == (224, 224)
        assert (one.image != two.image).any()


USES = [KNOWN["MRI"], KNOWN["XR"]]


def like_a_brain(images: np.ndarray) -> list[str]:
    return ["mri_brain"] * len(images)


def test_an_easy_offer_is_no_success_where_each_image_counts_once() -> None:
    """Four scans that get a label as what they look like, and none as anything else; drawn ones get none."""
    light, dark = np.full((224, 224), 255, np.uint8), np.zeros((224, 224), np.uint8)
    shown = [Other("scan", light, family="scans")] * 4 + [Other("flat", dark, family="drawn")] * 6
    shown += [Other("MRI offered as another kind", light, ("xr_chest",), family="misplaced")]

    def abstains(images: np.ndarray, group: str) -> np.ndarray:
        return (images.mean((1, 2)) < 100) | (group == "xr_chest")

    out = others.judge(shown, USES, abstains, like_a_brain)
    assert (out["abstained_count"], out["abstained_trials"]) == (4 + 12 + 1, 8 + 12 + 1)
    # The last one looks like what it is, which it was not offered as.
    assert (out["most_alike_count"], out["most_alike_trials"]) == (6, 10)
    families = out["per_family"]
    assert set(families) == {"scans", "drawn", "misplaced"}
    assert (families["scans"]["abstained"], families["scans"]["most_alike"]) == (0.5, 0)
    assert families["drawn"]["most_alike"] == 1
    assert "most_alike" not in families["misplaced"]
    assert others.judge([], USES, abstains, like_a_brain) == {"images": 0}


def test_strangers_are_judged_by_header_then_by_pixels() -> None:
    dark, light = np.zeros((224, 224), np.uint8), np.full((224, 224), 255, np.uint8)
    shown = [
        Other("dark", dark),
        Other("light", light, ("xr_chest",)),
        Other("head CT", light, (), Acquisition(modality="CT", body_part="HEAD")),
        Other("lateral", light, (), Acquisition(modality="CR", body_part="CHEST", view="LL")),
        Other("disguised", light, (), Acquisition(modality="CR", body_part="CHEST")),
    ]
    out = others.judge(shown, USES, lambda images, group: images.mean((1, 2)) < 100, like_a_brain)
    assert out["abstained_trials"] == 2 + 1 + 2 + 2 + 2
    assert out["per_kind"]["dark"]["abstained"] == 1
    assert out["per_kind"]["light"]["abstained_trials"] == 1
    assert out["with_header"]["refused_by_header"] == pytest.approx(2 / 3, abs=1e-4)
    assert out["with_header"]["abstained"] == pytest.approx(2 / 3, abs=1e-4)  # the disguised one got through
    assert out["with_header"]["abstained_without_header"] == 0
    assert out["mean_of_kinds"] == pytest.approx(1 / 5)
    assert out["weakest_kinds"] == ["disguised", "head CT", "lateral"]
    assert (out["abstained_count"], out["per_kind"]["dark"]["abstained_count"]) == (2, 2)


def test_valid_images_that_are_held_back_are_counted() -> None:
    images = np.stack([np.full((224, 224), level, np.uint8) for level in (10, 200, 200, 200)])
    out = others.valid(
        images, ["a", "a", "b", "b"], ["p", "q", "r", "s"], lambda some, group: some.mean((1, 2)) < 100
    )
    assert out["abstained"] == 0.25
    assert out["per_group"]["a"]["abstained"] == 0.5
    assert out["per_group"]["b"]["abstained_interval"][1] > 0.5  # none of two is no proof


def test_a_users_own_strangers(tmp_path: Path) -> None:
    (tmp_path / "knees").mkdir()
    cv2.imwrite(str(tmp_path / "knees" / "k.png"), picture())
    cv2.imwrite(str(tmp_path / "loose.png"), picture(1))
    (tmp_path / "notes.txt").write_text("no image")
    assert [each.kind for each in other_images.own(tmp_path)] == ["own: knees", f"own: {tmp_path.name}"]
    index = tmp_path / "i.csv"
    index.write_text("file,kind\nknees/k.png,knee\nloose.png,\n")
    assert [each.kind for each in other_images.own(index)] == ["own: knee", "own: i"]
    index.write_text("name\nx\n")
    with pytest.raises(EvaluationError, match="column file"):
        other_images.own(index)
    (tmp_path / "empty").mkdir()
    with pytest.raises(EvaluationError, match="no image"):
        other_images.own(tmp_path / "empty")


def test_a_strangers_dicom_object_that_may_name_somebody_is_refused(tmp_path: Path) -> None:
    named = make_dicom.dataset(picture(), PatientName="PLANTED^NAME")
    (tmp_path / "a.dcm").write_bytes(make_dicom.encode(named))
    with pytest.raises(EvaluationError, match=r"1 DICOM objects refused.*0012,0062.*anonymize") as caught:
        other_images.own(tmp_path)
    assert "PLANTED" not in str(caught.value)
    # The folder of EDGE_DATA is no excuse: its objects are known by their content.
    (tmp_path / "dicom" / "files").mkdir(parents=True)
    (tmp_path / "a.dcm").rename(tmp_path / "dicom" / "files" / "deid_MR.dcm")
    with pytest.raises(EvaluationError, match="refused"):
        other_images.data_folder(tmp_path, held=True)
    clean = make_dicom.dataset(picture(), PatientIdentityRemoved="YES", BodyPartExamined="KNEE")
    (tmp_path / "dicom" / "files" / "deid_MR.dcm").write_bytes(make_dicom.encode(clean))
    for found in (other_images.data_folder(tmp_path, held=True), other_images.own(tmp_path)):
        assert [each.acquisition.body_part for each in found if each.acquisition] == ["KNEE"]


def test_strangers_are_decoded_as_the_box_decodes_them(tmp_path: Path) -> None:
    twelve = np.linspace(0, 4095, 224 * 224).astype(np.uint16).reshape(224, 224)
    cv2.imwrite(str(tmp_path / "a.png"), twelve)
    (found,) = other_images.own(tmp_path)
    assert np.array_equal(found.image, (twelve >> 4).astype(np.uint8))


def test_valid_images_in_the_wrong_place() -> None:
    records = [Record(Path(f"{i}"), "a", ("MRI", "XR")[i % 2], "val", f"g{i}", "", "") for i in range(6)]
    images = np.stack([picture(i) for i in range(6)])
    found = other_images.misplaced(records, images, [("mri", "xr")[i % 2] for i in range(6)], each=2)
    offered = {each.kind: each.groups for each in found}
    assert offered["MRI offered as another kind"] == ("xr",)
    assert offered["XR turned by 180 degrees"] == ("xr",)
    turned = [each.image for each in found if each.kind == "MRI turned by 180 degrees"]
    assert all(any((one[::-1, ::-1] == image).all() for image in images) for one in turned)


def test_the_head_ct_and_all_other_headers_of_the_data_are_refused(edge_data: Path) -> None:
    files = edge_data / "dicom" / "files"
    found = other_images.dicom_folder(files, held=True) + other_images.dicom_folder(files, held=False)
    held = [each for each in found if each.acquisition is not None]
    assert len(held) >= 13
    assert any(each.acquisition and each.acquisition.body_part == "HEAD" for each in held)
    uses: list[IntendedUse] = list(KNOWN.values())
    out = others.judge(held, uses, lambda images, group: np.zeros(len(images), bool), like_a_brain)
    assert out["with_header"]["refused_by_header"] == 1
    assert out["abstained"] == 0
    assert {each.kind: each.family for each in found} == {
        "chest from the side, real": "scans",
        "scan of another kind, real": "scans",
        "test object in DICOM": "photographs",
    }
    # Both that say they are CTs of a head are judged.
    judged = other_images.dicom_folder(files, held=True)
    parts = [each.acquisition.body_part for each in judged if each.acquisition]
    assert parts.count("HEAD") == 2
    chosen = [each.acquisition for each in other_images.dicom_folder(files, held=False)]
    assert all(each is None or each.body_part != "HEAD" for each in chosen)


def test_the_shipped_model_has_no_label_for_the_head_ct(edge_data: Path) -> None:
    """By its pixels alone, whatever it is offered as, on the box's own classifier."""
    bundle = Bundle.load(ROOT / "firmware_config" / "model", ROOT / "firmware_config" / "model-root.json")
    box = OnnxCpuClassifier(bundle)
    for name in sorted(other_images.HEAD_CT):
        (found,) = other_images._of_file(edge_data / "dicom" / "files" / name, "head CT")
        raw = box.run(bundle.preprocessing.to_network_input(found.image))
        for group in bundle.likeness:
            decision = decide(raw.logits[0], raw.features[0], raw.cam[0], group, bundle)
            assert decision.abstained == "not_intended_use", (name, group)
