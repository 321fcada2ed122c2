"""Where a video's file lies: kept by Longwatch in its data folder, or its owner's, which Longwatch only points to.

A kept file is named after its video and is looked for in the present data folder, so that a copied or restored folder
uses its own files and never those it was copied from.
"""

from __future__ import annotations

from pathlib import Path

from memory.records import VideoRecord

FOLDER = "media"


def kept_file(record: VideoRecord, data_dir: Path) -> Path | None:
    """The record's file, where it is Longwatch's own; it may be missing."""
    media = None if record.media is None else Path(record.media)
    return data_dir.resolve() / FOLDER / media.name if media is not None and media.stem == record.id else None


def media_file(record: VideoRecord, data_dir: Path) -> Path | None:
    """The record's file, whoever owns it; None where none was kept."""
    if record.media is None:
        return None
    return kept_file(record, data_dir) or Path(record.media)
