"""What every `Composer` promises, held against the templates and a scripted model."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from encoders.notes import Notes, Thing
from memory.records import TimeSpan
from pipeline.answering.claims import Findings, Sentence
from pipeline.answering.compose import Composer, ModelComposer, Selected, TemplateComposer
from pipeline.answering.verify import VerifiedText, Verifier
from pipeline.language.protocol import ReadableMemory
from pipeline.language.scripted import ScriptedModel
from tests.pipeline.answering.stating import claim, findings, plan

CAT = Sentence("The cat is seen from 0:00 to 0:09.", (claim("cat", "0:00-0:09"),))
DOG = Sentence("The dog is seen from 0:10 to 0:19.", (claim("dog", "0:10-0:19"),))
EXIT = Sentence('At 0:05: cat; the screen says "EXIT".', (claim("cat"),), times=(5.0,), listed=True)
QUOTED = Sentence('The screen says "NO. 5" from 0:00 to 0:09.', (claim("text", "0:00-0:09", quote="NO. 5"),))
MEMORIES = [ReadableMemory(TimeSpan(0, 9), None, Notes(things=(Thing("cat", 0.9),)))]


@pytest.fixture(params=["templates", "model"])
def composer(request: pytest.FixtureRequest) -> Composer:
    return TemplateComposer() if request.param == "templates" else ModelComposer(ScriptedModel(), 96)


def selecting() -> tuple[Callable[[bool], Selected], list[bool]]:
    """Memories to read, and for what they were asked."""
    calls: list[bool] = []

    def select(worded: bool) -> Selected:
        calls.append(worded)
        return MEMORIES, None

    return select, calls


@pytest.mark.parametrize("made", [findings(CAT), findings(CAT, DOG), findings(EXIT), findings(QUOTED)])
def test_a_draft_holds_the_sentences_and_what_was_read(composer: Composer, made: Findings) -> None:
    select, calls = selecting()
    draft = composer.compose(plan("When does the cat appear?"), made, select)
    assert draft.statement == " ".join(sentence.text for sentence in made.facts.sentences())
    assert (draft.memories, draft.reading, len(calls)) == (MEMORIES, None, 1)
    *texts, last = Verifier().check(draft, made)
    assert isinstance(last, VerifiedText)
    assert "".join(map(str, texts)) == last.text == draft.statement


@pytest.mark.parametrize(
    ("made", "worded"),
    [
        (findings(CAT), True),
        (findings(CAT, DOG), False),
        (findings(EXIT), False),
        (findings(QUOTED), False),
    ],
)
def test_a_model_words_what_is_no_list(made: Findings, worded: bool) -> None:
    model, (select, calls) = ScriptedModel(), selecting()
    draft = ModelComposer(model, 96).compose(plan("When does  the cat appear?"), made, select)
    assert (calls, draft.listed, draft.pieces is not None) == ([worded], not worded, worded)
    if draft.pieces is not None:
        assert "".join(str(piece) for piece in draft.pieces if isinstance(piece, str)) == draft.statement
        (prompt,) = model.prompts
        assert (prompt.question, prompt.statement) == ("When does the cat appear?", draft.statement)
        assert prompt.memories == MEMORIES


def test_templates_ask_no_model_and_read_nothing_for_it() -> None:
    select, calls = selecting()
    draft = TemplateComposer().compose(plan("When does the cat appear?"), findings(CAT), select)
    assert (draft.pieces, calls) == (None, [False])
