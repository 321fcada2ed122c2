"""`python -m pipeline.training.streaming TRUTH.json... --out FOLDER [--until STEP]`: trains the streaming encoder.

The body is SmolLM2-135M's first layers, frames are the pocket backend's, and the whole SmolLM2-135M, frozen, answers
from the memories. Run again with the same arguments, it goes on where it stopped. A check of the mechanics, not of
quality: see `pipeline/training/streaming/described.py` for what it learns from.
"""

from __future__ import annotations

import argparse
import copy
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer

from encoders.pocket.vision import PocketFrameEncoder
from encoders.published.streaming.encoder import StreamingConfig, StreamingEncoder, Tokenize
from encoders.published.streaming.lessons import MemoryReader, Stage
from encoders.published.streaming.training import StreamRecipe, StreamTraining
from pipeline.language.smollm.model import fastest_dtype, load_llama
from pipeline.language.smollm.weights_cache import ConvertedModel, converted_model
from pipeline.training.streaming.described import described, lessons

_LOG = logging.getLogger("train_streaming")


def main(arguments: Sequence[str]) -> int:
    """Parses the command line and trains."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    recipe = StreamRecipe(clip=options.steps[0], select=options.steps[1], stream=options.steps[2], seed=options.seed)
    vision = PocketFrameEncoder()
    videos = [video for truth in options.truth for video in described(truth, vision, options.fps)]
    _LOG.info("%d videos, %d steps of video", len(videos), sum(len(video.tokens) for video in videos))
    config = StreamingConfig(vision.dim, vision.grid, clip_frames=options.clip_frames, layers=options.layers)
    encoder, reader = models(converted_model(options.cache), config, options.seed)
    made = lessons(videos, options.clip_frames, options.clips, options.seed)
    training = StreamTraining(encoder, reader, made, recipe, options.out)
    if training.resume():
        _LOG.info("going on at step %d", training.step)
    training.run(options.until or recipe.steps, _Progress(recipe.steps), every=options.every)
    return 0


def models(files: ConvertedModel, config: StreamingConfig, seed: int) -> tuple[StreamingEncoder, MemoryReader]:
    """The encoder on a copy of SmolLM2's first layers, and the whole, frozen SmolLM2 that reads its memories."""
    tokenize = tokenizer(files)
    whole = load_llama(files, torch.float32)
    torch.manual_seed(seed)
    encoder = StreamingEncoder(copy.deepcopy(whole), tokenize, config)
    return encoder, MemoryReader(whole.to(fastest_dtype()), tokenize, encoder.dim)


def tokenizer(files: ConvertedModel) -> Tokenize:
    """Text -> ids, nothing added; what looks like structure stays text."""
    tokens = Tokenizer.from_file(str(files.tokenizer))
    tokens.encode_special_tokens = True
    return lambda text: list(tokens.encode(text, add_special_tokens=False).ids)


class _Progress:
    """Says every tenth step how the losses of its stage stand, and how long the rest will take."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._began = time.perf_counter()
        self._losses: list[Mapping[str, float]] = []

    def __call__(self, step: int, stage: Stage, losses: Mapping[str, float]) -> None:
        self._losses.append(losses)
        if step % 10 and step != self._steps:
            return
        names = sorted({name for step_losses in self._losses for name in step_losses})
        means = {name: [step_losses[name] for step_losses in self._losses if name in step_losses] for name in names}
        text = "  ".join(f"{name} {sum(values) / len(values):.3f}" for name, values in means.items())
        each_s = (time.perf_counter() - self._began) / len(self._losses)
        left_s = each_s * (self._steps - step)
        _LOG.info("step %d of %d  %s  %s  %.1f s a step, %.0f s left", step, self._steps, stage, text, each_s, left_s)
        self._losses, self._began = [], time.perf_counter()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.training.streaming", description=__doc__)
    parser.add_argument("truth", type=Path, nargs="+", help="JSON files with dated truth, videos beside them")
    parser.add_argument("--out", type=Path, required=True, help="checkpoints and the encoder go here")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "longwatch" / "weights")
    parser.add_argument("--steps", type=int, nargs=3, default=(100, 40, 20), metavar=("CLIP", "SELECT", "STREAM"))
    parser.add_argument("--until", type=int, help="stop here for now")
    parser.add_argument("--every", type=int, default=50, help="steps between checkpoints")
    parser.add_argument("--layers", type=int, default=4, help="of the language model, kept as the encoder's body")
    parser.add_argument("--clip-frames", type=int, default=4, help="frames of a clip (published: 16)")
    parser.add_argument("--clips", type=int, default=6, help="clips of one lesson in the later stages")
    parser.add_argument("--fps", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="one makes a resumed run the same to the bit")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
