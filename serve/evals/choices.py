"""Multiple choice: picks the option that is best supported by what Longwatch found.

The question is asked as it is, without its options. The option is taken whose content words occur most, by share, in
the answer and the cited memories. Where none does, or several do equally, it is the option whose words find the nearest
key in the memory. Yes and no are read off the answer; a number is compared with the count in the answer.

The public sets ask differently: there a language model chooses a letter. Our model's protocol words a statement and
gives no likelihood of an option. So figures from here are comparable with each other, and with the published ones only
as "what is found is enough to pick the option".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from memory.retrieval.retriever import RetrievalRequest
from pipeline.answer import Answer
from pipeline.answering.match import words
from pipeline.queries.rules.words import topic_of
from serve.embedded import Longwatch

from .scoring import count_stated, letter_stated

_YES_NO = {"yes": True, "no": False}


def choose(longwatch: Longwatch, video_id: str, options: Sequence[str], answer: Answer) -> int:
    """Index of the option that is supported best; the earliest among equals."""
    shares = plain_choice(
        options, answer.text, [citation.notes for citation in answer.citations], supported=answer.supported
    )
    best = max(shares)
    tied = [number for number, share in enumerate(shares) if share == best]
    if len(tied) == 1:
        return tied[0]
    near = {number: _nearest(longwatch, video_id, options[number]) for number in tied}
    return max(tied, key=lambda number: (near[number], -number))


def plain_choice(options: Sequence[str], text: str, notes: Sequence[str], *, supported: bool) -> list[float]:
    """For each option, how much of it the answer and the notes say, 0 to 1."""
    bare = [option.strip().rstrip(".").lower() for option in options]
    if set(bare) <= _YES_NO.keys():
        return [float(_YES_NO[option] == supported) for option in bare]
    letter = letter_stated(text, len(options))
    if letter is not None:
        return [float(number == letter) for number in range(len(options))]
    count = count_stated(text)
    numbers = [count_stated(option) if len(words(option)) <= 2 else None for option in options]
    if count is not None and all(number is not None for number in numbers):
        return [1.0 if number == count else 0.0 for number in numbers]
    here = set(words(" ".join([text, *notes])))
    return [_share(option, here) for option in options]


def _share(option: str, here: set[str]) -> float:
    content = set(words(topic_of(option))) or set(words(option))
    return len(content & here) / len(content) if content else 0.0


def _nearest(longwatch: Longwatch, video_id: str, option: str) -> float:
    """The best cosine of the option's words over the memory, the open cube included."""
    topic = topic_of(re.sub(r"[^\w\s'’-]", " ", option)) or option
    request = RetrievalRequest(longwatch.backend.keys.question(topic), limit=1)
    hits = longwatch.retriever.retrieve(video_id, request).hits
    return max((hit.score for hit in hits), default=-1.0)
