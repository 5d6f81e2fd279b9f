"""Renders chat templates with Python's Jinja2, set up as transformers sets it up, for the C++ tests to agree with.

    python tests/reference/render_templates.py DATA

For every template under DATA (*.jinja, and those inside tokenizer_config.json files) and every conversation of
tests/fixtures/templates/conversations.json it writes to expected.json the first 16 hex digits of the text's SHA-256
and its length in bytes, or, where Jinja2 raises, "!" and what it raised. The templates themselves are not committed.

It also renders tests/fixtures/templates/language.json in place: small templates of our own, one feature each, with
their expected text.

Needs transformers (for its Jinja environment), which brings jinja2.
"""

import argparse
import datetime
import hashlib
import json
import pathlib
import platform

import jinja2
import transformers
from transformers.utils.chat_template_utils import _compile_jinja_template

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "templates"
NOW = datetime.datetime(2024, 7, 26, 9, 5, 3)


def templates(data):
    for path in sorted(data.rglob("*.jinja")):
        yield str(path.relative_to(data)), path.read_bytes().decode("utf-8")
    for path in sorted(data.rglob("tokenizer_config.json")):
        published = json.loads(path.read_text(encoding="utf-8")).get("chat_template")
        if isinstance(published, str):
            yield str(path.relative_to(data)), published


def render(source, context):
    """(text, None) or (None, what was raised)."""
    try:
        compiled = _compile_jinja_template(source)
        return compiled.render(strftime_now=NOW.strftime, **context), None
    except jinja2.exceptions.TemplateError as error:
        # What a template says through raise_exception is a bare TemplateError.
        bare = type(error) is jinja2.exceptions.TemplateError
        return None, "raise: " + str(error.message) if bare else type(error).__name__
    except Exception as error:  # TypeError, ValueError ... from Python itself
        return None, type(error).__name__


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--texts", type=pathlib.Path, help="also write the full texts here, to look at")
    arguments = parser.parse_args()
    versions = {
        "jinja2": jinja2.__version__,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
    }

    conversations = json.loads((FIXTURES / "conversations.json").read_text(encoding="utf-8"))
    expected = {}
    for name, source in templates(arguments.data):
        results = expected[name] = {}
        for key, context in conversations.items():
            text, raised = render(source, context)
            if arguments.texts:
                place = arguments.texts / name.replace("/", "__") / key
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes((text if raised is None else "!" + raised).encode("utf-8"))
            if raised is None:
                encoded = text.encode("utf-8")
                results[key] = f"{hashlib.sha256(encoded).hexdigest()[:16]} {len(encoded)}"
            else:
                results[key] = "!" + raised
    report = {"versions": versions, "now": NOW.isoformat(), "templates": expected}
    (FIXTURES / "expected.json").write_text(json.dumps(report, indent=0) + "\n", encoding="utf-8")
    rendered = sum(not result.startswith("!") for results in expected.values() for result in results.values())
    total = sum(map(len, expected.values()))
    print(f"{len(expected)} templates, {total} cases, {rendered} rendered, {total - rendered} raised")

    path = FIXTURES / "language.json"
    language = json.loads(path.read_text(encoding="utf-8"))
    for case in language["cases"]:
        context = {**language["context"], **case.get("context", {})}
        text, raised = render(case["template"], context)
        case.pop("text", None)
        case.pop("raises", None)
        case.update({"raises": raised} if text is None else {"text": text})
    language["versions"] = versions
    path.write_text(json.dumps(language, indent=1) + "\n", encoding="utf-8")
    raised = sum("raises" in case for case in language["cases"])
    print(f"{len(language['cases'])} small templates, {raised} of them raise")


if __name__ == "__main__":
    main()
