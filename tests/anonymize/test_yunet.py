"""YuNet from a file of the operator's, through OpenCV's own FaceDetectorYN.

No weights of YuNet are here. A network of its signature takes their place: it finds, in cells of 32 pixels,
red over gray, and that upright alone. What OpenCV does with the real file is not shown by it.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.anonymize import self_test
from edge.anonymize.detectors import load_detectors
from edge.anonymize.faces.turned import ROTATIONS
from edge.anonymize.faces.yunet import YuNetDetector
from edge.anonymize.models import DetectorUnavailable, Weights
from edge.settings import Anonymize, SettingsError, parse

OUTPUTS = (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
CELL = 32


def network(named=lambda name: name, value=1.0) -> bytes:
    """An ONNX file with the input and the twelve outputs of YuNet (2023mar), 640x640 like it.

    ``named``: renames an output; ``value``: what the box's size is made of.
    """
    nodes, constants = [], []

    def constant(name, values):
        constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    for stride in (8, 16, 32):
        for what, channels in OUTPUTS:
            weights = np.zeros((channels, 3, stride, stride), np.float32)
            bias = np.zeros(channels, np.float32)
            if stride == CELL and channels == 1:
                # BGR: red less green, above minus below; 1 where red lies over gray.
                above = np.repeat([1.0, -1.0], CELL // 2)[:, None] / (120 * CELL * CELL / 2)
                weights[0, 2], weights[0, 1] = above, -above
            if what == "bbox":
                bias[:2] = 0.5  # the middle of the cell; its size is exp(0) cells
                bias[2:] = np.log(value)
            raw = f"{what}{stride}"
            arguments = ["input", constant(f"w{raw}", weights), constant(f"b{raw}", bias)]
            nodes += [
                helper.make_node("Conv", arguments, [f"maps{raw}"], strides=[stride, stride]),
                helper.make_node("Transpose", [f"maps{raw}"], [f"last{raw}"], perm=[0, 2, 3, 1]),
                helper.make_node(
                    "Reshape",
                    [f"last{raw}", constant(f"s{raw}", np.array([1, -1, channels], np.int64))],
                    [named(f"{what}_{stride}")],
                ),
            ]
    shape = helper.make_tensor_value_info
    outputs = [
        shape(named(f"{what}_{stride}"), TensorProto.FLOAT, [1, (640 // stride) ** 2, channels])
        for what, channels in OUTPUTS
        for stride in (8, 16, 32)
    ]
    graph = helper.make_graph(
        nodes, "yunet", [shape("input", TensorProto.FLOAT, [1, 3, 640, 640])], outputs, constants
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def weights(data):
    return Weights("yunet", hashlib.sha256(data).digest(), data)


@pytest.fixture(scope="module")
def yunet():
    return YuNetDetector(weights(network()))


def scene(turns=0):
    """A picture with red over gray at (left 96, top 64, right 128, bottom 96), turned about itself."""
    picture = np.full((192, 320, 3), 60, np.uint8)
    mark = np.full((CELL, CELL, 3), 60, np.uint8)
    mark[: CELL // 2] = (220, 60, 60)
    picture[64:96, 96:128] = np.rot90(mark, turns)
    return picture


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("enlarged", [1, 2])
def test_a_find_lies_where_it_is_whatever_way_up_and_at_any_size(yunet, turns, enlarged):
    picture = scene(turns).repeat(enlarged, axis=0).repeat(enlarged, axis=1)
    (box,) = yunet.find(picture, 320)
    expected = np.array([96, 64, 128, 96]) * enlarged
    assert np.allclose([box.left, box.top, box.right, box.bottom], expected, atol=1)
    assert box.score > 0.9


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_control_without_turned_copies_it_is_missed(turns):
    upright = YuNetDetector(weights(network()), rotations=ROTATIONS[:1])
    assert len(upright.find(scene(), 320)) == 1
    assert upright.find(scene(turns), 320) == []


def test_an_empty_and_a_gray_picture_hold_nothing(yunet):
    assert yunet.find(np.full((200, 300, 3), 90, np.uint8), 320) == []
    assert yunet.find(np.full((200, 300), 90, np.uint8), 320) == []


def test_it_is_the_second_detector_if_the_settings_say_so(tmp_path):
    path = tmp_path / "yunet.onnx"
    path.write_bytes(network())
    digest = hashlib.sha256(path.read_bytes())
    found = load_detectors(
        Anonymize(second_detector="yunet", yunet_model=path, yunet_sha256=digest.hexdigest())
    )
    assert found.problems == ()
    assert found.second.name == "yunet"
    assert found.second.sha256 == digest.digest()
    assert found.second in found.thorough
    # It knows no faces, and so the self-test of whatever needs the second look holds everything back.
    assert self_test.run(found, 320, second=True) == "self_test_failed"
    assert self_test.run(found, 320) is None


def test_a_file_of_another_digest_lets_nothing_out_and_says_what_to_do(tmp_path):
    path = tmp_path / "yunet.onnx"
    path.write_bytes(network())
    found = load_detectors(Anonymize(second_detector="yunet", yunet_model=path, yunet_sha256="0" * 64))
    (problem,) = found.problems
    assert "unknown SHA-256" in problem
    assert "anonymize.yunet_sha256" in problem
    with pytest.raises(DetectorUnavailable):
        found.second.find(scene(), 320)


@pytest.mark.parametrize(
    "data",
    [b"", b"no network", network()[:900], network(lambda name: name.replace("cls_8", "other"))],
    ids=["empty", "words", "cut off", "without an output"],
)
def test_what_opencv_cannot_run_as_yunet_is_refused_with_words(data):
    with pytest.raises(DetectorUnavailable, match=r"face_detection_yunet_2023mar\.onnx"):
        YuNetDetector(weights(data))


def test_values_that_are_not_finite_are_no_look():
    with pytest.raises(DetectorUnavailable, match="not finite"):
        YuNetDetector(weights(network(value=np.inf))).find(scene(), 320)


@pytest.mark.parametrize("missing", ["yunet_model", "yunet_sha256"])
def test_settings_without_file_or_digest_are_refused(missing):
    keys = {"yunet_model": "/x.onnx", "yunet_sha256": "a" * 64}
    del keys[missing]
    text = "[anonymize]\nsecond_detector = 'yunet'\n" + "".join(f"{k} = '{v}'\n" for k, v in keys.items())
    with pytest.raises(SettingsError, match="sha256sum FILE prints it"):
        parse(text)
    with pytest.raises(SettingsError, match=r"yunet_sha256: expected text that should match"):
        parse("[anonymize]\nyunet_sha256 = 'abc'\n")


def test_the_same_picture_from_two_threads_is_looked_at_in_turn(yunet):
    """Pictures of two sizes at once: the network's size is set for each look."""
    from concurrent.futures import ThreadPoolExecutor

    pictures = [scene(), np.ascontiguousarray(scene()[:96])] * 20
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda picture: yunet.find(picture, 320), pictures))
    assert {len(boxes) for boxes in found} == {1}


def test_control_the_digest_is_of_the_bytes_that_run(tmp_path):
    data = network()
    path = tmp_path / "yunet.onnx"
    path.write_bytes(data)
    settings = Anonymize(
        second_detector="yunet", yunet_model=path, yunet_sha256=hashlib.sha256(data).hexdigest()
    )
    assert load_detectors(settings).problems == ()
    path.write_bytes(data + b"\0")
    assert len(load_detectors(settings).problems) == 1
    assert replace(load_detectors(Anonymize()), problems=()).second.name == "centerface"
