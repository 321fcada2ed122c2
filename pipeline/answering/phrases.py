"""Words and phrases that sentences are made of: the notes of a cube, the subject of a sentence, ordinals.

Pure functions; whole sentences are made in `pipeline.answering.kinds`. `notes_phrase` is a cube's notes in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from encoders.notes import Notes
from pipeline.answering.match import Match, words
from pipeline.times import format_list

MOST_NAMES_LISTED = 3
_THINGS = _TEXTS = 3
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_MANY = frozenset("people children men women mice geese police folk cattle".split())


@dataclass(frozen=True, slots=True)
class NotesPhrase:
    """What of a cube's notes is stated: at most three things and three lines, or else its colours."""

    things: tuple[str, ...]
    texts: tuple[str, ...]
    colours: tuple[str, ...] = ()

    @classmethod
    def of(cls, notes: Notes) -> NotesPhrase:
        """The phrase of these notes."""
        things = tuple(thing.name for thing in notes.things[:_THINGS])
        return cls(things, tuple(line.text for line in notes.texts[:_TEXTS]), tuple(notes.colours))

    @property
    def recognised(self) -> bool:
        """Whether it names a thing or holds screen text."""
        return bool(self.things or self.texts)

    @property
    def picture(self) -> str:
        """What is left to say where nothing was recognised: `mostly grey`."""
        return f"mostly {format_list(self.colours)}" if self.colours else "a picture"

    @property
    def text(self) -> str:
        """In words: `tabby cat; the screen says "EXIT"`."""
        if not self.recognised:
            return f"nothing recognised, {self.picture}"
        shown, read = format_list(self.things), format_list(f'"{text}"' for text in self.texts)
        return "; ".join([shown] * bool(shown) + [f"the screen says {read}"] * bool(read))


def notes_phrase(notes: Notes) -> str:
    """A cube's notes as a phrase: `tabby cat; the screen says "EXIT"`."""
    return NotesPhrase.of(notes).text


@dataclass(frozen=True, slots=True)
class NamedThing:
    """A thing as the subject of a sentence.

    Attributes:
        topic: its words in the question.
        names: the names in the notes where they differ from those: "beagle" for "dog".
        quote: the line of screen text that is stated instead; None for what was seen.
    """

    topic: str
    names: tuple[str, ...] = ()
    quote: str | None = None

    @classmethod
    def of(cls, topic: str, matches: Sequence[Match]) -> NamedThing:
        """The thing of a topic, by its matches; the best of them decides whether it is text."""
        best = max(matches, key=lambda match: match.score)
        if best.by_text:
            return cls(topic, (), best.named)
        topic = topic or best.named or "it"
        names = dict.fromkeys(match.named for match in matches if match.named and not match.by_text)
        return cls(topic, tuple(name for name in names if words(name) != words(topic)))

    @property
    def names_listed(self) -> tuple[str, ...]:
        """The names that are stated."""
        return self.names[:MOST_NAMES_LISTED]

    @property
    def subject(self) -> str:
        """`the dog (beagle)`, `the text "EXIT"`."""
        if self.quote is not None:
            return f'the text "{self.quote}"'
        listed = [*self.names_listed, *["others"] * (len(self.names) > MOST_NAMES_LISTED)]
        return label(self.topic) + (f" ({format_list(listed)})" if listed else "")

    @property
    def verb(self) -> str:
        """`is seen`, `are seen`, `is shown`."""
        if self.quote is not None:
            return "is shown"
        return "are seen" if plural(self.topic) else "is seen"


def label(topic: str) -> str:
    """A topic as the subject of a sentence: "cat" -> "the cat"; "APOLLO 11" and "Ada" stay."""
    name = topic.isupper() or topic[:1].isdigit() or (topic[:1].isupper() and " " not in topic)
    return topic if name or not topic else f"the {topic}"


def numbered(topic: str, nth: int) -> str:
    """A topic with its number: "the second cat", "the last cat"."""
    word = {0: "", -1: "last "}.get(nth) if nth < 1 else f"{ordinal(nth)} "
    return label(topic).replace("the ", f"the {word}", 1)


def plural(topic: str) -> bool:
    """Whether a topic names several: "cats", "people"."""
    if topic.casefold().split(" ")[-1] in _MANY:
        return True
    return topic.endswith("s") and not topic.endswith("ss") and words(topic) != [topic.casefold()]


def ordinal(number: int) -> str:
    """2 -> "second", 21 -> "21st"."""
    if 1 <= number <= len(_ORDINALS):
        return _ORDINALS[number - 1]
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def number_of_times(count: int) -> str:
    """1 -> "once", 3 -> "3 times"."""
    return "once" if count == 1 else f"{count} times"


def capital(sentence: str) -> str:
    """The sentence with a capital at its start."""
    return sentence[:1].upper() + sentence[1:]
