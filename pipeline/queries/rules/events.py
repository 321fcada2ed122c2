"""Recognises questions that count events: how often somebody fell, how many people got off.

A memory holds what was visible and when, not what was done, so a count of detections must not pass for an answer. The
rules are lists of verbs of doing, where they stand as verbs. A wording that they miss is counted by detections, as are
verbs of being visible, of coming and of passing.
"""

from __future__ import annotations

import re

from pipeline.patterns import AnyOf

_DONE = frozenset(
    """
    fell fallen falling jumped jumping leaped leapt leaping hopped dived diving climbed climbing entered entering
    exited exiting left leaving departed departing boarded boarding alighted alighting disembarked disembarking
    tripped slipped stumbled stumbling collapsed threw thrown throwing kicked kicking caught catching dropped dropping
    pushed pushing pulled pulling lifted lifting grabbed punched slapped hugged kissed waved waving clapped clapping
    nodded shook laughed laughing smiled cried coughed coughing sneezed sneezing barked barking shouted shouting sang
    sung spoke spoken talked answered opened closed shut unlocked knocked knocking stopped braked braking overtook
    overtaken crashed crashing collided colliding exploded exploding broke died killed fought won scored ate eaten
    drank bitten stole stolen paid
    """.split()
)
"""Forms that are hardly ever nouns."""
_DO = frozenset(
    """
    fall jump leap climb enter leave depart board alight disembark stumble collapse throw kick catch push pull lift
    grab clap nod laugh smile cough sneeze bark shout sing speak talk knock collide explode overtake fight eat
    """.split()
)
_DO_AFTER_DOES = frozenset(
    """
    exit dive trip slip drop punch slap hug kiss wave shake cry answer open close shut lock unlock stop brake crash
    break die win lose score drink bite steal pay
    """.split()
)
"""As likely nouns or adjectives, unless "does" stands before them."""
_AWAY = AnyOf(
    r"\b(?:gets?|got|getting|gotten|steps?|stepped|stepping|climbs?|hops?) "
    r"(?:off|on|in|out|up|into|onto|down|aboard|back)\b",
    r"\b(?:goes|go|went|gone|going) (?:in|out|into|inside|outside|away|off|up|down|home)\b",
    r"\b(?:walk|run|drive|move|step)(?:s|ed|ning|ing)? (?:into|out|off|away|onto)\b",
    r"\b(?:ran|drove|fly|flies|flew) (?:into|out|off|away|onto)\b",
    r"\b(?:takes?|took|taking) off\b",
    r"\b(?:sits?|sat|lies?|lay|puts?) down\b",
    r"\b(?:stands?|stood|picks?|picked) up\b",
    r"\b(?:turns?|turned|turning) (?:on|off|around|left|right)\b",
)
"""Verbs by the word behind them."""
_BEHIND = re.compile(
    r"\s*(?:$|[?.,;!]|(?:the|an?|this|that|these|those|my|his|her|its|our|their|it|him|them|each|in|into|on|onto|off|"
    r"out|from|to|over|up|down|through|at|under|across|around|away|along|by|with|during|before|after|between|while|when|"
    r"and|or|again|here|today|so|twice|together|open|shut)\b)",
    re.IGNORECASE,
)
"""What may stand behind a verb; a noun behind it makes it part of a name: "jump rope", "exit sign"."""
_NOUN_AHEAD = re.compile(r"\b(?:the|a|an|of|on|my|no|any|each|be) \Z", re.IGNORECASE)
"""What makes the word that follows a noun."""
_WORD = re.compile(r"\w+")
_DOES = re.compile(r"\b(?:do|does|did)\b", re.IGNORECASE)
_STATE = re.compile(r"\b(?:is|are|was|were) (?:still )?(?:left|closed|shut|open)\b", re.IGNORECASE)
_VISIBLE = AnyOf(
    r"\b(?:appear\w*|seen|shown|visible|(?:show|turn|pop)(?:s|p?ed)? up|comes?|came|coming|arriv\w*|visit\w*)\b",
    r"\b(?:pass|passes|passed|passing|cross\w*|caught on|(?:drop|stop|pop)(?:s|p?ed|ping)? (?:by|in|past|over))\b",
    r"\b(?:go|goes|went|gone|run|runs|ran|walk\w*|drives?|drove|flies|fly|flew|swings?|swung) (?:by|past)\b",
    r"\b(?:(?:is|are|was|were) there|there (?:is|are|was|were))\b",
)
"""Being seen, coming and passing are what a count is of."""


def of_events(text: str) -> bool:
    """Whether what a question counts is done rather than seen."""
    if _VISIBLE.search(text):
        return False
    text = _STATE.sub(" ", text)
    does = _DOES.search(text)
    doing = _verb(text, _DONE | _DO) or _AWAY.search(text)
    return bool(doing or (does and _verb(text, _DO_AFTER_DOES, does.end())))


def _verb(text: str, verbs: frozenset[str], begin: int = 0) -> bool:
    """Whether one of these stands in the text as a verb, from a place on."""
    return any(
        match[0].lower() in verbs and not _NOUN_AHEAD.search(text[: match.start()]) and _BEHIND.match(text, match.end())
        for match in _WORD.finditer(text, begin)
    )
