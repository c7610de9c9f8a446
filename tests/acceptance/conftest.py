"""Clusters of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serai.storage.embedded import EmbeddedPostgres
from tests.acceptance.cluster import NESTED_OS, Cluster
from tests.nursery import Launch
from tests.postgres import POSTGRES_VERSION, data_folder


@pytest.fixture
def cluster(database_url: str, tmp_path: Path, launcher: Launch) -> Iterator[Cluster]:
    """Nodes on a fresh database; all are gone when the test ends."""
    nodes = Cluster(database_url, tmp_path, launch=launcher)
    try:
        yield nodes
    finally:
        nodes.stop()


@pytest.fixture
def nested(cluster: Cluster) -> Cluster:
    """Nodes of the OS that has teams and workflows."""
    cluster.os_file = NESTED_OS
    return cluster


@pytest.fixture
def own_postgres() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that the test may stop and start."""
    with data_folder() as folder, EmbeddedPostgres(folder, postgres_version=POSTGRES_VERSION) as postgres:
        yield postgres


@pytest.fixture
def own_cluster(own_postgres: EmbeddedPostgres, tmp_path: Path, launcher: Launch) -> Iterator[Cluster]:
    """Nodes on a PostgreSQL that the test may stop and start."""
    nodes = Cluster(own_postgres.start(), tmp_path, launch=launcher)
    try:
        yield nodes
    finally:
        nodes.stop()
