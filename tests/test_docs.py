"""Checks the documents' claims against the code: tree, settings, commands, links, examples, and the answer shown."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from memory.kv.build import new_cache
from memory.kv.cache import feed
from serve.api.live_socket import router as socket_routes
from serve.api.routes import router as rest_routes
from serve.cli.command_line import parser
from serve.settings import PREFIX, Settings
from tests.memory.kv.kv_oracle import tiny, words

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("encoders", "memory", "pipeline", "serve", "ui")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text("utf-8")
MACHINE_WORDS = re.compile(r"/(?:work|tmp|root|home/\w+)/|https?://(?:\S+\.)?(?:pypi\.org|pythonhosted\.org)")

document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())


def block(name: str, text: str = README) -> str:
    """A document's code block after the comment `<!-- name -->`."""
    match = re.search(rf"<!-- {name} -->\n```\w*\n(.*?)\n```", text, re.DOTALL)
    assert match is not None, f"there is no block {name}"
    return match.group(1)


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) < 160


def test_generated_documents_are_what_the_code_says() -> None:
    command = [sys.executable, "deploy/make_docs.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_file_says_what_it_does() -> None:
    lines = (ROOT / "docs" / "map.md").read_text("utf-8").splitlines()
    assert [line for line in lines if re.fullmatch(r"- `[^`]+\.(py|lua|js|css)`", line)] == []


def test_folders_default_as_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith((PREFIX, "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/somebody")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/somebody")
    settings, table = Settings(), (ROOT / "docs" / "settings.md").read_text("utf-8")
    for path, name in ((settings.data_dir, "DATA_DIR"), (settings.cache_dir, "CACHE_DIR")):
        assert f"| `{PREFIX}{name}` | `~/{path.relative_to('/somebody')}` |" in table
    assert str(settings.runtime_dir) == "/run/somebody/longwatch"


def subcommands() -> set[str]:
    action: Any = next(candidate for candidate in parser()._actions if candidate.dest == "command")
    return set(action.choices)


@document
def test_commands_exist(path: Path) -> None:
    text = path.read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:^ {4}|`)make ([a-z-]+)", text, re.MULTILINE)) <= targets
    named = set(re.findall(r"(?:^ {4}|`|^\$ )longwatch ([a-z]+)", text, re.MULTILINE))
    assert named <= subcommands()
    for module in re.findall(r"python -m ([\w.]+)", text):
        if module not in ("venv", "serve"):
            place = ROOT / module.replace(".", "/")
            assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), module


def test_every_subcommand_is_told() -> None:
    guide = (ROOT / "docs" / "guides" / "command.md").read_text("utf-8")
    assert set(re.findall(r"^ {4}longwatch ([a-z]+) ", guide, re.MULTILINE)) == subcommands()


@document
def test_relative_links_resolve(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8")):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        linked = path.parent / file if file else path
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text("utf-8"), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings], target


@document
def test_files_named_in_words_exist(path: Path) -> None:
    for name in re.findall(rf"`((?:{'|'.join(PACKAGES)}|tests|docs|deploy)/[\w./-]+)`", path.read_text("utf-8")):
        assert (ROOT / name).exists(), name


@document
def test_no_words_of_one_machine(path: Path) -> None:
    assert MACHINE_WORDS.findall(path.read_text("utf-8")) == []


@document
def test_python_blocks_compile(path: Path) -> None:
    for code in re.findall(r"```python\n(.*?)```", path.read_text("utf-8"), re.DOTALL):
        compile(code, path.name, "exec")


def test_the_websocket_example_is_the_file() -> None:
    file = (ROOT / "docs/examples/push_frames.py").read_text("utf-8")
    assert block("push_frames", (ROOT / "docs/guides/cameras.md").read_text("utf-8")) == file.strip()
    assert len(file.splitlines()) < 33


def test_every_route_is_in_the_contract() -> None:
    contract = (ROOT / "docs/api.md").read_text("utf-8")
    for route in [*rest_routes.routes, *socket_routes.routes]:
        where: Any = route
        for method in getattr(where, "methods", None) or {"WS"}:
            assert re.search(rf"`{method} {re.escape(where.path)}[`?]", contract), f"{method} {where.path}"


def shown_answers(text: str) -> list[tuple[str, set[str], list[str]]]:
    """What a printed run says: each question, the times its answer names, the spans cited."""
    read = []
    for part in re.split(r"^Q: ", text, flags=re.MULTILINE)[1:]:
        question, answer, *below = part.splitlines()
        cited = [match[1] for line in below if (match := re.match(r" +(\d+:\d\d to \d+:\d\d) ", line))]
        read.append((question, set(re.findall(r"\d+:\d\d", answer)), cited))
    return read


@pytest.mark.timeout(600)
def test_the_answer_shown_is_what_is_answered(tmp_path: Path) -> None:
    shown = block("demo")
    command, output = shown.split("\n", 1)
    words = re.findall(r'"([^"]+)"', command)
    recipe = re.search(r"^demo:.*?\n\n", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert recipe is not None
    assert re.findall(r'"([^"]+)"', recipe.group()) == words, "`make demo` asks something else"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    folders = {f"{PREFIX}{name}_DIR": str(tmp_path / name.lower()) for name in ("DATA", "CACHE")}
    environment |= folders | {f"{PREFIX}THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-m", "serve", "ask", "tests/data/sample.mp4", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=570,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert shown_answers(run.stdout) == shown_answers(output)
    assert [question for question, *_ in shown_answers(output)] == words
    assert all(cited for _, _, cited in shown_answers(output))


@pytest.mark.parametrize(("name", "file"), [("compressor", "runs"), ("policy", "key_norm")])
def test_the_recipes_of_contributing_are_what_the_contracts_run(name: str, file: str) -> None:
    code = (ROOT / "tests" / "recipes" / f"{file}.py").read_text("utf-8").strip()
    assert len(code.splitlines()) <= 40
    assert block(name, (ROOT / "CONTRIBUTING.md").read_text("utf-8")) == code


def recipe(name: str, attribute: str) -> Any:
    """What a recipe's block makes, and nothing else."""
    names: dict[str, Any] = {"__name__": f"contributing_{name}"}
    sys.modules[names["__name__"]] = ModuleType(names["__name__"])  # dataclasses look their module up
    exec(compile(block(name, (ROOT / "CONTRIBUTING.md").read_text("utf-8")), "CONTRIBUTING.md", "exec"), names)
    return names[attribute]


def test_the_compressor_of_contributing_works() -> None:
    make = recipe("compressor", "Runs")
    made, again = make(2), make(2)
    for step in range(3):
        made.add(torch.full((1, 12, 4), float(step)), (3, 4), float(step))
    again.restore(made.state())
    cube = again.cube()
    assert cube.tokens[0, :, 0].tolist() == pytest.approx([1 / 3, 5 / 3])
    assert cube.weights.tolist() == [18.0, 18.0]
    made.reset()
    assert made.cube().tokens.shape[1] == 0


def test_the_policy_of_contributing_keeps_a_cache_within_its_slots() -> None:
    model, policy = tiny("llama"), recipe("policy", "KeyNorm")()
    cache = new_cache(model, policy, slots=16)
    feed(model, cache, words(60), chunk=5)
    assert cache.slots <= 16
    assert cache.compactions > 0


@pytest.mark.timeout(300)
def test_the_door_opens_outside_the_checkout(tmp_path: Path) -> None:
    """The README's lines of Python, on the wheel's own files, in a folder that has nothing of this repository."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    code = block("door")
    assert len(code.splitlines()) <= 6, "an import, a blank line, and what is done"
    code = code.replace("tests/data/sample.mp4", str(ROOT / "tests" / "data" / "sample.mp4"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    folders = {f"{PREFIX}{name}_DIR": str(tmp_path / name.lower()) for name in ("DATA", "CACHE")}
    environment |= folders | {"PYTHONPATH": str(tmp_path / "installed")}
    command = [sys.executable, "-c", f"{code}\nimport pipeline; print(pipeline.__file__)"]
    run = subprocess.run(
        command, cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert run.returncode == 0, run.stderr
    answer, place = run.stdout.splitlines()
    assert "0:00" in answer
    assert "0:59" in answer
    assert Path(place).is_relative_to(tmp_path / "installed")
