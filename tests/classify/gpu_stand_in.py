"""Stand-ins for tensorrt and pycuda.driver, with exactly the calls that the box makes.

They cannot show that TensorRT computes rightly; only a GPU can. They show what is ours: that buffers
are sized, checked, copied and released in order on one thread, and that an engine is refused if it is
of another network. The "engine" is an ONNX file, run by ONNX Runtime.
"""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime


class Memory:
    def __init__(self, size: int, world: World) -> None:
        self.data, self.world, self.address = bytearray(size), world, len(world.memory) + 1
        world.memory[self.address] = self

    def __int__(self) -> int:
        return self.address

    def free(self) -> None:
        self.world.note("free")
        del self.world.memory[self.address]


class World:
    """One fake machine: what happened, in order, and on which threads."""

    def __init__(self) -> None:
        self.memory: dict[int, Memory] = {}
        self.events: list[str] = []
        self.threads: set[int] = set()
        self.shapes: dict[str, tuple[int, ...]] = {}

    def note(self, event: str) -> None:
        self.events.append(event)
        self.threads.add(threading.get_ident())

    def cuda(self) -> Any:
        world = self

        class Error(Exception):
            pass

        class Context:
            push = staticmethod(lambda: world.note("push"))
            pop = staticmethod(lambda: world.note("pop"))
            detach = staticmethod(lambda: world.note("detach"))

        class Device:
            def __init__(self, index: int) -> None:
                assert index == 0

            retain_primary_context = staticmethod(Context)
            name = staticmethod(lambda: "stand-in")
            compute_capability = staticmethod(lambda: (8, 7))

        class Stream:
            handle = 42
            synchronize = staticmethod(lambda: world.note("synchronize"))

        def pagelocked_empty(shape: tuple[int, ...], dtype: Any) -> Any:
            owner = SimpleNamespace(free=lambda: world.note("free pinned"))

            class Array(np.ndarray):
                @property
                def base(self) -> Any:  # type: ignore[override]
                    return owner

            return np.empty(shape, dtype).view(Array)

        def to_device(memory: Memory, host: np.ndarray, stream: Stream) -> None:
            world.note("copy in")
            memory.data[:] = host.tobytes()

        def to_host(host: np.ndarray, memory: Memory, stream: Stream) -> None:
            host[...] = np.frombuffer(bytes(memory.data), np.float32).reshape(host.shape)

        return SimpleNamespace(
            Error=Error,
            Device=Device,
            Stream=Stream,
            pagelocked_empty=pagelocked_empty,
            mem_alloc=lambda size: Memory(size, world),
            memcpy_htod_async=to_device,
            memcpy_dtoh_async=to_host,
            get_driver_version=lambda: 12060,
        )

    def tensorrt(self, *, version: str = "10.3.0", parses: bool = True) -> Any:
        world = self

        class Execution:
            def __init__(self, session: Any) -> None:
                self.session, self.addresses = session, {}

            def set_tensor_address(self, name: str, address: int) -> bool:
                self.addresses[name] = address
                return True

            def execute_async_v3(self, stream: int) -> bool:
                assert stream == 42
                world.note("execute")
                feed = np.frombuffer(bytes(world.memory[self.addresses["input"]].data), np.float32)
                outputs = self.session.run(None, {"input": feed.reshape(1, 3, 224, 224)})
                for each, value in zip(self.session.get_outputs(), outputs, strict=True):
                    world.memory[self.addresses[each.name]].data[:] = value.tobytes()
                return True

        class Engine:
            def __init__(self, model: bytes) -> None:
                self.session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
                self.io = [*self.session.get_inputs(), *self.session.get_outputs()]
                self.num_io_tensors = len(self.io)

            def get_tensor_name(self, index: int) -> str:
                return self.io[index].name

            def get_tensor_shape(self, name: str) -> tuple[int, ...]:
                return world.shapes.get(name) or tuple(next(x.shape for x in self.io if x.name == name))

            def get_tensor_dtype(self, name: str) -> str:
                return "float32"

            def create_execution_context(self) -> Execution:
                return Execution(self.session)

        class Parser:
            num_errors = 1

            def __init__(self, network: Any, logger: Any) -> None:
                self.network = network

            def parse(self, model: bytes) -> bool:
                self.network.model = model
                return parses

            def get_error(self, index: int) -> Any:
                return SimpleNamespace(desc=lambda: "no importer for node")

        class Builder:
            def __init__(self, logger: Any) -> None:
                pass

            def create_network(self, flags: int) -> Any:
                world.note(f"network {flags}")
                return SimpleNamespace()

            def create_builder_config(self) -> Any:
                return SimpleNamespace(set_memory_pool_limit=lambda pool, size: world.note(f"{pool} {size}"))

            def build_serialized_network(self, network: Any, config: Any) -> bytes:
                return network.model

        class Logger:
            WARNING = 2

            def __init__(self, level: int) -> None:
                pass

        return SimpleNamespace(
            __version__=version,
            Logger=Logger,
            Builder=Builder,
            OnnxParser=Parser,
            Runtime=lambda logger: SimpleNamespace(
                deserialize_cuda_engine=lambda data: Engine(data) if data else None
            ),
            DataType=SimpleNamespace(FLOAT="float32"),
            MemoryPoolType=SimpleNamespace(WORKSPACE="workspace"),
            NetworkDefinitionCreationFlag=SimpleNamespace(STRONGLY_TYPED=1),
        )
