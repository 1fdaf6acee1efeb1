"""Tests, of which several processes run beside each other."""

import os

# A process and all that it starts compute in one thread: other tests run on the other cores, and
# threads that wait for a core do so without rest. It must be set before numpy is imported.
for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")
