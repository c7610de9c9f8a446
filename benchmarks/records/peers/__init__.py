"""What the peers need to run: lock files of their environments, and a server of parse-server."""
