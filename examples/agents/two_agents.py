#!/usr/bin/env python3
"""Two agents trade while nobody watches: one sells a model's answers, the other buys as many as its spending limit allows.

The seller is `assay up --example`: a chain of its own, the contracts, a model and the service. The buyer reads the seller's agent card and talks to it as
agents do (A2A): it asks for one free answer. For more it gets its tools from `assay mcp`, and for every picture that it has asks for a quote, pays, waits, and
keeps the answer once its proof was verified. The limit is kept by the tools and not by the buyer, who tries to buy beyond it.

    python3 examples/agents/two_agents.py [--assay PATH] [--folder DIR] [--answers N]

Prints one JSON object. It needs Python 3.11 and nothing else; anvil is found as `assay demo` finds it.
"""
import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request
import uuid
from pathlib import Path

# the third of anvil's accounts, whose keys everybody knows: for chains on which no money moves
BUYER_KEY = "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"
PRICE = 1_000_000_000_000_000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Seller:
    """`assay up`, which sells by itself."""

    def __init__(self, assay: str, folder: Path) -> None:
        self.folder = folder / "seller"
        command = [assay, "--json", "up", "--example", "--dir", str(self.folder), "--bind", f"127.0.0.1:{free_port()}"]
        command += ["--chain-port", str(free_port()), "--price", str(PRICE)]
        with open(folder / "seller.log", "w") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        ready = self.process.stdout.readline()
        if not ready:
            raise SystemExit(f"the seller did not start:\n{(folder / 'seller.log').read_text()}")
        self.url = json.loads(ready)["url"]
        # what the buyer's operator knows of the chain: never taken from the seller, who could name a market of his own
        self.state = json.loads((self.folder / "state.json").read_text())

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)


class Tools:
    """`assay mcp`: the buyer's tools, with the limit that the buyer's operator set."""

    def __init__(self, assay: str, folder: Path, seller: Seller, budget: int) -> None:
        chain = {"ASSAY_RPC": seller.state["chain"], "ASSAY_MARKET": seller.state["market"], "ASSAY_PRIVATE_KEY": BUYER_KEY}
        command = [assay, "mcp", "--service", seller.url, "--budget", str(budget), "--max-price", str(2 * PRICE), "--accept-development-key"]
        command += ["--ledger", str(folder / "spent.json")]
        env = os.environ | chain | {"ASSAY_HOME": os.environ.get("ASSAY_HOME", str(folder / "buyer"))}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        self.asked = 0
        me = {"name": "buyer", "version": "1"}
        self.ask("initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": me})
        self.say({"method": "notifications/initialized"})

    def say(self, message: dict) -> None:
        print(json.dumps({"jsonrpc": "2.0", **message}), file=self.process.stdin, flush=True)

    def ask(self, method: str, params: dict) -> dict:
        self.asked += 1
        self.say({"id": self.asked, "method": method, "params": params})
        while line := self.process.stdout.readline():
            answer = json.loads(line)
            if answer.get("id") == self.asked:
                if "error" in answer:
                    raise SystemExit(f"{method}: {answer['error']}")
                return answer["result"]
        raise SystemExit("the tools are gone")

    def names(self) -> list[str]:
        return [tool["name"] for tool in self.ask("tools/list", {})["tools"]]

    def call(self, name: str, **arguments) -> dict:
        """What a tool answers; with `error`, where it refuses."""
        return self.ask("tools/call", {"name": name, "arguments": arguments})["structuredContent"]

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=60)


class Peer:
    """Another agent, as its card describes it: JSON-RPC of the Agent2Agent protocol, version 0.3."""

    def __init__(self, url: str) -> None:
        with urllib.request.urlopen(f"{url}/.well-known/agent-card.json") as response:
            self.card = json.load(response)
        if self.card["preferredTransport"] != "JSONRPC":
            raise SystemExit(f"the agent speaks {self.card['preferredTransport']}, and this one JSONRPC")
        self.said = 0

    def call(self, method: str, params: dict) -> dict:
        """What a method brings; with `error`, where it is refused."""
        self.said += 1
        body = json.dumps({"jsonrpc": "2.0", "id": self.said, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.card["url"], body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as response:
            answer = json.load(response)
        return answer["result"] if "result" in answer else {"error": answer["error"]}

    def send(self, part: dict, blocking: bool = False) -> dict:
        """A message of one part: the task or the message that it is answered with."""
        message = {"kind": "message", "role": "user", "messageId": uuid.uuid4().hex, "parts": [part]}
        return self.call("message/send", {"message": message, "configuration": {"blocking": blocking}})

    def ask(self, request: dict) -> dict:
        """The task of a prediction, at its end."""
        task = self.send({"kind": "data", "data": {"prediction": request}}, blocking=True)
        while "error" not in task and task["status"]["state"] in ("submitted", "working"):
            task = self.call("tasks/get", {"id": task["id"]})
        return task


def buy(tools: Tools, model: str, picture: list[float]) -> dict:
    """One proven answer, or why there is none."""
    quote = tools.call("quote", model=model, input=picture)
    if "error" in quote:
        return quote
    order = tools.call("request", order=quote["order"])
    if "error" in order:
        return order | {"within_budget": quote["within_budget"]}
    while True:
        answer = tools.call("wait", order=order["order"], seconds=30)
        if answer.get("done") or "error" in answer:
            return answer


def trade(assay: str, folder: Path, answers: int) -> dict:
    seller = Seller(assay, folder)
    try:
        peer = Peer(seller.url)
        card = peer.card
        pictures = json.loads((seller.folder / "models/digits_calibration.json").read_text())["input_data"][: answers + 1]
        # enough for so many answers, and not for one more
        tools = Tools(assay, folder, seller, answers * PRICE + PRICE // 2)
        try:
            names = tools.names()
            [model] = tools.call("find_models", query="digits")["models"]
            if model["model"] not in [skill["id"] for skill in card["skills"]]:
                raise SystemExit("the agent card and the list of models name other models")
            # an agent understands data, and says so to whoever writes to it
            hello = peer.send({"kind": "text", "text": "Hello, what is this?"})["parts"][0]["text"]
            task = peer.ask({"model": model["model"], "input": pictures[0]})
            free = tools.call("verify", prediction=task["id"])
            bought, refused = [], None
            for picture in pictures:
                answer = buy(tools, model["model"], picture)
                if "error" in answer:
                    refused = answer
                    break
                bought.append({"label": answer["label"], "verified": answer["verified"], "paid": answer["paid"], "prediction": answer["prediction"]})
            others = tools.call("verify", prediction=bought[0]["prediction"]) if bought else None
            # what was bought with the tools is a task of the agent's as well
            later = peer.call("tasks/get", {"id": bought[0]["prediction"].rsplit("/", 1)[-1]}) if bought else None
            budget = tools.call("budget")
        finally:
            tools.stop()
    finally:
        seller.stop()
    talk = {"hello": hello, "free": task["status"]["state"], "free_verified": free["valid"], "bought": later and later["status"]["state"]}
    return {
        "seller": card["name"], "talk": talk, "tools": names, "model": model["name"], "bought": bought, "refused": refused, "verify": others, "budget": budget,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assay", default=shutil.which("assay") or "target/release/assay", help="the program")
    parser.add_argument("--folder", type=Path, help="where both keep their things; left out: a folder that is removed at the end")
    parser.add_argument("--answers", type=int, default=3, help="how many answers the buyer may pay for")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = args.folder or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        json.dump(trade(args.assay, folder, args.answers), sys.stdout, indent=1)
        print()


if __name__ == "__main__":
    main()
