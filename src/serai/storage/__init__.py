"""PostgreSQL: connections, batches, migrations, and one module per noun with its SQL."""
