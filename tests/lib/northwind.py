"""Microsoft's Northwind script, which is not part of the repository: tests skip where it is absent."""
import os

import server

SCRIPT = os.path.join(os.path.dirname(server.ROOT), "shared", "samples", "sql",
                      "northwind-azure.sql")
ABSENT = f"{SCRIPT} is not here"
COUNTS = {"Customers": 91, "Orders": 830, "Order Details": 2155, "Products": 77}


def is_here():
    return os.path.exists(SCRIPT)


def batches():
    """The pieces between the lines GO."""
    piece = []
    with open(SCRIPT, encoding="utf-8-sig") as file:
        for line in file:
            if line.strip().upper() == "GO":
                yield "".join(piece)
                piece = []
            else:
                piece.append(line)
    if "".join(piece).strip():
        yield "".join(piece)


def load(connection):
    for batch in batches():
        if batch.strip():
            connection.execute(batch)
