"""The HTTP side: the ASGI app, its dispatcher, its middleware and its routes. Never holds a rule of the domain."""
