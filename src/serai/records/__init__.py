"""Agent Data: JSON records, how they are stored, searched and shown. Knows nothing of HTTP."""
