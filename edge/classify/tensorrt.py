"""The GPU classifier: a TensorRT engine, with pycuda owning every buffer.

One inference thread owns one retained primary context, one stream and buffers that are allocated
once; all calls go through it. Nothing is released by the garbage collector: `close` does it, in order,
on that thread. The daemon only deserializes; `edge build-engine` compiles.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge.classify.classifier import INPUT_SHAPE, OUTPUTS, ModelError, Raw, check_batch
from edge.classify.engine_build import engine_key, import_cuda, import_tensorrt, read_engine
from edge.imaging.bundle import Bundle

INPUT = "input"


class _Device:
    """What lives on the GPU. Every method runs on the inference thread."""

    def __init__(self, engine: bytes, trt: Any, cuda: Any, classes: int) -> None:
        self._cuda = cuda
        self._undo = ExitStack()
        with ExitStack() as undo:
            context = cuda.Device(0).retain_primary_context()
            undo.callback(context.detach)
            context.push()
            undo.callback(context.pop)
            self._logger = trt.Logger(trt.Logger.WARNING)
            self._runtime = trt.Runtime(self._logger)
            self._engine = self._runtime.deserialize_cuda_engine(engine)
            if self._engine is None:
                raise ModelError("TensorRT does not accept the cached engine; run: edge build-engine")
            self._execution = self._engine.create_execution_context()
            self._stream = cuda.Stream()
            self._host: dict[str, Any] = {}
            self._device: dict[str, Any] = {}
            for name, shape in self._shapes(trt, classes).items():
                # Pinned memory: copies to and from it need no staging and do not block.
                self._host[name] = cuda.pagelocked_empty(shape, np.float32)
                self._device[name] = cuda.mem_alloc(self._host[name].nbytes)
                undo.callback(self._device[name].free)
                undo.callback(self._host[name].base.free)
                if not self._execution.set_tensor_address(name, int(self._device[name])):
                    raise ModelError(f"TensorRT does not take a buffer for {name}")
            self._undo = undo.pop_all()

    def _shapes(self, trt: Any, classes: int) -> dict[str, tuple[int, ...]]:
        """Shapes of all tensors, checked against what the bundle promises."""
        engine = self._engine
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        if set(names) != {INPUT, *OUTPUTS}:
            raise ModelError(f"the engine has tensors {', '.join(sorted(names))}; run: edge build-engine")
        shapes: dict[str, tuple[int, ...]] = {}
        for name in names:
            shape = tuple(int(side) for side in engine.get_tensor_shape(name))
            if engine.get_tensor_dtype(name) != trt.DataType.FLOAT or min(shape) < 1:
                raise ModelError(f"the engine's {name} is not float32 of fixed shape; run: edge build-engine")
            shapes[name] = shape
        if shapes[INPUT] != INPUT_SHAPE or shapes["logits"] != (1, classes) or shapes["cam"][1] != classes:
            raise ModelError("the engine's shapes are not the bundle's; run: edge build-engine")
        return shapes

    def infer(self, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run one image, (1, 3, 224, 224)."""
        np.copyto(self._host[INPUT], image, casting="no")
        self._cuda.memcpy_htod_async(self._device[INPUT], self._host[INPUT], self._stream)
        if not self._execution.execute_async_v3(self._stream.handle):
            raise RuntimeError("TensorRT refused to run the engine")
        for name in OUTPUTS:
            self._cuda.memcpy_dtoh_async(self._host[name], self._device[name], self._stream)
        self._stream.synchronize()
        return [np.array(self._host[name]) for name in OUTPUTS]

    def release(self) -> None:
        """Give everything back, the last taken first."""
        self._stream.synchronize()
        self._execution = self._engine = self._runtime = None
        self._host.clear()
        self._device.clear()
        self._undo.close()


class TensorRtClassifier:
    """Runs a TensorRT engine that was built from the bundle's FP16 network.

    Args:
        engine: serialized engine.
        bundle: the verified bundle that it was built from.
        trt: the module tensorrt.
        cuda: the module pycuda.driver, initialized.

    Raises:
        ModelError: the engine is not accepted, or is not of this bundle.
    """

    engine: Literal["tensorrt"] = "tensorrt"

    def __init__(self, engine: bytes, bundle: Bundle, trt: Any, cuda: Any) -> None:
        self.model = bundle.model_digest("fp16")
        self.tolerance = bundle.spec.golden_tolerance["fp16"]
        self._cuda = cuda
        self._thread: ThreadPoolExecutor | None = ThreadPoolExecutor(1, "inference")
        try:
            self._device: _Device = self._on_thread(lambda: _Device(engine, trt, cuda, len(bundle.classes)))
        except BaseException:
            self._thread.shutdown()
            self._thread = None
            raise

    @classmethod
    def from_cache(cls, cache: Path, bundle: Bundle) -> TensorRtClassifier:
        """Load the engine for this machine from the cache; compiles nothing.

        Raises:
            ModelError: TensorRT, a GPU or the engine is missing.
        """
        trt, cuda = import_tensorrt(), import_cuda()
        return cls(read_engine(cache, engine_key(bundle, trt, cuda)), bundle, trt, cuda)

    def _on_thread(self, work: Callable[[], Any]) -> Any:
        if self._thread is None:
            raise RuntimeError("the classifier is closed")
        try:
            return self._thread.submit(work).result()
        except self._cuda.Error as error:
            raise RuntimeError(f"CUDA failed: {type(error).__name__}") from None

    def run(self, batch: NDArray[np.float32]) -> Raw:
        """Run the engine image by image; see `Classifier.run`."""
        check_batch(batch)
        rows = self._on_thread(
            lambda: [self._device.infer(batch[index : index + 1]) for index in range(len(batch))]
        )
        logits, features, cam = (np.concatenate([row[k] for row in rows]) for k in range(len(OUTPUTS)))
        return Raw(logits, features, cam)

    def close(self) -> None:
        """Release the GPU and end the thread."""
        if self._thread is not None:
            try:
                self._on_thread(self._device.release)
            finally:
                self._thread.shutdown()
                self._thread = None
