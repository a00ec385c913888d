"""Code run in a fresh interpreter."""

import os
import subprocess
import sys

FRAMEWORKS = {
    "torch",
    "triton",
    "jax",
    "jaxlib",
    "tensorflow",
    "keras",
    "sklearn",
    "xgboost",
    "lightgbm",
    "catboost",
    "cupy",
}
UNNEEDED = FRAMEWORKS | {"pyarrow", "typer", "rich", "scipy", "pandas", "dask", "xarray", "ml_dtypes", "matplotlib"}


def run(code, **environment):
    """The finished process, in which a warning is an error; arguments by name are environment variables."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env={**os.environ, **environment}, capture_output=True, text=True
    )


def imported_by(statement):
    """The packages that a statement brings into a fresh interpreter."""
    got = run(f"import sys, numpy\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})")
    assert got.stderr == ""
    return set(got.stdout.split())
