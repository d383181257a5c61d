"""What was tried on the public benchmark before the defaults were fixed: a count, for whoever states it.

Search on private images is a query of them. For the benchmark's images, epsilon does not cover it; on any
other images the defaults are fixed beforehand.
"""

from __future__ import annotations

HEADS = 165
"""Settings of the head (pooling, steps, rate, clip, averaging, views) that were compared, about."""
NETWORKS = 40
"""Priors, shapes of the network and sets of its features that were compared, about."""
ALL = f"about {HEADS + NETWORKS}"
WHERE = "by cross-validation on the train and val splits of the public benchmark"
SO_FAR = (
    f"by this export, {ALL} settings of head and network had been compared {WHERE}, which no ledger counts"
)
NETWORK = f"shape of the network: of about {NETWORKS} networks and priors, {WHERE}"
LOOKED = (
    "kinds of phantoms chosen with the network, and drawn from general knowledge after a look at about a "
    "hundred training images of the public benchmark for their framing"
)
LIKENESS = "threshold of likeness: chosen on the validation split of the public benchmark"
LIKENESS_BY_HAND = "threshold of likeness given by hand at export; how it was found is not in epsilon"
NOT_FREE = "not in epsilon: see tuned"
"""Cost of tuning, where somebody may have looked at the images."""
