"""Scripts that run inside the environments of the published clients."""
