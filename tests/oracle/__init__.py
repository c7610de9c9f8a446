"""A pure-Python model of a collection of records, written from the protocol and from nothing of the server's."""
