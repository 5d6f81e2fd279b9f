"""The hub and curl, as scripts use it. Skipped (77) where curl is not installed.

    hub_curl_test.py PATH/TO/glassbox"""

import base64
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

from hub_served import Hub

if shutil.which("curl") is None:
    print("curl is not installed")
    sys.exit(77)


class Curl:
    def __init__(self, hub):
        self.hub = hub

    def __call__(self, path, *options, token=None, body=None, kind="application/json"):
        """The status, the headers of the last answer in lower case, and the body."""
        words = ["curl", "-sS", "-i", *options]
        if token:
            words += ["-H", f"Authorization: Bearer {token}"]
        if body is not None:
            words += ["-H", f"Content-Type: {kind}", "--data-binary", "@-"]
        url = path if path.startswith("http") else self.hub.url + path
        done = subprocess.run([*words, url], capture_output=True, check=True,
                              input=None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode())
        head, rest = done.stdout.split(b"\r\n\r\n", 1)
        while rest.startswith(b"HTTP/1.1 "):
            head, rest = rest.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:])}
        return int(lines[0].split()[1]), headers, rest


LFS = "application/vnd.git-lfs+json"


def files(hub, curl, place):
    status, _, body = curl("/api/repos/create", token=hub.alice, body={"name": "scripted", "organization": None})
    assert status == 200 and json.loads(body)["url"] == f"{hub.url}/alice/scripted", body
    status, _, body = curl("/api/repos/create", token=hub.alice, body={"name": "scripted", "organization": "alice"})
    assert status == 409 and json.loads(body)["url"] == f"{hub.url}/alice/scripted", body

    content = b"abcdefghij" * 20_000
    sha256 = hashlib.sha256(content).hexdigest()
    asked = {"operation": "upload", "transfers": ["basic", "multipart"], "hash_algo": "sha256", "ref": {"name": "main"},
             "objects": [{"oid": sha256, "size": len(content)}]}
    batch = "/alice/scripted.git/info/lfs/objects/batch"
    upload = json.loads(curl(batch, token=hub.alice, body=asked, kind=LFS)[2])["objects"][0]["actions"]["upload"]["href"]
    wrong = upload[:-1] + ("A" if upload[-1] != "A" else "B")
    (place / "content").write_bytes(content)
    assert curl(wrong, "-T", str(place / "content"))[0] in (401, 403)
    assert curl(upload)[0] in (401, 403)  # it is there to put, not to fetch
    assert curl(upload, "-T", str(place / "content"))[0] == 200
    assert "actions" not in json.loads(curl(batch, token=hub.alice, body=asked, kind=LFS)[2])["objects"][0]
    # Bob has not had these bytes in hand.
    assert "actions" in json.loads(curl(batch, token=hub.bob, body=asked, kind=LFS)[2])["objects"][0]

    lines = [{"key": "header", "value": {"summary": "files", "description": ""}},
             {"key": "lfsFile", "value": {"path": "in/content.bin", "algo": "sha256", "oid": sha256, "size": len(content)}},
             {"key": "file", "value": {"path": "empty.txt", "content": "", "encoding": "base64"}}]
    commit = "/api/models/alice/scripted/commit/main"
    body = "\n".join(map(json.dumps, lines)).encode()
    assert curl(commit, token=hub.bob, body=body, kind="application/x-ndjson")[0] == 403
    assert curl(commit, body=body, kind="application/x-ndjson")[0] == 401
    status, _, answer = curl(commit, token=hub.alice, body=body, kind="application/x-ndjson")
    assert status == 200 and len(json.loads(answer)["commitOid"]) == 40, answer

    resolve = "/alice/scripted/resolve/main/"
    _, headers, _ = curl(resolve + "in/content.bin", "-I", "-H", "Accept-Encoding: identity")
    assert re.fullmatch("[0-9a-f]{40}", headers["x-repo-commit"]) and headers["content-length"] == str(len(content))
    assert headers["etag"] == f'"{sha256}"' and headers["accept-ranges"] == "bytes"
    assert curl(resolve + "in/content.bin", "-L", "-r", "3-5")[2] == b"def"
    (place / "part").write_bytes(content[:777])
    subprocess.run(["curl", "-sS", "-L", "-C", "-", "-o", str(place / "part"), hub.url + resolve + "in/content.bin"],
                   check=True)
    assert (place / "part").read_bytes() == content
    assert curl(resolve + "empty.txt", "-r", "0-0")[0] == 200
    status, headers, _ = curl(resolve + "nowhere", "-I")
    assert (status, headers["x-error-code"]) == (404, "EntryNotFound") and headers["x-repo-commit"]
    status, _, body = curl("/api/models/alice/scripted/paths-info/main", token=hub.alice,
                           body=b"paths=in&paths=nowhere&expand=false", kind="application/x-www-form-urlencoded")
    assert [one["type"] for one in json.loads(body)] == ["directory"]
    assert curl("/api/models/alice/scripted/tree/main/in%2Fnowhere")[0] == 404
    assert json.loads(curl("/api/models/alice/scripted/refs")[2])["converts"] == []


def people(hub, curl, _):
    status, headers, _ = curl("/api/models/alice/nowhere")
    assert (status, headers["x-error-code"]) == (401, "RepoNotFound")
    assert curl("/api/models/alice/nowhere", token=hub.alice)[0] == 404
    for bad in ("hf_bad", "hf_" + "x" * 40):
        status, headers, _ = curl("/api/models/alice/scripted", token=bad)
        assert (status, headers["x-error-message"]) == (401, "Invalid credentials in Authorization header")
        assert "x-error-code" not in headers
    basic = base64.b64encode(f"anybody:{hub.alice}".encode()).decode()
    assert json.loads(curl("/api/whoami-v2", "-H", f"Authorization: Basic {basic}")[2])["name"] == "alice"
    assert json.loads(curl("/api/whoami-v2", "-u", f"git:{hub.bob}")[2])["name"] == "bob"
    assert curl("/api/whoami-v2", "-u", "alice:not a token")[0] == 401
    assert curl("/api/validate-yaml", body={"content": "---\nlicense: mit\n---\n", "repoType": "model"})[0] == 200

    # A token for one repository, and what becomes of a token.
    assert curl("/api/repos/create", token=hub.alice, body={"name": "closed", "private": True})[0] == 200
    narrow = hub.command("tokens", "add", "alice", "--repository", "alice/closed", "--name", "narrow")
    assert curl("/api/models/alice/closed", token=narrow["token"])[0] == 200
    assert json.loads(curl("/api/whoami-v2", token=narrow["token"])[2])["auth"]["accessToken"]["role"] == "fineGrained"
    assert curl("/api/repos/create", token=narrow["token"], body={"name": "another"})[0] == 403
    assert curl("/api/models/alice/closed/branch/b", token=narrow["token"], body={})[0] == 200
    assert curl("/api/models/alice/scripted/branch/b", token=narrow["token"], body={})[0] == 403
    assert [one["name"] for one in hub.command("tokens", "list", "alice")] == ["token", "narrow"]
    hub.command("tokens", "revoke", str(narrow["id"]))
    assert curl("/api/models/alice/closed", token=narrow["token"])[0] == 401

    # Whom acme takes in reads what is acme's, and writes only as its role lets.
    assert curl("/api/repos/create", token=hub.alice, body={"name": "shared", "organization": "acme", "private": True})[0] == 200
    assert curl("/api/models/acme/shared", token=hub.bob)[0] == 404
    hub.command("organizations", "members", "acme", "--add", "bob", "--role", "read")
    assert curl("/api/models/acme/shared", token=hub.bob)[0] == 200
    assert curl("/api/models/acme/shared/branch/b", token=hub.bob, body={})[0] == 403
    hub.command("organizations", "members", "acme", "--add", "bob", "--role", "write")
    assert curl("/api/models/acme/shared/branch/b", token=hub.bob, body={})[0] == 200
    hub.command("organizations", "members", "acme", "--remove", "bob")
    assert curl("/api/models/acme/shared", token=hub.bob)[0] == 404
    boss = hub.command("users", "add", "boss", "--admin", "--token")["token"]
    assert curl("/api/models/acme/shared", token=boss)[0] == 200
    assert json.loads(curl("/api/models", token=hub.bob)[2]) and "acme/shared" not in curl("/api/models", token=hub.bob)[2].decode()

    hub.command("users", "password", "bob", text="correct horse\n")
    assert [one["name"] for one in hub.command("users", "list") if one["password"]] == ["bob"]
    hub.command("users", "remove", "bob")
    assert curl("/api/whoami-v2", token=hub.bob)[0] == 401
    stored = b"".join(file.read_bytes() for file in pathlib.Path(hub.home, "hub").glob("hub.db*"))
    assert hub.alice.encode() not in stored and b"correct horse" not in stored


def what_is_not_here(hub, curl, _):
    for path in ("/api/collections", "/api/jobs/alice", "/api/daily_papers", "/api/agent-harnesses"):
        status, headers, body = curl(path, token=hub.alice)
        assert status == 404 and isinstance(json.loads(body)["error"], str), (path, body)
    assert json.loads(curl("/api/settings/repositories", token=hub.alice)[2])[0]["id"].startswith("alice/")
    assert isinstance(json.loads(curl("/api/models-tags-by-type")[2]), dict)


def before_there_are_people(binary):
    """Whoever is at the machine is its owner, whatever token is shown."""
    with Hub(binary, with_people=False) as hub:
        curl = Curl(hub)
        for token in (None, "hf_anything"):
            assert json.loads(curl("/api/whoami-v2", token=token)[2])["name"] == "local"
        assert curl("/api/repos/create", body={"name": "mine", "private": True})[0] == 200
        assert curl("/api/models/local/mine")[0] == 200
        token = hub.command("users", "add", "alice", "--token")["token"]
        assert curl("/api/models/local/mine")[0] == 401
        assert curl("/api/models/local/mine", token=token)[0] == 404
        assert curl("/api/models/local/mine", token="hf_anything")[0] == 401


with Hub(sys.argv[1]) as hub:
    place = pathlib.Path(hub.home, "place")
    place.mkdir()
    for part in (files, people, what_is_not_here):
        part(hub, Curl(hub), place)
        print("ok", part.__name__)
before_there_are_people(sys.argv[1])
print("ok before_there_are_people")
