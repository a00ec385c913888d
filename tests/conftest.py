"""What must be decided before any test module is imported, and a second run of only what the first one skipped."""

import os
import pathlib

import pytest

# Triton asks when it is itself imported, by whichever test is first to import a framework.
if not pathlib.Path("/dev/nvidiactl").exists():
    os.environ.setdefault("TRITON_INTERPRET", "1")


def pytest_addoption(parser):
    parser.addoption(
        "--skipped",
        action="store_true",
        help="run only the tests that the last run without this option skipped; install what they need in between",
    )


class Recorder:
    """Keep the ids of skipped tests, and of modules that skip themselves, in pytest's cache."""

    def __init__(self):
        self.skipped = set()

    def pytest_collectreport(self, report):
        if report.skipped:
            self.skipped.add(report.nodeid)

    def pytest_runtest_logreport(self, report):
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped.add(report.nodeid)

    def pytest_sessionfinish(self, session):
        session.config.cache.set("skipped", sorted(self.skipped))


def pytest_configure(config):
    if not config.option.skipped and hasattr(config, "cache"):
        config.pluginmanager.register(Recorder())


def pytest_collection_modifyitems(config, items):
    if config.option.skipped:
        skipped = config.cache.get("skipped", None) if hasattr(config, "cache") else None
        if skipped is None:
            raise pytest.UsageError("--skipped: pytest's cache has no run without it. Run pytest without it first.")
        skipped = set(skipped)
        selected = [item for item in items if skipped & {item.nodeid, item.nodeid.partition("::")[0]}]
        config.hook.pytest_deselected(items=[item for item in items if item not in selected])
        items[:] = selected
