"""What runs inside the environment of the server we are measured beside."""
