// The hub and @huggingface/hub, the JavaScript client. Skipped (77) where the client is not installed: it is looked for
// beside this file and in the folder that GLASSBOX_JS_CLIENT names, which has node_modules.
//
//     node hub_javascript_test.mjs PATH/TO/glassbox

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

let client;
try {
  const from = process.env.GLASSBOX_JS_CLIENT ? join(process.env.GLASSBOX_JS_CLIENT, "x.mjs") : import.meta.url;
  client = await import(pathToFileURL(createRequire(from).resolve("@huggingface/hub")));
} catch {
  console.log("@huggingface/hub is not installed");
  process.exit(77);
}

const program = process.argv[2];
const home = mkdtempSync(join(tmpdir(), "glassbox-hub-"));
process.env.GLASSBOX_HOME = home;
const server = spawn(program, ["serve", "glassbox/prism", "--port", "0", "--quiet"], { stdio: ["ignore", "pipe", "inherit"] });
const ended = new Promise((resolve) => server.on("exit", resolve));
const url = await new Promise((resolve, reject) => {
  createInterface(server.stdout).on("line", (line) => resolve(line.match(/http:\S+/)[0]));
  server.on("exit", () => reject(new Error("the server ended")));
});
const command = (...words) => JSON.parse(execFileSync(program, ["hub", ...words, "--json"], { stdio: ["ignore", "pipe", "ignore"] }));

const collected = async (items) => {
  const all = [];
  for await (const item of items) all.push(item);
  return all;
};
const text = async (blob) => (blob === null ? null : await blob.text());

async function asPeopleUseIt() {
  const accessToken = command("users", "add", "alice", "--token").token;
  const others = command("users", "add", "bob", "--token").token;
  const hub = { hubUrl: url, accessToken };
  const repo = "alice/script";
  const it = { ...hub, repo };

  const me = await client.whoAmI(hub);
  assert.equal(me.name, "alice");
  assert.equal(me.auth.accessToken.role, "write");
  await assert.rejects(client.whoAmI({ hubUrl: url, accessToken: "hf_" + "x".repeat(40) }), { statusCode: 401 });

  const made = await client.createRepo({ ...it, visibility: "public", license: "mit" });
  assert.equal(made.repoUrl, `${url}/${repo}`);
  await assert.rejects(client.createRepo(it), { statusCode: 409 });
  await assert.rejects(client.createRepo({ ...it, repo: "alice/bobs", accessToken: others }), { statusCode: 403 });

  const large = new Uint8Array(250_001).map((_, i) => (i * 31 + (i >> 8)) & 255);
  const files = [
    { path: "notes.txt", content: new Blob(["hello"]) },
    { path: "in/small.bin", content: new Blob(["12345"]) },
    { path: "in/large.bin", content: new Blob([large]) },
    { path: "nothing.txt", content: new Blob([]) },
  ];
  const commit = await client.uploadFiles({ ...it, commitTitle: "files", files });
  assert.match(commit.commit.oid, /^[0-9a-f]{40}$/);
  assert.ok(commit.commit.url.includes(`/${repo}/commit/`));

  // The same bytes as chunks, which is this client's own choice, and whole; then with something put into their middle.
  const random = new Uint8Array(3_000_000);
  for (let i = 0, x = 1; i < random.length; ++i) random[i] = (x = (Math.imul(x, 1664525) + 1013904223) >>> 0) >>> 24;
  const longer = new Uint8Array(random.length + 1000);
  longer.set(random.subarray(0, 1_500_000));
  longer.set(random.subarray(1_500_000), 1_501_000);
  const batches = [];
  const watched = (address, request) => {
    if (String(address).endsWith("/objects/batch")) batches.push(JSON.parse(request.body).transfers);
    return fetch(address, request);
  };
  const give = (path, bytes, useXet) => client.uploadFiles({ ...it, useXet, fetch: watched, files: [{ path, content: new Blob([bytes]) }] });
  await give("chunks.bin", random);
  await give("longer.bin", longer);
  await give("whole.bin", longer.slice(7), false);
  assert.deepEqual(batches.map((transfers) => transfers.includes("xet")), [true, true, false]);
  for (const [path, bytes] of [["chunks.bin", random], ["longer.bin", longer], ["whole.bin", longer.slice(7)]])
    for (const xet of [true, false])
      assert.deepEqual(new Uint8Array(await (await client.downloadFile({ ...it, path, xet })).arrayBuffer()), bytes, path);
  await client.deleteFiles({ ...it, paths: ["chunks.bin", "longer.bin", "whole.bin"] });

  const listed = await collected(client.listFiles({ ...it, recursive: true }));
  assert.equal(listed.find((file) => file.path === "in/large.bin").lfs.size, large.length);
  assert.equal(listed.find((file) => file.path === "in").type, "directory");
  assert.equal((await client.fileDownloadInfo({ ...it, path: "in/large.bin" })).size, large.length);
  const blob = await client.downloadFile({ ...it, path: "in/large.bin" });
  assert.deepEqual(new Uint8Array(await blob.arrayBuffer()), large);
  assert.deepEqual(new Uint8Array(await blob.slice(1000, 1010).arrayBuffer()), large.slice(1000, 1010));
  assert.equal(await text(await client.downloadFile({ ...it, path: "notes.txt" })), "hello");
  assert.equal(await text(await client.downloadFile({ ...it, path: "nothing.txt" })), "");
  assert.equal(await client.downloadFile({ ...it, path: "nowhere" }), null);
  assert.equal(await client.fileExists({ ...it, path: "notes.txt" }), true);
  assert.equal(await client.fileExists({ ...it, path: "nowhere" }), false);
  const told = await client.pathsInfo({ ...it, paths: ["in/large.bin", "in"], expand: true });
  assert.equal(told.length, 2);
  assert.match(told[0].lastCommit.id, /^[0-9a-f]{40}$/);

  assert.match((await client.modelInfo({ ...hub, name: repo, additionalFields: ["sha", "tags", "author"] })).sha, /^[0-9a-f]{40}$/);
  const models = await collected(client.listModels({ ...hub, search: { owner: "alice" }, additionalFields: ["sha", "tags"] }));
  assert.deepEqual(models.map((model) => model.name), [repo]);
  assert.ok(models[0].updatedAt instanceof Date);
  assert.equal((await collected(client.listCommits(it))).length, 6);
  assert.equal(await client.countCommits(it), 6);

  await client.createBranch({ ...it, branch: "a/b" });
  await client.createBranch({ ...it, branch: "a/b", overwrite: true });
  await client.deleteBranch({ ...it, branch: "a/b" });
  assert.equal(await client.repoExists(it), true);
  assert.equal(await client.repoExists({ ...it, repo: "alice/nowhere" }), false);
  await client.deleteFile({ ...it, path: "notes.txt" });
  assert.equal(await client.fileExists({ ...it, path: "notes.txt" }), false);

  // Bob may propose, and not commit.
  const offered = { path: "bobs.bin", content: new Blob(["from bob"]) };
  await assert.rejects(client.uploadFile({ ...it, accessToken: others, file: offered }), { statusCode: 403 });
  const proposal = await client.uploadFile({ ...it, accessToken: others, file: offered, isPullRequest: true });
  assert.equal(proposal.pullRequestUrl, `${url}/${repo}/discussions/1`);
  assert.equal(await text(await client.downloadFile({ ...it, path: "bobs.bin", revision: "refs/pr/1" })), "from bob");

  const snapshot = await client.snapshotDownload({ ...it, cacheDir: join(home, "snapshots") });
  assert.match(snapshot, /[0-9a-f]{40}$/);
  const secret = await client.createRepo({ ...it, repo: "alice/secret", visibility: "private" });
  assert.ok(secret.repoUrl);
  assert.equal(await client.repoExists({ ...it, repo: "alice/secret", accessToken: others }), false);
  await client.deleteRepo(it);
  assert.equal(await client.repoExists(it), false);
}

let status = 0;
try {
  await asPeopleUseIt();
  console.log("ok");
} catch (error) {
  console.error(error);
  status = 1;
}
server.kill("SIGINT");
if ((await ended) !== 0) status = 1;
rmSync(home, { recursive: true, force: true });
process.exit(status);
