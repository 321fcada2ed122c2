from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from encoders.notes import Detection, Notes, Thing
from pipeline.watching.track import MOST_KEPT, MOST_REPORTED, Tracker


def tracked(*steps: dict[str, float]) -> list[Detection]:
    """One step a second from 10 s on."""
    tracker = Tracker()
    for number, step in enumerate(steps):
        tracker.add([Thing(name, probability) for name, probability in step.items()], 10.0 + number)
    return list(tracker.clearest())


def test_a_word_that_stands_out_twice_is_a_sighting_until_it_is_gone() -> None:
    assert tracked({}, {"car": 0.5}, {"car": 0.52}, {}, {}) == [Detection("car", 0.52, 11.0, 13.0)]


def test_once_is_chance_unless_it_is_very_clear() -> None:
    assert tracked({"car": 0.59}, {}, {}) == []
    assert tracked({"car": 0.61}, {}, {}) == [Detection("car", 0.61, 10.0, 11.0)]


def test_what_is_only_noticed_carries_on_and_never_begins() -> None:
    assert tracked({"car": 0.4}, {"car": 0.4}) == []
    assert tracked({"car": 0.4}, {"car": 0.6}, {"car": 0.4}, {}, {}) == [Detection("car", 0.6, 11.0, 13.0)]


def test_one_step_without_it_does_not_end_it_and_two_do() -> None:
    assert tracked({"car": 0.6}, {}, {"car": 0.6}) == [Detection("car", 0.6, 10.0, None)]
    assert [detection.start_s for detection in tracked({"car": 0.6}, {}, {}, {"car": 0.6})] == [10.0, 13.0]


def test_the_cube_may_end_first() -> None:
    assert tracked({"car": 0.6}, {"car": 0.6}) == [Detection("car", 0.6, 10.0, None)]
    assert tracked({"car": 0.6}, {}) == [Detection("car", 0.6, 10.0, 11.0)]


def test_the_clearest_come_first_and_there_are_never_many() -> None:
    names = {f"thing {n}": 0.61 + n / 1000 for n in range(200)}
    detections = tracked(names, {}, {}, {"other": 0.9})
    assert len(detections) == MOST_REPORTED
    assert detections[0].name == "other"
    assert detections[1].name == "thing 199"


steps = st.lists(
    st.dictionaries(st.sampled_from(["car", "cat", "cup"]), st.floats(0.3, 1.0).map(lambda p: round(p, 4))), max_size=12
)


@given(steps, steps)
def test_a_saved_state_goes_on_as_if_nothing_had_happened(before: list[dict], after: list[dict]) -> None:
    whole = Tracker()
    for number, step in enumerate(before):
        whole.add([Thing(*pair) for pair in step.items()], float(number))
    restored = Tracker.restored(json.loads(json.dumps(whole.plain())))
    for number, step in enumerate(after, len(before)):
        for tracker in (whole, restored):
            tracker.add([Thing(*pair) for pair in step.items()], float(number))
    assert restored.clearest() == whole.clearest()
    assert len(whole.over) <= MOST_KEPT


@given(steps)
def test_sightings_neither_overlap_nor_end_before_they_start(taken: list[dict]) -> None:
    detections = sorted(tracked(*taken), key=lambda detection: (detection.name, detection.start_s))
    assert all(detection.end_s is None or detection.end_s > detection.start_s for detection in detections)
    for earlier, following in pairwise(detections):
        assert earlier.name != following.name or (earlier.end_s is not None and earlier.end_s < following.start_s)


def test_notes_keep_them_and_do_without() -> None:
    notes = Notes(detections=(Detection("car", 0.6, 1.0, None), Detection("cat", 0.5, 0.0, 2.5)))
    assert Notes.from_plain(json.loads(json.dumps(notes.to_plain()))) == notes
    assert "noticed" not in Notes().to_plain()
