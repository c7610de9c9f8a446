"""Images, audio, video and files that go with a run."""

from serai.wire.media import Audio, File, Image, Video

__all__ = ["Audio", "File", "Image", "Video"]
