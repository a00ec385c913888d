"""Fixtures of these tests."""

import pytest

import logitloss


@pytest.fixture
def threads():
    """Set the number of threads, for one test."""
    before = logitloss.get_num_threads()
    yield logitloss.set_num_threads
    logitloss.set_num_threads(before)
