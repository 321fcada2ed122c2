"""Watches a film with a compressor of one's own: python docs/examples/own_compressor.py VIDEO

Without a package of its own a compressor is registered before it is named; with one, an entry point of the group
`longwatch.compressors` does that, and LONGWATCH_COMPRESSOR names it.
"""

import sys

import torch

from encoders.compressors import default_compressors
from encoders.compressors.base import Group, GroupCompressor
from serve import Longwatch, Settings


class EvenRuns(GroupCompressor):
    """At most M runs of tokens, of nearly equal length: a control that compares nothing."""

    def reduced(self, group: Group, count: int) -> Group:
        """The mean of each run, weighted."""
        return group.merged(torch.arange(len(group)) * count // len(group), count)


default_compressors().register("runs", EvenRuns)
with Longwatch(Settings(compressor="runs")) as longwatch:
    video = longwatch.watch(sys.argv[1])
    tokens = sum(cube.tokens.values.shape[1] for cube in longwatch.store.cubes(video.id))
    print(f"{video.cubes} cubes, {tokens} tokens by {longwatch.settings.compressor}")  # noqa: T201
