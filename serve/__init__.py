"""The process boundary: settings, command line, HTTP, Ray Serve."""
