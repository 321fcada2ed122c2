"""Writes encoders/pocket/called.json: further words that people use for the things of the vocabulary.

Source: WordNet 3.0 (Debian package `wordnet-base`). A word is listed with the classes it covers where its first, and so
most frequent, sense is the class's own synset or one above it: "automobile", "phone", "raptor". "crane" is not a bird
here, since its first sense is a person. Left out are words that are kinds of the vocabulary already, and words too
general to look for.

    python tests/data/make_called_words.py [/usr/share/wordnet]
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

from make_imagenet_names import TARGET as NAMES
from make_imagenet_names import ancestors, wordnet

TARGET = NAMES.with_name("called.json")

NOTHING_TO_LOOK_FOR = """
abstract entity|abstraction|adornment|animate thing|apparatus|applicator|artefact|artifact|associate|causal agency
causal agent|commodity|component part|consumer durables|consumer goods|contestant|device|durable goods|durables|
entity|equal|equipment|fixings|flat solid|fluid|general|geographic point|geographical point|geological formation|
horizontal surface|housing|impedimenta|implement|instrumentation|instrumentality|intermixture|living thing|liquid|
location|material|matter|medium|mortal|natural depression|natural elevation|natural object|object|obstruction|organ|
organism|outlet|outpouring|padding|paraphernalia|part|participant|peer|physical entity|physical object|piece|
piece of material|piece of work|place of business|portion|relation|reproductive structure|round shape|setup|signal|
signaling|solid|structural member|structure|stuff|substance|surface|system|trade good|unit|visual signal|ware|whole|
works|workplace|accessory|automatic|lever|brace|rod|pool|feed|magazine|plant part|plant organ|plant structure
"""

PEOPLE_SAY = {
    "people": "person", "human": "person", "human being": "person", "somebody": "person", "someone": "person",
    "pants": "trousers", "trouser": "trousers", "plane": "airplane", "aeroplane": "airplane", "ocean": "sea",
    "road": "street", "couch": "sofa", "rug": "carpet", "mug": "cup", "store": "shop", "bike": "bicycle",
    "cycle": "bicycle", "cell phone": "telephone", "cellphone": "telephone", "smartphone": "telephone",
    "cow": "cattle", "tv": "screen", "telly": "screen", "display": "screen",
}  # fmt: skip
"""Everyday words of ours for kinds, where WordNet's first sense is another or it has none."""


def first_senses(folder: Path) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The words of each noun synset, and each word's first synset."""
    words = {}
    for line in (folder / "data.noun").read_text("latin-1").splitlines():
        if not line.startswith("  "):  # the licence
            fields = line.split(" | ")[0].split()
            words[fields[0]] = [fields[4 + 2 * i].lower() for i in range(int(fields[3], 16))]
    rows = [line.split() for line in (folder / "index.noun").read_text("latin-1").splitlines() if line[0] != " "]
    return words, {row[0]: row[-int(row[2])] for row in rows}


def irregular_plurals(folder: Path, words: set[str]) -> dict[str, str]:
    """Plurals of `words` that no rule makes."""
    rows = [line.split() for line in (folder / "noun.exc").read_text("latin-1").splitlines()]
    return {plural: singular for plural, singular, *_ in rows if singular in words and plural not in words}


def main(folder: Path) -> None:
    classes = json.loads(NAMES.read_text("utf-8"))
    hypernyms = wordnet(folder)
    words, first = first_senses(folder)
    kinds = {kind for entry in classes for field in ("kinds", "shows") for kind in entry[field]}
    silent = {word.strip() for word in NOTHING_TO_LOOK_FOR.replace("\n", "|").split("|")}
    names = [{entry["name"].casefold(), *(name.casefold() for name in entry["also"])} for entry in classes]
    called: dict[str, list[int]] = defaultdict(list)
    for number, entry in enumerate(classes):
        synset = entry["synset"][1:]
        for above in (synset, *ancestors(synset, hypernyms)):
            for word in words[above]:
                phrase = word.replace("_", " ")
                if first[word] == above and phrase not in silent | kinds | names[number] | PEOPLE_SAY.keys():
                    called[phrase].append(number)
    vocabulary = kinds.union(called, *names)
    lines = ",\n".join(
        f"{json.dumps(word)}:{json.dumps(called[word], separators=(',', ':'))}" for word in sorted(called)
    )
    plurals = json.dumps(irregular_plurals(folder, vocabulary), separators=(",", ":"))
    everyday = json.dumps(PEOPLE_SAY, separators=(",", ":"))
    TARGET.write_text(f'{{"plurals":{plurals},\n"kinds":{everyday},\n"classes":{{\n{lines}\n}}}}\n', "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/wordnet"))
