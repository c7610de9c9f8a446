"""Knowledge, measured: taking documents in, and searching many chunks, beside bare statements and published servers."""
