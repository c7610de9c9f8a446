"""What goes over HTTP, shared by the server and the clients: models, framing and rules. It does no I/O."""
