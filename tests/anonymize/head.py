"""A drawn head with a face: Hounsfield units on a grid in the patient (L, P, H in mm), and as a series of CT.

No person's: ellipsoids for skull and brain, and a relief of nose, orbits, brows, lips and chin. The
origin lies at the root of the nose, between the eyes; x grows to the patient's left, y to the back, z up.
"""

from __future__ import annotations

import numpy as np
from pydicom.uid import generate_uid

from tests.imaging import make_dicom

CT = "1.2.840.10008.5.1.4.1.1.2"
AIR, SKIN, BONE, BRAIN = -1000, 40, 900, 35
LOW, HIGH = (-100.0, -110.0, -150.0), (100.0, 130.0, 120.0)
"""Corners of the grid in mm: x, y, z."""


def _bump(x, z, at, size, sigma):
    return size * np.exp(-(((x - at[0]) / sigma[0]) ** 2 + ((z - at[1]) / sigma[1]) ** 2) / 2)


def relief(x, z):
    """What the face adds to the head's front at (x, z), in mm."""
    d = np.zeros(np.broadcast(x, z).shape)
    ridge = np.clip(-z / 42, 0, 1)  # 0 at the root of the nose, 1 at its tip
    nose = np.where(z <= 0, (2 + 24 * ridge) * np.exp(-((x / (5 + 4 * ridge)) ** 2) / 2), 0)
    d += nose * np.where(z < -42, np.exp(-(((z + 42) / 6) ** 2) / 2), 1)
    d += _bump(x, z, (0, 2), 2, (5, 6))
    for side in (-1, 1):
        d += _bump(x, z, (side * 12, -47), 8, (5, 5))  # wings of the nose
        d -= _bump(x, z, (side * 31, -4), 13, (14, 9))
        d += _bump(x, z, (side * 31, -5), 6, (9, 5))  # eyeball
        d -= _bump(x, z, (side * 31, -5), 3, (11, 1.3))  # slit between the lids
        d += _bump(x, z, (side * 28, 14), 5, (18, 5))  # brow
        d += _bump(x, z, (side * 42, -36), 5, (16, 14))  # cheek
        d -= _bump(x, z, (side * 26, -62), 3, (6, 16))  # fold beside the mouth
    d += _bump(x, z, (0, -65), 5, (15, 4)) + _bump(x, z, (0, -79), 6, (13, 4.5))
    d -= _bump(x, z, (0, -72), 7, (19, 1.8)) + _bump(x, z, (0, -90), 4, (16, 5))
    return d + _bump(x, z, (0, -104), 8, (15, 9))


def _ellipsoid(x, y, z, centre, axes):
    return sum(((v - c) / a) ** 2 for v, c, a in zip((x, y, z), centre, axes, strict=True)) <= 1


def hounsfield(step=(2.0, 2.0, 2.0), *, face: bool = True):
    """The head on a grid (z, y, x) of ``step`` mm (x, y, z) from `LOW` on, int16; and where brain is."""
    x, y, z = (np.arange(a, b, s) for a, b, s in zip(LOW, HIGH, step, strict=True))
    z, y, x = z[:, None, None], y[None, :, None], x[None, None, :]
    cranium = _ellipsoid(x, y, z, (0, 20, 20), (76, 96, 90))
    half = np.interp(z, [-122, -116, -100, -60, -20, 10], [0, 30, 48, 62, 70, 66])
    front = np.interp(z, [-122, -112, -60, 0, 10], [40, 66, 72, 73, 60])
    across = np.clip(1 - (x / np.maximum(half, 1e-6)) ** 2, 0, None)
    fore = -front * across**0.42 + (0 if not face else -relief(x[0], z[:, 0])[:, None, :] * across**0.5)
    jaw = (y >= fore) & (y <= 40) & (np.abs(x) < half) & (z < 12)
    brow = cranium | ((y >= 20 - 96 * np.sqrt(np.clip(1 - (x / 76) ** 2 - ((z - 20) / 90) ** 2, 0, 1))
                       - relief(x[0], z[:, 0])[:, None, :] * (face and 1)) & (y <= 20)
                      & (z >= 0) & (z < 40) & (np.abs(x) < 66))  # fmt: skip
    neck = (((x / 58) ** 2 + ((y - 45) / 58) ** 2) <= 1) & (z < -30)
    head = cranium | jaw | brow | neck
    skull = _ellipsoid(x, y, z, (0, 20, 20), (70, 90, 84))
    brain = _ellipsoid(x, y, z, (0, 21, 21), (63, 83, 77)) & (z > np.where(y < -5, 2, -38))
    values = np.full(head.shape, AIR, np.int16)
    values[head] = SKIN
    values[skull & (z > -45)] = BONE
    values[brain] = BRAIN
    nasal = ((x / 9) ** 2 + ((y + 45) / 30) ** 2 + ((z + 30) / 16) ** 2) <= 1
    values[nasal & head] = AIR
    return values, brain


def series(step=(2.0, 2.0, 3.0), *, face: bool = True, orientation: str = "axial", **attributes):
    """The head as CT Image Storage, one data set a slice; see `cut_up` for the values."""
    values, brain = hounsfield(step, face=face)
    stacks, cosines, spacing, apart, positions = cut_up(values, step, orientation)
    uid = generate_uid()
    result = []
    for number, (frame, position) in enumerate(zip(stacks, positions, strict=True)):
        ds = make_dicom.dataset((frame + 1024).astype(np.uint16))
        ds.SOPClassUID, ds.Modality, ds.SeriesInstanceUID = CT, "CT", uid
        ds.BodyPartExamined, ds.ImageType = "HEAD", ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.BitsStored, ds.HighBit = 12, 11
        ds.RescaleSlope, ds.RescaleIntercept = "1", "-1024"
        # So wide that no edge looks like a letter: the text detector has nothing to look at.
        ds.WindowCenter, ds.WindowWidth = "0", "40000"
        ds.ImageOrientationPatient, ds.PixelSpacing = list(cosines), list(spacing)
        ds.SliceThickness, ds.InstanceNumber = apart, number + 1
        ds.ImagePositionPatient = [round(float(v), 3) for v in position]
        for keyword, value in attributes.items():
            setattr(ds, keyword, value)
        result.append(ds)
    return result, values, brain


def cut_up(values: np.ndarray, step: tuple[float, float, float], orientation: str):
    """Slices of a volume: stack, row and column cosines, pixel spacing, distance and positions."""
    x, y, z = step
    low = np.array(LOW)
    if orientation == "axial":
        places = [low + np.array([0, 0, k * z]) for k in range(len(values))]
        return values, (1, 0, 0, 0, 1, 0), (y, x), z, places
    top = (len(values) - 1) * z
    if orientation == "coronal":
        places = [low + np.array([0, k * y, top]) for k in range(values.shape[1])]
        return values.transpose(1, 0, 2)[:, ::-1], (1, 0, 0, 0, 0, -1), (z, x), y, places
    places = [low + np.array([k * x, 0, top]) for k in range(values.shape[2])]
    return values.transpose(2, 0, 1)[:, ::-1], (0, 1, 0, 0, 0, -1), (z, y), x, places
