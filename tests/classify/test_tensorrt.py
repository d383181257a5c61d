"""The GPU classifier as far as it can be shown without a GPU: life cycle, checks, cache, refusals."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import threading
from pathlib import Path

import numpy as np
import pytest
from gpu_stand_in import World

from edge.classify import cli, engine_build
from edge.classify.classifier import ModelError
from edge.classify.engine_build import EngineKey, build_engine, engine_key, read_engine, store_engine
from edge.classify.golden import check_golden
from edge.classify.tensorrt import TensorRtClassifier
from edge.imaging.bundle import Bundle

KEY = EngineKey(model="m", tensorrt="10.3.0", gpu="Orin", compute_capability="8.7", driver=12060)


def load(world: World, bundle: Bundle, engine: bytes | None = None) -> TensorRtClassifier:
    engine = bundle.read_model("fp16") if engine is None else engine
    return TensorRtClassifier(engine, bundle, world.tensorrt(), world.cuda())


def test_runs_on_one_thread_and_reproduces_the_golden_outputs(bundle: Bundle) -> None:
    world = World()
    classifier = load(world, bundle)
    assert check_golden(classifier, bundle) < bundle.spec.golden_tolerance["fp16"]
    first = classifier.run(bundle.golden.inputs[:1])
    second = classifier.run(bundle.golden.inputs[1:2])
    # The pinned buffer is reused: what was handed out before must not change with it.
    assert not np.array_equal(first.logits, second.logits)
    classifier.close()
    assert len(world.threads) == 1
    assert world.threads != {threading.get_ident()}
    assert classifier.engine == "tensorrt"
    assert classifier.model == bundle.model_digest("fp16")


def test_releases_everything_in_order(bundle: Bundle) -> None:
    world = World()
    classifier = load(world, bundle)
    classifier.close()
    classifier.close()
    assert not world.memory
    assert world.events.count("free pinned") == 4
    assert world.events[-2:] == ["pop", "detach"]
    with pytest.raises(RuntimeError, match="closed"):
        classifier.run(bundle.golden.inputs[:1])


def test_a_refused_engine_leaves_nothing_behind(bundle: Bundle) -> None:
    world = World()
    with pytest.raises(ModelError, match="build-engine"):
        load(world, bundle, b"")
    world.shapes = {"logits": (1, 99)}
    with pytest.raises(ModelError, match="shapes"):
        load(world, bundle)
    assert not world.memory
    assert world.events.count("detach") == world.events.count("push") == 2


def test_build_is_strongly_typed_and_names_what_the_parser_says(bundle: Bundle) -> None:
    world = World()
    assert build_engine(b"onnx", world.tensorrt()) == b"onnx"
    assert "network 2" in world.events  # 1 << STRONGLY_TYPED
    with pytest.raises(ModelError, match="no importer for node"):
        build_engine(b"onnx", world.tensorrt(parses=False))


@pytest.mark.parametrize(
    "change",
    [{"model": "n"}, {"tensorrt": "10.16"}, {"gpu": "Xavier"}, {"compute_capability": "7.2"}, {"driver": 1},
     {"workspace": 1}, {"optimization_level": 5}],
)  # fmt: skip
def test_whatever_an_engine_depends_on_changes_its_name(change: dict) -> None:
    assert dataclasses.replace(KEY, **change).file_name != KEY.file_name
    assert dataclasses.replace(KEY).file_name == KEY.file_name


def test_cache_round_trip_is_owner_only_and_leaves_no_parts(tmp_path: Path) -> None:
    cache = tmp_path / "engines"
    with pytest.raises(ModelError, match="edge build-engine"):
        read_engine(cache, KEY)
    path = store_engine(cache, KEY, b"engine")
    assert read_engine(cache, KEY) == b"engine"
    assert path.stat().st_mode & 0o077 == 0
    assert [each.name for each in cache.iterdir()] == [KEY.file_name]


def test_the_key_is_of_this_machine(bundle: Bundle) -> None:
    world = World()
    key = engine_key(bundle, world.tensorrt(version="11.4"), world.cuda())
    assert (key.tensorrt, key.gpu, key.compute_capability, key.driver) == ("11.4", "stand-in", "8.7", 12060)
    assert key.model == bundle.model_digest("fp16").hex()


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    shipped = Path(__file__).resolve().parents[2] / "firmware_config"
    text = f"""
[model]
bundle = "{shipped / "model"}"
trusted_root = "{shipped / "model-root.json"}"
classifier = "tensorrt"
engine_cache = "{tmp_path / "engines"}"
"""
    path = tmp_path / "edge.toml"
    path.write_text(text)
    return path


def command(settings: Path, *more: str) -> int:
    parser = argparse.ArgumentParser()
    cli.add_commands(parser.add_subparsers())
    args = parser.parse_args(["build-engine", "--settings", str(settings), *more])
    return int(args.run(args))


def test_without_a_gpu_the_command_says_what_to_do(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        engine_build.import_tensorrt()
        pytest.skip("this machine has TensorRT")
    except ModelError:
        pass
    assert command(settings) == 1
    assert "onnxruntime-cpu" in capsys.readouterr().err
    assert not (settings.parent / "engines").exists()


def test_the_command_builds_checks_and_stores(
    settings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World()
    monkeypatch.setattr(engine_build, "import_tensorrt", world.tensorrt)
    monkeypatch.setattr(engine_build, "import_cuda", world.cuda)
    assert command(settings) == 0
    assert len(list((settings.parent / "engines").iterdir())) == 1
    assert command(settings) == 0
    assert "already" in capsys.readouterr().out
    assert world.events.count("network 2") == 1


def test_an_engine_that_computes_something_else_is_never_stored(
    settings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World()
    trt = world.tensorrt()
    real = trt.Runtime

    def twisted(logger: object):
        engine = real(logger).deserialize_cuda_engine

        def deserialize(data: bytes):
            made = engine(data)
            run = made.session.run
            made.session = type(
                "S",
                (),
                {
                    "run": lambda _, names, feed: [1.5 * each for each in run(names, feed)],
                    "get_outputs": made.session.get_outputs,
                },
            )()
            return made

        return type("R", (), {"deserialize_cuda_engine": staticmethod(deserialize)})()

    trt.Runtime = twisted
    monkeypatch.setattr(engine_build, "import_tensorrt", lambda: trt)
    monkeypatch.setattr(engine_build, "import_cuda", world.cuda)
    assert command(settings) == 1
    assert "golden" in capsys.readouterr().err
    assert not (settings.parent / "engines").exists()


def test_no_autoinit_and_no_precision_flag() -> None:
    """pycuda.autoinit takes a context at import; BuilderFlag.FP16 is gone in TensorRT 11."""
    room = Path(engine_build.__file__).parent
    for path in room.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute):
                assert node.attr not in {"autoinit", "BuilderFlag", "FP16"}, path.name
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
                assert not any("autoinit" in name for name in names), path.name
