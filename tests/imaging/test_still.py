"""PNG and JPEG: right colours, size checked first, nothing half-decoded."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.imaging.decoded import DecodeLimits, Undecodable
from edge.imaging.still import decode, looks_like_still

LIMITS = DecodeLimits()
RGB = np.zeros((32, 48, 3), np.uint8)
RGB[:16] = (200, 30, 10)
RGB[16:] = (10, 30, 200)


def encode(kind: str, pixels: np.ndarray) -> bytes:
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels
    return cv2.imencode(kind, bgr)[1].tobytes()


def reason(data: bytes, limits: DecodeLimits = LIMITS) -> str:
    with pytest.raises(Undecodable) as error:
        decode(data, limits)
    return error.value.reason


def test_png_is_exact_and_rgb():
    np.testing.assert_array_equal(decode(encode(".png", RGB), LIMITS).frames[0], RGB)


def test_jpeg_is_rgb():
    shown = decode(encode(".jpg", RGB), LIMITS).frames[0].astype(int)
    assert np.abs(shown[2, 2] - RGB[2, 2]).max() < 12


def test_gray_stays_gray_and_16_bits_become_8():
    gray = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    np.testing.assert_array_equal(
        decode(encode(".png", gray), LIMITS).frames[0], (gray >> 8).astype(np.uint8)
    )


@pytest.mark.parametrize("depth", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("colour", [False, True])
def test_a_16_bit_png_is_shown_by_the_bits_that_it_uses(depth, colour):
    ramp = np.linspace(0, (1 << depth) - 1, 64 * 64).astype(np.uint16).reshape(64, 64)
    pixels = np.dstack([ramp, ramp, ramp]) if colour else ramp
    shown = decode(encode(".png", pixels), LIMITS).frames[0]
    np.testing.assert_array_equal(shown, (pixels >> (depth - 8)).astype(np.uint8))
    assert (shown.min(), shown.max()) == (0, 255)


def test_how_a_16_bit_png_is_shown_depends_on_its_depth_and_not_on_its_brightest_spot():
    dark, spot = np.full((2, 16, 16), 900, np.uint16)
    dark[0, 0], spot[0, 0] = 1100, 4000
    shown = [decode(encode(".png", each), LIMITS).frames[0][5, 5] for each in (dark, spot)]
    assert shown == [900 >> 4] * 2
    assert decode(encode(".png", np.zeros((4, 4), np.uint16)), LIMITS).frames[0].max() == 0


@pytest.mark.parametrize("kind", [".png", ".jpg"])
def test_a_file_cut_short_is_unreadable(kind):
    whole = encode(kind, np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8))
    decode(whole, LIMITS)
    for share in (0.3, 0.6, 0.95):
        assert reason(whole[: int(len(whole) * share)]) == "unreadable"


def test_a_huge_png_is_refused_on_its_header():
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    assert reason(bomb) == "too_large"
    # The control: the same file with a small header is refused for another reason.
    small = chunk(b"IHDR", struct.pack(">IIBBBBB", 20, 20, 8, 2, 0, 0, 0))
    assert reason(bomb.replace(header, small)) == "unreadable"


def test_zero_bytes_and_other_files():
    assert reason(b"") == "unreadable"
    assert reason(b"GIF89a" + bytes(100)) == "unreadable"
    assert not looks_like_still(b"")


SEEDS = [encode(".png", RGB), encode(".jpg", RGB)]


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8),
    st.floats(0, 1),
)
def test_flipped_and_truncated(seed, flips, share):
    data = bytearray(seed)
    for where, value in flips:
        data[min(len(data) - 1, int(len(data) * where))] = value
    for candidate in (bytes(data), bytes(data[: int(len(data) * share)])):
        try:
            decode(candidate, DecodeLimits(max_pixels=1 << 20))
        except Undecodable as error:
            assert error.reason in {"unreadable", "too_large"}  # noqa: PT017
