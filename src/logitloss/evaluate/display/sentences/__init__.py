"""Every sentence that a page says of the data, and when it may be said.

A slot of the page has one or more sentences. Each is a function that gives its text where it is true, else None; the
first that is true is said. The tests hold each of them against data for which it is right and data for which it would
be wrong.
"""

from __future__ import annotations

from typing import Any

from logitloss.evaluate.display.sentences import calibration, certainty, comparison, groups, headline
from logitloss.evaluate.display.sentences.slot import Sentence

SENTENCES: dict[str, list[Sentence]] = {}
for _module in (headline, certainty, calibration, groups, comparison):
    for _sentence in vars(_module).values():
        if hasattr(_sentence, "slot"):
            SENTENCES.setdefault(_sentence.slot, []).append(_sentence)


def say(slot: str, found: Any) -> list[str]:
    """The sentence of a slot, in a list; nothing where none is true."""
    return [text for text in (sentence(found) for sentence in SENTENCES[slot]) if text is not None][:1]
