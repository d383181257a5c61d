"""A ring of frame slots in shared memory: one process writes, one reads and gives slots back."""

from __future__ import annotations

import mmap
import os

import numpy as np

from edge.capture import link
from edge.imaging.frames import Pixels

_ALIGN = 4096


class RingWriter:
    """The source's end: a slot taken belongs to the reader until it is given back. One thread at a time."""

    def __init__(self, generation: int, slots: int, frame_bytes: int) -> None:
        self.generation = generation
        self.slots = slots
        self.slot_bytes = -(-frame_bytes // _ALIGN) * _ALIGN
        self.fd = link.shared_memory("frames", self.slots * self.slot_bytes)
        self._memory = mmap.mmap(self.fd, self.slots * self.slot_bytes)
        self._free = list(range(slots))

    def take(self) -> int | None:
        """A free slot; None if the reader has them all."""
        return self._free.pop() if self._free else None

    def give_back(self, slot: int) -> None:
        """The reader is done with a slot; one that is free already, or none, is ignored."""
        if 0 <= slot < self.slots and slot not in self._free:
            self._free.append(slot)

    def view(self, slot: int, shape: tuple[int, ...]) -> Pixels:
        """The slot as a writable uint8 array."""
        array: Pixels = np.ndarray(shape, np.uint8, self._memory, slot * self.slot_bytes)
        return array

    def close(self) -> None:
        """Let go of the memory; the reader keeps what it maps."""
        os.close(self.fd)


class RingReader:
    """The daemon's end: read-only views, no copy. The memory lives as long as a view does."""

    def __init__(self, fd: int, generation: int, slots: int, slot_bytes: int) -> None:
        """Map the ring.

        Raises:
            link.LinkClosed: the memory is not as announced.
        """
        if not (1 <= slots <= 1024 and 1 <= slot_bytes <= 1 << 30):
            raise link.LinkClosed("a ring of impossible size")
        self.generation = generation
        self._slots, self._slot_bytes = slots, slot_bytes
        self._memory = link.map_memory(fd, slots * slot_bytes, written_once=False)

    def view(self, slot: int, shape: tuple[int, ...]) -> Pixels:
        """The frame in a slot, read-only.

        Raises:
            link.LinkClosed: the slot or shape lies outside.
        """
        check_shape(shape)
        size = int(np.prod(shape, dtype=np.int64))
        if not (0 <= slot < self._slots and size <= self._slot_bytes):
            raise link.LinkClosed("a frame outside its ring")
        array: Pixels = np.ndarray(shape, np.uint8, self._memory, slot * self._slot_bytes)
        return array


def check_shape(shape: tuple[int, ...]) -> None:
    """Only (rows, columns) and (rows, columns, 3).

    Raises:
        link.LinkClosed: another shape.
    """
    good = len(shape) == 2 or (len(shape) == 3 and shape[2] == 3)
    if not good or not all(1 <= side <= 1 << 17 for side in shape):
        raise link.LinkClosed("a frame of impossible shape")
