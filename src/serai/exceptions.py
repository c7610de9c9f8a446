"""What the clients raise beside ``httpx.HTTPStatusError``."""

from serai.errors import RemoteServerUnavailableError, SeraiError

__all__ = ["RemoteServerUnavailableError", "SeraiError"]
