"""The management API without a client library: health, tokens, rights, bounds."""
import base64
import json
import os
import signal
import socket
import ssl
import unittest

import arm
import server
from test_replicas import wait_log


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = server.Server().start()
        cls.api = arm.Api(cls.server)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.server.remove()

    def refused(self, answer, status, code):
        self.assertEqual((answer[0], answer[2]["error"]["code"]), (status, code))


class Health(Case):
    def test_healthz_answers_everybody(self):
        status, headers, answer = self.api.send("GET", "/healthz")
        self.assertEqual((status, answer), (200, {"status": "ok"}))
        self.assertEqual(headers["content-type"], "application/json; charset=utf-8")
        self.assertEqual(self.api.send("HEAD", "/healthz")[0], 200)
        self.refused(self.api.send("DELETE", "/healthz"), 405, "MethodNotAllowed")

    def test_the_process_comes_back_and_tokens_stay_good(self):
        api = arm.Api(self.server).login()
        os.kill(self.server.role_pid("api"), signal.SIGKILL)
        self.server.announced.add("child_ended")
        status, _, answer = api.send("GET", "/subscriptions?api-version=2022-12-01")
        self.assertEqual(status, 200, answer)


class Tokens(Case):
    def test_a_service_principal_gets_a_token_for_this_api(self):
        api = arm.Api(self.server).login()
        said = claims(api.token)
        self.assertEqual((said["aud"], said["appid"]), (arm.AUDIENCE, "quireadmin"))
        status, _, answer = api.send("GET", "/subscriptions?api-version=2022-12-01")
        self.assertEqual(status, 200)
        self.assertEqual(answer["value"][0]["tenantId"], said["tid"])

    def test_a_user_gets_tokens_and_refreshes_them(self):
        status, _, answer = self.api.ask_token(
            grant_type="password", client_id="app", username="quireadmin@localhost",
            password=self.server.password, scope=arm.AUDIENCE + "/.default openid")
        self.assertEqual(status, 200)
        self.assertEqual(claims(answer["id_token"])["aud"], "app")
        status, _, again = self.api.ask_token(grant_type="refresh_token", client_id="app",
                                              refresh_token=answer["refresh_token"])
        self.assertEqual(status, 200)
        for token, want in ((again["access_token"], 200), (again["refresh_token"], 401),
                            (again["id_token"], 401)):
            status, _, _ = self.api.send("GET", "/tenants?api-version=2022-12-01",
                                         headers={"Authorization": "Bearer " + token})
            self.assertEqual(status, want)
        status, _, refusal = self.api.ask_token(grant_type="refresh_token", client_id="app",
                                                refresh_token=again["access_token"])
        self.assertEqual((status, refusal["error"]), (400, "invalid_grant"))

    def test_no_token_and_changed_tokens_are_refused(self):
        good = arm.Api(self.server).login().token
        head, body, signature = good.split(".")
        other = base64.urlsafe_b64encode(json.dumps(dict(claims(good), appid="x")).encode())
        plain = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').decode().rstrip("=")
        for token in ("", "x", "a.b.c", f"{head}.{other.decode().rstrip('=')}.{signature}",
                      f"{plain}.{body}.", f"{head}.{body}.{signature[:-8]}AAAAAAAA",
                      good + ".", "A" * 20000):
            status, headers, _ = self.api.send("GET", "/subscriptions?api-version=2022-12-01",
                                               headers={"Authorization": "Bearer " + token})
            self.assertEqual(status, 401)
            self.assertIn('error="invalid_token"', headers["www-authenticate"])

    def test_wrong_secrets_are_refused_and_then_slowed_down(self):
        api = arm.Api(self.server)
        seen = []
        for _ in range(14):
            status, headers, answer = api.ask_token(
                grant_type="client_credentials", client_id="quireadmin", client_secret="wrong",
                scope=arm.AUDIENCE + ".default")
            seen.append((status, answer["error"]))
            if status == 429:
                self.assertGreater(int(headers["retry-after"]), 0)
        self.assertEqual(seen[0], (401, "invalid_client"))
        self.assertEqual(seen[-1], (429, "temporarily_unavailable"))
        self.server.restart()
        arm.Api(self.server).login()

    def test_what_is_no_token_request_is_refused(self):
        for fields, error in (({}, "invalid_request"), ({"grant_type": "x"}, "unsupported_grant_type"),
                              ({"grant_type": "password"}, "invalid_request"),
                              ({"grant_type": "password", "scope": "https://graph/.default"},
                               "invalid_resource")):
            status, _, answer = self.api.ask_token(**fields)
            self.assertEqual((status, answer["error"]), (400, error))


class Hostile(Case):
    def test_bad_requests_get_clear_answers(self):
        api = arm.Api(self.server).login()
        self.refused(api.send("GET", "/subscriptions"), 400, "MissingApiVersionParameter")
        self.refused(api.send("GET", "/subscriptions?api-version=1"), 400,
                     "InvalidApiVersionParameter")
        self.refused(api.send("GET", "/nothing?api-version=2022-12-01"), 404, "InvalidResourceType")
        for path in ("/%zz", "/subscriptions/%00", "/" + "a/" * 3000, "/%"):
            self.assertEqual(api.send("GET", path)[0], 400, path)
        self.refused(api.send("GET", "/healthz", headers={"Host": "a b"}), 400, "BadRequest")

    def test_bodies_are_bounded(self):
        for size in (20000, 99999):
            status, headers, answer = self.api.send("POST", "/adfs/oauth2/token", b"a" * size)
            self.assertEqual((status, answer["error"]["code"]), (413, "RequestEntityTooLarge"))
            self.assertNotEqual(headers.get("connection", "").lower(), "close")  # it has been read

    def test_what_is_no_http_harms_nobody(self):
        context = ssl.create_default_context(cafile=self.api.certificate)
        for data in (b"\0\1\2\3\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 70000):
            plain = socket.create_connection(("127.0.0.1", self.server.https_port), 10)
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as stream:
                stream.sendall(data)
            with socket.create_connection(("127.0.0.1", self.server.https_port), 10) as plain:
                plain.sendall(data)
            self.assertEqual(self.api.send("GET", "/healthz")[0], 200)

    def test_no_secret_is_in_the_log(self):
        api = arm.Api(self.server).login()
        api.send("GET", "/subscriptions?api-version=2022-12-01&secret=hidden1")
        api.ask_token(grant_type="client_credentials", client_id="quireadmin",
                      client_secret="hidden2", scope=arm.AUDIENCE + ".default")
        wait_log(self.server, 'path="/subscriptions" status=200')  # a request is logged after its answer
        wait_log(self.server, 'path="/adfs/oauth2/token" status=401')
        log = "".join(self.server.log)
        for secret in (self.server.password, api.token, "hidden1", "hidden2"):
            self.assertNotIn(secret, log)


if __name__ == "__main__":
    unittest.main()
