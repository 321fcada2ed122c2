"""VideoStreaming's memory-propagated encoder (arXiv 2405.16009); off unless trained weights are given."""
