"""What a caller names when it asks for sessions."""

from serai.wire.sessions import SessionType

__all__ = ["SessionType"]
