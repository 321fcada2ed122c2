"""The Ray Serve deployments and plain actors of `longwatch serve`."""
