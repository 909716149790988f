"""Connections that one thread can watch by the dozen: a request is sent, its reply is picked up later."""
import os
import select
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import server
import tds

RESET = 8  # status of a packet: reset the session first
GONE = (tds.Closed, OSError)
TM_REQUESTS = {"begin": 5, "commit": 7, "rollback": 8, "save": 9}
TM_LEVELS = {"RU": 1, "RC": 2, "RR": 3, "SER": 4, "SI": 5}
LEVELS = {"RU": "READ UNCOMMITTED", "RC": "READ COMMITTED", "RR": "REPEATABLE READ",
          "SI": "SNAPSHOT", "SER": "SERIALIZABLE"}


class Connection(tds.Connection):
    """Not encrypted: the servers of these tests allow that, and hundreds of connections stay cheap."""

    def __init__(self, quired, database, **more):
        self.payload, self.busy, self.cancelling = b"", False, False
        self.unacknowledged = None
        super().__init__(quired.host, quired.port, server.ADMIN, quired.password, database=database,
                         encrypt=tds.ENCRYPT_NOT_SUP, **more)
        self.spid = self.execute("SELECT @@SPID")[0][0]

    def fileno(self):
        return self.socket.fileno()

    def submit(self, sql, status=0):
        self.busy = True
        self.send_batch(sql, status)

    def submit_tm(self, words):
        """A transaction manager request: begin [LEVEL], commit, rollback, save NAME."""
        kind, *rest = words.split()
        name = rest[0].encode("utf-16-le") if kind == "save" else b""
        level = bytes([TM_LEVELS[rest[0]] if kind == "begin" and rest else 0])
        body = struct.pack("<H", TM_REQUESTS[kind])
        body += (level if kind == "begin" else b"") + bytes([len(name)]) + name
        body += b"\0" if kind in ("commit", "rollback") else b""
        self.busy = True
        self.send_message(tds.TRANSACTION, self.headers() + body)

    def submit_attention(self):
        if self.busy and not self.cancelling:
            self.cancelling = True
            self.attention()

    def packet(self):
        if len(self.clear) < 8:
            return None
        kind, status, size = struct.unpack(">BBH", self.clear[:4])
        if kind != tds.REPLY or size < 8:
            raise tds.ProtocolError(f"packet of type {kind}, {size} bytes")
        if len(self.clear) < size:
            return None
        piece, self.clear = self.clear[8:size], self.clear[size:]
        self.payload += piece
        return status & 1

    def poll(self):
        """The reply to what was submitted, or None: not all of it is here yet. Raises what GONE names."""
        if wait_any([self], 0):  # a socket with a timeout would wait for it in recv
            data = self.socket.recv(1 << 18)
            if not data:
                raise tds.Closed()
            self.clear += data
        while (last := self.packet()) is not None:
            if not last:
                continue
            reply, reader = tds.Reply(), tds.Reader(self.payload)
            self.payload = b""
            while reader.at < len(reader.data):
                self.token(reader, reply)
            if self.cancelling and not reply.acknowledged_attention:
                self.unacknowledged = reply  # it was on its way; the acknowledgement follows
                continue
            if self.unacknowledged is not None:
                reply.events = self.unacknowledged.events + reply.events
                self.unacknowledged = None
            self.busy = self.cancelling = False
            return reply
        return None


def wait_any(connections, seconds):
    """Those of the connections that have something to read, after at most so many seconds."""
    watch = select.poll()
    by_fd = {c.fileno(): c for c in connections}
    for fd in by_fd:
        watch.register(fd, select.POLLIN)
    return [by_fd[fd] for fd, _ in watch.poll(max(seconds, 0) * 1000)]
