"""The words of a text that carry facts, reduced to a stem: `content("The cats were seen twice")` -> {"cat"}.

English only. Numbers, times and negations are left out; `pipeline.answering.mentions` reads those.
"""

from __future__ import annotations

import re

from pipeline.answering.mentions import figures, without_times

_NEUTRAL_WORDS = """
a about across again all also an and any appear appearance appeared are around as at be been being between both but by
came can come comes could did do does during each end ends every following for found from had has have here how in
into is it its just least long many match matching mention mentioned moment more most occasion occur of often on once
only or other our out over present read reads say says scene screen second see seen separate several shot show shown
shows sign since some start starts still such text than that the their them then there these they thing this those
through till time times timestamp to total twice until up very video view visible was we were what when where which
while who will with word words would write written yes you your minute hour happen happens happened place
"""
_NEUTRAL = frozenset(_NEUTRAL_WORDS.split())
"""Words that carry no fact: function words and the vocabulary of seeing, showing and stating times."""

ORDER_WORDS = frozenset({"first", "last", "before", "after", "earlier", "later", "next", "previous"})
"""Words that change what a time means: the statement itself must hold them; it is not enough that the question does."""

NEGATION = re.compile(r"\b(?:no|not|nothing|never|none|nobody|nowhere|without|cannot|neither|nor)\b|n['’]t\b", re.I)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


def content(text: str) -> frozenset[str]:
    """Words that carry facts, reduced to a stem; other rules check numbers, times and negations."""
    words = (match[0].lower() for match in _WORD.finditer(without_times(NEGATION.sub(" ", figures(text)))))
    return frozenset(
        _stem(word) for word in words if len(word) > 1 and word not in _NEUTRAL and _stem(word) not in _NEUTRAL
    )


def _stem(word: str) -> str:
    """A rough stem, equal for a word's plural, past and -ing form where they are regular."""
    word = re.sub(r"['’]s?$|['’].*$", "", word)
    for ending, least in (("ing", 6), ("ied", 5), ("ies", 5), ("ed", 5), ("es", 5), ("s", 4), ("e", 4), ("y", 4)):
        if word.endswith(ending) and len(word) >= least and not word.endswith("ss"):
            return word.removesuffix(ending)
    return word
