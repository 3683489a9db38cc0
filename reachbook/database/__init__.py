"""PostgreSQL: the embedded server, migrations, the pool. Only this package and core know asyncpg."""
