"""What can be set about watching and answering; plain dataclasses, filled by `serve.settings` or by a caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from memory.records import TokenType

STREAMING = "streaming"
"""The propagator, cubing and compressor that a backend with a streaming encoder brings itself."""
VerifyMode = Literal["strict", "cited", "off"]
PlannerName = Literal["rules", "model"]


@dataclass(frozen=True, slots=True)
class IngestConfig:
    """How a video is watched.

    Attributes:
        fps: pictures sampled per second of video; a step is one, or two where the frame encoder pairs them.
        commit_steps: steps between two full commits.
        cubing, compressor, propagator: registry names; the propagator may be `STREAMING`.
        cube_tokens: M, tokens a cube is compressed to.
        token_type: as what they are stored; `memory.store.packing` states the error of each.
        same_picture: two neighbouring steps whose sketches differ by at most this share one encoding.
        screen_text: whether the screen is read at all.
        screen_text_every_s: it is read at most this often, and only where the picture changed.
        detect: whether what stands out without being named is noted, where the backend has a detector.
        prefetch_steps: decoded pictures waiting for the encoder, at most.
    """

    fps: float = 1.0
    commit_steps: int = 16
    cubing: str = "momentum"
    compressor: str = "progressive"
    propagator: str = "merging"
    cube_tokens: int = 16
    token_type: TokenType = "int8"
    same_picture: float = 0.002
    screen_text: bool = True
    screen_text_every_s: float = 2.0
    detect: bool = True
    prefetch_steps: int = 32

    @property
    def sampling(self) -> str:
        """Everything that shapes a memory besides the backend; part of a content's identity."""
        text = f"text{self.screen_text_every_s:g}s" if self.screen_text else "notext"
        stored = "" if self.token_type == "int8" else f"/{self.token_type}"
        stored += "/noticed" if self.detect else ""
        return f"{self.fps:g}fps/{self.cubing}/{self.compressor}{self.cube_tokens}/{self.propagator}/{text}{stored}"


@dataclass(frozen=True, slots=True)
class LiveConfig:
    """Bounds of one live stream.

    Attributes:
        queue_frames: sampled pictures that may wait for the encoder; the credit a client begins with.
        group_frames: pictures observed together at most.
        full_steps: steps between two full commits at most.
        idle_s: without a picture for so long, everything is committed.
    """

    queue_frames: int = 32
    group_frames: int = 4
    full_steps: int = 16
    idle_s: float = 1.0


@dataclass(frozen=True, slots=True)
class AnswerConfig:
    """How a question is answered.

    Attributes:
        cubes, tokens: the selection's budget; both bind.
        answer_tokens: longest answer of the language model.
        join_gap_s: hits closer than this are one appearance.
        candidates: hits whose notes are read before selecting.
        read_whole: of a video with at most so many cubes the notes of all are read: some things only notes know.
        diversity: 0 cites what answers best; towards 1, what differs most from what is cited already.
        planner: who takes questions apart (`pipeline.queries.planner`).
        verify: how a language model's words are checked (`pipeline.answering.verify`).
    """

    cubes: int = 4
    tokens: int = 256
    answer_tokens: int = 96
    join_gap_s: float = 1.5
    candidates: int = 64
    read_whole: int = 256
    diversity: float = 0.25
    planner: PlannerName = "rules"
    verify: VerifyMode = "strict"
