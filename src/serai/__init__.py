"""Serai: a self-hosted home for AI agents. Public names only, loaded when first used."""
