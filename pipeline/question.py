"""The question's own time and kind: "at 2:10", "in the last minute", "before the cat", "how often" -> `Question`.

What it is: plain rules over English words, no model. What it is not: understanding; what no rule catches is kind
``what``: whatever answers to its words best.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from memory.records import TimeSpan

Kind = Literal[
    "when", "first", "last", "count", "exists", "at", "before", "after", "between", "which_first", "how_long", "now",
    "text", "summary", "unknown", "what",
]  # fmt: skip

_CLOCK = r"(?:(?P<h>\d{1,2}):)?(?P<m>\d{1,2}):(?P<s>\d{2}(?:\.\d+)?)"
_END = r"(?![^\W\d_])"  # no letter follows: "5 m" and "2m5s", not "5 men"
_UNITS = (
    rf"(?:(?P<uh>\d+(?:\.\d+)?)\s*(?:h|hours?|hrs?){_END}\s*)?"
    rf"(?:(?P<um>\d+(?:\.\d+)?)\s*(?:m|min|minutes?|mins){_END}\s*)?"
    rf"(?:(?P<us>\d+(?:\.\d+)?)\s*(?:s|sec|secs|seconds?){_END})?"
)
_TIME = re.compile(rf"{_CLOCK}|(?=\d){_UNITS}", re.IGNORECASE)

# Words that frame a question and never name a thing to look for.
_FRAME_WORDS = frozenset(
    """
    a an the this that these those is are was were be been being am do does did done has have had can could will
    would shall should may might must what when where which who whom whose why how at in on of to from by for
    with about into over under after before during between until since while and or but not no any some ever
    there here it its i you we they he she me us them my your our their his her see sees seen saw show shows
    shown showing appear appears appeared appearing visible happen happens happened happening occur occurs come
    comes came coming go goes went look looks find finds found tell describe summarise summarize summary please
    first last latest most recently time times moment moments point many much often long
    begin begins start starts end ends video clip film movie footage recording stream scene scenes
    picture pictures frame frames screen camera second seconds minute minutes hour hours right now then next
    previous again s t re one ones thing things something
    anything object whole entire everything everyone anyone anybody somebody someone kind sort type mention mentioned
    turn turns turned up once gone leave leaves earliest latest final finally follow follows followed precede precedes
    preceded count counts appearance appearances number hear hears heard pass passes passed drive drives drove use uses
    used stay stays stayed get gets got let tell told watch watched view viewed own miss missed present
    come comes came between earlier sooner shown part parts overview lie lies lay visible view
    """.split()
)
_A_FRAME_THING = re.compile(r"\b(?:an?|any) (camera|screen|picture|frame|clip)\b", re.IGNORECASE)
_TEXT_WORDS = re.compile(
    r"\b(text|caption|captions|title|written|writing|words?|say|says|said|sign|signs|read|reads|label|logo)\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"“”«»']([^\"“”«»']{2,80})[\"“”«»'](?!\w)")
_COUNT = re.compile(
    r"\bhow often\b|\bhow many\b(?! (?:seconds|minutes|hours)\b)|\b(?:count|number of) (?:the |all )?"
    r"(?:appearances|times|occurrences)\b",
    re.IGNORECASE,
)
_EXISTS = re.compile(
    r"^\s*any\b|^\s*(?:is|are|was|were|do|does|did|can|could|has|have)\b.*|\b(?:is|are|was|were) there\b", re.IGNORECASE
)
_SUMMARY = re.compile(
    r"\b(summar\w*|overview|describe (?:the|this) (?:video|clip|film|stream)|what (?:happens|happened|is happening|"
    r"is (?:in|on|shown in) (?:the|this) (?:video|clip|film|stream)|(?:is|was) (?:this|the) \w+ about))\b",
    re.IGNORECASE,
)
_ORDER = re.compile(r"\b(?:right |just |shortly |immediately |directly )?(before|after)\s+(.+)$", re.IGNORECASE)
_FOLLOWS = re.compile(r"\b(?:what|which \w+|who) (?:comes? |came )?follow(?:s|ed)\s+(.+)$", re.IGNORECASE)
_GONE = re.compile(r"\bonce\s+(.+?)\s+(?:had|has|was|is) (?:gone|left|over)\b", re.IGNORECASE)
_PRECEDES = re.compile(r"\bpreced(?:es|ed|ing)\s+(.+)$", re.IGNORECASE)
_BETWEEN = re.compile(r"\bbetween\s+(.+?)\s+and\s+(.+)$", re.IGNORECASE)
_AFTER_BEFORE = re.compile(r"\bafter\s+(.+?)\s+(?:and|but) before\s+(.+)$", re.IGNORECASE)
_SOONER = re.compile(r"\b(?:first|earlier|sooner)\b", re.IGNORECASE)
_EITHER = re.compile(r"(.+)\bor\b(.+)$", re.IGNORECASE)
_HOW_LONG = re.compile(
    r"\bhow long\b|\bhow much time\b|\bhow many (?:seconds|minutes|hours)\b|\bduration of\b", re.IGNORECASE
)
_NOW = re.compile(r"\b(?:right now|now|currently|at present|at (?:the|this) moment)\b|\bis (?:happening|going on)\b", re.I)
_SAID_BY = re.compile(r"\b(?:say|says|said|think|thinks|thought)\b.*\babout\b", re.IGNORECASE)
_MEASURE = re.compile(r"\bhow many (?:kilomet|met|mile|dollar|euro|pound|degree|kilo|lit|step)\w*", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"^\s*(?:who|whose|why)\b|\bhow (?:much|heavy|tall|old|big|large|fast|far|deep|high|cold|warm|hot|loud|wide|"
    r"expensive|well)\b|\bwhat (?:colou?r|price|name|brand|age|size|weight|music|weather)\b|\b(?:called|named)\b|"
    r"\bwhat is the (?:name|colou?r|price|age|size|weight|weather)\b",
    re.IGNORECASE,
)
"""What no memory of this kind holds: who, why, how much, what colour a thing has, what it is called."""
_RECENT = re.compile(
    r"\b(?:in|during|over|within)?\s*the (?:last|past)\s+(\d+(?:\.\d+)?|[a-z]+)?\s*(seconds?|minutes?|hours?)",
    re.IGNORECASE,
)
_NUMBER_WORDS = {
    **{"a": 1.0, "an": 1.0, "couple": 2.0, "few": 3.0, "half": 0.5},
    **{word: float(n) for n, word in enumerate("one two three four five six seven eight nine ten".split(), 1)},
    **{"fifteen": 15.0, "twenty": 20.0, "thirty": 30.0, "forty": 40.0, "fifty": 50.0, "sixty": 60.0},
}
_UNIT_S = {"second": 1.0, "minute": 60.0, "hour": 3600.0}


@dataclass(frozen=True, slots=True)
class Question:
    """A question taken apart.

    Attributes:
        text: as asked.
        kind: what sort of answer it wants.
        topic: the words that name what to look for, in the order asked; may be empty.
        quoted: words in quotation marks: to be found on the screen as they are.
        at_s: a moment the question names, in seconds.
        span: a stretch of time the question names.
        recent_s: "in the last five minutes": seconds back from the end of what was watched.
        about_text: whether it asks for what is written on the screen.
        other: the second thing of kinds ``between`` and ``which_first``.
    """

    text: str
    kind: Kind
    topic: str
    quoted: str | None = None
    at_s: float | None = None
    span: TimeSpan | None = None
    recent_s: float | None = None
    about_text: bool = False
    other: str = ""


def times_named(text: str) -> list[float]:
    """Every time of day in the video that `text` names, in seconds: 2:10, 1:02:03, 130 s, 1 h 3 min."""
    found = []
    for match in _TIME.finditer(text):
        if not match.group(0).strip():
            continue
        part = {name: float(value) for name, value in match.groupdict().items() if value}
        if part:
            hours = part.get("h", 0.0) + part.get("uh", 0.0)
            minutes = part.get("m", 0.0) + part.get("um", 0.0)
            found.append(hours * 3600 + minutes * 60 + part.get("s", 0.0) + part.get("us", 0.0))
    return found


def topic_of(text: str) -> str:
    """The words that name a thing, without the question around them, times and punctuation."""
    untimed = _TIME.sub(lambda match: " " if match[0].strip() else match[0], text)
    words = re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", untimed)
    kept = [word for word in words if re.sub(r"['’]s$", "", word.lower()) not in _FRAME_WORDS]
    if not kept and (thing := _A_FRAME_THING.search(untimed)):
        return thing[1]  # "a camera" is a thing to look for, "on camera" is not
    return " ".join(re.sub(r"['’]s$", "", word) for word in kept)


def parse(text: str) -> Question:
    """Takes a question apart; never fails: what no rule catches is kind ``what``."""
    text = " ".join(text.split())
    quoted_match = _QUOTED.search(text)
    quoted = quoted_match.group(1) if quoted_match else None
    recent_s, bare = _recent(text)
    times = times_named(bare)
    about_text = bool(_TEXT_WORDS.search(bare)) and quoted is None
    span = TimeSpan(min(times[:2]), max(times[:2])) if len(times) >= 2 else None
    at_s = times[0] if len(times) == 1 else None
    if pair := _pair(bare, timed=bool(times)):
        kind, one, other = pair
        return Question(text, kind, topic_of(one), None, None, None, recent_s, other=topic_of(other))
    kind, subject = _kind(bare, at_s, span, recent_s, about_text)
    topic = quoted or topic_of(_TEXT_WORDS.sub(" ", subject) if about_text else subject)
    if kind in ("when", "what") and not topic and not about_text:
        kind = "summary"
    return Question(text, kind, topic, quoted, at_s, span, recent_s, about_text)


def _pair(text: str, *, timed: bool) -> tuple[Kind, str, str] | None:
    """The kind and its two things, for questions about two."""
    if timed:
        return None
    if match := _BETWEEN.search(text) or _AFTER_BEFORE.search(text):
        return "between", match[1], match[2]
    if _SOONER.search(text) and (match := _EITHER.search(text)) and topic_of(match[1]) and topic_of(match[2]):
        return "which_first", match[1], match[2]
    return None


def _recent(text: str) -> tuple[float | None, str]:
    match = _RECENT.search(text)
    if match is None:
        return None, text
    said = (match.group(1) or "a").lower()
    amount = float(said) if said[0].isdigit() else _NUMBER_WORDS.get(said)
    if amount is None:
        return None, text
    unit = match.group(2).lower().removesuffix("s")
    return amount * _UNIT_S[unit], text[: match.start()] + " " + text[match.end() :]


def _kind(
    text: str, at_s: float | None, span: TimeSpan | None, recent_s: float | None, about_text: bool
) -> tuple[Kind, str]:
    """The kind, and the part of the question that names its subject."""
    lower = text.lower()
    timed = at_s is not None or span is not None
    if _SAID_BY.search(text) or _MEASURE.search(text):
        return "unknown", text
    if _HOW_LONG.search(text) and topic_of(_HOW_LONG.sub(" ", text)) and not about_text:
        return "how_long", _HOW_LONG.sub(" ", text)
    if _COUNT.search(text):
        return "count", text
    if (order := _ORDER.search(text)) and not times_named(order.group(2)):
        return ("before" if order.group(1).lower() == "before" else "after"), order.group(2)
    if order := _FOLLOWS.search(text) or _GONE.search(text):
        return "after", order.group(1)
    if order := _PRECEDES.search(text):
        return "before", order.group(1)
    if _EXISTS.search(text) and (topic_of(text) or not timed):
        return "exists", text
    if re.search(r"\b(first|earliest)\b", lower) and not about_text:
        return "first", text
    if re.search(r"\b(last|latest|final|most recently)\b", lower) and not about_text:
        return "last", text
    if re.search(r"\b(when|what time|which (?:second|minute|moment)|at what)\b", lower):
        return "when", text
    if about_text:
        return "text", text
    if timed or (recent_s is not None and not topic_of(text)):
        return "at", text
    if _NOW.search(text) and not topic_of(_NOW.sub(" ", text)):
        return "now", text
    if _SUMMARY.search(text):
        return "summary", text
    return ("unknown" if _ATTRIBUTE.search(text) else "what"), text
