"""Makes the bundled sample video, `sample.mp4`, and the truth about it, `sample.json`.

Pans and zooms over public-domain and CC0 pictures that ship inside the scikit-image wheel (NOTICE.md lists them), hard
cuts, captions in OpenCV's built-in font, one long scene in which nothing moves. The same packages give the same bytes;
another OpenCV or x264 may not, so whoever runs this commits both files.

    python tests/data/make_sample.py
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import skimage.data

FOLDER = Path(__file__).resolve().parent
WIDTH, HEIGHT, FPS = 640, 360, 25
Picture = npt.NDArray[np.uint8]
View = tuple[float, float, float]
"""Centre (x, y) and width of what is shown, as shares of the picture's width and height."""


@dataclass(frozen=True)
class Scene:
    """`seconds` of a picture, moving from view `start` to view `end`; `caption` stands on the screen throughout."""

    picture: str
    seconds: int
    what: str
    words: tuple[str, ...]
    start: View = (0.5, 0.5, 1.0)
    end: View = (0.5, 0.5, 1.0)
    caption: str | None = None


SCENES = (
    Scene("chelsea.png", 9, "a tabby cat's face", ("cat",), (0.5, 0.5, 1.0), (0.46, 0.5, 0.86)),
    Scene("coffee.png", 8, "a cup of coffee", ("coffee", "cup"), (0.46, 0.46, 0.8), (0.46, 0.5, 1.0)),
    Scene("rocket.jpg", 9, "a rocket on its pad", ("rocket",), (0.5, 0.55, 0.8), (0.5, 0.42, 0.55), "LAUNCH PAD 39A"),
    Scene("camera.png", 8, "a man with a camera on a tripod", ("tripod",), (0.5, 0.46, 1.0), (0.6, 0.46, 0.9)),
    Scene("hubble_deep_field.jpg", 18, "a field of galaxies", ("Hubble",), caption="HUBBLE DEEP FIELD"),
    Scene("", 7, "a card with an announcement", ("room",), caption="ROOM 12 OPENS AT NOON"),
    Scene("chelsea.png", 9, "the cat again, closer", ("cat",), (0.42, 0.45, 0.7), (0.5, 0.5, 0.95)),
    Scene("coffee.png", 8, "the cup of coffee again", ("coffee", "cup"), (0.5, 0.5, 1.0), (0.45, 0.45, 0.75)),
)


def picture_of(name: str) -> Picture:
    """RGB picture from the wheel; no name is a plain card."""
    if not name:
        return np.full((HEIGHT, WIDTH, 3), (24, 44, 84), np.uint8)
    path = Path(skimage.data.__file__).parent / name
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise FileNotFoundError(f"the scikit-image wheel has no readable {path}")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def between(start: View, end: View, part: float) -> View:
    """The view at share `part`, 0 to 1, of the way."""
    x, y, width = (a + (b - a) * part for a, b in zip(start, end, strict=True))
    return x, y, width


def cropped(picture: Picture, view: View) -> Picture:
    """The part of a picture that a view shows, WIDTH x HEIGHT, moved by parts of a pixel and never past an edge."""
    height, width = picture.shape[:2]
    share = min(view[2] * width, width, height * WIDTH / HEIGHT)
    scale = share / WIDTH
    half_w, half_h = share / 2, scale * HEIGHT / 2
    x = min(max(view[0] * width, half_w), width - half_w)
    y = min(max(view[1] * height, half_h), height - half_h)
    matrix = np.array([[scale, 0, x - half_w], [0, scale, y - half_h]], np.float64)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), flags=flags), dtype=np.uint8)


def captioned(frame: Picture, caption: str) -> Picture:
    """White letters on a dark bar."""
    frame = frame.copy()
    (width, height), _ = cv2.getTextSize(caption, cv2.FONT_HERSHEY_SIMPLEX, 1.1, 3)
    x, y = (WIDTH - width) // 2, HEIGHT - 40
    cv2.rectangle(frame, (x - 16, y - height - 14), (x + width + 16, y + 16), (10, 10, 10), -1)
    cv2.putText(frame, caption, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 1.1, (250, 250, 250), 3, cv2.LINE_AA)
    return frame


def frames(scene: Scene) -> list[Picture]:
    """All frames of a scene."""
    picture = picture_of(scene.picture)
    count = scene.seconds * FPS
    shown = []
    for i in range(count):
        frame = cropped(picture, between(scene.start, scene.end, i / (count - 1)))
        shown.append(captioned(frame, scene.caption) if scene.caption else frame)
    return shown


def write(path: Path) -> None:
    """Encodes all scenes: H.264, a key frame every 2 s, one thread, so that the bytes do not depend on timing."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        options = {"crf": "27", "preset": "slow", "threads": "1", "x264-params": f"keyint={2 * FPS}:scenecut=40"}
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = Fraction(1, FPS)
        for number, rgb in enumerate(rgb for scene in SCENES for rgb in frames(scene)):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def truth(video: Path) -> dict[str, object]:
    """What is in the video and when."""
    scenes, start_s = [], 0
    for scene in SCENES:
        scenes.append(
            {
                "start_s": start_s,
                "end_s": start_s + scene.seconds,
                "what": scene.what,
                "words": list(scene.words),
                "text": scene.caption,
                "still": scene.start == scene.end,
            }
        )
        start_s += scene.seconds
    digest = hashlib.sha256(video.read_bytes()).hexdigest()
    shape = {"width": WIDTH, "height": HEIGHT, "fps": FPS, "seconds": start_s}
    return {"file": video.name, "sha256": digest, **shape, "scenes": scenes}


if __name__ == "__main__":
    target = FOLDER / "sample.mp4"
    write(target)
    (FOLDER / "sample.json").write_text(json.dumps(truth(target), indent=1) + "\n")
    print(f"{target.name}: {target.stat().st_size / 1e6:.2f} MB")
