"""`python -m pipeline.training.smollm --out FOLDER [--steps N] [--until N]`: trains the pocket model's adapter.

Run again, it goes on where it stopped. The frozen tests are never read.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import torch

from pipeline.language.smollm.model import fastest_dtype, load_llama
from pipeline.language.smollm.timeline_template import TimelineTemplate
from pipeline.language.smollm.weights_cache import converted_model
from pipeline.training.smollm.loop import AdapterRecipe, AdapterTraining

_LOG = logging.getLogger("train_pocket")


def main(arguments: list[str]) -> int:
    """Parses the command line and trains."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.training.smollm", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="checkpoints and the adapter go here")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "longwatch", help="converted weights")
    parser.add_argument("--steps", type=int, default=AdapterRecipe().steps, help="length of the whole run")
    parser.add_argument("--until", type=int, help="stop here for now")
    parser.add_argument("--seed", type=int, default=AdapterRecipe().seed)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    files = converted_model(options.cache)
    model = load_llama(files, fastest_dtype())
    training = AdapterTraining(
        model, TimelineTemplate(files.tokenizer), AdapterRecipe(steps=options.steps, seed=options.seed), options.out
    )
    if training.resume():
        _LOG.info("going on at step %d", training.step)
    training.run(
        options.until or options.steps,
        lambda step, loss, s: _LOG.info("step %d  loss %.4f  %.1f s a step", step, loss, s),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
