"""What must be decided before any test module is imported."""

import os
import pathlib

from .arrays.array_kinds import host  # noqa: F401 - a fixture

# Triton asks when it is itself imported, by whichever test is first to import a framework.
if not pathlib.Path("/dev/nvidiactl").exists():
    os.environ.setdefault("TRITON_INTERPRET", "1")
