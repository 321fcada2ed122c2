"""Watches all films of a folder and asks each one question: python docs/examples/watch_folder.py FOLDER QUESTION"""

import sys
from pathlib import Path

from serve import Longwatch

FILMS = {".mp4", ".mkv", ".mov", ".avi", ".webm"}

folder, question = sys.argv[1:3]
with Longwatch() as longwatch:
    for film in sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in FILMS):
        video = longwatch.watch(film)  # at once, where it was watched before
        answer = longwatch.ask(video.id, question)
        print(f"{film.name}: {answer.text}")  # noqa: T201
