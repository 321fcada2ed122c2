"""Where memories are kept: the store on Redis or Valkey, and the embedded server."""
