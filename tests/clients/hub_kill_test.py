#!/usr/bin/env python3
"""Kills a hub at random instants, again and again: nothing it acknowledged is lost, nothing half done is seen.

    hub_kill_test.py GLASSBOX [KILLS]

Clients upload files, commit, make branches and remove repositories all the while; after each kill the hub starts on the
same folder, everything that was acknowledged is read back, and `glassbox hub fsck` proves the store. Standard library
only."""

import base64
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

BINARY, KILLS = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 12
SLOWER = float(os.environ.get("GLASSBOX_SLOWER", "1"))
HOME = tempfile.TemporaryDirectory(prefix="glassbox-home-")
ENVIRONMENT = {**os.environ, "GLASSBOX_HOME": HOME.name}
CLIENTS = 3


class Gone(Exception):
    """The server went away before it answered: what was asked may have happened or not."""


class Hub:
    def __init__(self):
        self.process = subprocess.Popen([BINARY, "serve", "--port", "0", "--quiet"], env=ENVIRONMENT, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.process.stdout.readline()
        if "Glassbox is open on http" not in line:
            raise SystemExit(f"serve said {line!r}: {self.process.stderr.read()}")
        self.url = line.split()[-1]

    def ask(self, method, path, body=None, kind="application/json"):
        """The answer's status and body. An object is sent as JSON."""
        data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        url = path if path.startswith("http") else self.url + path
        request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": kind})
        try:
            with urllib.request.urlopen(request, timeout=60 * SLOWER) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError as error:
            raise Gone from error
        except Exception as error:  # http.client's: an answer that was cut off
            raise Gone from error

    def kill(self):
        self.process.kill()
        self.process.communicate()


class Client:
    """One repository's owner: what it was told is so, and what it does not know."""

    def __init__(self, number):
        self.random = random.Random(number)
        self.number, self.count = number, 0
        self.name = None
        self.files = {}      # path -> bytes, at the head
        self.maybe = None    # the same after a commit of which no answer came
        self.commits = []    # (name, files) that were acknowledged
        self.doubtful = False  # whether the repository itself is there

    def new_repository(self, hub):
        self.count += 1
        self.name, self.files, self.maybe, self.commits = f"killed-{self.number}-{self.count}", {}, None, []
        self.doubtful = True
        status, body = hub.ask("POST", "/api/repos/create", {"name": self.name})
        assert status == 200, (status, body)
        self.doubtful = False

    def commit(self, hub):
        lines = [{"key": "header", "value": {"summary": "a change", "description": ""}}]
        after = dict(self.files)
        for _ in range(self.random.randint(1, 3)):
            path = f"{self.random.choice('abc')}/{self.random.randint(0, 9)}.bin"
            if path in self.files and path in after and self.random.random() < 0.3:
                lines.append({"key": "deletedFile", "value": {"path": path}})
                del after[path]
                continue
            size = self.random.choice([10, 3_000, 70_000, 1_500_000])
            data = self.random.randbytes(size)
            if size > 100_000:
                # Half of it is what others uploaded, too.
                data = random.Random(1).randbytes(size // 2) + data[: size // 2]
                oid = hashlib.sha256(data).hexdigest()
                status, answer = hub.ask("POST", f"/local/{self.name}.git/info/lfs/objects/batch",
                                         {"operation": "upload", "transfers": ["basic"],
                                          "objects": [{"oid": oid, "size": len(data)}]})
                assert status == 200, answer
                actions = json.loads(answer)["objects"][0].get("actions")
                if actions:
                    status, answer = hub.ask("PUT", actions["upload"]["href"], data, "application/octet-stream")
                    assert status == 200, answer
                lines.append({"key": "lfsFile", "value": {"path": path, "algo": "sha256", "oid": oid, "size": len(data)}})
            else:
                lines.append({"key": "file", "value": {"path": path, "encoding": "base64",
                                                       "content": base64.b64encode(data).decode()}})
            after[path] = data
        self.maybe = after
        status, answer = hub.ask("POST", f"/api/models/local/{self.name}/commit/main",
                                 "\n".join(json.dumps(line) for line in lines).encode(), "application/x-ndjson")
        assert status == 200, (status, answer)
        self.files, self.maybe = after, None
        self.commits.append((json.loads(answer)["commitOid"], after))

    def work(self, hub, stop):
        while not stop.is_set():
            if self.name is None:
                self.new_repository(hub)
            self.commit(hub)
            if len(self.commits) > 6 and self.random.random() < 0.2:
                self.doubtful = True
                status, answer = hub.ask("DELETE", "/api/repos/delete", {"name": self.name})
                assert status == 200, answer
                self.name, self.doubtful = None, False

    def read(self, hub, revision):
        """The files at a revision; nothing where there is no such repository."""
        status, answer = hub.ask("GET", f"/api/models/local/{self.name}/tree/{revision}?recursive=true")
        if status == 404:
            return None
        assert status == 200, answer
        files = {}
        for entry in json.loads(answer):
            if entry["type"] != "file" or entry["path"] == ".gitattributes":
                continue
            status, data = hub.ask("GET", f"/local/{self.name}/resolve/{revision}/{entry['path']}")
            assert status == 200 and len(data) == entry["size"], (entry, status, len(data))
            files[entry["path"]] = data
        return files

    def check(self, hub):
        """What was acknowledged is there, and what was not is there whole or not at all."""
        if self.name is None:
            return
        files = self.read(hub, "main")
        if files is None:
            assert self.doubtful, f"{self.name}: the repository is lost"
            self.name, self.doubtful = None, False
            return
        if files != self.files:
            assert files == self.maybe, f"{self.name}: {sorted(files)} is neither before nor after"
        for commit, held in random.sample(self.commits, min(2, len(self.commits))):
            assert self.read(hub, commit) == held, f"{self.name}: {commit} is not what it was"
        self.files, self.maybe, self.doubtful = files, None, False


def main():
    clients = [Client(number) for number in range(CLIENTS)]
    acknowledged = 0
    for kill in range(KILLS):
        hub = Hub()
        for client in clients:
            client.check(hub)
        stop, failures = threading.Event(), []

        def work(client):
            try:
                client.work(hub, stop)
            except Gone:
                pass
            except Exception as error:  # told below, in the main thread
                failures.append(error)

        threads = [threading.Thread(target=work, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        time.sleep(random.uniform(0.05, 1.0) * SLOWER)
        hub.kill()
        stop.set()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        acknowledged = sum(len(client.commits) for client in clients)
        proof = subprocess.run([BINARY, "hub", "fsck", "--json"], env=ENVIRONMENT, capture_output=True, text=True)
        assert proof.returncode == 0, proof.stdout + proof.stderr
    hub = Hub()
    for client in clients:
        client.check(hub)
    hub.process.send_signal(2)
    assert hub.process.wait(60 * SLOWER) == 0
    found = json.loads(proof.stdout)
    print(f"{KILLS} kills: nothing lost; the last repositories have {acknowledged} acknowledged commits, the store "
          f"{found['contents']} contents in {found['xorbs']} xorbs, {found['leftovers']} left over")


main()
