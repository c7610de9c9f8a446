"""What runs: agents on pydantic-ai, made durable, heard, and described."""
