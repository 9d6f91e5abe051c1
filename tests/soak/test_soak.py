"""A short soak, so that the long one (`make soak`) does not rot."""
import os
import random

from soak import Soak

SECONDS = int(os.environ.get("VARVE_SOAK_SECONDS", 10))


def test_what_was_promised_holds_while_everything_dies():
    seed = random.randrange(1 << 30)
    soak = Soak(SECONDS, seed, disks=3, kill_every=1.5)
    good = soak.run()
    print(soak.report())
    assert good, f"seed {seed}: {soak.faults[0]!r}; the store is in {soak.server.directory}"
    soak.server.destroy()
