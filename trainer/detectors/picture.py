"""Words that the drawing of training pictures shares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""(rows, columns, 3), RGB."""
Maps = NDArray[np.float32]
"""(channels, rows / 4, columns / 4): what the network should say."""
Rng = np.random.Generator
