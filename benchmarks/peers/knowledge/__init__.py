"""The published server for knowledge, with an environment of its own."""
