"""scripts/bench wire: envelopes sealed and opened a second on one core, for 1 and 3 recipients."""

from __future__ import annotations

import time
from collections.abc import Callable

from edge.wire.envelope import open_, seal
from edge.wire.keys import Kem, PrivateKey, SigningKey

_TOPIC = "edge/1/clinic/box/result/scanner"
_BODY = bytes(900)
"""As long as a usual result, before padding."""
_SECONDS = 3.0


def _rate(work: Callable[[], object]) -> float:
    """Calls a second of CPU time, so that other load does not count."""
    work()
    count, start = 0, time.process_time()
    while time.process_time() - start < _SECONDS:
        work()
        count += 1
    return count / (time.process_time() - start)


def main() -> int:
    """Measure and print."""
    signer = SigningKey.generate()
    for number in (1, 3):
        keys = [PrivateKey.generate(Kem.XWING) for _ in range(number)]
        recipients = [key.recipient for key in keys]
        sealed = seal(_BODY, _TOPIC, signer, recipients)
        sealing = _rate(lambda to=recipients: seal(_BODY, _TOPIC, signer, to))
        opening = _rate(lambda key=keys[0], data=sealed: open_(data, _TOPIC, [key], [signer.public]))
        print(
            f"{number} recipient(s), {len(sealed)} bytes, a second: "
            f"{sealing:,.0f} sealed, {opening:,.0f} opened"
        )
    return 0
