"""Recognises questions that count events: how often somebody fell, how many people got off.

A memory holds what was visible and when, not what was done, so a count of detections must not pass for an answer. The
rules are lists of verbs of doing, where they stand as verbs. A wording that they miss is counted by detections, as are
verbs of being visible, of coming and of passing.
"""

from __future__ import annotations

import re

_DONE = (
    r"fell|fallen|falling|jumped|jumping|leaped|leapt|leaping|hopped|dived|diving|climbed|climbing|entered|entering|"
    r"exited|exiting|left|leaving|departed|departing|boarded|boarding|alighted|alighting|disembarked|disembarking|"
    r"tripped|slipped|stumbled|stumbling|collapsed|threw|thrown|throwing|kicked|kicking|caught|catching|dropped|"
    r"dropping|pushed|pushing|pulled|pulling|lifted|lifting|grabbed|punched|slapped|hugged|kissed|waved|waving|clapped|"
    r"clapping|nodded|shook|laughed|laughing|smiled|cried|coughed|coughing|sneezed|sneezing|barked|barking|shouted|"
    r"shouting|sang|sung|spoke|spoken|talked|answered|opened|closed|shut|unlocked|knocked|knocking|stopped|braked|"
    r"braking|overtook|overtaken|crashed|crashing|collided|colliding|exploded|exploding|broke|died|killed|fought|won|"
    r"scored|ate|eaten|drank|bitten|stole|stolen|paid"
)
"""Forms that are hardly ever nouns."""
_DO = (
    r"fall|jump|leap|climb|enter|leave|depart|board|alight|disembark|stumble|collapse|throw|kick|catch|push|pull|lift|"
    r"grab|clap|nod|laugh|smile|cough|sneeze|bark|shout|sing|speak|talk|knock|collide|explode|overtake|fight|eat"
)
_DO_AFTER_DOES = (
    r"exit|dive|trip|slip|drop|punch|slap|hug|kiss|wave|shake|cry|answer|open|close|shut|lock|unlock|stop|brake|crash|"
    r"break|die|win|lose|score|drink|bite|steal|pay"
)
"""As likely nouns or adjectives, unless "does" stands before them."""
_AWAY = (
    r"(?:gets?|got|getting|gotten|steps?|stepped|stepping|climbs?|hops?) "
    r"(?:off|on|in|out|up|into|onto|down|aboard|back)|"
    r"(?:goes|go|went|gone|going) (?:in|out|into|inside|outside|away|off|up|down|home)|"
    r"(?:walk|run|drive|move|step)(?:s|ed|ning|ing)? (?:into|out|off|away|onto)|"
    r"(?:ran|drove|fly|flies|flew) (?:into|out|off|away|onto)|(?:takes?|took|taking) off|"
    r"(?:sits?|sat|lies?|lay|puts?) down|(?:stands?|stood|picks?|picked) up|"
    r"(?:turns?|turned|turning) (?:on|off|around|left|right)"
)
"""Verbs by the word behind them."""
_BEHIND = (
    r"(?=\s*(?:$|[?.,;!]|(?:the|an?|this|that|these|those|my|his|her|its|our|their|it|him|them|each|in|into|on|onto|off|"
    r"out|from|to|over|up|down|through|at|under|across|around|away|along|by|with|during|before|after|between|while|when|"
    r"and|or|again|here|today|so|twice|together|open|shut)\b))"
)
"""What may stand behind a verb; a noun behind it makes it part of a name: "jump rope", "exit sign"."""
_NO_NOUN = r"(?<!\bthe )(?<!\ba )(?<!\ban )(?<!\bof )(?<!\bon )(?<!\bmy )(?<!\bno )(?<!\bany )(?<!\beach )(?<!\bbe )"
_EVENT = re.compile(rf"{_NO_NOUN}\b(?:{_DONE}|{_DO})\b{_BEHIND}|\b(?:{_AWAY})\b", re.IGNORECASE)
_DOES = re.compile(r"\b(?:do|does|did)\b", re.IGNORECASE)
_EVENT_AFTER_DOES = re.compile(rf"{_NO_NOUN}\b(?:{_DO_AFTER_DOES})\b{_BEHIND}", re.IGNORECASE)
_STATE = re.compile(r"\b(?:is|are|was|were) (?:still )?(?:left|closed|shut|open)\b", re.IGNORECASE)
_VISIBLE = re.compile(
    r"\b(?:appear\w*|seen|shown|visible|(?:show|turn|pop)(?:s|p?ed)? up|comes?|came|coming|arriv\w*|pass|passes|passed|"
    r"passing|visit\w*|cross\w*|caught on|(?:drop|stop|pop)(?:s|p?ed|ping)? (?:by|in|past|over)|(?:go|goes|went|gone|"
    r"run|runs|ran|walk\w*|drives?|drove|flies|fly|flew|swings?|swung) (?:by|past)|(?:is|are|was|were) there|"
    r"there (?:is|are|was|were))\b",
    re.IGNORECASE,
)
"""Being seen, coming and passing are what a count is of."""


def of_events(text: str) -> bool:
    """Whether what a question counts is done rather than seen."""
    if _VISIBLE.search(text):
        return False
    text = _STATE.sub(" ", text)
    does = _DOES.search(text)
    return bool(_EVENT.search(text) or (does and _EVENT_AFTER_DOES.search(text, does.end())))
