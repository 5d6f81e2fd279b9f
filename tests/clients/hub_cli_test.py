"""The hub and `hf`, the command people type. Skipped (77) where the client is not installed.

    hub_cli_test.py PATH/TO/glassbox"""

import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import huggingface_hub
except ImportError:
    print("huggingface_hub is not installed")
    sys.exit(77)
from hub_served import Hub

RUN = [sys.executable, "-W", "ignore", "-c", "from huggingface_hub.cli.hf import main; main()"]


def all_of_it(hub, environment):
    place = pathlib.Path(tempfile.mkdtemp(dir=hub.home))

    def hf(*words, status=0):
        """What it says on both outputs."""
        done = subprocess.run([*RUN, *words], capture_output=True, text=True, env=environment)
        said = done.stdout + done.stderr
        good = done.returncode == status if status == 0 else done.returncode != 0
        assert good, f"hf {' '.join(words)} ended with {done.returncode}: {said}"
        print("ok hf", *words[:3])
        return said

    hf("auth", "login", "--token", hub.alice)
    assert "alice" in hf("auth", "whoami") and "acme" in hf("auth", "whoami")
    hf("auth", "list")

    model = place / "model"
    (model / "part").mkdir(parents=True)
    (model / "config.json").write_text("{}")
    (model / "part/weights.bin").write_bytes(b"w" * 70_000)
    (model / "README.md").write_text("---\nlicense: mit\n---\n# A model\n")

    hf("repos", "create", "alice/typed")
    hf("upload", "alice/typed", str(model), ".")
    hf("upload", "alice/typed", str(model / "config.json"), "other.json", "--revision", "side", "--commit-message", "x")
    hf("download", "alice/typed", "config.json")
    hf("download", "alice/typed", "other.json", "--revision", "side")
    hf("download", "alice/typed", "--local-dir", str(place / "out"))
    assert (place / "out/part/weights.bin").read_bytes() == b"w" * 70_000
    hf("download", "alice/typed", "--dry-run")

    assert "alice/typed" in hf("models", "ls", "--author", "alice")
    assert "weights.bin" in hf("models", "ls", "alice/typed", "-R")
    assert "alice/typed" in hf("models", "info", "alice/typed")
    assert "mit" in hf("models", "card", "alice/typed", "--metadata")
    hf("repos", "branch", "create", "alice/typed", "more")
    hf("repos", "branch", "delete", "alice/typed", "more")
    hf("repos", "tag", "create", "alice/typed", "v1", "-m", "the first")
    assert "v1" in hf("repos", "tag", "list", "alice/typed")
    hf("repos", "tag", "delete", "alice/typed", "v1", "--yes")

    hf("repos", "settings", "alice/typed", "--private")
    hf("repos", "delete-files", "alice/typed", "*.bin")
    assert "weights.bin" not in hf("models", "ls", "alice/typed", "-R")
    hf("repos", "move", "alice/typed", "alice/moved")
    hf("repos", "duplicate", "alice/moved", "alice/copy")
    assert "alice/copy" in hf("repos", "ls")
    hf("upload", "alice/moved", str(model), "proposed", "--create-pr")
    assert "Upload" in hf("discussions", "list", "alice/moved")
    hf("cache", "ls")
    hf("cache", "verify", "alice/moved", "--local-dir", str(place / "out"))
    (place / "out/config.json").write_text("{ }")
    hf("cache", "verify", "alice/moved", "--local-dir", str(place / "out"), status=1)
    hf("download", "alice/nowhere", "x", status=1)
    hf("repos", "delete", "alice/copy", "--yes")
    hf("datasets", "ls")

    hf("auth", "logout")
    hf("download", "alice/moved", "config.json", "--force-download", status=1)  # it is private
    environment["HF_TOKEN"] = hub.bob
    hf("download", "alice/moved", "config.json", "--force-download", status=1)
    environment["HF_TOKEN"] = hub.alice
    hf("download", "alice/moved", "config.json", "--force-download")


for way in ("1", "0"):
    with Hub(sys.argv[1]) as hub:
        print(f"hf {huggingface_hub.__version__}, HF_HUB_DISABLE_XET={way}")
        all_of_it(hub, hub.environment(HF_HUB_DISABLE_XET=way))
