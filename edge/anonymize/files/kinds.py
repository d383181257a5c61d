"""What a file is, by its first bytes and by the SOP class that it names. Pure.

Only images are written. All else has a reason of its own here, so that nothing is passed on that
nobody looked at, and the report tells an archivist what to do about it.
"""

from __future__ import annotations

from pydicom import uid

from edge.imaging.still import looks_like_still

HEAD = 512
"""Bytes that `by_head` wants to see; fewer if the file is shorter."""

_ARCHIVES = (
    b"PK\x05\x06",
    b"\x1f\x8b",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"\xfd7zXZ\0",
    b"BZh",
    b"\x28\xb5\x2f\xfd",
)
_IMAGES = (b"II*\0", b"MM\0*", b"BM", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
_VIDEOS = (b"GIF8", b"\x1a\x45\xdf\xa3", b"\0\0\x01\xba", b"\0\0\x01\xb3")
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
"""First boxes of ISO 14496-12 and QuickTime files."""


def by_head(head: bytes) -> tuple[str, str | None]:
    """Kind of a file, and why it is held if the kind alone says so.

    Args:
        head: its first `HEAD` bytes.

    Returns:
        ``dicom``, ``image``, ``video`` or ``unknown`` (which may still be a data set without the
        mark of PS3.10), and None or the reason.
    """
    if not head:
        return "unknown", "empty"
    if head[128:132] == b"DICM":  # asked first: any preamble is legal, that of another format too
        return "dicom", None
    if looks_like_still(head):
        return "image", None
    if head.startswith(_VIDEOS) or head[4:8] in _BOXES or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
        return "video", None
    if head.startswith(b"PK\x03\x04"):
        # Bit 0 of the general purpose flag (APPNOTE.TXT 4.4.4) says encrypted.
        return "archive", "encrypted_archive" if len(head) > 6 and head[6] & 1 else "archive"
    if head.startswith(_ARCHIVES) or head[257:262] == b"ustar":
        return "archive", "archive"
    if head.startswith(_IMAGES):
        return "image", "unsupported_image"
    if head.startswith(b"%PDF"):
        return "document", "document"
    return "unknown", None


_CLASSES = (
    ("1.2.840.10008.1.3.10", "dicomdir"),
    ("1.2.840.10008.5.1.4.1.1.104.", "encapsulated_document"),
    ("1.2.840.10008.5.1.4.1.1.88.", "structured_report"),
    ("1.2.840.10008.5.1.4.1.1.9.", "waveform"),
    ("1.2.840.10008.5.1.4.1.1.11.", "presentation_state"),
    ("1.2.840.10008.5.1.4.1.1.66.", None),  # registrations and segmentations
    ("1.2.840.10008.5.1.4.1.1.66", "raw_data"),
    ("1.2.840.10008.5.1.4.1.1.", None),
)
"""SOP classes (PS3.6 Annex A) by their beginning, and why they are held; the first that fits counts."""


def by_sop_class(sop_class: str) -> str | None:
    """Why an object of this class is held whatever it contains; None for images and what may be one."""
    return next((reason for start, reason in _CLASSES if sop_class.startswith(start)), "unknown_class")


def by_syntax(syntax: str) -> str | None:
    """Why an object in this transfer syntax is held; None for still frames."""
    return "video_stream" if syntax in uid.MPEGTransferSyntaxes else None
