#!/usr/bin/env python3
"""OpenAI's own client against a real server.

    openai_client_test.py GLASSBOX [MODEL]        starts `GLASSBOX serve MODEL` on a port of its own
    openai_client_test.py --base-url URL [MODEL]  asks a server that runs (its key in OPENAI_API_KEY)

MODEL (glassbox/prism unless given) has a chat template. Exits with 77, which counts as skipped, where the client is
not installed or nothing of that name is shipped.
"""

import asyncio
import concurrent.futures
import contextlib
import io
import json
import math
import os
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

try:
    import openai
except ImportError:
    print("skipped: no openai client for", sys.executable)
    sys.exit(77)

REFERENCE = MODEL = "glassbox/prism"  # as it is opened; as it is called
BASE_URL = ""
BINARY = ""
HELLO = [{"role": "user", "content": "Hello! Who are you?"}]


class Server:
    """A server of its own, asked to stop at the end as a person would: with SIGINT."""

    def __init__(self, *arguments, reference=None, **environment):
        self.home = tempfile.TemporaryDirectory(prefix="glassbox-home-")
        self.process = subprocess.Popen(
            [BINARY, "serve", reference or REFERENCE, "--port", "0", "--quiet", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={"GLASSBOX_HOME": self.home.name, **os.environ, **environment})
        line = self.process.stdout.readline()
        if "Glassbox is open on http" not in line:
            self.process.wait()
            raise RuntimeError(f"serve said {line!r}: {self.process.stderr.read().strip()}")
        self.url = line.split()[-1]

    def stop(self):
        self.process.send_signal(2)
        status = self.process.wait(30)
        self.process.stdout.close()
        self.process.stderr.close()
        self.home.cleanup()
        return status


def get(path, **headers):
    request = urllib.request.Request(BASE_URL + path, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.status, response.headers, response.read().decode()


def figure(name):
    """A figure of /metrics, summed over its labels."""
    lines = get("/metrics", Authorization=f"Bearer {client().api_key}")[2].splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name) and line[len(name)] in "{ ")


def wait_for(holds, seconds=10):
    until = time.time() + seconds
    while not holds():
        if time.time() > until:
            raise AssertionError(f"not so within {seconds} s")
        time.sleep(0.05)


def client(**options):
    options.setdefault("api_key", os.environ.get("OPENAI_API_KEY", "none"))
    options.setdefault("max_retries", 0)
    options.setdefault("timeout", 120)
    return openai.OpenAI(base_url=BASE_URL + "/v1", **options)


def chat(messages=HELLO, **options):
    options.setdefault("max_tokens", 24)
    return client().chat.completions.create(model=MODEL, messages=messages, **options)


def text_of(completion, choice=0):
    message = completion.choices[choice].message
    return (getattr(message, "reasoning_content", None) or "") + "|" + (message.content or "")


class Models(unittest.TestCase):
    def test_list_and_retrieve(self):
        models = client().models.list()
        self.assertIn(MODEL, [model.id for model in models])
        model = client().models.retrieve(MODEL)
        self.assertEqual((model.id, model.object, model.owned_by), (MODEL, "model", "glassbox"))
        self.assertGreater(model.created, 1_600_000_000)
        self.assertGreater(model.glassbox["context"], 0)

    def test_unknown(self):
        with self.assertRaises(openai.NotFoundError) as caught:
            client().models.retrieve("none/such")
        self.assertEqual(caught.exception.code, "model_not_found")


class Chat(unittest.TestCase):
    def test_answer(self):
        answer = chat(temperature=0)
        self.assertTrue(answer.id.startswith("chatcmpl-"))
        self.assertEqual((answer.object, answer.model), ("chat.completion", MODEL))
        self.assertLess(abs(answer.created - time.time()), 60)
        self.assertTrue(answer.system_fingerprint)
        choice = answer.choices[0]
        self.assertEqual((choice.index, choice.message.role), (0, "assistant"))
        self.assertIn(choice.finish_reason, ("stop", "length"))
        self.assertEqual(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)
        self.assertLessEqual(answer.usage.completion_tokens, 24)
        self.assertGreaterEqual(answer.usage.prompt_tokens_details.cached_tokens, 0)
        self.assertGreater(answer.timings["prefill_tokens_per_s"], 0)
        self.assertTrue(answer._request_id)

    def test_stream_says_the_same(self):
        whole = chat(seed=3, temperature=1)
        parts, reasoning, reasons, last = "", "", [], None
        for chunk in chat(seed=3, temperature=1, stream=True):
            self.assertEqual(chunk.object, "chat.completion.chunk")
            parts += chunk.choices[0].delta.content or ""
            reasoning += getattr(chunk.choices[0].delta, "reasoning_content", None) or ""
            reasons.append(chunk.choices[0].finish_reason)
            last = chunk
        self.assertEqual(reasoning + "|" + parts, text_of(whole))
        self.assertEqual(reasons[-1], whole.choices[0].finish_reason)
        self.assertEqual(reasons[:-1], [None] * (len(reasons) - 1))
        self.assertEqual(last.seed, 3)
        self.assertIn("prefill_tokens_per_s", last.timings)

    def test_stream_usage(self):
        chunks = list(chat(stream=True, stream_options={"include_usage": True}))
        self.assertEqual([chunk.usage for chunk in chunks[:-1]], [None] * (len(chunks) - 1))
        self.assertEqual(chunks[-1].choices, [])
        self.assertGreater(chunks[-1].usage.completion_tokens, 0)

    @unittest.skipIf("OPENAI_API_KEY" in os.environ, "README's client has no key")
    def test_readme(self):
        readme = (pathlib.Path(__file__).parents[2] / "README.md").read_text()
        code = re.search(r"```python\n(.*?)```", readme, re.DOTALL).group(1)
        self.assertIn("http://127.0.0.1:8080", code)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code.replace("http://127.0.0.1:8080", BASE_URL), {})
        self.assertIn("42", printed.getvalue())

    def test_stream_helper(self):
        with client().chat.completions.stream(model=MODEL, messages=HELLO, max_tokens=24, seed=3) as stream:
            kinds = {event.type for event in stream}
            final = stream.get_final_completion()
        self.assertIn("chunk", kinds)
        self.assertEqual(final.choices[0].message.content, chat(seed=3).choices[0].message.content)

    def test_messages(self):
        answer = chat([{"role": "developer", "content": "Be kind."},
                       {"role": "user", "content": [{"type": "text", "text": "Hello!"}], "name": "ann"},
                       {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "Who are you?"}])
        self.assertGreater(answer.usage.prompt_tokens, 8)
        # An answer goes back into a conversation as it came.
        chat([*HELLO, answer.choices[0].message, {"role": "user", "content": "Go on."}])
        chat([*HELLO, answer.choices[0].message.model_dump(), {"role": "user", "content": "Go on."}])

    def test_choices(self):
        answer = chat(n=3, seed=11, temperature=1.5)
        self.assertEqual([choice.index for choice in answer.choices], [0, 1, 2])
        self.assertGreater(len({text_of(answer, i) for i in range(3)}), 1)
        self.assertEqual(text_of(answer), text_of(chat(seed=11, temperature=1.5)))  # the first is the only one's
        texts = ["", "", ""]
        for chunk in chat(n=3, seed=11, temperature=1.5, stream=True):
            for choice in chunk.choices:
                texts[choice.index] += choice.delta.content or ""
        self.assertEqual(texts, [choice.message.content for choice in answer.choices])

    def test_seed(self):
        first = chat(temperature=1.5)
        self.assertEqual(text_of(chat(temperature=1.5, seed=first.seed)), text_of(first))
        texts = {text_of(chat(temperature=1.5, seed=seed)) for seed in range(6)}
        self.assertGreater(len(texts), 1)

    def test_stop(self):
        whole = chat(temperature=0, max_tokens=40, extra_body={"ignore_eos": True}).choices[0].message.content
        words = whole.split()
        self.assertGreater(len(words), 3, whole)
        stop = " " + words[2]
        for given in (stop, [stop, "never said"]):
            answer = chat(temperature=0, max_tokens=40, stop=given, extra_body={"ignore_eos": True})
            self.assertEqual(answer.choices[0].message.content, whole[:whole.index(stop)])
            self.assertEqual(answer.choices[0].finish_reason, "stop")

    def test_length(self):
        for name in ("max_tokens", "max_completion_tokens"):
            answer = client().chat.completions.create(model=MODEL, messages=HELLO, extra_body={"ignore_eos": True}, **{name: 5})
            self.assertEqual((answer.choices[0].finish_reason, answer.usage.completion_tokens), ("length", 5))

    def test_logprobs(self):
        # Special tokens that are passed over have a probability, and no text unless it is asked for.
        spelled = {"ignore_eos": True, "skip_special_tokens": False}
        answer = chat(temperature=0, logprobs=True, top_logprobs=5, extra_body=spelled)
        tokens = answer.choices[0].logprobs.content
        self.assertEqual(len(tokens), answer.usage.completion_tokens)
        for token in tokens:
            self.assertEqual(len(token.top_logprobs), 5)
            self.assertEqual(token.top_logprobs[0].logprob, token.logprob)  # greedy takes the likeliest
            logprobs = [other.logprob for other in token.top_logprobs]
            self.assertEqual(logprobs, sorted(logprobs, reverse=True))
            self.assertLessEqual(sum(math.exp(logprob) for logprob in logprobs), 1 + 1e-4)
        spelt = b"".join(bytes(token.bytes) for token in tokens).decode(errors="replace")
        message = answer.choices[0].message
        for part in (message.content, getattr(message, "reasoning_content", None) or ""):
            self.assertIn(part.strip(), spelt)
        streamed = []
        for chunk in chat(temperature=0, logprobs=True, top_logprobs=5, stream=True, extra_body=spelled):
            if chunk.choices[0].logprobs:
                streamed += chunk.choices[0].logprobs.content
        self.assertEqual([(t.token, t.logprob) for t in streamed], [(t.token, t.logprob) for t in tokens])
        plain = chat(temperature=0, logprobs=True)
        self.assertEqual(plain.choices[0].logprobs.content[0].top_logprobs, [])

    def test_logit_bias(self):
        # Without ids in chats' log-probabilities, take them from a completion's first token: each id is tried in turn.
        plain = chat(temperature=0, max_tokens=1, logprobs=True, top_logprobs=2, extra_body={"ignore_eos": True})
        best, second = plain.choices[0].logprobs.content[0].top_logprobs
        ids = range(client().models.retrieve(MODEL).glassbox["vocabulary"])
        banned = None
        low, high = 0, len(ids)
        while high - low > 1:  # banning a range that holds the best token changes the answer: halve the range
            middle = (low + high) // 2
            answer = chat(temperature=0, max_tokens=1, logprobs=True, logit_bias={str(i): -100 for i in ids[low:middle]},
                          extra_body={"ignore_eos": True})
            if answer.choices[0].logprobs.content[0].token != best.token:
                high = middle
            else:
                low = middle
        banned = low
        answer = chat(temperature=0, max_tokens=1, logprobs=True, logit_bias={str(banned): -100}, extra_body={"ignore_eos": True})
        self.assertEqual(answer.choices[0].logprobs.content[0].token, second.token)

    def test_continue(self):
        whole = chat(temperature=0, max_tokens=30, extra_body={"ignore_eos": True}).choices[0].message.content
        begun = whole[:whole.index(" ", 8)]
        answer = chat([*HELLO, {"role": "assistant", "content": begun}], temperature=0, max_tokens=10,
                      extra_body={"continue_final_message": True, "add_generation_prompt": False})
        self.assertTrue(whole.startswith(begun))
        said = answer.choices[0].message.content
        self.assertEqual(whole[len(begun):][:len(said)], said[:len(whole) - len(begun)])

    def test_harmless_fields(self):
        chat(user="u", store=False, metadata={"a": "b"}, service_tier="auto", safety_identifier="s", prompt_cache_key="k",
             parallel_tool_calls=False, response_format={"type": "text"}, modalities=["text"], verbosity="medium", logit_bias={},
             n=1, extra_body={"best_of": 1, "mirostat": 0, "cache_prompt": True, "top_n_sigma": -1, "not_known_here": None})

    def test_notes(self):
        raw = client().chat.completions.with_raw_response.create(
            model=MODEL, messages=HELLO, max_tokens=2, reasoning_effort="low", verbosity="low")
        self.assertEqual(raw.headers["x-glassbox-note"],
                         "reasoning_effort: this model's chat template does not read it; "
                         "verbosity: this model's chat template does not read it")
        self.assertNotIn("x-glassbox-note", client().chat.completions.with_raw_response.create(
            model=MODEL, messages=HELLO, max_tokens=2).headers)

    def test_extensions(self):
        chat(extra_body={"top_k": 5, "min_p": 0.05, "repetition_penalty": 1.1})
        self.assertEqual(text_of(chat(temperature=1.5, extra_body={"top_k": 1})), text_of(chat(temperature=0)))


class Completions(unittest.TestCase):
    def create(self, **options):
        options.setdefault("prompt", "Once upon a time")
        return client().completions.create(model=MODEL, **options)

    def test_prompts(self):
        answer = self.create(temperature=0, extra_body={"ignore_eos": True})
        self.assertEqual((answer.object, answer.usage.completion_tokens), ("text_completion", 16))
        self.assertEqual(answer.choices[0].finish_reason, "length")
        both = self.create(prompt=["Once upon a time", "The fox"], temperature=0, n=2, extra_body={"ignore_eos": True})
        self.assertEqual([choice.index for choice in both.choices], [0, 1, 2, 3])
        self.assertEqual([both.choices[0].text, both.choices[1].text], [answer.choices[0].text] * 2)
        ids = self.create(prompt=[[5, 6, 7], [8, 9]], max_tokens=2)
        self.assertEqual(ids.usage.prompt_tokens, 5)
        self.assertEqual(self.create(prompt=[5, 6, 7], max_tokens=2).usage.prompt_tokens, 3)

    def test_echo(self):
        answer = self.create(echo=True, temperature=0)
        self.assertEqual(answer.choices[0].text, "Once upon a time" + self.create(temperature=0).choices[0].text)

    def test_stream(self):
        whole = self.create(seed=5)
        chunks = list(self.create(seed=5, stream=True, stream_options={"include_usage": True}))
        self.assertEqual("".join(choice.text for chunk in chunks for choice in chunk.choices), whole.choices[0].text)
        self.assertEqual(chunks[-1].usage, whole.usage)

    def test_logprobs(self):
        answer = self.create(logprobs=3, temperature=0, extra_body={"ignore_eos": True, "skip_special_tokens": False})
        choice, logprobs = answer.choices[0], answer.choices[0].logprobs
        self.assertEqual(len(logprobs.tokens), 16)
        self.assertEqual(len(logprobs.top_logprobs), 16)
        for token, logprob, top, offset in zip(logprobs.tokens, logprobs.token_logprobs, logprobs.top_logprobs, logprobs.text_offset):
            self.assertEqual(top[token], logprob)
            self.assertEqual(max(top.values()), logprob)
            if not token.startswith("bytes:") and logprobs.text_offset[0] == 0:
                self.assertEqual(choice.text[offset:offset + len(token)], token)


class Errors(unittest.TestCase):
    def refused(self, kind, param, code, **options):
        with self.assertRaises(kind) as caught:
            chat(**options)
        self.assertEqual((caught.exception.param, caught.exception.code), (param, code), caught.exception)
        return caught.exception

    def test_values(self):
        bad = openai.BadRequestError
        self.refused(bad, "temperature", "invalid_value", temperature=3)
        self.refused(bad, "temperature", "invalid_type", temperature="hot")
        self.refused(bad, "n", "invalid_value", n=0)
        self.refused(bad, "messages[0].content", "invalid_type", messages=[{"role": "user", "content": 5}])
        self.refused(bad, "messages", "invalid_value", messages=[])
        self.refused(bad, "colour", "unknown_parameter", extra_body={"colour": "red"})
        self.refused(bad, "tools", "unsupported_parameter", tools=[{"type": "function", "function": {"name": "f"}}])
        self.refused(bad, "response_format.type", "unsupported_value", response_format={"type": "json_object"})
        self.assertEqual(self.refused(bad, "top_logprobs", "invalid_value", top_logprobs=3).type, "invalid_request_error")

    def test_unknown_model(self):
        with self.assertRaises(openai.NotFoundError) as caught:
            client().chat.completions.create(model="gpt-9", messages=HELLO)
        self.assertEqual((caught.exception.code, caught.exception.param), ("model_not_found", "model"))

    def test_unknown_path(self):
        with self.assertRaises(openai.NotFoundError):
            client().embeddings.create(model=MODEL, input="x", encoding_format="float")

    def test_full_context(self):
        long = [{"role": "user", "content": "word " * 200_000}]
        self.refused(openai.BadRequestError, "prompt", "context_length_exceeded", messages=long)

    def test_large_body(self):
        with self.assertRaises(openai.APIStatusError) as caught:
            chat([{"role": "user", "content": "x" * 100_000_000}])
        self.assertEqual((caught.exception.status_code, caught.exception.code), (413, "request_too_large"))
        chat()  # and nothing was hurt

    def test_keys(self):
        if not BINARY:
            self.skipTest("needs a server of its own")
        global BASE_URL
        with tempfile.NamedTemporaryFile("w", suffix=".keys") as keys:
            keys.write("# those of the workshop\n\nthird\r\nfourth\n")
            keys.flush()
            server = Server("--api-key", "first", "--api-key-file", keys.name, GLASSBOX_API_KEY="second")
        kept = BASE_URL
        try:
            BASE_URL = server.url
            for key in ("first", "second", "third", "fourth"):
                client(api_key=key).models.list()
            with self.assertRaises(openai.AuthenticationError) as caught:
                client(api_key="# those of the workshop").models.list()
            self.assertEqual(caught.exception.code, "invalid_api_key")
            self.assertEqual(json.loads(get("/health")[2])["status"], "ok")
        finally:
            BASE_URL = kept
            self.assertEqual(server.stop(), 0)


class Concurrency(unittest.TestCase):
    def test_sixteen_at_once_say_what_each_says_alone(self):
        async def all_at_once():
            async with openai.AsyncOpenAI(base_url=BASE_URL + "/v1", api_key=client().api_key, timeout=300, max_retries=0) as many:
                return await asyncio.gather(*(
                    many.chat.completions.create(model=MODEL, messages=HELLO, seed=seed, temperature=1.2, max_tokens=16)
                    for seed in range(16)))
        together = asyncio.run(all_at_once())
        for seed in (0, 7, 15):
            self.assertEqual(text_of(together[seed]), text_of(chat(seed=seed, temperature=1.2, max_tokens=16)))
        self.assertGreater(len({text_of(answer) for answer in together}), 1)

    def test_leaving_in_the_middle_stops_the_work(self):
        before = figure("glassbox_clients_left_total")
        endless = {"ignore_eos": True}
        stream = chat(stream=True, max_tokens=100_000, n=4, extra_body=endless)
        for _, chunk in zip(range(8), stream):
            pass
        stream.close()
        wait_for(lambda: figure("glassbox_clients_left_total") == before + 1 and not figure("glassbox_sequences_running"))

        async def impatient():
            async with openai.AsyncOpenAI(base_url=BASE_URL + "/v1", api_key=client().api_key, max_retries=0) as one:
                task = asyncio.create_task(one.chat.completions.create(
                    model=MODEL, messages=HELLO, max_tokens=100_000, n=4, extra_body=endless))
                while not figure("glassbox_sequences_running") and not task.done():
                    await asyncio.sleep(0.01)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
        asyncio.run(impatient())
        with self.assertRaises(openai.APITimeoutError):
            client(timeout=0.2).chat.completions.create(model=MODEL, messages=HELLO, max_tokens=100_000, n=16, extra_body=endless)
        wait_for(lambda: figure("glassbox_clients_left_total") >= before + 3 and not figure("glassbox_sequences_running"))
        self.assertEqual(figure("glassbox_sequences_running"), 0)
        self.assertEqual(figure("glassbox_clients_left_total"), before + 3)


def write_adapter(folder, seed, layers=4, width=256, rank=4):
    """A random LoRA adapter for glassbox/prism, in the layout PEFT saves: two files, written by hand."""
    folder.mkdir()
    folder.joinpath("adapter_config.json").write_text(json.dumps(
        {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": rank, "lora_alpha": 64, "target_modules": ["q_proj"],
         "base_model_name_or_path": "glassbox/prism", "bias": "none"}))
    drawn = random.Random(seed)
    header, data = {}, b""
    for layer in range(layers):
        for part, shape in ("A", [rank, width]), ("B", [width, rank]):
            numbers = struct.pack(f"<{rank * width}f", *(drawn.gauss(0, 0.3) for _ in range(rank * width)))
            header[f"base_model.model.model.layers.{layer}.self_attn.q_proj.lora_{part}.weight"] = {
                "dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(numbers)]}
            data += numbers
    text = json.dumps(header).encode()
    folder.joinpath("adapter_model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


class Adapters(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not BINARY or MODEL != "glassbox/prism":
            raise unittest.SkipTest("these adapters are for glassbox/prism, served by this test")
        cls.folder = tempfile.TemporaryDirectory()
        root = pathlib.Path(cls.folder.name)
        write_adapter(root / "one", 1)
        write_adapter(root / "two", 2)
        cls.server = Server("--adapter", f"first={root / 'one'}", "--adapter", str(root / "two"))

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.folder.cleanup()

    def ask(self, model, **options):
        with openai.OpenAI(base_url=self.server.url + "/v1", api_key="none", max_retries=0) as one:
            return one.chat.completions.create(model=model, messages=HELLO, max_tokens=24, temperature=0, **options)

    def test_are_models_of_their_own(self):
        with openai.OpenAI(base_url=self.server.url + "/v1", api_key="none") as one:
            models = {model.id: model for model in one.models.list()}
        self.assertEqual(set(models), {MODEL, "first", "two"})
        self.assertEqual(models["first"].glassbox["adapter_of"], MODEL)
        self.assertGreater(models["first"].created, 1_600_000_000)

    def test_are_chosen_by_name_in_one_batch(self):
        names = [MODEL, "first", "two"]
        alone = {name: text_of(self.ask(name)) for name in names}
        self.assertEqual(alone[MODEL], text_of(chat(temperature=0)))  # a server without adapters says the same
        self.assertEqual(len(set(alone.values())), 3)
        with concurrent.futures.ThreadPoolExecutor(9) as many:
            together = list(many.map(lambda name: (name, text_of(self.ask(name))), names * 3))
        for name, text in together:
            self.assertEqual(text, alone[name])
        self.assertEqual(self.ask("first").model, "first")

    def test_what_does_not_fit_is_told_before_anything_is_served(self):
        root = pathlib.Path(self.folder.name)
        write_adapter(root / "wide", 3, width=250)
        with self.assertRaisesRegex(RuntimeError, "expected shape"):
            Server("--adapter", str(root / "wide"))
        with self.assertRaisesRegex(RuntimeError, "adapter_config.json"):
            Server("--adapter", str(root / "none"))


class Tools(unittest.TestCase):
    """A model trained here to have a dozen conversations by heart: it calls a tool once for each city it is asked about."""

    @classmethod
    def setUpClass(cls):
        if not BINARY:
            raise unittest.SkipTest("trains a model of its own")
        fixture = pathlib.Path(__file__).parents[1] / "fixtures" / "caller"
        cls.folder = tempfile.TemporaryDirectory()
        run = pathlib.Path(cls.folder.name)
        subprocess.run([BINARY, "train", fixture / "recipe.toml", "--out", run], check=True, capture_output=True)
        cls.server = Server(reference=run / "model")
        cls.client = openai.OpenAI(base_url=cls.server.url + "/v1", api_key="none", max_retries=0)
        cls.model = cls.client.models.list().data[0].id
        cls.tools = json.loads(fixture.joinpath("talks.jsonl").read_text().splitlines()[0])["tools"]
        cls.asked = [{"role": "user", "content": "Weather in Oslo and Rome?"}]

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.server.stop()
        cls.folder.cleanup()

    def chat(self, messages, **options):
        return self.client.chat.completions.create(model=self.model, messages=messages, temperature=0, **options)

    def check_calls(self, message):
        self.assertFalse(message.content)
        self.assertEqual([call.type for call in message.tool_calls], ["function"] * 2)
        self.assertEqual([call.function.name for call in message.tool_calls], ["get_weather"] * 2)
        self.assertEqual([json.loads(call.function.arguments) for call in message.tool_calls],
                         [{"city": "Oslo"}, {"city": "Rome"}])
        self.assertEqual(len({call.id for call in message.tool_calls} - {""}), 2)

    def test_a_conversation(self):
        choice = self.chat(self.asked, tools=self.tools).choices[0]
        self.assertEqual(choice.finish_reason, "tool_calls")
        self.check_calls(choice.message)
        results = [{"role": "tool", "tool_call_id": call.id, "content": content}
                   for call, content in zip(choice.message.tool_calls, ("snow", "sun"))]
        choice = self.chat([*self.asked, choice.message, *results], tools=self.tools).choices[0]
        self.assertEqual((choice.finish_reason, choice.message.content, choice.message.tool_calls),
                         ("stop", "snow in Oslo and sun in Rome.", None))

    def test_streamed(self):
        with self.client.chat.completions.stream(model=self.model, messages=self.asked, tools=self.tools,
                                                 temperature=0) as stream:
            done = [event.arguments for event in stream if event.type == "tool_calls.function.arguments.done"]
            choice = stream.get_final_completion().choices[0]
        self.assertEqual(choice.finish_reason, "tool_calls")
        self.check_calls(choice.message)
        self.assertEqual(done, [call.function.arguments for call in choice.message.tool_calls])

    def answered(self, *messages):
        """What the model says once the tools' results are there; the history before them as a client sends it."""
        results = [{"role": "tool", "tool_call_id": call.id, "content": content}
                   for call, content in zip(self.first.tool_calls, ("snow", "sun"))]
        return self.chat([*self.asked, *messages, *results], tools=self.tools).choices[0].message.content

    def test_histories(self):
        """An answer goes back in every form the client makes of it, and is the same conversation."""
        self.first = self.chat(self.asked, tools=self.tools).choices[0].message
        with self.client.chat.completions.stream(model=self.model, messages=self.asked, tools=self.tools,
                                                 temperature=0) as stream:
            helped = stream.get_final_completion().choices[0].message
        self.assertEqual(helped.tool_calls[0].index, 0)
        for call, other in zip(self.first.tool_calls, helped.tool_calls):
            other.id = call.id
        joined = {"role": "assistant", "content": "", "tool_calls": []}  # deltas, put together by hand
        for call in helped.tool_calls:
            joined["tool_calls"].append({"index": call.index, "id": call.id, "type": "function",
                                         "function": {"name": call.function.name, "arguments": call.function.arguments}})
        forms = {"message": self.first, "model_dump": self.first.model_dump(), "to_dict": self.first.to_dict(),
                 "without None": self.first.model_dump(exclude_none=True), "helper": helped, "helper dumped": helped.model_dump(),
                 "helper to_dict": helped.to_dict(), "joined": joined}
        for form in ("helper dumped", "model_dump"):
            self.assertIn("refusal", forms[form])
        for name, form in forms.items():
            with self.subTest(name):
                self.assertEqual(self.answered(form), "snow in Oslo and sun in Rome.")
        more = {**self.first.model_dump(), "reasoning": "so", "reasoning_content": "so", "reasoning_details": [], "parsed": None,
                "annotations": [], "provider_specific_fields": {"refusal": None}}
        self.assertEqual(self.answered(more), "snow in Oslo and sun in Rome.")

    def test_calls_without_arguments(self):
        call = {"id": "call_0", "type": "function", "index": 0, "function": {"name": "get_weather", "arguments": ""}}
        self.chat([*self.asked, {"role": "assistant", "content": None, "tool_calls": [call]},
                   {"role": "tool", "tool_call_id": "call_0", "content": "snow"}], tools=self.tools, max_tokens=4)

    def test_one_call(self):
        choice = self.chat(self.asked, tools=self.tools, parallel_tool_calls=False).choices[0]
        self.assertEqual((choice.finish_reason, len(choice.message.tool_calls)), ("tool_calls", 1))
        with self.client.chat.completions.stream(model=self.model, messages=self.asked, tools=self.tools, temperature=0,
                                                 parallel_tool_calls=False) as stream:
            final = stream.get_final_completion().choices[0]
        self.assertEqual((final.finish_reason, len(final.message.tool_calls)), ("tool_calls", 1))

    def test_strict(self):
        tools = json.loads(json.dumps(self.tools))
        tools[0]["function"]["strict"] = True
        raw = self.client.chat.completions.with_raw_response.create(
            model=self.model, messages=self.asked, tools=tools, max_tokens=4)
        self.assertEqual(raw.headers["x-glassbox-note"],
                         "tools[0].function.strict: best effort: arguments are not constrained to the schema")

    def test_large_integers(self):
        tools = json.loads(json.dumps(self.tools))
        sizes = {"type": "integer", "maximum": 18446744073709551615, "minimum": -10**40, "multipleOf": 1.0}
        tools[0]["function"]["parameters"]["properties"]["size"] = sizes
        self.chat(self.asked, tools=tools, max_tokens=4)

    def test_not_wanted(self):
        choice = self.chat(self.asked, tools=self.tools, tool_choice="none").choices[0]
        self.assertIsNone(choice.message.tool_calls)
        self.assertNotEqual(choice.finish_reason, "tool_calls")


class Pages(unittest.TestCase):
    def test_health_and_figures(self):
        self.assertEqual(json.loads(get("/health")[2])["status"], "ok")
        chat()
        self.assertGreater(figure("glassbox_completion_tokens_total"), 0)

    def test_training(self):
        self.assertIsInstance(json.loads(get("/api/training", Authorization=f"Bearer {client().api_key}")[2])["runs"], list)


def main():
    global BASE_URL, BINARY, MODEL, REFERENCE
    arguments = sys.argv[1:]
    if not arguments:
        sys.exit(__doc__)
    if arguments[0] == "--base-url":
        BASE_URL, rest = arguments[1].rstrip("/").removesuffix("/v1"), arguments[2:]
    else:
        BINARY, rest = arguments[0], arguments[1:]
    REFERENCE = MODEL = rest[0] if rest else MODEL
    server = None
    if BINARY:
        try:
            server = Server()
        except RuntimeError as error:
            if "no such model" in str(error):
                print("skipped:", error)
                sys.exit(77)
            raise
        BASE_URL = server.url
        MODEL = client().models.list().data[0].id
    started = time.time()
    result = unittest.main(argv=[sys.argv[0], *rest[1:]], exit=False, verbosity=2).result
    print(f"openai {openai.__version__} against {MODEL}: {result.testsRun} tests, {time.time() - started:.1f} s")
    status = server.stop() if server else 0
    if status:
        print("serve ended with", status)
    sys.exit(0 if result.wasSuccessful() and not status else 1)


if __name__ == "__main__":
    main()
