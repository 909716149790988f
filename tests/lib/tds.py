"""A small TDS 7.1 to 7.4 client ([MS-TDS]), for tests that need to see every token.

It exists because drivers hide what a test wants to see: message numbers, DONE counts, type details,
the bytes themselves. It is strict: what it does not know is an error.
"""
import datetime
import decimal
import socket
import ssl
import struct
import uuid

BATCH, RPC, REPLY, ATTENTION, BULK, TRANSACTION, LOGIN7, PRELOGIN = 1, 3, 4, 6, 7, 14, 16, 18
ENCRYPT_OFF, ENCRYPT_ON, ENCRYPT_NOT_SUP, ENCRYPT_REQ = 0, 1, 2, 3
TDS71, TDS72, TDS73A, TDS73B, TDS74 = (0x71000001, 0x72090002, 0x730A0003, 0x730B0003, 0x74000004)

LATIN1_COLLATION = bytes([0x09, 0x04, 0xD0, 0x00, 0x34])  # SQL_Latin1_General_CP1_CI_AS
DONE_NAMES = {0xFD: "done", 0xFE: "doneproc", 0xFF: "doneinproc"}


class ProtocolError(Exception):
    pass


class Closed(Exception):
    """The server has closed the connection."""


class Message:
    """An ERROR or INFO token."""

    def __init__(self, number, state, severity, text, server, procedure, line):
        self.number, self.state, self.severity = number, state, severity
        self.text, self.server, self.procedure, self.line = text, server, procedure, line

    def __repr__(self):
        where = f" procedure {self.procedure}" if self.procedure else ""
        return (f"Msg {self.number}, severity {self.severity}, state {self.state},"
                f"{where} line {self.line}: {self.text}")


class Failed(Exception):
    """A login that was refused or a request that raised an error."""

    def __init__(self, messages):
        super().__init__("; ".join(map(repr, messages)))
        self.messages = messages


class Over(Failed, Closed):
    """A request that raised an error with which the connection ends: how it ended is not known."""


class Column:
    def __init__(self, name, type_info, flags):
        self.name, self.type, self.flags = name, type_info, flags

    @property
    def nullable(self):
        return bool(self.flags & 1)


class Type:
    def __init__(self, token, size=0, precision=0, scale=0, collation=None):
        self.token, self.size, self.precision, self.scale = token, size, precision, scale
        self.collation = collation

    def __str__(self):
        names = {0x30: "tinyint", 0x32: "bit", 0x34: "smallint", 0x38: "int", 0x3A: "smalldatetime",
                 0x3B: "real", 0x3C: "money", 0x3D: "datetime", 0x3E: "float", 0x7A: "smallmoney",
                 0x7F: "bigint", 0x24: "uniqueidentifier", 0x28: "date", 0x22: "image",
                 0x23: "text", 0x63: "ntext", 0x62: "sql_variant", 0xF1: "xml", 0x68: "bit",
                 0x1F: "void"}
        if self.token in names:
            return names[self.token]
        if self.token == 0x26:
            return {1: "tinyint", 2: "smallint", 4: "int", 8: "bigint"}[self.size]
        if self.token == 0x6D:
            return {4: "real", 8: "float"}[self.size]
        if self.token == 0x6E:
            return {4: "smallmoney", 8: "money"}[self.size]
        if self.token == 0x6F:
            return {4: "smalldatetime", 8: "datetime"}[self.size]
        if self.token in (0x6A, 0x6C):
            return f"{'decimal' if self.token == 0x6A else 'numeric'}({self.precision},{self.scale})"
        if self.token in (0x29, 0x2A, 0x2B):
            return f"{ {0x29: 'time', 0x2A: 'datetime2', 0x2B: 'datetimeoffset'}[self.token]}({self.scale})"
        base = {0xA5: "varbinary", 0xA7: "varchar", 0xAD: "binary", 0xAF: "char",
                0xE7: "nvarchar", 0xEF: "nchar"}[self.token]
        if self.size == 0xFFFF:
            return f"{base}(max)"
        return f"{base}({self.size // 2 if self.token in (0xE7, 0xEF) else self.size})"


class Done:
    def __init__(self, kind, status, command, count):
        self.kind, self.status, self.command = kind, status, command
        self.count = count if status & 0x10 else None
        self.more, self.error, self.attention = bool(status & 1), bool(status & 2), bool(status & 0x20)


class Reader:
    """A cursor over one reply message."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if self.at + n > len(self.data):
            raise ProtocolError(f"reply ends {self.at + n - len(self.data)} bytes early")
        piece = self.data[self.at:self.at + n]
        self.at += n
        return piece

    def number(self, n, signed=False, order="little"):
        return int.from_bytes(self.take(n), order, signed=signed)

    def text(self, units):
        return self.take(units * 2).decode("utf-16-le", "surrogatepass")

    def b_text(self):
        return self.text(self.number(1))

    def us_text(self):
        return self.text(self.number(2))


FIXED = {0x1F: 0, 0x30: 1, 0x32: 1, 0x34: 2, 0x38: 4, 0x3A: 4, 0x3B: 4, 0x3C: 8, 0x3D: 8, 0x3E: 8,
         0x7A: 4, 0x7F: 8}


def read_type(r):
    token = r.number(1)
    if token in FIXED:
        return Type(token, FIXED[token])
    if token == 0x28:
        return Type(token)
    if token in (0x29, 0x2A, 0x2B):
        return Type(token, scale=r.number(1))
    if token in (0x24, 0x26, 0x68, 0x6D, 0x6E, 0x6F):
        return Type(token, r.number(1))
    if token in (0x6A, 0x6C):
        return Type(token, r.number(1), r.number(1), r.number(1))
    if token in (0xA5, 0xAD):
        return Type(token, r.number(2))
    if token in (0xA7, 0xAF, 0xE7, 0xEF):
        return Type(token, r.number(2), collation=r.take(5))
    if token in (0x23, 0x63):
        return Type(token, r.number(4), collation=r.take(5))
    if token == 0x22:
        return Type(token, r.number(4))
    if token == 0x62:
        return Type(token, r.number(4))
    if token == 0xF1:
        if r.number(1):
            raise ProtocolError("xml schema collections are not expected")
        return Type(token)
    raise ProtocolError(f"type 0x{token:02X}")


def read_plp(r):
    total = r.number(8)
    if total == 0xFFFFFFFFFFFFFFFF:
        return None
    data = b""
    while True:
        n = r.number(4)
        if n == 0:
            break
        data += r.take(n)
    if total != 0xFFFFFFFFFFFFFFFE and total != len(data):
        raise ProtocolError(f"PLP value of {len(data)} bytes, announced {total}")
    return data


def code_page(collation):
    """The Python codec of a collation's char types."""
    if collation and int.from_bytes(collation[:4], "little") >> 26 & 1:
        return "utf-8"
    return "cp1252"


def decode_decimal(data, scale):
    value = decimal.Decimal(int.from_bytes(data[1:], "little"))
    sign = 1 if data[0] else -1
    with decimal.localcontext() as context:
        context.prec = 60
        return (value * sign).scaleb(-scale)


def decode_time(data, scale):
    """(days, 'hh:mm:ss.fff') of the time part with its scale's digits."""
    ticks = int.from_bytes(data, "little")
    seconds, fraction = divmod(ticks, 10 ** scale)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return text + (f".{fraction:0{scale}d}" if scale else "")


def decode_date(data):
    return (datetime.date(1, 1, 1) + datetime.timedelta(int.from_bytes(data, "little"))).isoformat()


def decode_offset(data, scale):
    minutes = int.from_bytes(data[-2:], "little", signed=True)
    days = int.from_bytes(data[-5:-2], "little")
    ticks = int.from_bytes(data[:-5], "little")
    total = days * 86400 * 10 ** scale + ticks + minutes * 60 * 10 ** scale
    days, ticks = divmod(total, 86400 * 10 ** scale)
    size = {0: 3, 1: 3, 2: 3, 3: 4, 4: 4}.get(scale, 5)
    sign = "-" if minutes < 0 else "+"
    return (f"{decode_date(days.to_bytes(3, 'little'))} "
            f"{decode_time(ticks.to_bytes(size, 'little'), scale)} "
            f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}")


def decode_datetime(data):
    if len(data) == 4:
        days, minutes = struct.unpack("<HH", data)
        moment = datetime.datetime(1900, 1, 1) + datetime.timedelta(days, minutes * 60)
        return moment.strftime("%Y-%m-%d %H:%M:00")
    days, ticks = struct.unpack("<iI", data)
    day = datetime.date(1900, 1, 1) + datetime.timedelta(days)
    ms = (ticks * 10 + 1) // 3  # 1/300 s to the millisecond SQL Server prints
    return f"{day.isoformat()} {ms // 3600000:02d}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def decode(token, data, type_info):
    if token in (0x26, 0x30, 0x34, 0x38, 0x7F):
        return int.from_bytes(data, "little", signed=len(data) > 1)
    if token in (0x32, 0x68):
        return bool(data[0])
    if token in (0x3B, 0x3E, 0x6D):
        return struct.unpack("<f" if len(data) == 4 else "<d", data)[0]
    if token in (0x3C, 0x7A, 0x6E):
        if len(data) == 8:
            high, low = struct.unpack("<iI", data)
            return decimal.Decimal(high * 2 ** 32 + low).scaleb(-4)
        return decimal.Decimal(struct.unpack("<i", data)[0]).scaleb(-4)
    if token in (0x3A, 0x3D, 0x6F):
        return decode_datetime(data)
    if token in (0x6A, 0x6C):
        return decode_decimal(data, type_info.scale)
    if token == 0x24:
        return str(uuid.UUID(bytes_le=bytes(data))).upper()
    if token == 0x28:
        return decode_date(data)
    if token == 0x29:
        return decode_time(data, type_info.scale)
    if token == 0x2A:
        return f"{decode_date(data[-3:])} {decode_time(data[:-3], type_info.scale)}"
    if token == 0x2B:
        return decode_offset(data, type_info.scale)
    if token in (0xE7, 0xEF, 0x63, 0xF1):
        return bytes(data).decode("utf-16-le", "surrogatepass")
    if token in (0xA7, 0xAF, 0x23):
        return bytes(data).decode(code_page(type_info.collation), "replace")
    return bytes(data)


def read_variant(r):
    total = r.number(4)
    if total == 0:
        return None
    inner = Reader(r.take(total))
    token, props = inner.number(1), inner.number(1)
    properties = Reader(inner.take(props))
    info = Type(token)
    if token in (0x6A, 0x6C):
        info.precision, info.scale = properties.number(1), properties.number(1)
    elif token in (0x29, 0x2A, 0x2B):
        info.scale = properties.number(1)
    elif token in (0xA7, 0xAF, 0xE7, 0xEF):
        info.collation = properties.take(5)
        info.size = properties.number(2)
    elif token in (0xA5, 0xAD):
        info.size = properties.number(2)
    return decode(token, inner.take(len(inner.data) - inner.at), info)


def read_value(r, info):
    token = info.token
    if token in FIXED:
        return decode(token, r.take(FIXED[token]), info) if FIXED[token] else None
    if token == 0xF1 or (token in (0xA5, 0xA7, 0xE7) and info.size == 0xFFFF):
        data = read_plp(r)
        return None if data is None else decode(token, data, info)
    if token in (0xA5, 0xAD, 0xA7, 0xAF, 0xE7, 0xEF):
        n = r.number(2)
        return None if n == 0xFFFF else decode(token, r.take(n), info)
    if token in (0x22, 0x23, 0x63):
        n = r.number(1)
        if n == 0:
            return None
        r.take(n + 8)
        return decode(token, r.take(r.number(4)), info)
    if token == 0x62:
        return read_variant(r)
    n = r.number(1)
    return None if n == 0 else decode(token, r.take(n), info)


class Reply:
    """Everything one request answered, in order: events are (kind, object) pairs."""

    def __init__(self):
        self.events = []

    def of(self, kind):
        return [event for name, event in self.events if name == kind]

    @property
    def errors(self):
        return self.of("error")

    def check(self):
        """Raises what the server said of a request that failed."""
        if self.errors:
            is_over = any(error.severity >= 20 for error in self.errors)
            raise (Over if is_over else Failed)(self.errors)

    @property
    def infos(self):
        return self.of("info")

    @property
    def rows(self):
        return self.of("row")

    @property
    def dones(self):
        return self.of("done")

    @property
    def acknowledged_attention(self):
        return any(done.attention for done in self.dones)

    def results(self):
        """[(columns, rows)] for each result set."""
        sets = []
        for kind, event in self.events:
            if kind == "columns":
                sets.append((event, []))
            elif kind == "row":
                sets[-1][1].append(event)
        return sets


class Connection:
    def __init__(self, host, port, user=None, password="", database="", encrypt=ENCRYPT_ON,
                 version=TDS74, packet_size=4096, timeout=30, app="quire-test", read_only=False,
                 server=None):
        self.version, self.timeout = version, timeout
        self.packet_size, self.wanted_packet_size = 4096, packet_size
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls = None
        self.clear = b""
        self.env, self.login_reply = {}, None
        self.columns = []
        self.transaction = 0
        if user is None:
            return
        self.prelogin(encrypt)
        self.login(user, password, database, app, read_only, server or host)

    # --- bytes ---

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send_raw(self, data):
        if self.tls:
            self.tls.write(data)
            data = self.tls_out.read()
        self.socket.sendall(data)

    def recv_raw(self, n):
        while len(self.clear) < n:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                raise Closed()
            if self.tls:
                self.tls_in.write(data)
                while True:
                    try:
                        self.clear += self.tls.read(65536)
                    except ssl.SSLWantReadError:
                        break
            else:
                self.clear += data
        piece, self.clear = self.clear[:n], self.clear[n:]
        return piece

    # --- packets ---

    def send_message(self, kind, payload, status=0):
        room = self.packet_size - 8
        pieces = [payload[at:at + room] for at in range(0, len(payload), room)] or [b""]
        out = b""
        for index, piece in enumerate(pieces):
            last = 1 if index == len(pieces) - 1 else 0
            first = status if index == 0 else 0
            out += struct.pack(">BBHHBB", kind, last | first, len(piece) + 8, 0,
                               (index + 1) & 255, 0) + piece
        self.send_raw(out)

    def recv_packet(self):
        kind, status, size = struct.unpack(">BBH", self.recv_raw(8)[:4])
        if size < 8:
            raise ProtocolError(f"packet of {size} bytes")
        return kind, status, self.recv_raw(size - 8)

    def recv_message(self):
        payload = b""
        while True:
            kind, status, piece = self.recv_packet()
            payload += piece
            if status & 1:
                return kind, payload

    # --- login ---

    def prelogin(self, encrypt):
        options = [(0, struct.pack(">IH", 0x0F000000, 0)), (1, bytes([encrypt])), (2, b"\0"),
                   (3, b"\0\0\0\0"), (4, b"\0")]
        at = 5 * len(options) + 1
        head, body = b"", b""
        for token, data in options:
            head += struct.pack(">BHH", token, at + len(body), len(data))
            body += data
        self.send_message(PRELOGIN, head + b"\xff" + body)
        kind, reply = self.recv_message()
        if kind != REPLY:
            raise ProtocolError(f"PRELOGIN answered by a packet of type {kind}")
        self.prelogin_reply = {}
        at = 0
        while reply[at] != 0xFF:
            token, offset, size = struct.unpack(">BHH", reply[at:at + 5])
            self.prelogin_reply[token] = reply[offset:offset + size]
            at += 5
        self.server_encrypt = self.prelogin_reply[1][0]
        self.scope = "none"
        if encrypt != ENCRYPT_NOT_SUP and self.server_encrypt != ENCRYPT_NOT_SUP:
            login_only = encrypt == ENCRYPT_OFF and self.server_encrypt == ENCRYPT_OFF
            self.scope = "login" if login_only else "all"
            self.handshake()
        elif self.server_encrypt in (ENCRYPT_ON, ENCRYPT_REQ):
            raise Failed([Message(0, 0, 20, "the server requires encryption", "", "", 0)])

    def handshake(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.tls_in, self.tls_out = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(self.tls_in, self.tls_out)
        while True:
            try:
                tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            data = self.tls_out.read()
            if data:
                self.send_message(PRELOGIN, data)
            if done:
                break
            self.tls_in.write(self.recv_message()[1])
        self.tls = tls

    def login_message(self, user, password, database, app, read_only=False, server=""):
        def scramble(text):
            return bytes(((b << 4 | b >> 4) & 255) ^ 0xA5 for b in text.encode("utf-16-le"))

        fixed = struct.pack("<IIIIIBBBBiI", self.version, self.wanted_packet_size, 7, 4242, 0,
                            0xE0, 0x03, 0x20 if read_only else 0, 0, 0, 0x409)
        texts = ["client", user, scramble(password), app, server, "", "quire-test", "", database]
        at = 94
        table, data = b"", b""
        for index, text in enumerate(texts):
            raw = text if isinstance(text, bytes) else text.encode("utf-16-le")
            if index == 5:
                table += struct.pack("<HH", 0, 0)
                continue
            table += struct.pack("<HH", at + len(data), len(raw) // 2)
            data += raw
        table += b"\1\2\3\4\5\6" + struct.pack("<HHHHHHI", at + len(data), 0, at + len(data), 0,
                                                at + len(data), 0, 0)
        body = fixed + table + data
        return struct.pack("<I", len(body) + 4) + body

    def login(self, user, password, database, app, read_only=False, server=""):
        self.send_message(LOGIN7, self.login_message(user, password, database, app, read_only,
                                                     server))
        if self.scope == "login":
            self.tls = None
        self.login_reply = self.recv_reply()
        if not self.login_reply.of("loginack"):
            raise Failed(self.login_reply.errors)

    # --- requests ---

    def headers(self):
        if self.version < TDS72:
            return b""
        return struct.pack("<IIHQI", 22, 18, 2, self.transaction, 1)

    def send_batch(self, sql, status=0):
        self.send_message(BATCH, self.headers() + sql.encode("utf-16-le", "surrogatepass"), status)

    def batch(self, sql, status=0):
        """Runs a batch; the reply holds its errors, nothing is raised."""
        self.send_batch(sql, status)
        return self.recv_reply()

    def execute(self, sql):
        """Runs a batch that must not fail; its rows."""
        reply = self.batch(sql)
        reply.check()
        return reply.rows

    def bulk_load(self, table, columns, rows):
        """Loads rows by INSERT BULK. `columns`: [(name, "int" or "varchar(n)")]; no NULLs."""
        types = ", ".join(f"[{name}] {kind}" for name, kind in columns)
        self.execute(f"INSERT BULK {table} ({types})")
        user_type = 2 if self.version < TDS72 else 4
        data = struct.pack("<BH", 0x81, len(columns))
        for name, kind in columns:
            data += bytes(user_type) + b"\0\0" + (
                b"\x38" if kind == "int" else struct.pack("<BH", 0xA7, 8000) + LATIN1_COLLATION)
            data += bytes([len(name)]) + name.encode("utf-16-le")
        for row in rows:
            data += b"\xd1" + b"".join(
                struct.pack("<i", value) if kind == "int" else
                struct.pack("<H", len(value)) + value.encode("cp1252")
                for value, (_, kind) in zip(row, columns))
        data += struct.pack("<BHH", 0xFD, 0, 0) + bytes(4 if self.version < TDS72 else 8)
        self.send_message(BULK, data)
        self.recv_reply().check()

    def attention(self):
        self.send_message(ATTENTION, b"")

    def cancel(self):
        """Sends an attention and reads until it is acknowledged."""
        self.attention()
        while True:
            reply = self.recv_reply()
            if reply.acknowledged_attention:
                return reply

    def recv_reply(self):
        kind, payload = self.recv_message()
        if kind != REPLY:
            raise ProtocolError(f"reply in a packet of type {kind}")
        reply = Reply()
        reader = Reader(payload)
        while reader.at < len(payload):
            self.token(reader, reply)
        return reply

    def token(self, r, reply):
        token = r.number(1)
        reader = {0x81: self.colmetadata, 0xD1: self.row, 0xD2: self.nbcrow, 0xE3: self.envchange,
                  0xAD: self.loginack, 0x79: self.return_status, 0xAC: self.return_value,
                  0xA9: self.order, 0xAE: self.feature_ack}.get(token)
        if token in (0xAA, 0xAB):
            reply.events.append(("error" if token == 0xAA else "info", self.message(r)))
        elif token in DONE_NAMES:
            count_size = 4 if self.version < TDS72 else 8
            reply.events.append(("done", Done(DONE_NAMES[token], r.number(2), r.number(2),
                                              r.number(count_size))))
        elif token in (0xA4, 0xA5):
            r.take(r.number(2))
        elif reader:
            event = reader(r)
            reply.events.append((reader.__name__.replace("nbcrow", "row")
                                 .replace("colmetadata", "columns"), event))
        else:
            raise ProtocolError(f"token 0x{token:02X}")

    def message(self, r):
        body = Reader(r.take(r.number(2)))
        number, state, severity = body.number(4, True), body.number(1), body.number(1)
        text, server, procedure = body.us_text(), body.b_text(), body.b_text()
        line = body.number(2 if self.version < TDS72 else 4)
        return Message(number, state, severity, text, server, procedure, line)

    def colmetadata(self, r):
        count = r.number(2)
        self.columns = []
        for _ in range(0 if count == 0xFFFF else count):
            r.number(2 if self.version < TDS72 else 4)
            flags = r.number(2)
            info = read_type(r)
            if info.token in (0x22, 0x23, 0x63):
                parts = 1 if self.version < TDS72 else r.number(1)
                for _ in range(parts):
                    r.us_text()
            self.columns.append(Column(r.b_text(), info, flags))
        return self.columns

    def row(self, r):
        return tuple(read_value(r, column.type) for column in self.columns)

    def nbcrow(self, r):
        bits = r.take((len(self.columns) + 7) // 8)
        return tuple(None if bits[i // 8] >> (i % 8) & 1 else read_value(r, column.type)
                     for i, column in enumerate(self.columns))

    def envchange(self, r):
        body = Reader(r.take(r.number(2)))
        kind = body.number(1)
        if kind in (1, 2, 3, 4, 13):
            new, old = body.b_text(), body.b_text()
        else:
            new, old = bytes(body.take(body.number(1))), bytes(body.take(body.number(1)))
        self.env[kind] = new
        if kind == 4:
            self.packet_size = int(new)
        if kind in (8, 11):
            self.transaction = int.from_bytes(new, "little")
        if kind in (9, 10, 17):
            self.transaction = 0
        return kind, new, old

    def loginack(self, r):
        body = Reader(r.take(r.number(2)))
        interface, version = body.number(1), body.number(4, order="big")
        return interface, version, body.b_text(), tuple(body.take(4))

    def return_status(self, r):
        return r.number(4, True)

    def return_value(self, r):
        r.number(2)
        name, _ = r.b_text(), r.number(1)
        r.number(2 if self.version < TDS72 else 4)
        r.number(2)
        return name, read_value(r, read_type(r))

    def order(self, r):
        size = r.number(2)
        return [r.number(2) for _ in range(size // 2)]

    def feature_ack(self, r):
        features = {}
        while True:
            feature = r.number(1)
            if feature == 0xFF:
                return features
            features[feature] = bytes(r.take(r.number(4)))
