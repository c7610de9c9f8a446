"""Sessions, memories and metrics, beside the server whose protocol Serai speaks."""
