"""How the training questions are worded, several ways a kind. None of these is a wording of the frozen tests."""

from __future__ import annotations

WORDINGS: dict[str, tuple[str, ...]] = {
    "when": (
        "When is the {x} shown?", "When can you see the {x}?", "At what time is there a {x}?",
        "When was the {x} there?",
        "Where in the video is the {x}?", "When does a {x} come up?", "Find the {x}.", "{x}?", "When does {x} show?",
        "Which part has the {x}?", "I am looking for the {x}, when is it on?",
    ),
    "first": (
        "When does the {x} first appear?", "When is the first {x}?", "When did the {x} come the first time?",
        "At what time do we first see the {x}?", "When does the {x} start to be seen?",
    ),
    "last": (
        "When does the {x} last appear?", "When is the last {x}?", "When was the {x} there most recently?",
        "What was the last time the {x} was on?", "When do we see the {x} for the final time?",
    ),
    "count": (
        "How often is the {x} seen?", "How many times do we see the {x}?", "How many times was the {x} on screen?",
        "How often does the {x} come?", "Number of times the {x} shows up?",
    ),
    "at": (
        "What is there at {t}?", "What happens at {t}?", "What is shown at {t}?", "What is on screen at {t}?", "{t}?",
        "What do you see around {t}?", "Tell me what is at {t}.",
    ),
    "before": (
        "What is before the {x}?", "What is shown before the {x}?", "What happened just before the {x}?",
        "What did we see before the {x} came?", "Which thing comes before the {x}?",
    ),
    "after": (
        "What is after the {x}?", "What is shown after the {x}?", "What happened right after the {x}?",
        "What did we see after the {x} left?", "Which thing comes after the {x}?", "And then, after the {x}?",
    ),
    "between": (
        "What is between the {x} and the {y}?", "What happens between the {x} and the {y}?",
        "What do we see after the {x} and before the {y}?",
    ),
    "exists": (
        "Is the {x} shown?", "Is there any {x}?", "Does a {x} appear?", "Can you see a {x}?", "Was there a {x}?",
        "Does the video show a {x}?", "Is a {x} in the video?",
    ),
    "text": (
        "What does the screen say?", "What is written there?", "Read the text.", "Is there any text?",
        "What text is shown?", "Which text appears?", "What do the signs say?",
    ),
    "which_first": (
        "What comes first, {x} or {y}?", "Does the {x} or the {y} come first?", "Which is first: {x} or {y}?",
        "Did the {x} come before the {y} or after it?", "What is seen earlier, the {y} or the {x}?",
    ),
    "how_long": (
        "How long is the {x} there?", "How long does the {x} stay?", "How long can the {x} be seen?",
        "For how many seconds is the {x} on screen?", "What is the duration of the {x}?",
    ),
    "summary": (
        "What happens in the video?", "What is shown?", "Describe the video.", "Summary please.", "Sum it up.",
        "What have you seen?", "Tell me everything.",
    ),
    "stretch": (
        "What happens between {t} and {u}?", "What is shown from {t} to {u}?", "Describe {t} to {u}.",
        "What did we see from {t} until {u}?",
    ),
    "now": (
        "What is happening?", "What is there now?", "What do you see right now?", "What is on at present?",
        "What is shown currently?",
    ),
    "cannot": (
        "What colour is the {x}?", "Who is next to the {x}?", "How big is the {x}?", "Where was the {x} bought?",
        "Whose {x} is it?", "What is the {x} made of?", "How old is the {x}?", "Does anybody like the {x}?",
        "What does the {x} smell of?", "How fast is the {x}?", "What sound does the {x} make?", "Is the {x} expensive?",
        "Who filmed the {x}?", "What will the {x} do next?", "How far away is the {x}?", "What is the weather like?",
        "Which city is this?", "What music is playing?", "Who won?", "What did he say?",
    ),
}  # fmt: skip
