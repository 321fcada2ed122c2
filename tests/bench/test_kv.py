"""Tests the cache benchmark: streams as planned, figures from rows worked out by hand, rows kept and resumed."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split

from memory.kv.attention import attach
from memory.kv.policies import DEFAULT
from tests.bench.kv import benchmark, planting
from tests.bench.kv.facts import DEVELOPMENT, MEASURED
from tests.bench.kv.ours import PrunedReader
from tests.bench.kv.planting import Plan, build
from tests.bench.kv.plot import draw
from tests.bench.kv.reading import measure
from tests.bench.kv.score import compared, cost, perplexity, score
from tests.bench.kv.streams import CHUNK, ClozeQuestion, Streams
from tests.bench.kv.tasks import Task, kept_row, meaning_digest, row_digest
from tests.bench.kv.text import paragraphs, strings
from tests.memory.kv.kv_oracle import tiny


def serialized(*lines: str) -> bytes:
    """A character vector as R writes one."""
    header = b"X\n" + struct.pack(">IIII", 3, 0x40200, 0x30500, 5) + b"UTF-8" + struct.pack(">II", 16, len(lines))
    return header + b"".join(struct.pack(">II", 0x40009, len(line.encode())) + line.encode() for line in lines)


def test_a_vector_of_strings_is_read() -> None:
    assert strings(zlib.decompress(zlib.compress(serialized("a fine day", "", "déjà")))) == ["a fine day", "", "déjà"]
    with pytest.raises(ValueError, match="not a vector"):
        strings(serialized("x").replace(struct.pack(">I", 16), struct.pack(">I", 13)))


def test_lines_become_paragraphs() -> None:
    assert paragraphs(["One ", "two", "", "", "three"]) == "One two\n\nthree"


# ---- streams ----


@pytest.fixture
def tokenizer() -> Tokenizer:
    """A token for every character and for every answer."""
    answers = {f" {word}" for fact in (*MEASURED, *DEVELOPMENT) for word in fact.choices}
    letters = {chr(code) for code in range(32, 127)} | {"\n"}
    words = {word: number for number, word in enumerate(["<|endoftext|>", *sorted(answers | letters)])}
    word_level = Tokenizer(WordLevel(words, unk_token="<|endoftext|>"))
    word_level.pre_tokenizer = Split(_pattern(answers), "isolated")
    return word_level


def _pattern(answers: set[str]) -> Any:
    from tokenizers import Regex

    return Regex("(?:" + "|".join(sorted(answers, key=len, reverse=True)) + r")(?=\.|$)|[\s\S]")


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Plan:
    text = "\n\n".join(f"{number} and so it went on for a while" for number in range(900))
    monkeypatch.setattr(planting, "novel", lambda name, cache: text)
    return Plan(24 * CHUNK, 3, 4, ("emma", "persuasion"), turns=3, asked=4)


def test_facts_are_where_the_plan_says(plan: Plan, tokenizer: Tokenizer, tmp_path: Path) -> None:
    streams = build(plan, tokenizer, tmp_path)
    assert streams.json() == build(plan, tokenizer, tmp_path).json()
    assert Streams.of(streams.json()) == streams
    for question, fact in zip(streams.questions, MEASURED, strict=True):
        assert question.planted_at.count(None) == 1, "left out of one stream in three"
        assert len(set(question.answers)) == 3
        for row, answer, at in zip(streams.ids, question.answers, question.planted_at, strict=True):
            if at is not None:
                sentence = "".join(tokenizer.id_to_token(token) for token in row[at - 30 : at])
                assert sentence.endswith(f" {fact.choices[answer]}.")
                assert fact.words[-20:] in sentence
    assert all(len(row) == plan.length for row in (*streams.ids, *streams.filler))
    assert [at for at, _ in streams.turns] == [8 * CHUNK, 16 * CHUNK, 24 * CHUNK]
    assert "".join(tokenizer.id_to_token(token) for token in streams.stamps[24 * CHUNK]) == "\n\n[03:04]"


def test_a_stream_too_short_for_its_facts_is_refused(plan: Plan, tokenizer: Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="do not hold"):
        build(Plan(CHUNK, 1, 4, plan.novels), tokenizer, tmp_path)
    with pytest.raises(ValueError, match="chunks of 128"):
        build(Plan(1000, 1, 4, plan.novels), tokenizer, tmp_path)


def test_the_two_sets_of_facts_share_no_sentence() -> None:
    assert not {fact.words for fact in MEASURED} & {fact.words for fact in DEVELOPMENT}


# ---- reading ----


def short_streams() -> Streams:
    """Two streams of 8 chunks for a model with 61 words; the second lacks the fact."""
    ids = torch.randint(0, 61, (2, 8 * CHUNK), generator=torch.Generator().manual_seed(1)).tolist()
    question = ClozeQuestion([7, 8], list(range(10, 18)), [2, 3], [300, None])
    turns = [(4 * CHUNK, [0, 0]), (8 * CHUNK, [0])]
    return Streams(ids, [[1] * 8 * CHUNK] * 2, [question], turns, {4 * CHUNK: [5], 8 * CHUNK: [6]}, 9)


def test_reading_asks_on_forks_and_leaves_the_stream_alone() -> None:
    """The likelihood of the text is the same whether or not questions are asked on the way."""
    model = tiny("llama")
    decoder = attach(model)
    streams = short_streams()
    silent = Streams(streams.ids, streams.filler, [], [], {}, 9)
    row, other = (measure(PrunedReader.new(model, decoder, DEFAULT, 64), batch) for batch in (streams, silent))
    assert row["nll"] == other["nll"]
    assert [tokens for _, tokens in row["nll"]] == [2 * (CHUNK - 1)] * 2
    assert [turn["at"] for turn in row["turns"]] == [4 * CHUNK, 4 * CHUNK, 8 * CHUNK]
    assert row["slots"] == 64
    assert len(row["cost"]) == 6
    direct = row["end"][0]["streams"][0]
    in_turn = row["turns"][2]["streams"][0]
    assert direct == in_turn, "the first of several questions is asked like a single one"
    assert row["turns"][0]["streams"][0]["nll"] != row["turns"][1]["streams"][0]["nll"], "the answer before is read"


# ---- figures ----


def row(*answers: tuple[bool, bool, float, int | None], nll: float = 3.0) -> dict[str, Any]:
    marks = [dict(zip(("greedy", "choice", "nll", "told_at"), answer, strict=True)) for answer in answers]
    return {
        "end": [{"question": 0, "at": 8192, "streams": marks}],
        "turns": [{"question": 0, "at": 4000, "streams": marks}],
        "nll": [[nll * 50, 50], [nll * 50, 50]],
        "cost": [[at, 1.0 if at < 6000 else 1.2, 9.0] for at in range(1024, 8193, 1024)],
        "memory": [[at, 100, 1000 + at // 1024] for at in range(1024, 8193, 1024)],
        "slots": 256,
    }  # fmt: skip


def test_the_guess_is_subtracted_and_facts_to_come_are_guesses() -> None:
    figures = row(
        (True, True, 0.5, 100), (False, True, 2.5, 3000), (False, False, 3.0, 7000), (False, True, 9.0, None)
    )  # fmt: skip
    end, turns = score(figures, "end"), score(figures, "turns")
    assert (end["recall"], end["choice"], end["told"]) == (0.333, round(2 / 3 - 1, 3), 3)
    assert end["by_depth"] == [1.0, 1.0, None, 0.0]
    assert end["nll"] == 2.0
    assert (turns["told"], turns["guessed"]) == (2, {"greedy": 0.0, "choice": 0.5}), "7000 was still to come at 4000"


def test_costs_and_perplexity() -> None:
    figures = row((True, True, 0.5, 100))
    assert perplexity(figures) == pytest.approx(20.086, abs=1e-3)
    assert cost(figures) == {"ms_per_token": 1.0, "per_token_ratio": 1.2, "bytes_ratio": 1.0, "rss_ratio": 1.004}


def test_the_best_rival_may_not_be_the_calmest() -> None:
    rows = {
        DEFAULT: row((True, True, 0.5, 100)),
        "a": row((True, True, 0.7, 100), nll=3.5),
        "b": row((False, True, 0.2, 100), nll=2.9),
    }
    line = compared(rows, DEFAULT, ["a", "b", "absent"], row((True, True, 0.1, 100)), "end")
    assert (line["best_rival"], line["calmest_rival"], line["nll_over_full"]) == ("a", "b", 0.4)
    assert (line["recall"], line["best_rival_recall"]) == (1.0, 1.0)


def test_a_document_and_its_plot() -> None:
    rows = {
        Task(DEFAULT, 256, "8k"): row((True, True, 0.5, 100), (True, True, 0.5, 7000)),
        Task("streaming_llm", 256, "8k"): row((False, False, 5.0, 100), (True, True, 0.5, 7000)),
        Task("kvpress:tova", 256, "8k", "kept"): row((False, True, 4.0, 100), (True, True, 0.5, 7000)),
        Task("full", 0, "8k"): row((True, True, 0.1, 100), (True, True, 0.1, 7000)),
    }
    document = benchmark.document(rows)
    assert [line["best_rival"] for line in document["rows"]] == ["kvpress:tova (kept positions)"] * 2
    assert (document["per_token_ratio"], document["rss_ratio"], document["longest"]) == (1.2, 1.004, 8064)
    assert len(document["policies"]) == 4
    drawn = draw(document)
    assert drawn.count("<polyline") == 4
    assert "8,064 tokens, 256 slots" in drawn


def test_longer_streams_are_for_the_best_rivals() -> None:
    rows = {Task(name, 512, "8k"): row((name == "snapkv", True, 1.0, 10)) for name in ("snapkv", "infinipot_v")}
    rows[Task("kvpress:tova", 512, "8k")] = row((False, True, 0.5, 10))
    asked = list(benchmark.later(rows))
    assert asked[:4] == [Task(name, 512, "32k") for name in (DEFAULT, "streaming_llm", "snapkv", "kvpress:tova")]
    assert Task("snapkv", 512, "100k") in asked


# ---- rows ----


def test_a_row_is_measured_once(tmp_path: Path) -> None:
    calls: list[int] = []

    def measured() -> dict[str, Any]:
        calls.append(1)
        return {"x": 1}

    assert kept_row(tmp_path / "rows", "a", measured) == kept_row(tmp_path / "rows", "a", measured) == {"x": 1}
    assert len(calls) == 1


def test_comments_and_docstrings_do_not_cost_a_row_and_code_does(tmp_path: Path) -> None:
    texts = [
        '"""One."""\ndef f():\n    """Two."""\n    return 1\n',
        "def f():  # three\n\n    return 1\n",
        "def f():\n    return 2\n",
    ]
    digests = []
    for number, text in enumerate(texts):
        path = tmp_path / f"{number}.py"
        path.write_text(text)
        digests.append(meaning_digest([path]))
    assert digests[0] == digests[1] != digests[2]
    task = Task("snapkv", 256, "8k")
    names = {row_digest(task, "s", "bfloat16", settings) for settings in ("a", "b")}
    assert len({*names, row_digest(task, "t", "bfloat16", "a")}) == 3
    assert (
        len({row_digest(Task(press, 256, "8k"), "s", "bfloat16", "1") for press in ("kvpress:snapkv", "snapkv")}) == 2
    )


def test_a_run_without_the_other_environment_says_so(tmp_path: Path) -> None:
    from pipeline.language.smollm.weights_cache import ConvertedModel

    bench = benchmark.Bench(tmp_path, ConvertedModel(tmp_path), _streams={"8k": short_streams()})
    bench._try(Task("kvpress:tova", 256, "8k"), rows := {})
    assert rows == {}
    assert "make bench-kv" in bench.missing["kvpress:tova 256 8k contiguous"]
