"""The hub and git: clones, fetches and what is refused, with protocols 2 and 0, and large files by git-lfs where that is
installed. Skipped (77) where git is not.

    hub_git_test.py PATH/TO/glassbox"""

import base64
import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import urllib.request

from hub_served import Hub

if shutil.which("git") is None:
    print("git is not installed")
    sys.exit(77)
HAS_LFS = shutil.which("git-lfs") is not None

LFS = "application/vnd.git-lfs+json"


class Git:
    """Runs git with no configuration but its own, and with a token where one is given."""

    def __init__(self, hub, protocol):
        self.hub, self.protocol = hub, protocol
        home = pathlib.Path(hub.home, "git-home")
        home.mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "HF_"))}
        self.environment = {**kept, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "GIT_CONFIG_GLOBAL": os.devnull,
                            "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "LC_ALL": "C"}

    def run(self, *words, at=None, token=None, lfs=False):
        settings = [f"protocol.version={self.protocol}"]
        if token:
            shown = base64.b64encode(f"anybody:{token}".encode()).decode()
            settings.append(f"http.extraHeader=Authorization: Basic {shown}")
        if lfs:
            settings += ["filter.lfs.clean=git-lfs clean -- %f", "filter.lfs.smudge=git-lfs smudge -- %f",
                         "filter.lfs.process=git-lfs filter-process", "filter.lfs.required=true"]
        options = [part for one in settings for part in ("-c", one)]
        return subprocess.run(["git", *options, *words], cwd=at, capture_output=True, text=True, env=self.environment)

    def __call__(self, *words, **how):
        done = self.run(*words, **how)
        assert done.returncode == 0, f"git {' '.join(words)}: {done.stderr}"
        return done.stdout.strip()

    def refuses(self, *words, **how):
        done = self.run(*words, **how)
        assert done.returncode != 0, f"git {' '.join(words)} went through"
        return done.stderr

    def url(self, name, user=""):
        return f"{self.hub.url.replace('://', '://' + user)}/{name}"

    def check(self, folder):
        """Every object's bytes, and that none is missing."""
        self("fsck", "--strict", "--full", at=folder)


class Api:
    """What a client of the hub does by HTTP, without any of its libraries."""

    def __init__(self, hub):
        self.hub = hub

    def post(self, path, body, kind="application/json", token=None, method="POST"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(path if path.startswith("http") else self.hub.url + path, data, method=method,
                                         headers={"Content-Type": kind})
        if token is not False:
            request.add_header("Authorization", f"Bearer {token or self.hub.alice}")
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or b"{}")

    def create(self, name, kind="model", private=False):
        self.post("/api/repos/create", {"name": name, "organization": "alice", "type": kind, "private": private})

    def store(self, name, content):
        """A large file's bytes, by LFS."""
        oid = hashlib.sha256(content).hexdigest()
        asked = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": oid, "size": len(content)}]}
        told = self.post(f"/{name}.git/info/lfs/objects/batch", asked, LFS)["objects"][0]
        if "actions" in told:
            self.post(told["actions"]["upload"]["href"], content, "application/octet-stream", False, "PUT")
        return {"key": "lfsFile", "value": {"path": "", "algo": "sha256", "oid": oid, "size": len(content)}}

    def commit(self, name, files, large=(), removed=(), kind="models", branch="main", query=""):
        """A commit's name. `files` and `large`: paths and their bytes."""
        lines = [{"key": "header", "value": {"summary": f"{len(files)} files", "description": ""}}]
        for path, content in files.items():
            lines.append({"key": "file", "value": {"path": path, "content": base64.b64encode(content).decode(),
                                                   "encoding": "base64"}})
        for path, content in dict(large).items():
            one = self.store(("datasets/" if kind == "datasets" else "") + name, content)
            one["value"]["path"] = path
            lines.append(one)
        lines += [{"key": "deletedFile", "value": {"path": path}} for path in removed]
        body = "\n".join(map(json.dumps, lines)).encode()
        return self.post(f"/api/{kind}/{name}/commit/{branch}{query}", body, "application/x-ndjson")["commitOid"]


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*"))
            if path.is_file() and ".git" not in path.relative_to(folder).parts[:1]
            and path.name != ".gitattributes"}


def pointer(content):
    return (f"version https://git-lfs.github.com/spec/v1\noid sha256:{hashlib.sha256(content).hexdigest()}\n"
            f"size {len(content)}\n").encode()


def drawn(seed, size):
    return random.Random(seed).randbytes(size)


FILES = {"README.md": b"# Things\n", "empty.txt": b"", "config.json": b'{"a": 1}\n', "deep/er/still/x.txt": b"x" * 70_000,
         "deep/er.txt": b"beside the folder", "deep-er": b"sorted otherwise", "noise.txt": drawn(1, 300_000),
         "a name with spaces, and \xc3\xa9".encode().decode("latin-1"): b"odd"}
LARGE = {"weights.safetensors": drawn(2, 1_000_000), "deep/small.bin": b"a few bytes"}


def clones(git, api, place):
    name = f"things{git.protocol}"
    api.create(name)
    first = api.commit(f"alice/{name}", FILES, LARGE)
    as_git_has_it = {**FILES, **{path: pointer(content) for path, content in LARGE.items()}}
    for address in (f"alice/{name}", f"alice/{name}.git", f"Alice/{name.upper()}"):
        folder = place / address.replace("/", "-")
        git("clone", git.url(address), str(folder))
        git.check(folder)
        assert files_of(folder) == as_git_has_it, address
        assert git("rev-parse", "HEAD", at=folder) == first
        assert git("symbolic-ref", "HEAD", at=folder) == "refs/heads/main"

    # New commits come by a fetch and a pull, and only what is new comes.
    folder = place / f"alice-{name}"
    second = api.commit(f"alice/{name}", {"deep/er/still/x.txt": b"changed", "new.txt": b"new"}, removed=["deep-er"])
    told = git.run("fetch", "--progress", "origin", at=folder)
    # A commit, four trees (the root, deep, er, still) and two files.
    assert told.returncode == 0 and "Counting objects: 7, done." in told.stderr, told.stderr
    assert git("rev-parse", "origin/main", at=folder) == second
    third = api.commit(f"alice/{name}", {"README.md": b"# Other things\n"}, {"weights.safetensors": drawn(3, 200_000)})
    git("pull", "--ff-only", at=folder)
    git.check(folder)
    assert git("rev-parse", "HEAD", at=folder) == third
    now = {**as_git_has_it, "deep/er/still/x.txt": b"changed", "new.txt": b"new", "README.md": b"# Other things\n",
           "weights.safetensors": pointer(drawn(3, 200_000))}
    del now["deep-er"]
    assert files_of(folder) == now
    # From a history of one's own, which the hub has nothing of.
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--allow-empty", "-m", "mine", at=folder)
    fourth = api.commit(f"alice/{name}", {"fourth.txt": b"4"})
    git("fetch", at=folder)
    assert git("rev-parse", "origin/main", at=folder) == fourth
    git.check(folder)

    # Branches, tags, and a proposal.
    api.post(f"/api/models/alice/{name}/branch/side%2Fway", {"startingPoint": second})
    side = api.commit(f"alice/{name}", {"side.txt": b"side"}, branch="side%2Fway")
    api.post(f"/api/models/alice/{name}/tag/{first}", {"tag": "v1"})
    proposal = api.commit(f"alice/{name}", {"proposed.txt": b"p"}, query="?create_pr=1")
    listed = dict(reversed(line.split("\t")) for line in git("ls-remote", git.url(f"alice/{name}")).splitlines())
    assert listed == {"HEAD": fourth, "refs/heads/main": fourth, "refs/heads/side/way": side, "refs/tags/v1": first,
                      "refs/pr/1": proposal}, listed
    assert git("ls-remote", "--symref", git.url(f"alice/{name}"), "HEAD").splitlines()[0] == "ref: refs/heads/main\tHEAD"
    git("fetch", "origin", "refs/pr/1:refs/heads/proposed", at=folder)
    assert git("show", "proposed:proposed.txt", at=folder) == "p"
    one = place / f"{name}-side"
    git("clone", "--single-branch", "--branch", "side/way", git.url(f"alice/{name}"), str(one))
    assert git("rev-parse", "HEAD", at=one) == side
    assert git.run("cat-file", "-e", fourth, at=one).returncode != 0
    tagged = place / f"{name}-v1"
    git("clone", "--branch", "v1", git.url(f"alice/{name}"), str(tagged))
    assert git("rev-parse", "HEAD", at=tagged) == first and git("tag", at=tagged) == "v1"
    mirror = place / f"{name}-mirror"
    git("clone", "--mirror", git.url(f"alice/{name}"), str(mirror))
    git.check(mirror)
    assert git("rev-parse", "refs/pr/1", at=mirror) == proposal
    git("fetch", "origin", second, at=tagged)  # by its name

    # A merge, and a history that was made one commit: what was had before is no hindrance.
    api.post(f"/api/models/alice/{name}/discussions/1/status", {"status": "open"})
    api.post(f"/api/models/alice/{name}/discussions/1/merge", {})
    git("fetch", "origin", at=one)
    git("fetch", at=folder)
    git.check(folder)
    assert git("show", "origin/main:proposed.txt", at=folder) == "p"
    before = api.commit(f"alice/{name}", {"fifth.txt": b"5"})
    git("fetch", at=folder)
    api.post(f"/api/models/alice/{name}/super-squash/main", {})
    git("fetch", at=folder)
    git.check(folder)
    assert git("rev-list", "--count", "origin/main", at=folder) == "1"
    assert git("rev-parse", "origin/main^{tree}", at=folder) == git("rev-parse", before + "^{tree}", at=folder)
    # The old history is in no reference any more, but where a branch or a tag has it.
    assert "not our ref" in git.refuses("fetch", "origin", before, at=tagged)
    return f"alice/{name}"


def shallow(git, api, place):
    name = f"alice/long{git.protocol}"
    api.create(name.split("/")[1])
    made = [api.commit(name, {f"{i}.txt": str(i).encode(), "same.txt": f"now {i}".encode()}) for i in range(6)]
    folder = place / f"long{git.protocol}"
    def count():
        return int(git("rev-list", "--count", "origin/main", at=folder))
    git("clone", "--depth", "1", git.url(name), str(folder))
    git.check(folder)
    assert count() == 1 and sorted(files_of(folder)) == [*(f"{i}.txt" for i in range(6)), "same.txt"]
    git("fetch", "--depth", "3", at=folder)
    git.check(folder)
    assert count() == 3
    git("fetch", "--deepen", "1", at=folder)
    git.check(folder)
    assert count() == 4
    api.commit(name, {"7.txt": b"7"})
    git("pull", "--ff-only", at=folder)
    git.check(folder)
    assert count() == 5
    git("fetch", "--unshallow", at=folder)
    git.check(folder)
    assert count() == 8 and git("rev-parse", "--is-shallow-repository", at=folder) == "false"  # one made the repository

    api.post(f"/api/models/{name}/tag/{made[3]}", {"tag": "old"})
    since = place / f"since{git.protocol}"
    git("clone", "--shallow-exclude", "old", git.url(name), str(since))
    git.check(since)
    assert git("rev-list", "--count", "HEAD", at=since) == "3"
    early = place / f"early{git.protocol}"
    git("clone", "--shallow-since", "2001-01-01", git.url(name), str(early))
    assert git("rev-list", "--count", "HEAD", at=early) == "8"


def partial(git, api, place):
    """Files that come when they are asked for."""
    name = f"alice/partial{git.protocol}"
    api.create(name.split("/")[1])
    api.commit(name, {"a.txt": b"a", "in/b.txt": b"b" * 5000, "in/c.txt": b"c"})
    api.commit(name, {"in/b.txt": b"B" * 6000})
    for number, (spec, missing) in enumerate((("blob:none", 5), ("blob:limit=2k", 2), ("tree:0", None))):
        folder = place / f"partial{git.protocol}-{number}"
        git("clone", "--bare", "--filter", spec, git.url(name), str(folder))
        gone = [line for line in git("rev-list", "--objects", "--all", "--missing=print", at=folder).splitlines()
                if line.startswith("?")]
        assert missing is None or len(gone) == missing, (spec, gone)
        git.check(folder)
    git("clone", "--filter", "blob:none", git.url(name), str(place / f"lazy{git.protocol}"))
    lazy = place / f"lazy{git.protocol}"
    assert files_of(lazy) == {"a.txt": b"a", "in/b.txt": b"B" * 6000, "in/c.txt": b"c"}
    assert git("show", "HEAD~1:in/b.txt", at=lazy) == "b" * 5000
    git.check(lazy)
    assert "sparse" in git.refuses("clone", "--filter", "sparse:oid=main:x", git.url(name), str(place / "sparse"))


def rights(git, api, place):
    hub = git.hub
    for name in ("closed", "gated"):
        if git.protocol == 2:
            api.create(name, private=name == "closed")
            api.commit(f"alice/{name}", {"secret.txt": name.encode()})
    api.post("/api/models/alice/gated/settings", {"gated": "manual"}, method="PUT")
    here = iter(range(100))
    def folder():
        return str(place / f"rights{git.protocol}-{next(here)}")
    # Git can ask for a password, and learns nothing of what there is.
    told = {git.refuses("clone", git.url(f"alice/{name}"), folder()).split("\n", 1)[1].replace(name, "NAME")
            for name in ("closed", "absent")}
    assert len(told) == 1 and "could not read Username" in told.pop(), told
    assert "could not read Username" in git.refuses("clone", git.url("alice/gated"), folder())
    for name in ("closed", "absent"):
        assert "not found" in git.refuses("clone", git.url(f"alice/{name}"), folder(), token=hub.bob)
    assert "restricted" in git.refuses("clone", git.url("alice/gated"), folder(), token=hub.bob)
    assert "Authentication failed" in git.refuses("clone", git.url("alice/closed", "x:hf_wrong@"), folder())
    for name in ("closed", "gated"):
        for user in (f"anybody:{hub.alice}@", f"{hub.alice}:{hub.alice}@"):
            into = folder()
            git("clone", git.url(f"alice/{name}", user), into)
            assert pathlib.Path(into, "secret.txt").read_bytes() == name.encode()
        bearer = ["-c", f"http.extraHeader=Authorization: Bearer {hub.alice}"]
        git(*bearer, "clone", git.url(f"alice/{name}"), folder())
    # What another repository has is not to be had through one that may be read.
    hidden = git("ls-remote", git.url("alice/closed"), "HEAD", token=hub.alice).split()[0]
    at = folder()
    git("clone", git.url(f"alice/things{git.protocol}"), at)
    assert "not our ref" in git.refuses("fetch", "origin", hidden, at=at)
    # Uploads have their own way.
    for how in ({}, {"token": hub.alice}):
        assert "git push is not served here yet" in git.refuses("push", "origin", "HEAD:refs/heads/new", at=at, **how)
    assert "could not read Username" in git.refuses("push", git.url("alice/closed"), "HEAD:refs/heads/new", at=at)


def data_sets(git, api, place):
    name = f"rows{git.protocol}"
    api.create(name, kind="dataset")
    api.commit(f"alice/{name}", {"train.csv": b"a,b\n1,2\n"}, kind="datasets")
    for ending in ("", ".git"):
        folder = place / (name + ending)
        git("clone", git.url(f"datasets/alice/{name}{ending}"), str(folder))
        assert files_of(folder) == {"train.csv": b"a,b\n1,2\n"}
    assert f"hf upload alice/{name} FOLDER --repo-type dataset" in git.refuses("push", "origin", "HEAD:refs/heads/new", at=folder)
    git.refuses("clone", git.url(f"alice/{name}"), str(place / "wrong-kind"))


def many_objects(git, api, place):
    """Enough of them that a request is compressed, and that a pack is many packets."""
    name = f"alice/many{git.protocol}"
    api.create(name.split("/")[1])
    files = {f"{i % 7}/{i % 11}/{i}.txt": drawn(i, 3000) for i in range(1000)}
    api.commit(name, files)
    folder = place / f"many{git.protocol}"
    git("clone", git.url(name), str(folder))
    assert files_of(folder) == files
    # Hundreds of commits that only the client has are named before a common one is found.
    own = "".join(f"commit refs/heads/main\ncommitter a <a@b> {1_000_000_000 + i} +0000\ndata 1\nx\n"
                  + ("from refs/heads/main^0\n" if i == 0 else "") for i in range(1000))
    done = subprocess.run(["git", "fast-import", "--quiet"], cwd=folder, input=own.encode(), env=git.environment)
    assert done.returncode == 0
    api.commit(name, {"one.txt": b"more"})
    told = git.run("fetch", "--progress", at=folder)
    assert told.returncode == 0 and "Counting objects: 3, done." in told.stderr, told.stderr
    git.check(folder)
    # In a partial clone all files are asked for at once, by their names: 50 KB of them.
    lazy = place / f"many-lazy{git.protocol}"
    git("clone", "--filter", "blob:none", git.url(name), str(lazy))
    assert files_of(lazy) == {**files, "one.txt": b"more"}


def large_files(git, api, place):
    """`git clone` with git-lfs ends with the bytes themselves."""
    if not HAS_LFS:
        print("git-lfs is not installed: not tried")
        return
    name = f"large{git.protocol}"
    for private in (False, True):
        full = f"alice/{name}{'-closed' if private else ''}"
        api.create(full.split("/")[1], private=private)
        large = {"weights.safetensors": drawn(5, 3_000_000), "in/a folder/x.bin": b"tiny", "zeros.bin": bytes(500_000)}
        api.commit(full, {"README.md": b"hi"}, large)
        folder = place / full.replace("/", "-")
        user = f"anybody:{git.hub.alice}@" if private else ""
        git("clone", git.url(full, user), str(folder), lfs=True)
        assert files_of(folder) == {"README.md": b"hi", **large}
        assert git("status", "--porcelain", at=folder, lfs=True) == ""
        git("lfs", "fsck", at=folder, lfs=True)
        # Without the filter first, then by name.
        again = place / (full.replace("/", "-") + "-again")
        git("clone", git.url(full, user), str(again))
        assert (again / "zeros.bin").read_bytes() == pointer(bytes(500_000))
        git("lfs", "pull", at=again, lfs=True)
        assert files_of(again) == {"README.md": b"hi", **large}
        api.commit(full, {}, {"zeros.bin": drawn(6, 400_000)})
        git("pull", "--ff-only", at=folder, lfs=True)
        assert (folder / "zeros.bin").read_bytes() == drawn(6, 400_000)
        if private:
            shutil.rmtree(again / ".git/lfs")
            git("remote", "set-url", "origin", git.url(full), at=again)
            git.refuses("lfs", "fetch", at=again, lfs=True)  # without the token


with Hub(sys.argv[1]) as hub:
    for protocol in (2, 0):
        place = pathlib.Path(hub.home, f"place{protocol}")
        place.mkdir()
        for part in (clones, shallow, partial, rights, data_sets, many_objects, large_files):
            part(Git(hub, protocol), Api(hub), place)
            print("ok", part.__name__, f"(protocol {protocol})", flush=True)
