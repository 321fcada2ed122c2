"""Finds the words of a question that name a thing, without the question around them.

It uses lists of English function words and of words about watching, and cuts at articles and prepositions: "Is there a
drum on the stage?" asks for "drum", with "stage" beside it. It has no grammar and no vocabulary of things: which of the
remaining words the encoder knows is decided later (`pipeline.queries.terms`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from pipeline.queries.rules.times import without_times

_ARTICLES = frozenset(
    "a an the this that these those any some my your his her its our their each every another".split()
)
_PREPOSITIONS = frozenset(
    """
    at in on to from by for with without about into onto over under across along around behind beside near next inside
    outside above below against through during between among beyond within upon off out up down past while where when
    which that who
    """.split()
)
_FRAME_WORDS = frozenset(
    """
    is are was were be been being am do does did done doing has have had having could will would shall should may
    might must what why how whom whose and or but not no ever never there here then it i you we he she they me us
    them since until till before after whether if as than so just also only very right now again else yet already
    see sees seen seeing show shows shown showing showed appear appears appeared appearing visible happen happens
    happened happening occur occurs occurred come comes came coming go goes went gone going look looks looking
    looked find finds found spots notice noticed tell told describe described summarise summarize summary please
    give displayed displays feature featured features contain contains contained include includes included exist
    exists existed arrive arrives arrived arriving leave leaves left leaving vanish vanishes vanished disappear
    disappears disappeared enter enters entered return returns returned visit visits visited pass passes passed
    passing drives drove use uses used using play plays played playing stay stays stayed get gets got let watched
    watching view viewed miss missed turn turns turned pop popped crosses crossed walks walked runs lie lies lay sit
    sits sitting stand stands standing lasts lasted remain remains remained continue follow follows followed
    following precede precedes preceded preceding hear hears heard count counts counted know want like think
    remember recall believe suppose guess wonder say says said read reads reading mention mentioned mentions search
    locate seek first last latest most recently recent time times moment moments instant many much often long short
    early earlier sooner later late once twice finally final earliest initially eventually anymore still begin
    begins began begun start starts started starting end ends ended ending beginning second seconds minute minutes
    hour hours previous subsequent immediately directly shortly quickly soon straight one ones thing things
    something anything nothing object objects item items stuff whole entire total complete everything everyone
    anyone anybody somebody someone nobody all both either several different various separate kind kinds sort sorts
    type types number amount occurrence occurrences appearance appearances instance instances occasion occasions
    sight sighting sightings shot shots scene scenes part parts section sections segment bit anywhere somewhere
    anytime sometime everywhere whereabouts list sum point points overview recap gist highlights highlight story
    plot present presently currently briefly roughly exactly actually really mainly clearly approximately basically
    generally overall possibly simply kindly video's t s re ve ll d m didn doesn isn wasn aren weren third fourth
    pls plz u ur thx ok okay hi hey hello thanks thank
    fifth sixth seventh eighth ninth tenth
    """.split()
)
"""Words that frame a question and never name a thing to look for."""

_FRAME_FORMS = re.compile(r"n['’]t$|^\d{1,2}(?:st|nd|rd|th)$")
"""Frame words by their form: "isn't", "22nd"."""

_MAYBE = frozenset("can saw watch drive spot display place take takes took land will".split())
"""Frame words too, unless an article or a part of a name stands before them: "we saw", but "a saw", "chain saw"."""
_AUXILIARIES = frozenset("do does did can could will would".split())
_BEFORE_NOUNS = frozenset("first second third fourth fifth last next other same very previous latest earliest".split())
"""They leave an article in force."""

_MEDIA = frozenset(
    """
    screen camera picture pictures frame frames clip clips film films video videos movie movies footage recording
    recordings stream streams timeline image images memory memories
    """.split()
)
"""The film itself, unless they are part of a name: "fire screen", "film projector"."""
_A_MEDIUM = re.compile(
    r"\b(?:an?|any) (camera|screen|picture|frame|clip)\b"
    r"|(?<!\bon )(?<!\bin )(?<!\boff )(?<!\bat )(?<!\bof )\bthe (camera|screen)\b"
    r"(?! (?:show|say|read|tell))",
    re.IGNORECASE,
)
"""Where the camera or the screen is the thing to look for."""
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|[,;:?]")
_POSSESSIVE = re.compile(r"['’]s$")


_TYPED = (
    (re.compile(r"\b(what|where|when|who|how|there|that|here)s\b", re.IGNORECASE), r"\1's"),
    (re.compile(r"\b(is|are|was|were|do|does|did|has|have|had|could|would)nt\b", re.IGNORECASE), r"\1n't"),
    (re.compile(r"\b(?:hwo|hw)\b", re.IGNORECASE), "how"),
    (re.compile(r"\b(?:waht|wat|wht)\b", re.IGNORECASE), "what"),
    (re.compile(r"\bteh\b", re.IGNORECASE), "the"),
    (re.compile(r"\b(?:wich|whcih)\b", re.IGNORECASE), "which"),
    (re.compile(r"\b(is|are|was|were) ther\b", re.IGNORECASE), r"\1 there"),
    (re.compile(r"\bhapp?end\b", re.IGNORECASE), "happened"),
)


def spelled(text: str) -> str:
    """The text with the words that frame a question as they are written: "whats" -> "what's", "isnt" -> "isn't"."""
    for pattern, right in _TYPED:
        text = pattern.sub(right, text)
    return text


After = Literal["preposition", "phrase", "and", ",", ""]


@dataclass(frozen=True, slots=True)
class Phrase:
    """Neighbouring words that may name a thing.

    Attributes:
        words: as asked, in their order.
        article: the one that stands before them, in lower case; may be empty.
        verb_last: whether the last of several words may be a verb: "did the taxi drive by".
        after: what the article, or the phrase, stands behind: a preposition, another phrase, with or
            without "and" or a comma between, or none of these.
    """

    words: tuple[str, ...]
    article: str
    after: After
    verb_last: bool


def phrases_of(text: str) -> list[Phrase]:
    """The phrases left when the frame of the question is taken away, in order."""
    phrases: list[Phrase] = []
    words: list[str] = []
    article = asked = ""
    after: After = ""
    tokens = [*_WORD.findall(without_times(text)), "?"]
    for raw, following in zip(tokens, [*tokens[1:], "?"], strict=True):
        word = _POSSESSIVE.sub("", raw)
        low = word.lower()
        if low == "of" or (low == "the" and words and words[-1] == "of"):
            words += [low] * bool(words)  # "cup of coffee" is one phrase
            continue
        named = low == "and" and words and words[-1][0].isupper() and following[0].isupper()  # "Black and Tan"
        if named or not _frames(low) or (low in _MAYBE and (_singular(words) if words else article)):
            words.append(word)
            continue
        while words and words[-1] in ("of", "the"):
            words.pop()
        closed = bool(words)
        if closed and not all(part.lower() in _MEDIA for part in words):
            phrases.append(Phrase(tuple(words), article, after, asked in _AUXILIARIES and low not in _FRAME_WORDS))
        words = []
        behind: After = "preposition" if low in _PREPOSITIONS else _joint(low) if closed or after == "," else ""
        after = ("phrase" if closed else after) if low in _ARTICLES else behind
        kept = article if not closed and low in _BEFORE_NOUNS else ""
        article = low if low in _ARTICLES else kept
        asked = asked if low in _ARTICLES and not closed else low
    return phrases


def _joint(low: str) -> After:
    return "and" if low == "and" else "," if low == "," else ""


def _frames(low: str) -> bool:
    listed = low in _ARTICLES or low in _PREPOSITIONS or low in _FRAME_WORDS or low in _MAYBE
    return listed or not low[0].isalnum() or bool(_FRAME_FORMS.search(low))


def _singular(words: list[str]) -> bool:
    """Whether the last word can be the first part of a name: "chain saw", but "tractors drive"."""
    return not words[-1].endswith("s") or words[-1].endswith("ss")


def topic_of(text: str) -> str:
    """All words that name things, without the question around them, times and punctuation."""
    phrases = phrases_of(text)
    if not phrases and (medium := _A_MEDIUM.search(without_times(text))):
        return str(medium[1] or medium[2])  # "a camera" is a thing to look for, "on camera" is not
    return _joined(phrases)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a question asks for.

    Attributes:
        topic: the words that name the thing; may be empty.
        where: the other words that name things: where, with what.
        predicate: words about the thing itself: "open" in "Is the gate still open?".
        definite: whether it is *the* thing, taken to be there.
        verb_last: see `Phrase`.
    """

    topic: str
    where: str = ""
    predicate: str = ""
    definite: bool = False
    verb_last: bool = False


def subject_of(text: str) -> Subject:
    """The thing a question asks for."""
    phrases = phrases_of(text)
    if not phrases:
        return Subject(topic_of(text))
    place = _head(phrases)
    head = phrases.pop(place)
    return _subject(head, phrases[:place], phrases[place:])


def each_of(text: str) -> tuple[Subject, ...]:
    """The things of "the cat and the dog" or "cats, dogs and cows", each with what else is named; none where it is one
    thing, or where they are asked for as they are together. Alike in form they have to be: "a black and white cat" is
    one thing; whether the words are things is for who knows the vocabulary."""
    phrases = phrases_of(_AND_HOW_MANY.sub("and", text))
    if not phrases or _TOGETHER.search(text):
        return ()
    place = end = _head(phrases)
    while end + 1 < len(phrases) and phrases[end + 1].after in ("and", ","):
        end += 1
    things = phrases[place : end + 1]
    if len(things) < 2 or things[-1].after != "and" or not _alike(things):
        return ()
    return tuple(_subject(thing, phrases[:place], phrases[end + 1 :]) for thing in things)


_AND_HOW_MANY = re.compile(r"\band how many\b", re.IGNORECASE)
_TOGETHER = re.compile(
    r"\b(?:together|both|simultaneously|jointly|side by side|(?:at|in) the same|at once|with each other|one another)\b",
    re.IGNORECASE,
)


def _alike(things: list[Phrase]) -> bool:
    """Each with its article, or each a single word or a plural."""
    if all(thing.article for thing in things):
        return True
    if any(thing.article for thing in things[1:]):
        return False
    return all(len(thing.words) == 1 for thing in things) or not any(_singular([*thing.words]) for thing in things)


def _subject(head: Phrase, before: list[Phrase], behind: list[Phrase]) -> Subject:
    predicate = [phrase for phrase in behind if not phrase.article and phrase.after not in ("preposition", "phrase")]
    where = [phrase for phrase in (*before, *behind) if phrase not in predicate]
    return Subject(_joined([head]), _joined(where), _joined(predicate), head.article not in _INDEFINITE, head.verb_last)


_INDEFINITE = frozenset(["", "a", "an", "any", "some", "every"])


def _joined(phrases: list[Phrase]) -> str:
    return " ".join(word for phrase in phrases for word in phrase.words)


def _head(phrases: list[Phrase]) -> int:
    """The first phrase, unless it is a verb: one without an article that one with an article follows directly."""
    first, *rest = phrases
    verb = not first.article and rest and rest[0].article and rest[0].after == "phrase" and first.words[0].islower()
    return 1 if verb else 0
