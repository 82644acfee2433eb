"""PyPI ringcentral against the fake platform."""

import asyncio
import json
import os
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ringcentral import SDK
from ringcentral.http.api_exception import ApiException
from ringcentral.websocket.events import WebSocketEvents

URL = os.environ["FAKE_URL"]
FILTERS = ["/restapi/v1.0/account/~/telephony/sessions"]


def control(path, body=None):
    """Asks for something under /fake/."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{URL}/fake/{path}", data)) as response:
        return json.load(response)


class Receiver(BaseHTTPRequestHandler):
    """A webhook that takes whatever is posted."""

    events = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        if "Validation-Token" in self.headers:
            self.send_header("Validation-Token", self.headers["Validation-Token"])
        else:
            self.events.append(json.loads(body))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def tell_transfer(events, truth):
    """Whether events tell both ends of a transfer, and the end of everybody's leg."""
    parties = [e["body"]["parties"][0] for e in events if e["body"]["telephonySessionId"] in truth["sessions"]]
    gone = [p for p in parties if p["status"]["code"] == "Gone" and p["status"].get("reason") == "AttendedTransfer"]
    ended = {p["id"] for p in parties if p["status"]["code"] in ("Gone", "Disconnected")}
    return len(gone) == 2 and ended == {p["id"] for p in parties}


async def eventually(what, look):
    begun = time.monotonic()
    while not look():
        assert time.monotonic() - begun < 20, f"{what}: not within 20 s"
        await asyncio.sleep(0.05)


def patiently(ask):
    """Asks again when the platform says to wait; the answer, and how often it was refused."""
    refused = 0
    while True:
        try:
            return ask().json_dict(), refused
        except ApiException as error:
            response = error.api_response().response()
            if response.status_code != 429:
                raise
            refused += 1
            time.sleep(float(response.headers["Retry-After"]))


async def main():
    known = control("accounts")
    account = known["accounts"][0]
    platform = SDK(known["clientId"], known["clientSecret"], URL).platform()
    platform.login(jwt=account["users"][0]["jwt"])
    assert str(platform.get("/restapi/v1.0/account/~").json_dict()["id"]) == account["accountId"]

    # Subscribe by webhook and by WebSocket.
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    delivery = {"transportType": "WebHook", "address": f"http://127.0.0.1:{server.server_port}/hook"}
    subscription = await asyncio.to_thread(
        lambda: platform.post("/restapi/v1.0/subscription", {"eventFilters": FILTERS, "deliveryMode": delivery})
    )
    assert subscription.json_dict()["status"] == "Active"
    sdk = SDK(known["clientId"], known["clientSecret"], URL)
    sdk.platform().login(jwt=account["users"][0]["jwt"])
    client, by_web_socket, subscribed = sdk.create_web_socket_client(), [], []
    client.on(WebSocketEvents.connectionCreated, lambda made: asyncio.create_task(made.create_subscription(FILTERS)))
    client.on(WebSocketEvents.subscriptionCreated, lambda made: subscribed.append(made))
    client.on(WebSocketEvents.receiveSubscriptionNotification, lambda frame: by_web_socket.append(frame[1]))
    connection = asyncio.create_task(client.create_new_connection())
    await eventually("the WebSocket is subscribed", lambda: subscribed)

    # A simulated transfer, told to both.
    transfer = control("play", {"scenario": "attended"})["truths"][0]
    await eventually("the transfer is told by webhook", lambda: tell_transfer(Receiver.events, transfer))
    await eventually("and by WebSocket", lambda: tell_transfer(by_web_socket, transfer))
    connection.cancel()

    # The call log, page by page; then what is new.
    for scenario in ("inbound", "missed"):
        control("play", {"scenario": scenario})
    control("advance", {"seconds": 600})
    records, path, query = [], "/restapi/v1.0/account/~/call-log", {"perPage": "1", "view": "Detailed"}
    while path:
        page, _ = patiently(lambda: platform.get(path, query))
        records += page["records"]
        path, query = page["navigation"].get("nextPage", {}).get("uri"), None
    assert {record["telephonySessionId"] for record in records} >= set(transfer["sessions"])
    assert len({record["id"] for record in records}) == len(records) >= 4
    sync = "/restapi/v1.0/account/~/call-log-sync"
    full, _ = patiently(lambda: platform.get(sync, {"syncType": "FSync", "recordCount": "250"}))
    assert len(full["records"]) == len(records)
    later = control("play", {"scenario": "inbound"})["truths"][0]
    control("advance", {"seconds": 600})
    token = full["syncInfo"]["syncToken"]
    new, _ = patiently(lambda: platform.get(sync, {"syncType": "ISync", "syncToken": token}))
    assert [record["telephonySessionId"] for record in new["records"]] == [later["id"]]

    # A 429, and what comes after it.
    refused = sum(patiently(lambda: platform.get("/restapi/v1.0/account/~/active-calls"))[1] for _ in range(12))
    assert refused >= 1
    platform.refresh()
    platform.logout()
    server.shutdown()
    print("ok")


asyncio.run(main())
