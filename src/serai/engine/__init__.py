"""Runs that survive anything: claims, leases, fences, the journal and the event log, all on PostgreSQL."""
