"""Whether a database can be reached, asked before its driver waits for minutes."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

ANSWER_SECONDS = 3
"""How long a server may take to accept a connection."""

SQLITE_HEAD = b"SQLite format 3\0"
"""How every database of SQLite begins."""

_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306, "mssql": 1433, "oracle": 1521}


def check_answer(url: URL) -> None:
    """Open and close one connection to a server; nothing is asked of a database in a file.

    Args:
        url: of a database, as SQLAlchemy reads it.

    Raises:
        OSError: nothing accepts a connection there within :data:`ANSWER_SECONDS`.
    """
    port = url.port or _PORTS.get(url.get_backend_name())
    named = not (url.port or url.database)  # the host may be the name of a data source of ODBC
    if not url.host or not port or named:
        return
    try:
        socket.create_connection((url.host, port), ANSWER_SECONDS).close()
    except OverflowError as error:  # a port above 65535
        raise OSError(str(error)) from error
