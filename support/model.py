"""The model folder: tokenizer, config and chat template, generated, tiny, the same every time.

Its vocabulary is the numbers themselves: token 1234 is the text "1234". Every token decodes to visible text, as the
mocker needs (it emits about 1000-3000), and a counting answer can be read by a person. It is laid out as a snapshot in
a Hugging Face cache, since Dynamo up to 1.3 looks the model's name up there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from support.errors import FaultError, Unavailable
from support.local import lab
from support.spec import MODEL_FLAWS, choose

MODEL_NAME = "dynamo-fault-specs/counting"
OTHER_MODEL_NAME = "dynamo-fault-specs/other"
"""Under which the same model is served as another one."""
VOCABULARY = 32_000
SPECIAL = ("<unk>", "<s>", "</s>")
CONTEXT_LENGTH = 32_768
_REVISION = "0" * 40


@dataclass(frozen=True)
class ModelFolder:
    """A written model. cache: for HF_HOME. snapshot: for --model-path."""

    cache: Path
    snapshot: Path

    @classmethod
    def below(cls, cache: Path) -> ModelFolder:
        """As `write_model` lays it out below `cache`."""
        return cls(cache, cache / "hub" / f"models--{MODEL_NAME.replace('/', '--')}" / "snapshots" / _REVISION)


def write_flawed_model(cache: Path, flaw: str) -> ModelFolder:
    """Write the model below `cache` with that flaw, one of `support.spec.MODEL_FLAWS`.

    UsageError for another one, Unavailable when the cache should be read-only and this process may not mount,
    FaultError when it did and the cache is not.
    """
    choose("flaw of a model", flaw, MODEL_FLAWS)
    model = write_model(cache)
    snapshot = model.snapshot
    if flaw == "no model folder":
        shutil.rmtree(snapshot)
    elif flaw == "no tokenizer":
        (snapshot / "tokenizer.json").unlink()
    elif flaw == "a corrupt tokenizer":
        _cut_in_half(snapshot / "tokenizer.json")
    elif flaw == "a corrupt configuration":
        _cut_in_half(snapshot / "config.json")
    else:
        _make_read_only(cache)
    return model


def _cut_in_half(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])


def _make_read_only(folder: Path) -> None:
    """By a mount of the lab's own, since permissions mean nothing to root; it goes with the lab."""
    if not lab.inside():
        raise Unavailable("a folder can be made read-only in the lab only: see './specs doctor'")
    for mount in (["--bind", str(folder), str(folder)], ["-o", "remount,ro,bind", str(folder)]):
        done = subprocess.run(["mount", *mount], capture_output=True, text=True)
        if done.returncode:
            raise Unavailable(f"{folder} cannot be made read-only: {done.stderr.strip()}")
    if os.access(folder, os.W_OK):
        raise FaultError(f"{folder} was made read-only and can still be written to")


def give_back(cache: Path) -> None:
    """Let what is below `cache` be deleted, also when it was made read-only."""
    if str(cache.resolve()) in _mounted():
        subprocess.run(["umount", str(cache)], check=True, capture_output=True)


def _mounted() -> list[str]:
    """Where something is mounted here (proc_pid_mountinfo(5)); `Path.is_mount` does not see what is of one device."""
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]


def write_model(cache: Path) -> ModelFolder:
    """Write the model below `cache`."""
    model = ModelFolder.below(cache)
    snapshot, repository = model.snapshot, model.snapshot.parents[1]
    snapshot.mkdir(parents=True, exist_ok=True)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / "main").write_text(_REVISION)
    for name, content in _files().items():
        (snapshot / name).write_text(json.dumps(content, indent=1 if name != "tokenizer.json" else None))
    return model


def _files() -> dict[str, object]:
    return {
        "tokenizer.json": _tokenizer(),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "unk_token": "<unk>",
            "bos_token": "<s>",
            "eos_token": "</s>",
            "model_max_length": CONTEXT_LENGTH,
            "chat_template": "{% for message in messages %}{{ message['content'] }} {% endfor %}",
        },
        "config.json": {
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            "vocab_size": VOCABULARY,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "max_position_embeddings": CONTEXT_LENGTH,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "torch_dtype": "bfloat16",
            "rms_norm_eps": 1e-6,
            "rope_theta": 10000.0,
        },
        "generation_config.json": {"bos_token_id": 1, "eos_token_id": 2},
    }


def _tokenizer() -> dict[str, object]:
    added = [
        {
            "id": i,
            "content": word,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for i, word in enumerate(SPECIAL)
    ]
    words = [*SPECIAL, *(str(number) for number in range(len(SPECIAL), VOCABULARY))]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "unk_token": "<unk>", "vocab": {word: i for i, word in enumerate(words)}},
    }


if __name__ == "__main__":
    write_model(Path(sys.argv[1]))
