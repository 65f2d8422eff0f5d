"""Orders that are kept before they are paid for: bought from `assay up`, through a service that fails in between. python/test.sh runs it."""
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import assay_client as assay

ROOT = Path(__file__).resolve().parents[2]
# the third of anvil's accounts, whose keys everybody knows
BUYER_KEY = "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"
SEVEN = json.loads((ROOT / "fixtures/models/digit_7.json").read_text())["input_data"][0]


def has_chain() -> bool:
    return "ANVIL" in os.environ or bool(shutil.which("anvil")) or (ROOT / "verifier-contracts/node_modules/.bin/anvil").exists()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Failing(BaseHTTPRequestHandler):
    """What is between the buyer and the service: it passes on what is asked, but for what `fails` names."""

    service = ""
    #: Which requests get no answer: the beginnings of `METHOD path`.
    fails: tuple[str, ...] = ()

    def pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0))) or None
        if f"{self.command} {self.path}".startswith(self.fails):
            return self.answer(502, "text/plain", b"the connection broke")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection", "content-length")}
        try:
            with urllib.request.urlopen(urllib.request.Request(self.service + self.path, body, headers, method=self.command), timeout=60) as response:
                return self.answer(response.status, response.headers["content-type"], response.read())
        except urllib.error.HTTPError as error:
            return self.answer(error.code, error.headers["content-type"], error.read())

    def answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind or "text/plain")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = pass_on

    def log_message(self, *_: object) -> None:
        pass


@unittest.skipUnless(has_chain(), "anvil is not installed")
class Orders(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.made = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.made.cleanup)
        folder = Path(cls.made.name)
        command = [os.environ["ASSAY"], "--json", "up", "--example", "--dir", str(folder / "up"), "--root", str(ROOT)]
        command += ["--bind", f"127.0.0.1:{free_port()}", "--chain-port", str(free_port())]
        with open(folder / "log", "w") as log:
            seller = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        cls.addClassCleanup(lambda: (seller.terminate(), seller.wait(timeout=60), seller.stdout.close()))
        ready = seller.stdout.readline()
        assert ready, (folder / "log").read_text()
        Failing.service = json.loads(ready)["url"]
        between = ThreadingHTTPServer(("127.0.0.1", 0), Failing)
        threading.Thread(target=between.serve_forever, daemon=True).start()
        cls.addClassCleanup(lambda: (between.shutdown(), between.server_close()))
        cls.service = assay.Service(f"http://127.0.0.1:{between.server_address[1]}")
        state = json.loads((folder / "up/state.json").read_text())
        cls.place = {"rpc": state["chain"], "market": state["market"]}
        cls.model = cls.service.models()[0]

    def tearDown(self) -> None:
        Failing.fails = ()

    def buy(self) -> dict:
        return self.service.buy(self.model["id"], SEVEN, **self.place, private_key=BUYER_KEY, max_price=10**16, accept_development_key=True)

    def order(self, before: set[str]) -> dict:
        """The order that was made since then."""
        [made] = [order for order in assay.orders() if order["job"] not in before]
        return made

    def balance(self) -> int:
        account = assay.account_of(BUYER_KEY)
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_getBalance", "params": [account, "latest"]}).encode()
        request = urllib.request.Request(self.place["rpc"], body, {"content-type": "application/json"})
        with urllib.request.urlopen(request) as response:
            return int(json.load(response)["result"], 16)

    def test_what_was_bought_is_kept_without_its_input(self) -> None:
        known = {order["job"] for order in assay.orders()}
        proof = self.buy()
        self.assertTrue(self.service.key(self.model["id"]).verify(proof)["valid"])
        order = self.order(known)
        self.assertTrue(order["done"])
        kept = json.loads(Path(order["file"]).read_text())
        self.assertIsNone(kept["request"], "nobody needs the input any more")
        # its proof is fetched once more, and nothing is paid
        before = self.balance()
        self.assertEqual(assay.resume(order["job"]), proof)
        self.assertEqual(self.balance(), before)

    def test_a_connection_that_breaks_after_the_payment_loses_nothing(self) -> None:
        known, before = {order["job"] for order in assay.orders()}, self.balance()
        Failing.fails = ("GET /v1/predictions/",)
        with self.assertRaisesRegex(assay.AssayError, "may be in the market's escrow for job 0x"):
            self.buy()
        paid = before - self.balance()
        self.assertGreater(paid, int(self.model["terms"]["price"]))
        order = self.order(known)
        self.assertFalse(order["done"])
        self.assertEqual(Path(order["file"]).stat().st_mode & 0o077, 0, "the order opens the input's commitment: it is for its owner alone")
        Failing.fails = ()
        proof = assay.resume(order["job"][:12])
        self.assertTrue(self.service.key(self.model["id"]).verify(proof)["valid"])
        self.assertEqual(before - self.balance(), paid, "paid once")
        self.assertTrue(self.order(known)["done"])

    def test_an_order_that_was_not_paid_is_paid_when_its_buyer_goes_on(self) -> None:
        known, before = {order["job"] for order in assay.orders()}, self.balance()
        Failing.fails = ("POST /v1/predictions",)
        with self.assertRaises(assay.AssayError):
            self.buy()
        self.assertEqual(self.balance(), before, "nothing was paid")
        Failing.fails = ()
        job = self.order(known)["job"]
        with self.assertRaisesRegex(assay.AssayError, "not paid for: pass private_key"):
            assay.resume(job)
        self.assertTrue(self.service.key(self.model["id"]).verify(assay.resume(job, private_key=BUYER_KEY))["valid"])
        self.assertLess(self.balance(), before)
        listed = subprocess.run([os.environ["ASSAY"], "--json", "jobs"], capture_output=True, text=True)
        jobs = {one["job"]: one["state"] for one in json.loads(listed.stdout)["jobs"]}
        self.assertEqual(jobs[job], "settled", "the command knows the order too")

    def test_orders_that_are_not_here_are_not_gone_on_with(self) -> None:
        with self.assertRaisesRegex(assay.AssayError, "no order that was made on this machine"):
            assay.resume("0xdead")
        self.assertEqual(self.service.buy.__kwdefaults__["batch"], 64, "as the command has it")


if __name__ == "__main__":
    unittest.main()
