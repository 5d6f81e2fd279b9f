"""A server of one's own, spoken to over bare sockets, and its /health watched from another process. Standard library only."""

import json
import multiprocessing
import os
import socket
import struct
import subprocess
import tempfile
import time

MODEL = "glassbox/prism"
SLOWER = float(os.environ.get("GLASSBOX_SLOWER", "1"))  # how much more time everything has: under sanitizers, say 10


class Server:
    def __init__(self, binary, *arguments):
        self.home = tempfile.TemporaryDirectory(prefix="glassbox-home-")
        self.process = subprocess.Popen([binary, "serve", MODEL, "--port", "0", "--quiet", *arguments],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env={"GLASSBOX_HOME": self.home.name, **os.environ})
        line = self.process.stdout.readline()
        if "Glassbox is open on http" not in line:
            self.process.wait()
            raise SystemExit(f"serve said {line!r}: {self.process.stderr.read().strip()}")
        self.port = int(line.rsplit(":", 1)[1])

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        """Its exit status, and what it wrote on standard error."""
        if self.alive():
            self.process.send_signal(2)
        try:
            error = self.process.communicate(timeout=60 * SLOWER)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "none: it did not stop", self.process.communicate()[1]
        return self.process.returncode, error


def connect(port, timeout=120):
    return socket.create_connection(("127.0.0.1", port), timeout=timeout * SLOWER)


def request(method, path, body=b"", headers=""):
    return (f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def reset(connection):
    """Closes so that the peer sees a reset, not an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Answer:
    """One answer read from a connection; pieces() gives the body as it comes."""

    def __init__(self, connection):
        self.connection, self.buffer = connection, b""
        self.status = 100
        while self.status == 100:  # whoever closed its side is asked so whether it still reads
            while b"\r\n\r\n" not in self.buffer:
                self.more()
            head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
            self.status = int(head.split()[1])
        self.headers = {name.strip().lower(): value.strip() for name, value in
                        (line.split(":", 1) for line in head.decode("latin-1").split("\r\n")[1:])}

    def more(self):
        came = self.connection.recv(1 << 16)
        if not came:
            raise ConnectionError("the answer ended before its end")
        self.buffer += came

    def take(self, size):
        while len(self.buffer) < size:
            self.more()
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def pieces(self):
        if "content-length" in self.headers:
            yield self.take(int(self.headers["content-length"]))
            return
        while True:
            while b"\r\n" not in self.buffer:
                self.more()
            size, self.buffer = self.buffer.split(b"\r\n", 1)
            piece = self.take(int(size, 16) + 2)[:-2]
            if not piece:
                return
            yield piece

    def body(self):
        return b"".join(self.pieces())


def ask(port, method, path, body=b""):
    with connect(port) as connection:
        connection.sendall(request(method, path, body))
        answer = Answer(connection)
        return answer.status, answer.body()


def figure(port, name):
    """A figure of /metrics, summed over its labels."""
    lines = ask(port, "GET", "/metrics")[1].decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name) and line[len(name)] in "{ ")


def _watch(port, over, out):
    times = []
    while not over.is_set():
        begin = time.monotonic()
        try:
            status = ask(port, "GET", "/health")[0]
        except OSError as error:
            status = repr(error)
        times.append(time.monotonic() - begin)
        if status != 200:
            out.put(f"/health said {status}")
            return
        time.sleep(0.02)
    out.put(times)


class HealthWatch:
    """Asks /health all the while, from a process of its own, so that this one's threads do not delay it. At the end at
    most one in a hundred took longer than 100 ms and none a second: other programs of the machine take their turns."""

    def __init__(self, port):
        context = multiprocessing.get_context("spawn")
        self.over, self.out = context.Event(), context.Queue()
        self.process = context.Process(target=_watch, args=(port, self.over, self.out), daemon=True)
        self.process.start()

    def end(self):
        """What is wrong, or nothing."""
        self.over.set()
        times = self.out.get(timeout=120 * SLOWER)
        self.process.join()
        if isinstance(times, str):
            return times
        times.sort()
        slow = sum(t > 0.1 * SLOWER for t in times)
        print(f"/health asked {len(times)} times: median {times[len(times) // 2] * 1e3:.1f} ms, longest "
              f"{times[-1] * 1e3:.1f} ms, {slow} over {100 * SLOWER:.0f} ms")
        if slow * 100 > len(times) or times[-1] > SLOWER:
            return f"/health was slow: {slow} of {len(times)}, longest {times[-1]:.2f} s"
        return None


def said(body):
    """Of a whole answer or a stream's events: the texts by choice, and how each ended. Fails on an error in a stream."""
    texts = {}
    if body.startswith(b"{"):
        chunks = [json.loads(body)]
    else:
        lines = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")]
        assert lines[-1] == b"[DONE]", lines[-1]
        chunks = [json.loads(line) for line in lines[:-1]]
    for chunk in chunks:
        assert "error" not in chunk, chunk
        for choice in chunk["choices"]:
            part = choice.get("delta") or choice.get("message") or {"content": choice.get("text")}
            text, reasoning, reason = texts.get(choice["index"], ("", "", None))
            texts[choice["index"]] = (text + (part.get("content") or ""), reasoning + (part.get("reasoning_content") or ""),
                                      choice.get("finish_reason") or reason)
    return texts
