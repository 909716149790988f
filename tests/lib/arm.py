"""The management API over plain HTTPS: what a client gets that does not hide it."""
import json
import os
import ssl
import http.client
import urllib.parse

AUDIENCE = "https://management.quire/"


class Api:
    def __init__(self, server):
        self.server = server
        self.token = None

    @property
    def certificate(self):
        return os.path.join(self.server.data_dir, "tls", "cert.pem")

    def connect(self):
        return http.client.HTTPSConnection(
            "127.0.0.1", self.server.https_port, timeout=30,
            context=ssl.create_default_context(cafile=self.certificate))

    def send(self, method, path, body=None, headers=None):
        """(status, headers, JSON or None). `body`: bytes, or what JSON is made of."""
        connection = self.connect()
        headers = dict(headers or {})
        if self.token:
            headers.setdefault("Authorization", "Bearer " + self.token)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, dict((k.lower(), v) for k, v in answer.getheaders()), \
                json.loads(text) if text else None
        finally:
            connection.close()

    def ask_token(self, **fields):
        form = urllib.parse.urlencode(fields).encode()
        return self.send("POST", "/adfs/oauth2/token", form,
                         {"Content-Type": "application/x-www-form-urlencoded"})

    def login(self, name="quireadmin", secret=None):
        status, _, answer = self.ask_token(
            grant_type="client_credentials", client_id=name,
            client_secret=secret or self.server.password, scope=AUDIENCE + "/.default")
        assert status == 200, answer
        self.token = answer["access_token"]
        return self
