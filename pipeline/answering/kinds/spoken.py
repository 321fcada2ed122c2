"""What somebody says. Speech is not transcribed, so no memory holds it."""

from __future__ import annotations

from pipeline.answering.claims import Findings
from pipeline.answering.kinds.unsupported import not_held
from pipeline.answering.retrieve import VideoMemory
from pipeline.queries.query import Spoken


def find(query: Spoken, memory: VideoMemory) -> Findings:
    """Says that it is not known."""
    return not_held("speech is not transcribed")
