"""The CPU classifier on the shipped bundle, the golden check, and the way from frame to finding."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from edge.classify.classifier import ModelError, load_classifier
from edge.classify.finding import FindingMaker
from edge.classify.golden import check_golden
from edge.classify.onnx_cpu import OnnxCpuClassifier
from edge.imaging.bundle import Bundle, Golden
from edge.imaging.frames import CleanFrame
from edge.imaging.preprocess import Preprocessing
from edge.settings import Model


@pytest.fixture(scope="module")
def cpu(bundle: Bundle):
    classifier = OnnxCpuClassifier(bundle)
    yield classifier
    classifier.close()


def test_reproduces_the_golden_outputs(bundle: Bundle, cpu: OnnxCpuClassifier) -> None:
    assert check_golden(cpu, bundle) < 1e-3


def test_another_network_is_refused(bundle: Bundle, cpu: OnnxCpuClassifier) -> None:
    shifted = Golden(bundle.golden.inputs, bundle.golden.logits + np.float32(0.1))
    with pytest.raises(ModelError, match="golden"):
        check_golden(cpu, dataclasses.replace(bundle, golden=shifted))


def test_the_half_precision_file_agrees_with_the_reference(bundle: Bundle) -> None:
    """The file that engines are built from, run by ONNX Runtime, stays within the engine's tolerance."""
    swapped = SimpleNamespace(
        read_model=lambda _: bundle.read_model("fp16"),
        model_digest=bundle.model_digest,
        model_fp32=bundle.model_fp16,
        spec=bundle.spec,
    )
    half = OnnxCpuClassifier(swapped)  # type: ignore[arg-type]
    try:
        raw = half.run(bundle.golden.inputs)
    finally:
        half.close()
    assert np.abs(raw.logits - bundle.golden.logits).max() < bundle.spec.golden_tolerance["fp16"]


def test_outputs_have_the_promised_shapes(bundle: Bundle, cpu: OnnxCpuClassifier) -> None:
    raw = cpu.run(bundle.golden.inputs[:2])
    assert raw.logits.shape == (2, len(bundle.classes))
    assert raw.cam.shape[:2] == (2, len(bundle.classes))
    assert np.allclose(np.linalg.norm(raw.features, axis=1), 1, atol=0.1)


def test_a_batch_equals_its_images_one_by_one(bundle: Bundle, cpu: OnnxCpuClassifier) -> None:
    batch = bundle.golden.inputs[:3]
    whole = cpu.run(batch).logits
    assert np.array_equal(whole, np.concatenate([cpu.run(batch[i : i + 1]).logits for i in range(3)]))


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((1, 3, 10, 10), np.float32), np.zeros((1, 3, 224, 224)), np.zeros((3, 224, 224), np.float32)],
)
def test_wrong_input_is_refused(cpu: OnnxCpuClassifier, wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected float32"):
        cpu.run(wrong)


def test_a_finding_names_what_made_it(
    bundle: Bundle, cpu: OnnxCpuClassifier, clean: Callable[..., CleanFrame]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (300, 200), np.uint8)
    finding = FindingMaker(bundle, cpu).classify(clean(pixels), "mri_brain")
    assert set(finding.probabilities) == {each.name for each in bundle.classes if each.group == "mri_brain"}
    assert finding.model == bundle.model_digest("fp32")
    assert finding.bundle == bundle.digest
    assert finding.engine == "onnxruntime-cpu"
    assert finding.notice == "research use, not for diagnosis"
    assert len(finding.cam) == finding.cam_shape[0] * finding.cam_shape[1]
    assert (finding.label is None) != (finding.abstained is None)
    assert (finding.frame, finding.captured_ms) == (3, 5)


def test_the_bundles_preprocessing_is_done(bundle: Bundle, clean: Callable[..., CleanFrame]) -> None:
    """What reaches the network is what the bundle names; a frame that the camera rectified stays as it is."""
    seen: list[np.ndarray] = []

    class StopError(Exception):
        pass

    class Watching:
        def run(self, batch: np.ndarray) -> None:
            seen.append(batch)
            raise StopError

    film = np.full((400, 400), 30, np.uint8)
    film[100:300, 100:300] = np.random.default_rng(0).integers(180, 255, (200, 200))
    options = Preprocessing(perspective=True, denoise=True)
    named = dataclasses.replace(bundle, spec=bundle.spec.model_copy(update={"preprocess": options.name}))
    of_film = clean(film)
    of_film = dataclasses.replace(
        of_film, receipt=of_film.receipt.model_copy(update={"policy": "camera-1/film"})
    )
    for which, frame in ((bundle, clean(film)), (named, clean(film)), (named, of_film)):
        with pytest.raises(StopError):
            FindingMaker(which, Watching()).classify(frame, "mri_brain")  # type: ignore[arg-type]
    assert np.array_equal(seen[0], Preprocessing().to_network_input(film))
    assert np.array_equal(seen[1], options.to_network_input(film))
    assert np.array_equal(seen[2], options.to_network_input(film, straight=True))
    assert not np.array_equal(seen[1], seen[2])


def test_only_clean_frames_are_classified(bundle: Bundle, cpu: OnnxCpuClassifier) -> None:
    pretender = SimpleNamespace(pixels=np.zeros((224, 224), np.uint8))
    with pytest.raises(TypeError, match="CleanFrame"):
        FindingMaker(bundle, cpu).classify(pretender, "mri_brain")  # type: ignore[arg-type]


def test_threads_take_turns(bundle: Bundle, cpu: OnnxCpuClassifier) -> None:
    wanted = cpu.run(bundle.golden.inputs[:1]).logits
    seen: list[np.ndarray] = []
    work = [
        threading.Thread(target=lambda: seen.append(cpu.run(bundle.golden.inputs[:1]).logits))
        for _ in range(4)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert len(seen) == 4
    assert all(np.array_equal(each, wanted) for each in seen)


def test_a_closed_classifier_fails_clearly(bundle: Bundle) -> None:
    classifier = OnnxCpuClassifier(bundle)
    classifier.close()
    classifier.close()
    with pytest.raises(RuntimeError, match="closed"):
        classifier.run(bundle.golden.inputs[:1])


def test_settings_choose_the_engine_and_nothing_falls_back(bundle: Bundle, tmp_path) -> None:
    chosen = load_classifier(Model(), bundle)
    assert chosen.engine == "onnxruntime-cpu"
    chosen.close()
    pytest.importorskip("onnxruntime")
    try:
        import tensorrt  # noqa: F401

        pytest.skip("this machine has TensorRT: the refusal without it cannot be seen")
    except ImportError:
        pass
    with pytest.raises(ModelError, match=r"onnxruntime-cpu"):
        load_classifier(Model(classifier="tensorrt", engine_cache=tmp_path), bundle)
