"""The hub and huggingface_hub, the Python client: what people do with it, with Xet and without. Skipped (77) where the
client is not installed.

    hub_python_test.py PATH/TO/glassbox"""

import hashlib
import io
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import warnings

if len(sys.argv) == 2:
    try:
        import huggingface_hub
    except ImportError:
        print("huggingface_hub is not installed")
        sys.exit(77)
    from hub_served import Hub
    for way in ("1", "0"):
        with Hub(sys.argv[1]) as hub:
            environment = hub.environment(HF_HUB_DISABLE_XET=way, ALICE=hub.alice, BOB=hub.bob,
                                          READER=hub.command("tokens", "add", "alice", "--role", "read")["token"])
            print(f"huggingface_hub {huggingface_hub.__version__}, HF_HUB_DISABLE_XET={way}")
            if subprocess.run([sys.executable, __file__], env=environment).returncode != 0:
                sys.exit(1)
    sys.exit(0)

# In a process of its own: the client reads its environment once.
try:
    import httpx2 as httpx
except ImportError:
    import httpx
from huggingface_hub import (CommitOperationAdd, CommitOperationCopy, HfApi, HfFileSystem, ModelCard, hf_hub_download,
                             hf_hub_url, get_hf_file_metadata, snapshot_download, try_to_load_from_cache)
from huggingface_hub import _CACHED_NO_EXIST as KNOWN_MISSING
from huggingface_hub.errors import (GatedRepoError, HfHubHTTPError, RemoteEntryNotFoundError, RepositoryNotFoundError,
                                    RevisionNotFoundError)

URL, TOKENS = os.environ["HF_ENDPOINT"], {name: os.environ[name.upper()] for name in ("alice", "bob", "reader")}
alice, bob, reader = (HfApi(endpoint=URL, token=token) for token in TOKENS.values())
stranger = HfApi(endpoint=URL, token=False)
PLACE = pathlib.Path(tempfile.mkdtemp())
WITHOUT_XET = os.environ["HF_HUB_DISABLE_XET"] == "1"
MODEL = "alice/first"
WEIGHTS = random.Random(7).randbytes(300_007)


def refused(status, kind, what, *arguments, **options):
    """Fails unless the call raises this kind with this status (None: whatever it is); gives what it raised."""
    try:
        what(*arguments, **options)
    except kind as error:
        assert status in (None, error.response.status_code), f"expected {status}, got {error.response.status_code}"
        return error
    raise AssertionError(f"expected {kind.__name__}, and it went through")


def fetched(path, repository=MODEL, token=TOKENS["alice"], **options):
    return pathlib.Path(hf_hub_download(repository, path, token=token, cache_dir=PLACE / "cache", **options)).read_bytes()


def put(path, content, repository=MODEL, api=alice, **options):
    return api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=repository, **options)


def names(repository=MODEL, **options):
    return alice.list_repo_files(repository, **options)


def siblings(repository=MODEL):
    return {file.rfilename: file for file in alice.model_info(repository, files_metadata=True).siblings}


def git_name(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def who_am_i():
    me = alice.whoami()
    assert (me["name"], me["type"], me["auth"]["accessToken"]["role"]) == ("alice", "user", "write"), me
    assert [(one["name"], one["roleInOrg"]) for one in me["orgs"]] == [("acme", "write")]
    assert reader.whoami()["auth"]["accessToken"]["role"] == "read"
    error = refused(401, HfHubHTTPError, HfApi(endpoint=URL, token="hf_" + "x" * 40).whoami)
    assert error.response.headers["x-error-message"] == "Invalid credentials in Authorization header"


def making_repositories():
    made = alice.create_repo("first")
    assert (made.repo_id, made.repo_type, str(made)) == (MODEL, "model", f"{URL}/{MODEL}")
    assert alice.create_repo(MODEL, exist_ok=True).repo_id == MODEL
    refused(409, HfHubHTTPError, alice.create_repo, MODEL)
    # Bob may not, and learns that it is there, which anybody may know.
    assert bob.create_repo(MODEL, exist_ok=True).repo_id == MODEL
    refused(403, HfHubHTTPError, bob.create_repo, "alice/bobs")
    refused(403, HfHubHTTPError, reader.create_repo, "alice/readers")
    refused(401, HfHubHTTPError, stranger.create_repo, "alice/strangers")
    assert str(alice.create_repo("acme/texts", repo_type="dataset", private=True)) == f"{URL}/datasets/acme/texts"
    assert alice.dataset_info("acme/texts").private
    refused(403, HfHubHTTPError, bob.create_repo, "acme/bobs")
    assert names() == [".gitattributes"] and alice.list_repo_commits(MODEL)[-1].title == "initial commit"


def files_come_back():
    strange = "deep/er?/a name%20with:all,of it.txt"
    files = {"config.json": b'{"hidden_size": 8}', "part/tiny.bin": b"12345", "weights.bin": WEIGHTS, "none.bin": b"",
             strange: b"odd"}
    made = alice.create_commit(MODEL, [CommitOperationAdd(name, content) for name, content in files.items()] +
                               [CommitOperationAdd("stream.bin", io.BytesIO(b"from a buffer"))],
                               commit_message="files", commit_description="of every kind")
    assert made.commit_url == f"{URL}/{MODEL}/commit/{made.oid}" and len(made.oid) == 40
    for name, content in {**files, "stream.bin": b"from a buffer"}.items():
        assert fetched(name) == content, name
    known = siblings()
    assert known["config.json"].blob_id == git_name(files["config.json"]) and known["config.json"].lfs is None
    assert known["weights.bin"].lfs.sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert known["weights.bin"].size == len(WEIGHTS) and known["none.bin"].lfs is None
    kept = PLACE / "cache/models--alice--first/blobs"
    assert (kept / hashlib.sha256(WEIGHTS).hexdigest()).exists() and (kept / git_name(files["config.json"])).exists()
    # The same again is no commit.
    head = alice.model_info(MODEL).sha
    again = alice.create_commit(MODEL, [CommitOperationAdd("config.json", files["config.json"]),
                                        CommitOperationAdd("part/tiny.bin", b"12345")], commit_message="again")
    assert again.oid == head and len(alice.list_repo_commits(MODEL)) == 2


def heads():
    head = alice.model_info(MODEL).sha
    told = get_hf_file_metadata(hf_hub_url(MODEL, "weights.bin", endpoint=URL), token=TOKENS["alice"])
    assert (told.commit_hash, told.etag, told.size) == (head, hashlib.sha256(WEIGHTS).hexdigest(), len(WEIGHTS))
    assert WITHOUT_XET or told.xet_file_data is not None
    told = get_hf_file_metadata(hf_hub_url(MODEL, "config.json", endpoint=URL, revision=head), token=TOKENS["alice"])
    assert told.commit_hash == head and len(told.etag) == 40 and told.size == 18


def what_is_missing():
    refused(404, RemoteEntryNotFoundError, fetched, "nowhere.json")
    assert (PLACE / "cache/models--alice--first/.no_exist" / alice.model_info(MODEL).sha / "nowhere.json").exists()
    assert try_to_load_from_cache(MODEL, "nowhere.json", cache_dir=PLACE / "cache") is KNOWN_MISSING
    refused(404, RevisionNotFoundError, fetched, "config.json", revision="nowhere")
    refused(404, RepositoryNotFoundError, fetched, "x", "alice/nowhere")
    refused(401, RepositoryNotFoundError, stranger.model_info, "alice/nowhere")
    assert alice.file_exists(MODEL, "config.json") and not alice.file_exists(MODEL, "nowhere")
    assert not alice.repo_exists("alice/nowhere") and not alice.revision_exists(MODEL, "nowhere")


def ranges():
    def part(asked):
        return httpx.get(hf_hub_url(MODEL, "weights.bin", endpoint=URL), follow_redirects=True,
                         headers={"authorization": f"Bearer {TOKENS['alice']}", "range": f"bytes={asked}"})
    assert part("10-19").status_code == 206 and part("10-19").content == WEIGHTS[10:20]
    assert part("10-19").headers["content-range"] == f"bytes 10-19/{len(WEIGHTS)}"
    assert part("300000-").content == WEIGHTS[300000:] and part("-5").content == WEIGHTS[-5:]
    assert part("900000-").status_code == 416
    from huggingface_hub.file_download import http_get
    out = io.BytesIO(WEIGHTS[:1000])
    out.seek(1000)
    http_get(hf_hub_url(MODEL, "weights.bin", endpoint=URL), out, resume_size=1000, expected_size=len(WEIGHTS),
             headers={"authorization": f"Bearer {TOKENS['alice']}"})
    assert out.getvalue() == WEIGHTS


def folders():
    top = {one.path for one in alice.list_repo_tree(MODEL)}
    assert top == {".gitattributes", "config.json", "deep", "none.bin", "part", "stream.bin", "weights.bin"}, top
    assert [one.path for one in alice.list_repo_tree(MODEL, "deep/er?")] == ["deep/er?/a name%20with:all,of it.txt"]
    assert {"part", "part/tiny.bin", "deep", "deep/er?"} <= {
        one.path for one in alice.list_repo_tree(MODEL, recursive=True)}
    assert all(one.last_commit.date.tzinfo for one in alice.list_repo_tree(MODEL, expand=True))
    refused(404, RemoteEntryNotFoundError, lambda: list(alice.list_repo_tree(MODEL, "nowhere")))
    refused(404, RevisionNotFoundError, lambda: list(alice.list_repo_tree(MODEL, revision="nowhere")))
    told = alice.get_paths_info(MODEL, ["part", "weights.bin", "nowhere"], expand=True)
    assert [type(one).__name__ for one in told] == ["RepoFolder", "RepoFile"] and told[1].lfs.size == len(WEIGHTS)


def branches_and_tags():
    first = alice.list_repo_commits(MODEL)[-1].commit_id
    alice.create_branch(MODEL, branch="dev")
    alice.create_branch(MODEL, branch="dev", exist_ok=True)
    refused(409, HfHubHTTPError, alice.create_branch, MODEL, branch="dev")
    refused(403, HfHubHTTPError, bob.create_branch, MODEL, branch="bobs")
    alice.create_branch(MODEL, branch="a/b", revision=first)
    assert alice.model_info(MODEL, revision="a/b").sha == first
    alice.create_tag(MODEL, tag="v1", tag_message="one")
    refused(409, HfHubHTTPError, alice.create_tag, MODEL, tag="v1")
    alice.create_tag(MODEL, tag="v1", exist_ok=True)
    alice.create_tag(MODEL, tag="v0", revision=first[:7])
    refused(404, RevisionNotFoundError, alice.create_tag, MODEL, tag="v2", revision="nowhere")
    known = alice.list_repo_refs(MODEL, include_pull_requests=True)
    assert {one.name for one in known.branches} == {"main", "dev", "a/b"} and known.pull_requests == []
    assert {one.ref for one in known.tags} == {"refs/tags/v0", "refs/tags/v1"}
    assert fetched("config.json", revision="v1") == b'{"hidden_size": 8}' and names(revision="v0") == [".gitattributes"]
    put("only-dev.txt", b"dev", revision="dev")
    assert fetched("only-dev.txt", revision="dev") == b"dev" and "only-dev.txt" not in names()
    alice.delete_tag(MODEL, tag="v0")
    refused(404, RevisionNotFoundError, alice.delete_tag, MODEL, tag="v0")
    alice.delete_branch(MODEL, branch="a/b")
    refused(403, HfHubHTTPError, alice.delete_branch, MODEL, branch="main")


def snapshots():
    whole = pathlib.Path(snapshot_download(MODEL, cache_dir=PLACE / "whole", token=TOKENS["alice"]))
    assert whole.name == alice.model_info(MODEL).sha and (whole / "weights.bin").read_bytes() == WEIGHTS
    assert (PLACE / "whole/models--alice--first/refs/main").read_text() == whole.name
    snapshot_download(MODEL, revision=whole.name, local_dir=PLACE / "here", allow_patterns="*.json", token=TOKENS["alice"])
    assert (PLACE / "here/config.json").exists() and not (PLACE / "here/weights.bin").exists()
    assert snapshot_download(MODEL, cache_dir=PLACE / "whole", local_files_only=True) == str(whole)
    assert alice.verify_repo_checksums(MODEL, local_dir=PLACE / "here").mismatches == []


def folders_go_up_and_away():
    here = PLACE / "up"
    (here / "in").mkdir(parents=True)
    for name, text in {"a.txt": "a", "in/b.bin": "bb", ".gitignore": "not-this.txt\n", "not-this.txt": "x"}.items():
        (here / name).write_text(text)
    alice.upload_folder(repo_id=MODEL, folder_path=here, path_in_repo="up")
    assert {"up/a.txt", "up/in/b.bin"} <= set(names())
    # Only a .gitignore at the root is one.
    alice.upload_folder(repo_id=MODEL, folder_path=here, revision="dev")
    assert "a.txt" in names(revision="dev") and "not-this.txt" not in names(revision="dev")
    alice.delete_files(MODEL, delete_patterns=["up/*.txt"])
    assert "up/a.txt" not in names()
    alice.delete_folder("up", MODEL)
    assert not any(name.startswith("up/") for name in names())
    refused(404, RemoteEntryNotFoundError, alice.delete_file, "nowhere", MODEL)
    refused(422, HfHubHTTPError, put, "..\\up", b"x")


def commits_that_cannot_be():
    old = alice.list_repo_commits(MODEL)[1].commit_id
    refused(412, HfHubHTTPError, put, "late", b"x", parent_commit=old)
    refused(403, HfHubHTTPError, put, "bobs.txt", b"x", api=bob)
    refused(403, HfHubHTTPError, put, "readers.txt", b"x", api=reader)
    refused(401, HfHubHTTPError, put, "strangers.txt", b"x", api=stranger)


def copies():
    alice.create_commit(MODEL, [CommitOperationCopy("weights.bin", "weights2.bin"),
                                CommitOperationCopy("config.json", "config2.json")], commit_message="copies")
    known = siblings()
    assert known["weights2.bin"].lfs.sha256 == known["weights.bin"].lfs.sha256
    assert known["config2.json"].blob_id == known["config.json"].blob_id


def cards():
    put("README.md", b"---\nlicense: mit\ntags: [small]\nbase_model: acme/base\npipeline_tag: text-generation\n"
        b"library_name: transformers\n---\n# First\n")
    told = alice.model_info(MODEL)
    assert (told.card_data.license, told.pipeline_tag, told.library_name) == ("mit", "text-generation", "transformers")
    assert {"small", "license:mit", "base_model:acme/base", "base_model:finetune:acme/base"} <= set(told.tags)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        put("README.md", b"no front matter", revision="dev")
    assert any("README.md" in str(one.message) for one in said)
    try:
        put("README.md", b"---\ntags: one\n---\n")
        raise AssertionError("a card with wrong tags went up")
    except ValueError:
        pass
    assert ModelCard.load(MODEL, token=TOKENS["alice"]).data.license == "mit"


def lists():
    for i in range(8):
        alice.create_repo(f"many-{i}")
    alice.create_repo("hidden", private=True)
    ids = [one.id for one in alice.list_models(author="alice")]
    assert len(ids) == len(set(ids)) == 10 and "alice/hidden" in ids, ids
    for other in (stranger, bob):
        assert "alice/hidden" not in [one.id for one in other.list_models(author="alice")]
    assert [one.id for one in alice.list_models(filter="base_model:finetune:acme/base")] == [MODEL]
    assert [one.id for one in alice.list_models(filter=["small", "license:mit"], pipeline_tag="text-generation")] == [MODEL]
    assert list(alice.list_models(filter="no-such-tag")) == []
    assert len(list(alice.list_models(search="many-", limit=5))) == 5
    one = next(iter(alice.list_models(search="first", expand=["downloads", "likes"])))
    assert one.tags is None and one.likes == 0
    refused(400, HfHubHTTPError, lambda: list(alice.list_models(expand=["nothing"])))
    one = next(iter(alice.list_models(search="first", full=True, cardData=True)))
    assert one.sha and one.last_modified and one.siblings and one.card_data.license == "mit"
    times = [one.created_at for one in alice.list_models(sort="created_at", expand=["createdAt"])]
    assert times == sorted(times, reverse=True)
    assert [one.id for one in alice.list_datasets(author="acme")] == ["acme/texts"]
    assert list(bob.list_datasets(author="acme")) == []
    told = alice.model_info(MODEL, expand=["baseModels", "childrenModelCount", "trendingScore", "safetensors"])
    assert told.base_models["models"][0]["id"] == "acme/base"
    assert set(told.children_model_count) == {"finetune", "adapter", "merge", "quantized"}
    assert told.trending_score > 0  # it was fetched


def likes():
    like = f"{URL}/api/models/{MODEL}/like"
    httpx.post(like, headers={"authorization": f"Bearer {TOKENS['bob']}"}).raise_for_status()
    assert httpx.post(like).status_code == 401
    assert alice.model_info(MODEL).likes == 1 and [one.username for one in alice.list_repo_likers(MODEL)] == ["bob"]
    assert bob.list_liked_repos().models == [MODEL] and alice.list_liked_repos("bob").models == [MODEL]
    bob.unlike(MODEL)
    assert alice.model_info(MODEL).likes == 0
    refused(404, RepositoryNotFoundError, alice.unlike, "alice/nowhere")


def profiles():
    told = alice.get_user_overview("alice")
    assert (told.username, told.num_models, told.orgs[0].name) == ("alice", 10, "acme")
    assert stranger.get_user_overview("alice").num_models == 9  # not the hidden one
    assert alice.get_organization_overview("acme").num_users == 1
    assert [one.username for one in alice.list_organization_members("acme")] == ["alice"]


def private_and_gated():
    for other, status in ((stranger, 401), (bob, 404)):
        refused(status, RepositoryNotFoundError, other.model_info, "alice/hidden")
        refused(status, RepositoryNotFoundError, other.list_repo_refs, "alice/hidden")
        refused(status, RepositoryNotFoundError, other.dataset_info, "acme/texts")
    assert reader.model_info("alice/hidden").private
    refused(401, HfHubHTTPError, HfApi(endpoint=URL, token="hf_" + "y" * 40).model_info, MODEL)
    alice.update_repo_settings(MODEL, gated="manual")
    assert bob.model_info(MODEL).gated == "manual"
    refused(403, GatedRepoError, fetched, "only-dev.txt", token=TOKENS["bob"], revision="dev", local_dir=PLACE / "bobs")
    refused(401, GatedRepoError, fetched, "only-dev.txt", token=False, revision="dev", local_dir=PLACE / "nobodys")
    refused(403, GatedRepoError, bob.auth_check, MODEL)
    asked = httpx.post(f"{URL}/{MODEL}/ask-access", headers={"authorization": f"Bearer {TOKENS['bob']}"})
    assert asked.json()["status"] == "pending"
    assert [one.username for one in alice.list_pending_access_requests(MODEL)] == ["bob"]
    refused(403, HfHubHTTPError, lambda: list(bob.list_pending_access_requests(MODEL)))
    alice.reject_access_request(MODEL, "bob", rejection_reason=None)
    refused(403, GatedRepoError, bob.auth_check, MODEL)
    alice.cancel_access_request(MODEL, "bob")
    alice.accept_access_request(MODEL, "bob")
    bob.auth_check(MODEL)
    refused(400, HfHubHTTPError, alice.grant_access, MODEL, "bob")
    assert fetched("only-dev.txt", token=TOKENS["bob"], revision="dev", local_dir=PLACE / "bobs") == b"dev"
    assert [one.username for one in alice.list_accepted_access_requests(MODEL)] == ["bob"]
    alice.update_repo_settings(MODEL, gated=False)
    assert alice.model_info(MODEL).gated is False
    alice.update_repo_settings(MODEL, private=True)
    refused(401, RepositoryNotFoundError, stranger.model_info, MODEL)
    alice.update_repo_settings(MODEL, visibility="public")


def proposals():
    made = bob.create_commit(MODEL, [CommitOperationAdd("bob.txt", b"hello"), CommitOperationAdd("bob.bin", b"bin")],
                             commit_message="From bob", commit_description="Please", create_pr=True)
    assert (made.pr_num, made.pr_revision) == (1, "refs/pr/1") and made.pr_url == f"{URL}/{MODEL}/discussions/1"
    assert fetched("bob.txt", revision="refs/pr/1") == b"hello" and "bob.txt" not in names()
    put("bob.txt", b"hello again", api=bob, revision="refs/pr/1")
    told = alice.get_discussion_details(MODEL, 1)
    assert told.is_pull_request and told.git_reference == "refs/pr/1" and told.status == "open"
    assert "+hello again" in told.diff and told.conflicting_files in ([], False, None), told.diff
    assert [one.type for one in told.events] == ["comment", "commit", "commit"]
    refused(403, HfHubHTTPError, bob.merge_pull_request, MODEL, 1)
    # Main goes on, elsewhere and at the same place.
    put("alice.txt", b"meanwhile")
    alice.merge_pull_request(MODEL, 1)
    assert fetched("bob.txt") == b"hello again" and fetched("alice.txt") == b"meanwhile"
    assert alice.get_discussion_details(MODEL, 1).status == "merged"
    assert alice.get_discussion_details(MODEL, 1).merge_commit_oid == alice.model_info(MODEL).sha

    draft = alice.create_pull_request(MODEL, title="A draft", description="of alice")
    assert (draft.num, draft.status) == (2, "draft")
    refused(400, HfHubHTTPError, alice.merge_pull_request, MODEL, 2)
    put("bob.txt", b"alice changed it", revision="refs/pr/2")
    alice.change_discussion_status(MODEL, 2, "open")
    put("bob.txt", b"and so did main")
    assert alice.get_discussion_details(MODEL, 2).conflicting_files == ["bob.txt"]
    refused(409, HfHubHTTPError, alice.merge_pull_request, MODEL, 2)
    refused(403, HfHubHTTPError, bob.change_discussion_status, MODEL, 2, "closed")
    alice.change_discussion_status(MODEL, 2, "closed", comment="no")
    refused(403, HfHubHTTPError, put, "bob.txt", b"too late", revision="refs/pr/2")

    talk = bob.create_discussion(MODEL, title="A question", description="Why?")
    assert talk.num == 3 and not talk.is_pull_request
    said = bob.comment_discussion(MODEL, 3, "Because")
    assert said.content == "Because"
    assert bob.edit_discussion_comment(MODEL, 3, said.id, "Because of this").content == "Because of this"
    refused(403, HfHubHTTPError, alice.edit_discussion_comment, MODEL, 3, said.id, "Alice's words")
    assert alice.hide_discussion_comment(MODEL, 3, said.id).hidden
    assert bob.rename_discussion(MODEL, 3, "An answer").new_title == "An answer"
    refused(401, HfHubHTTPError, stranger.comment_discussion, MODEL, 3, "hello")
    refused(403, HfHubHTTPError, reader.comment_discussion, MODEL, 3, "hello")
    assert [one.num for one in alice.get_repo_discussions(MODEL)] == [3, 2, 1]
    assert [one.num for one in alice.get_repo_discussions(MODEL, discussion_type="pull_request")] == [2, 1]
    assert [one.num for one in alice.get_repo_discussions(MODEL, discussion_status="open")] == [3]
    assert [one.ref for one in alice.list_repo_refs(MODEL, include_pull_requests=True).pull_requests] == [
        "refs/pr/1", "refs/pr/2"]


def whose_bytes():
    """Who knows the SHA-256 of what is private has not got it."""
    secret = random.Random(9).randbytes(200_000)
    put("secret.bin", secret, "alice/hidden")
    bob.create_repo("bobs")
    name = hashlib.sha256(secret).hexdigest()
    lines = [{"key": "header", "value": {"summary": "mine", "description": ""}},
             {"key": "lfsFile", "value": {"path": "mine.bin", "algo": "sha256", "oid": name, "size": len(secret)}}]
    own = {"authorization": f"Bearer {TOKENS['bob']}"}

    def commit():
        return httpx.post(f"{URL}/api/models/bob/bobs/commit/main", content="\n".join(map(json.dumps, lines)),
                          headers={**own, "content-type": "application/x-ndjson"})
    assert commit().status_code == 400
    asked = httpx.post(f"{URL}/bob/bobs.git/info/lfs/objects/batch", headers=own,
                       json={"operation": "upload", "objects": [{"oid": name, "size": len(secret)}]}).json()
    assert "upload" in asked["objects"][0]["actions"]
    asked = httpx.post(f"{URL}/bob/bobs.git/info/lfs/objects/batch", headers=own,
                       json={"operation": "download", "objects": [{"oid": name, "size": len(secret)}]}).json()
    assert asked["objects"][0]["error"]["code"] == 404
    if not WITHOUT_XET:
        file = siblings("alice/hidden") and alice.get_paths_info("alice/hidden", "secret.bin")[0].xet_hash
        token = httpx.get(f"{URL}/api/models/bob/bobs/xet-read-token/main", headers=own).json()
        answer = httpx.get(f"{token['casUrl']}/v1/reconstructions/{file}",
                           headers={"authorization": f"Bearer {token['accessToken']}"})
        assert answer.status_code == 404, answer.text
    put("mine.bin", secret, "bob/bobs", api=bob)  # who has the bytes may
    assert fetched("mine.bin", "bob/bobs", token=TOKENS["bob"]) == secret


def squash_move_copy_delete():
    alice.super_squash_history(MODEL)
    history = alice.list_repo_commits(MODEL)
    assert [one.title for one in history] == ["Super-squash branch 'main' using huggingface_hub"]
    assert alice.duplicate_repo(MODEL, "alice/copy").repo_id == "alice/copy" and names("alice/copy") == names()
    refused(403, HfHubHTTPError, bob.move_repo, MODEL, "bob/stolen")
    alice.move_repo(MODEL, "alice/second")
    assert alice.model_info(MODEL).id == "alice/second" and fetched("config2.json") == b'{"hidden_size": 8}'
    refused(409, HfHubHTTPError, alice.move_repo, "alice/second", "alice/copy")
    refused(403, HfHubHTTPError, bob.delete_repo, "alice/copy")
    alice.delete_repo("alice/copy")
    alice.delete_repo("alice/copy", missing_ok=True)
    refused(404, RepositoryNotFoundError, alice.delete_repo, "alice/copy")


def file_system():
    system = HfFileSystem(endpoint=URL, token=TOKENS["alice"])
    assert system.exists("alice/second/config.json") and system.info("alice/second/weights.bin")["size"] == len(WEIGHTS)
    with system.open("alice/second/weights.bin") as file:
        file.seek(2000)
        assert file.read(100) == WEIGHTS[2000:2100]
    assert system.read_text("alice/second@main/config.json") == '{"hidden_size": 8}'
    assert "alice/second/part/tiny.bin" in system.find("alice/second")


def weights_and_what_is_stored():
    header = json.dumps({"__metadata__": {"format": "pt"},
                         "w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}).encode()
    put("model.safetensors", struct.pack("<Q", len(header)) + header + bytes(24), "alice/second")
    assert alice.get_safetensors_metadata("alice/second").parameter_count == {"F32": 6}
    assert alice.model_info("alice/second").safetensors.total == 6
    stored = {one.filename: one for one in alice.list_lfs_files("alice/second")}
    assert stored["weights.bin"].size == len(WEIGHTS)
    refused(403, HfHubHTTPError, lambda: list(bob.list_lfs_files("alice/second")))
    try:
        from huggingface_hub import resolve_revision
    except ImportError:
        return  # a client older than that
    assert len(resolve_revision("alice/second", token=TOKENS["alice"], cache_dir=PLACE / "resolved").resolved) == 40


for part in (who_am_i, making_repositories, files_come_back, heads, what_is_missing, ranges, folders, branches_and_tags,
             snapshots, folders_go_up_and_away, commits_that_cannot_be, copies, cards, lists, likes, profiles,
             private_and_gated, proposals, whose_bytes, squash_move_copy_delete, file_system,
             weights_and_what_is_stored):
    part()
    print("ok", part.__name__)
