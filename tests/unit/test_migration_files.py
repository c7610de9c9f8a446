"""Migrations that databases out there have applied are never changed: another one follows them."""

from __future__ import annotations

from serai.storage.migrate import read_migrations

APPLIED = {
    "0001_core": "c6dabac37d6e237a",
    "0002_records": "ff187356861bd35e",
    "0003_idempotency_keys": "cda274eb94f92457",
    "0004_jobs": "6ac9cf237f32e194",
    "0005_record_indexes": "66189708d3af3d28",
    "0006_run_control": "b62d3912bcacd896",
    "0007_schedules": "eade57b399953f28",
    "0008_sessions": "4cea50b127919202",
    "0009_memories": "f69e75192d35ba1c",
    "0010_evals": "f03aeb1121d79246",
    "0011_retention": "11be19d5b5c8781f",
    "0012_days": "228346394b9e21c2",
    "0013_knowledge": "34c945f505806db6",
    "0014_traces": "38ae9de89e50528c",
    "0015_costs": "379a55cabe6f9349",
}
"""The beginnings of the checksums with which databases remember them; a new migration adds its line."""


def test_no_migration_was_changed_after_it_was_given_away():
    assert {migration.name: migration.checksum[:16] for migration in read_migrations()} == APPLIED
