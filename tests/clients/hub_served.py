"""A hub for tests of its clients: the program over a fresh GLASSBOX_HOME, with alice, bob, and acme, in which alice may
write. Standard library only."""

import json
import os
import shutil
import subprocess
import tempfile

from served import Server


class Hub:
    def __init__(self, binary, with_people=True):
        self.binary, self.home = binary, tempfile.mkdtemp(prefix="glassbox-hub-")
        os.environ["GLASSBOX_HOME"] = self.home  # of this server, and of every command below
        self.server = Server(binary)
        self.url = f"http://127.0.0.1:{self.server.port}"
        if not with_people:
            return
        # The server runs already: people come to a hub that is open.
        self.alice = self.command("users", "add", "alice", "--token")["token"]
        self.bob = self.command("users", "add", "bob", "--token")["token"]
        self.command("organizations", "add", "acme")
        self.command("organizations", "members", "acme", "--add", "alice", "--role", "write")

    def command(self, *words, text=None):
        """What `glassbox hub WORDS --json` says."""
        done = subprocess.run([self.binary, "hub", *words, "--json"], capture_output=True, text=True, input=text)
        if done.returncode != 0:
            raise AssertionError(f"glassbox hub {' '.join(words)}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def environment(self, **more):
        """For a client's process: this hub, nobody's cache, no token, nothing sent elsewhere."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING_FACE"))}
        return {**kept, "HF_ENDPOINT": self.url, "HF_HOME": os.path.join(self.home, "client"),
                "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
                "HF_HUB_DISABLE_UPDATE_CHECK": "1", **more}

    def stop(self):
        status, error = self.server.stop()
        shutil.rmtree(self.home, ignore_errors=True)
        if status != 0:
            raise AssertionError(f"the server ended with {status}: {error}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
