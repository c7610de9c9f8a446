"""Knowledge: what searches cost beside the bare statements, and what taking documents in costs the event loop."""
