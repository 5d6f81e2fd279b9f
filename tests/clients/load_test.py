#!/usr/bin/env python3
"""64 clients at once, some of which leave in the middle, close their side or read slowly: every answer that is complete
equals the one the same request got alone.

    load_test.py GLASSBOX [CLIENTS [ROUNDS]]
"""

import json
import random
import socket
import sys
import threading
import time

import served

PROMPTS = ["What is 17 + 25?", "Tell me a story.", "Who are you?", "What is 9 - 4?", "Tell me about a cat.", "Hello!",
           "What is 3 + 3 + 3?", "Mia has a red ball. What colour is it?"]


def requests():
    """Of every kind that may share a pass: greedy and drawn, whole and streamed, several choices, long and short."""
    for i in range(24):
        body = {"model": served.MODEL, "seed": i, "max_tokens": 6 + 7 * (i % 5), "stream": i % 2 == 0,
                "temperature": [0, 0.7, 1, 1.5][i % 4], "n": 2 if i % 6 == 5 else 1}
        if i % 4 == 3:
            yield "/v1/completions", {**body, "prompt": PROMPTS[i % 8] * (1 + i % 3), "top_p": 0.9}
        else:
            # Long prompts are read in several passes, beside the answers of others.
            content = PROMPTS[i % 8] if i % 3 else " ".join(PROMPTS) * 2
            yield "/v1/chat/completions", {**body, "messages": [{"role": "user", "content": content}]}


class Load:
    def __init__(self, port, clients, rounds):
        self.port, self.rounds = port, rounds
        self.asked = [(path, json.dumps(body).encode()) for path, body in requests()]
        self.alone = [served.said(served.ask(port, "POST", *one)[1]) for one in self.asked]
        self.lock = threading.Lock()
        self.complete = self.left = 0
        self.wrong = []
        threads = [threading.Thread(target=self.client, args=(i,)) for i in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def client(self, number):
        chance = random.Random(number)
        for _ in range(self.rounds):
            which = chance.randrange(len(self.asked))
            try:
                self.one(chance, which)
            except Exception as error:
                with self.lock:
                    self.wrong.append(f"request {which}: {error!r}")

    def one(self, chance, which):
        path, body = self.asked[which]
        leaves = chance.random() < 0.3
        connection = served.connect(self.port)
        connection.sendall(served.request("POST", path, body))
        if chance.random() < 0.3:
            connection.shutdown(socket.SHUT_WR)
        if leaves:
            if chance.random() < 0.5:
                time.sleep(chance.random() * 0.5)
            else:
                connection.recv(1)  # the answer has begun
            served.reset(connection) if chance.random() < 0.5 else connection.close()
            with self.lock:
                self.left += 1
            return
        answer = served.Answer(connection)
        text = b""
        for piece in answer.pieces():
            text += piece
            if chance.random() < 0.02:
                time.sleep(0.1)  # a reader who looks away
        connection.close()
        with self.lock:
            self.complete += 1
            if answer.status != 200 or served.said(text) != self.alone[which]:
                self.wrong.append(f"request {which}: {answer.status} {text[:300]}, alone {self.alone[which]}")


def main(binary, clients="64", rounds="20"):
    server = served.Server(binary)
    failures = []
    try:
        watch = served.HealthWatch(server.port)
        begin = time.monotonic()
        load = Load(server.port, int(clients), int(rounds))
        print(f"{clients} clients: {load.complete} answers, {load.left} clients left, {time.monotonic() - begin:.0f} s")
        failures += load.wrong[:10]
        slow = watch.end()
        failures += [slow] if slow else []
        for _ in range(600):  # those who left are let go
            if served.figure(server.port, "glassbox_sequences_running") == 0:
                break
            time.sleep(0.1)
        else:
            failures.append("sequences still run for clients that left")
        if load.complete < int(clients) or load.left == 0:
            failures.append("the load was none")
    except Exception as error:
        failures.append(repr(error))
    status, error = server.stop()
    if status != 0:
        failures.append(f"the server ended with status {status}: {error.strip()[-2000:]}")
    for failure in failures:
        print("FAILED:", failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
