"""Errors of the pipeline, each with the stable code a client sees (table: docs/architecture.md).

PipelineError
├── MediaUnsupported      media.unsupported   not a video, no video stream, codec not allowed
├── MediaDamaged          media.damaged       damage before the first frame; later damage makes a video `partial`
├── MediaTooLarge         media.too_large
├── MediaNotKept          media.not_kept
├── DecoderKilled         decoder.killed      the decoding child was killed from outside, and so were its successors
├── BackendMismatch       memory.backend_mismatch
├── BackendUnavailable    backend.unavailable weights missing, or no decoding process starts; says how to mend it
└── NotWatchedYet         not_ready           a question before anything was watched
"""

from __future__ import annotations

from typing import ClassVar


class PipelineError(Exception):
    """Base of all errors this package raises on purpose. `code` is stable; the text is for a person."""

    code: ClassVar[str] = "internal"


class MediaUnsupported(PipelineError):
    code = "media.unsupported"


class MediaDamaged(PipelineError):
    code = "media.damaged"


class MediaTooLarge(PipelineError):
    code = "media.too_large"


class MediaNotKept(PipelineError):
    code = "media.not_kept"


class DecoderKilled(PipelineError):
    """Says nothing about the file: the system or a person ended the decoder, most often for want of memory."""

    code = "decoder.killed"


class BackendMismatch(PipelineError):
    code = "memory.backend_mismatch"


class BackendUnavailable(PipelineError):
    code = "backend.unavailable"


class NotWatchedYet(PipelineError):
    code = "not_ready"
