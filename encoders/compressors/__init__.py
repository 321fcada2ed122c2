"""Token compressors, one a file. A cube's patch tokens in, at most M tokens out (`encoders.base.Compressor`)."""
