"""Knowledge bases, measured: searching many chunks, beside the bare statements and the published server."""
