"""Formats results as text for a person, from the same documents that `--json` prints."""

from __future__ import annotations

from typing import Any

from memory.records import TimeSpan
from pipeline.times import format_span, format_time


def text(command: str, result: dict[str, Any]) -> str:
    """A command's result, ready to print."""
    if "answers" in result:
        return "\n\n".join([_video(result["video"]), *(_answer(answer) for answer in result["answers"])])
    if "cubes" in result:
        return "\n".join(_cube(cube) for cube in result["cubes"]) or "nothing yet"
    if "hits" in result:
        return "\n".join(_hit(hit) for hit in result["hits"]) or "nothing found"
    if "videos" in result:
        return "\n".join(_video(video) for video in result["videos"]) or "nothing is remembered yet"
    if "deleted" in result:
        return f"forgotten: {_video(result['deleted'])}"
    if "forgotten" in result:
        return "\n".join(f"forgotten: {_video(video)}" for video in result["forgotten"]) or "nothing is that old"
    if "link" in result:
        return str(result["link"])
    if "secret" in result:
        return str(result["secret"])
    if "backup" in result:
        made = result["backup"]
        return f"{made['folder']}: {made['files']} files, {made['bytes'] / 1e6:.1f} MB"
    if "checks" in result:
        return "\n".join(
            f"{'ok  ' if check['ok'] else 'FAIL'} {check['name']}: {check['detail']}" for check in result["checks"]
        )
    return _video(result["video"])


def _span(part: dict[str, Any]) -> str:
    return format_span(TimeSpan(part["start_s"], part["end_s"]))


def _video(video: dict[str, Any]) -> str:
    error = f" ({video['error']['detail']})" if video["error"] else ""
    watched = (
        f"{format_time(video['ingested_s'])} watched, {video['cubes']} cubes, {video['bytes_stored'] / 1000:.0f} kB"
    )
    return f"{video['id']}  {video['name']}  {video['status']}{error}  {watched}"


def _answer(answer: dict[str, Any]) -> str:
    lines = [f"Q: {answer['question']}", f"A: {answer['answer']}"]
    lines += [
        f"   {_span(citation)}  {citation['notes']}  (score {citation['score']:.2f})"
        for citation in answer["citations"]
    ]
    timing = answer["timing_ms"]
    lines.append(f"   [{timing['total'] / 1000:.1f} s, words by the {answer['phrased_by']}]")
    return "\n".join(lines)


def _cube(cube: dict[str, Any]) -> str:
    return f"{_span(cube):>20}  {cube['boundary']:<11}  {cube['notes']}"


def _hit(hit: dict[str, Any]) -> str:
    return f"{hit['score']:.2f}  {hit['video_id']}  {_span(hit)}  {hit['notes']}"
