"""Facts to be planted in a text: sentences that differ in wording, each ending in one of eight words.

A fact is asked for by repeating it up to its last word (a cloze): SmolLM2-135M cannot be asked such things in a chat,
not even with everything in sight, but it completes what it has read. Every answer is a single token of its vocabulary
(`planting` checks it), so one forward pass gives the greedy answer, the choice of eight and the likelihood. Two sets
share no sentence: defaults are chosen on `DEVELOPMENT` and figures are taken on `MEASURED`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """`words` without the last one, and the eight it may be."""

    words: str
    choices: tuple[str, ...]


def _facts(lines: str) -> tuple[Fact, ...]:
    pairs = (line.split(" | ") for line in lines.strip().splitlines())
    return tuple(Fact(words.strip(), tuple(choices.split())) for words, choices in pairs)


MEASURED = _facts("""
The lamp in the garden is | red blue green yellow white black orange purple
The captain of the ferry is called | Peter Anna Thomas Maria Simon Helen Victor Rachel
Somebody has filled the box under the stairs with | sand coal paper salt wool rice glass corn
Every morning the night watchman eats | bread cheese fish eggs soup honey apples beans
The number painted on the cellar door is | three four five six seven nine eleven twelve
What they play in the upper hall is the | piano guitar violin drum flute harp trumpet horn
From platform two the train goes to | Paris London Rome Berlin Madrid Vienna Boston Chicago
The brown dog at the gate belongs to the | doctor teacher farmer soldier judge nurse sailor baker
High on the roof of the mill sits a | cat bird fox bear monkey goat owl wolf
The next meeting of the club was moved to | Monday Tuesday Wednesday Thursday Friday Saturday Sunday March
The statue in the square was made of | stone iron wood glass copper marble bronze clay
The spare key hangs behind the | mirror clock door curtain stove barrel painting tree
The old stone bridge was built by the | French Germans Romans English Spanish Dutch Greeks Russians
A stranger in the yard has lost his | hat coat ring watch knife map camera book
His daughter wants to study | math chemistry history music law physics biology medicine
""")

DEVELOPMENT = _facts("""
The curtains of the theatre are | green gray pink red brown gold silver white
The new cook answers to the name of | George Laura Oliver Clara Martin Anna Simon Maria
In the blue jar on the shelf there is | salt rice honey sand glass milk coal butter
The tower by the river has as many floors as | four six eight nine ten five seven twelve
My uncle sold his farm and moved to | Moscow Boston Athens Dublin Cairo Tokyo Madrid Rome
The thief turned out to be the | lawyer priest writer nurse king driver sailor teacher
Under the bench in the park lives a | rabbit snake mouse horse sheep fox cat bird
The parcel from abroad arrives on | Friday Monday Sunday Thursday Tuesday Saturday Wednesday April
The cup that the winner receives is made of | steel bronze ice wood copper gold marble clay
They came to the island by | boat train plane bus truck ship car bike
All day long the guests were drinking | tea coffee wine milk water juice beer soup
The examination that he failed was in | physics law music history biology poetry painting chemistry
""")
