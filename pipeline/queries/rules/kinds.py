"""Decides what kind of answer a question wants: patterns over English wordings, the first that matches wins.

A wording that no pattern matches is of kind ``what``. An attribute that no pattern names is left to
`pipeline.answering.execute`, which knows the vocabulary.
"""

from __future__ import annotations

import re
from typing import Literal

from pipeline.patterns import AnyOf
from pipeline.queries.query import Edge
from pipeline.queries.rules.events import of_events
from pipeline.queries.rules.times import TimeReference, times_named
from pipeline.queries.rules.words import topic_of

Kind = Literal[
    "when", "first", "last", "count", "exists", "at", "before", "after", "between", "which_first", "how_long", "now",
    "text", "summary", "unknown", "what",
]  # fmt: skip


_TEXT = (
    r"text|texts|captions?|subtitles?|titles?|headings?|written|writing|words?|say|says|said|read|reads|readable|lettering|"
    r"inscriptions?|spelled|printed"
)
_ASKS_FOR_TEXT = AnyOf(rf"\b(?:{_TEXT})\b")
TEXT_WORDS = AnyOf(rf"\b(?:{_TEXT}|signs?|labels?|logos?|posters?|banners?|boards?|screen)\b")
"""Words that ask for what is written, and what it is written on."""
QUOTED = re.compile(r"(?<!\w)[\"“”«»']([^\"“”«»']{2,80})[\"“”«»'](?!\w)")
_LITERAL = AnyOf(r"\bmention(?:s|ed)?\b", r"\bthe (?:words?|name|phrase|letters?|numbers?)\b")
_COUNT = AnyOf(
    r"\bhow often\b",
    r"\bhow many\b(?! (?:seconds|minutes|hours)\b)",
    r"\b(?:count|number of) (?:the |all |of )*(?:appearances|times|occurrences)\b",
    r"\bnumber of\b",
    r"^\s*count\b",
)
_EXISTS = AnyOf(
    r"^\s*any\b",
    r"^\s*(?:is|are|was|were|do|does|did|can|could|has|have|had)(?:n['’]t)?\b.*",
    r"^(?!\s*(?:what|which|when|where|who|how|everything|while)\b).*\b(?:is|are|was|were) there\b",
    r"\b(?:if|whether)\b",
)
_MEDIUM = (
    r"(?:the|this|that|it|my)(?: (?:whole|entire|full))? ?(?:video|clip|film|stream|movie|recording|footage|thing)?"
)
_SUMMARY = AnyOf(
    r"\bsummar\w*|\btl;?dr\b",
    r"\boverview\b",
    r"\bsum (?:\w+ )?up\b",
    r"\b(?:recap|gist|highlights|in short|key moments|main (?:points|events))\b",
    rf"\bdescribe {_MEDIUM}",
    r"\bwhat (?:happens|happened|is happening|is going on|is (?:in|on|shown in)) (?:in )?(?:the|this) \w+",
    r"\bwhat (?:all )?(?:happens|happened|goes on|went on|is going on|is happening)"
    r"(?: (?:in|during|throughout|over|within)\b.*)?\s*\?*$",
    r"\bwhat(?:['’]s| is| was) (?:this|the|that)(?: (?:whole|entire))? \w+ (?:all )?about\b",
    r"\btell me (?:everything|all|what happen\w*)\b",
)
_OF_ALL = AnyOf(r"\b(?:video|clip|film|movie|recording|footage|whole|summ\w*)\b")
_ORDER = AnyOf(
    r"\b(?:right |just |shortly |immediately |directly |straight )?(before|after|following|preceding)\s+(.+)$"
)
_ONCE = r"(?:once|when(?! (?:is|are|was|were|do|does|did)\b)|as soon as)"
_FOLLOWS = AnyOf(
    r"\b(?:what|which \w+|who) (?:comes? |came |then )?follow(?:s|ed)\s+(.+)$",
    r"\b(?:what|which \w+|who) (?:is|was) (.+) followed by\b",
    rf"\b{_ONCE}\s+(.+?)\s+(?:had|has|have|was|is|were|are) (?:gone|left|over|away|finished|done)\b",
    rf"\b{_ONCE}\s+(.+?)\s+(?:leaves?|left|goes|went|disappear\w*|vanish\w*|ends?|ended)\b",
    r"\bwhat (?:comes? |came |is |was )?next to follow (.+)$",
    r"\b(?:comes?|came|is|was|shown|seen) next,? (?:after|following) (.+)$",
)
_PRECEDES = AnyOf(
    r"\bpreced(?:es|ed|ing)\s+(.+)$",
    r"\bleads? up to\s+(.+)$",
    r"\bled up to\s+(.+)$",
    r"\bahead of\s+(.+)$",
    r"\bprior to\s+(.+)$",
    r"\buntil\s+(?!when\b|what\b)(.+)$",
)
_HOW_LONG = AnyOf(
    r"\b(?:for )?how long\b(?! ago)",
    r"\bhow much (?:screen ?)?time\b",
    r"\b(?:for )?how many (?:seconds|minutes|hours)\b",
    r"\b(?:the )?(?:total )?(?:duration|length) of\b",
)
_NOW = AnyOf(
    r"\b(?:right now|now|currently|at present|presently|at (?:the|this) (?:moment|minute)|just now)\b",
    r"(?:\bis|['’]s) (?:happening|going on)\b",
)
_WHEN = AnyOf(
    r"\b(?:when|whereabouts|what time|what times|which (?:second|minute|moment|time|times)|at what|at which|where in)\b"
)
_FIRST = AnyOf(r"\b(?:first|earliest|initially|to begin with|since when)\b", r"\b(?:start|begin)s? to be\b")
_LAST = AnyOf(r"\b(?:last|latest|final|finally|most recent(?:ly)?)\b")

_THING = r"(?:the|a|an|this|that|these|those|my|his|her|its|our|their)"
_IDENTITY = AnyOf(
    r"\b(?:which|what) (\w+(?: \w+)?) (?:is|was|are|were) (?:it|this|that|he|she|they|these|those)\b\s*\?*$",
)
_ATTRIBUTES = (
    r"(?:name|colou?rs?|price|age|size|weight|weather|temperature|speed|height)",
    r"(?:width|distance|brand|make|model|breed|meaning|purpose|reason|cause)",
    r"(?:address|owner|sound|smell|taste|gender|sex|mood|genre|language)",
    r"(?:date|year|month|day|season|population|city|country|town|village)",
    r"(?:street|song|music|piece|tune|melody|flavou?r|material|shape|species)",
    r"(?:team|company|nationality|job|number plate|licence plate|license plate|value|cost|score)",
    r"(?:result|winner)",
)
"""What a thing may have; a pattern is made with each part."""
_FILM = (
    r"(?:video|film|clip|movie|recording|screen|sign|caption|label|text|title|board|poster|banner|page|timeline|memory|"
    r"footage|camera|stream|picture)"
)
"""What shows and says something itself."""
_UNKNOWN = AnyOf(
    r"^\s*(?:who|whose|whom|why)\b",
    r"\bwhose\b",
    r"\b(?:say|says|said|think|thinks|thought|feel|feels|felt)\b.*\babout\b",
    r"\bhow many (?:kilomet|met|mile|dollar|euro|pound|degree|kilo|lit|step|year|day|week|month)\w*",
    r"\bhow many (?:\w+ ){1,2}(?:like|love|want|need|know|own|buy|bought|think|believe|prefer|enjoy)\b",
    r"\bhow (?!often\b|many\b|long\b|much (?:screen ?)?time\b|come\b)\w+",
    r"\bhow long ago\b",
    *(rf"\b(?:what|which) {part}\b" for part in _ATTRIBUTES),
    *(rf"\bwhat (?:is|was|are|were) {_THING} (?:\w+ )?{part}\b" for part in _ATTRIBUTES),
    *(rf"\btell me {_THING} {part} of\b" for part in _ATTRIBUTES),
    r"\b(?:called|named|made (?:of|from|by|out of)|worth|used for|bought|sold|invented|born|married|manufactured|"
    r"built|constructed|founded|designed|directed|produced)\b",
    r"\bwhat (?:do|does|did|will|would|can|could|should|has|have|had) (?:he|she|they|it)\b",
    *(
        rf"\bwhat {helper} {_THING} (?!(?:\w+ )?{_FILM}\b)(?!.*\b(?:say|says|read|show|shows)\b)\w+"
        for helper in ("(?:do|does|did)", "(?:will|would|can|could|should)")
    ),
    r"\bwhat (?:is|was|are|were) .*\b(?:doing|wearing|holding|eating|drinking|thinking|carrying|like)\s*\?*$",
    r"^\s*(?:what|who|how|where) will\b",
    r"^\s*where (?:is|are|was|were|do|does|did|has|have) (?:he|she|they|it|this|that|we|i|you)\b(?! (?:find|see))",
    r"^\s*where (?:do|does|did|will|would)\b"
    r"(?!.*\b(?:see|find|appear|show|come|turn|occur|happen|pop|begin|start|end)\b)",
    r"^\s*where\b.*\b(?:bought|made|born|filmed|shot|recorded|built|live|lives|from|going|go|stolen|parked|taken)\b",
    r"^\s*(?:do|does|did|would|will|can|could|has|have|had|is|are|was|were)\b.*\b(?:like|likes|liked|love|loves|want|"
    r"wants|need|needs|know|knows|enjoy|enjoys|prefer|prefers|own|owns|buy|hate|hates|believe|feel|feels|cost|costs|"
    r"mean|means|understand|weigh|weighs|belong|belongs|work|works)\b",
)
"""What no memory of this kind holds: who, why, how much, what colour a thing has, what it is called, does or wants."""
_SPEAKER_ASKED = AnyOf(r"\bwhat (?:do|does|did|is|was|are|were) (?:he|she|they|somebody|anyone|people)\b")


def asks_for_text(text: str) -> bool:
    """Whether it asks for what is written."""
    return bool(_ASKS_FOR_TEXT.search(text))


def asks_speaker(text: str) -> bool:
    """Whether it asks for what somebody says: "What does he say?"."""
    return asks_for_text(text) and bool(_SPEAKER_ASKED.search(text))


def counts(text: str) -> bool:
    """Whether it asks for a number of times or things."""
    return bool(_COUNT.search(text))


def edge_of(text: str) -> Edge:
    """ "What comes first?" """
    return "start" if _FIRST.search(text) else "end" if _LAST.search(text) else ""


_NO_YES = AnyOf(
    r"\b(?:no|not|never|without|gone|missing|absent|except|besides|other than|else|but|only|more than|less than|fewer "
    r"than|exactly|once|twice|still|any ?more|any longer|again)\b",
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|\d+) (?!(?:second|minute|hour|sec|min|hr)s?\b)[a-z]+s\b",
)


def yes_or_no(text: str) -> bool:
    """Whether "yes" means that the thing was seen: not of "is there no dog", "is it gone", "are there two dogs"."""
    return not _NO_YES.search(text)


def literal(text: str) -> bool:
    """Whether the words themselves have to be found: "any mention of", "which platform is it"."""
    return bool(_LITERAL.search(text) or _IDENTITY.search(text))


def lasting(text: str) -> str | None:
    """The question without "how long", where it asks that."""
    return _HOW_LONG.sub(" ", text) if _HOW_LONG.search(text) else None


def kind_of(text: str, moment: TimeReference, about_text: bool) -> tuple[Kind, str]:
    """The kind, and the part of the question that names its subject."""
    timed = moment.named or moment.recent_s is not None or bool(moment.edge)
    if beside := _beside(text):
        return beside
    if (rest := lasting(text)) is not None and not about_text:
        return "how_long", rest
    if _COUNT.search(text) and not _UNKNOWN.search(text):
        return ("unknown" if not about_text and of_events(QUOTED.sub("", text)) else "count"), text
    if not about_text and not _SUMMARY.search(text) and not (timed and not topic_of(text)) and _UNKNOWN.search(text):
        return "unknown", text
    if not timed and (match := _IDENTITY.search(text)):
        return "text", match[1]
    if about_text and _SPEAKER_ASKED.search(text):
        return "unknown", text
    topic = topic_of(TEXT_WORDS.sub(" ", text) if about_text else text)
    if not timed and not about_text and _NOW.search(text) and not topic and not _OF_ALL.search(text):
        return "now", text
    if _EXISTS.search(text) and (topic or not timed) and not (about_text and not topic):
        return "exists", text
    if about_text and not (_WHEN.search(text) and topic):
        return "text", text
    return _plain(text, moment, topic, timed)


def _plain(text: str, moment: TimeReference, topic: str, timed: bool) -> tuple[Kind, str]:
    """Kinds of things, of moments, and of the whole."""
    if moment.beside and not topic:
        return moment.beside, ""
    if topic and _FIRST.search(text):
        return "first", text
    if topic and _LAST.search(text):
        return "last", text
    if topic and _WHEN.search(text):
        return "when", text
    if timed:
        return "at", text
    if _SUMMARY.search(text):
        return "summary", text
    return "what", text


def _beside(text: str) -> tuple[Kind, str] | None:
    """Questions about what stands next to a thing."""
    if (order := _ORDER.search(text)) and not times_named(order[2]) and topic_of(order[2]):
        return ("before" if order[1].lower() in ("before", "preceding") else "after"), order[2]
    if order := _FOLLOWS.search(text):
        return "after", next(group for group in order.groups() if group)
    if (order := _PRECEDES.search(text)) and topic_of(anchor := next(group for group in order.groups() if group)):
        return "before", anchor
    return None
