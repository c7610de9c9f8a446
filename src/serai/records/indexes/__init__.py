"""Indexes of records: asked for, built, used, dropped; in the background, never on the way of a question."""
