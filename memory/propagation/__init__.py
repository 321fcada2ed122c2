"""The global memory: what is carried along a video, in constant size."""
