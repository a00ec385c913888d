"""The fixture that these tests are run with for each array library."""

import sys

import pytest

from .support import LIBRARIES, stand_in


@pytest.fixture
def library(request, monkeypatch):
    """An array library, or its stand-in."""
    if request.param == "CuPy":
        monkeypatch.setitem(sys.modules, "cupy", stand_in())
    return LIBRARIES[request.param]()
