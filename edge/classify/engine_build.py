"""Compile the FP16 network with TensorRT. Runs in a process of its own: `edge build-engine`.

One code path for TensorRT 10.3 to 11.4: the network is strongly typed, so its precision stands in the
file and no builder flag chooses it (`BuilderFlag.FP16` is gone in 11; `STRONGLY_TYPED` is still accepted
there). Engines only fit the GPU, driver and TensorRT that they were built with, so the cache is keyed
by all of these, by the model and by the options.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from edge.classify.classifier import ModelError
from edge.imaging.bundle import Bundle

WORKSPACE_BYTES = 256 << 20
OPTIMIZATION_LEVEL = 3
MAX_ENGINE = 256 << 20


@dataclass(frozen=True)
class EngineKey:
    """Everything that an engine depends on. Pure data; two equal keys mean the same engine."""

    model: str
    tensorrt: str
    gpu: str
    compute_capability: str
    driver: int
    workspace: int = WORKSPACE_BYTES
    optimization_level: int = OPTIMIZATION_LEVEL

    @property
    def file_name(self) -> str:
        """Name in the cache: SHA-256 of the key's canonical JSON."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest() + ".engine"


def import_tensorrt() -> ModuleType:
    """Import TensorRT.

    Raises:
        ModelError: it is not installed or its libraries do not load.
    """
    try:
        import tensorrt  # noqa: PLC0415  # only where there is a GPU
    except (ImportError, OSError) as error:
        raise ModelError(
            f"TensorRT is not usable ({type(error).__name__}); on a Jetson install python3-libnvinfer and "
            "make the environment with --system-site-packages, or set model.classifier to onnxruntime-cpu"
        ) from None
    module: ModuleType = tensorrt
    return module


def import_cuda() -> ModuleType:
    """Import pycuda's driver interface and initialize it.

    Raises:
        ModelError: pycuda is not installed, or there is no CUDA driver or device.
    """
    try:
        import pycuda.driver as cuda  # noqa: PLC0415  # needs a driver
    except (ImportError, OSError) as error:
        raise ModelError(
            f"pycuda is not usable ({type(error).__name__}); install the extra 'jetson' on a machine with an "
            "NVIDIA driver, or set model.classifier to onnxruntime-cpu"
        ) from None
    try:
        cuda.init()
        count = cuda.Device.count()
    except cuda.Error as error:
        raise ModelError(f"CUDA does not start: {error}") from None
    if count == 0:
        raise ModelError("there is no CUDA device; set model.classifier to onnxruntime-cpu")
    module: ModuleType = cuda
    return module


def engine_key(bundle: Bundle, trt: Any, cuda: Any) -> EngineKey:
    """The key of this bundle's engine on this machine's first GPU."""
    device = cuda.Device(0)
    return EngineKey(
        model=bundle.model_digest("fp16").hex(),
        tensorrt=str(trt.__version__),
        gpu=str(device.name()),
        compute_capability=".".join(map(str, device.compute_capability())),
        driver=int(cuda.get_driver_version()),
    )


def build_engine(model: bytes, trt: Any) -> bytes:
    """Compile an ONNX file that carries its own precisions; returns the serialized engine.

    Raises:
        ModelError: TensorRT does not parse or does not build it.
    """
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model):
        faults = "; ".join(str(parser.get_error(index).desc()) for index in range(parser.num_errors))
        raise ModelError(f"TensorRT {trt.__version__} does not parse the network: {faults}")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    config.builder_optimization_level = OPTIMIZATION_LEVEL
    serialized = builder.build_serialized_network(network, config)
    if serialized is None:
        raise ModelError(f"TensorRT {trt.__version__} does not build the network; its log says why")
    return bytes(serialized)


def read_engine(cache: Path, key: EngineKey) -> bytes:
    """The cached engine of a key.

    Raises:
        ModelError: there is none, or it is unreadable.
    """
    path = cache / key.file_name
    try:
        if path.stat().st_size > MAX_ENGINE:
            raise ModelError(f"{path} is larger than an engine can be; delete it and run: edge build-engine")
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(
            "there is no engine for this model, GPU, driver and TensorRT; run: edge build-engine"
        ) from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from None


def store_engine(cache: Path, key: EngineKey, engine: bytes) -> Path:
    """Write an engine so that a power cut leaves either all of it or nothing; owner-only."""
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=cache, prefix=".engine-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(engine)
            file.flush()
            os.fsync(file.fileno())
        path = cache / key.file_name
        os.replace(name, path)  # noqa: PTH105  # the temporary name is a string
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    directory = os.open(cache, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return path
