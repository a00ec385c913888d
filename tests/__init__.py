"""The tests: a folder for each part of the library, and here what they share."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
