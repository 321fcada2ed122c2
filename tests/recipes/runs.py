"""Neighbouring tokens in reading order become one: a control that compares nothing."""

from __future__ import annotations

import torch

from encoders.compressors.base import Group, GroupCompressor


class Runs(GroupCompressor):
    """At most M runs of tokens, of nearly equal length."""

    def reduced(self, group: Group, count: int) -> Group:
        """The mean of each run, weighted."""
        return group.merged(torch.arange(len(group)) * count // len(group), count)
