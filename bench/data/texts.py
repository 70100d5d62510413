"""Short texts that a Debian has, for sentences.py to embed: WordNet's glosses,
GCIDE's dictionary definitions, and Debian's package descriptions, the short
ones and the first paragraphs of the long ones.  Packages are fetched by apt and
unpacked in the cache, not installed.
"""

import gzip
import pathlib
import random
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "demo"))
import common
import make_data

CACHE = common.CACHE
PACKAGES = ("wordnet-base", "dict-gcide")
WORD = re.compile(r"[a-z]+(?:['-][a-z]+)*|[0-9]+")
LONGEST = 64		# words by which texts are told apart


def unpacked():
    """The folder with the packages' files, fetched by apt, not installed."""
    folder = CACHE / "texts"
    if not (folder / "usr").is_dir():
        debs = folder / "debs"
        debs.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *PACKAGES],
                       cwd=debs, check=True)
        for deb in debs.glob("*.deb"):
            subprocess.run(["dpkg", "-x", deb, folder], check=True)
    return folder


def wordnet(folder):
    """Word: gloss; its examples are left out."""
    for part in ("noun", "verb", "adj", "adv"):
        for line in (folder / f"usr/share/wordnet/data.{part}").open():
            if line[0] != " ":
                head, gloss = line.split(" | ", 1)
                words = head.split()[4:4 + 2 * int(head.split()[3], 16):2]
                yield ", ".join(w.replace("_", " ") for w in words) + ": " + gloss.split('; "')[0]


def gcide(folder):
    """Headword: each paragraph of its definition."""
    text = gzip.open(folder / "usr/share/dictd/gcide.dict.dz", "rt", errors="replace").read()
    head = ""
    for paragraph in re.split(r"\n[ \t]*\n|\[1913 Webster[^]]*\]|\[PJC\]|\[WordNet[^]]*\]", text):
        lines = paragraph.strip("\n").split("\n")
        if lines[0][:1].strip():
            head = lines.pop(0).split("\\")[0].split("[")[0].strip()
        body = re.sub(r"\[[^]]*\]|--[A-Z][^\n]*|[{}\"]", " ", "\n".join(lines))
        yield head + ": " + re.sub(r"^\W*(\d+\.)?\s*(\(.*?\))?", "", body)


def debian():
    """Name: short description; and each long description's first paragraph."""
    work = CACHE / "texts" / "apt"
    work.mkdir(parents=True, exist_ok=True)
    packages, _ = make_data.read_archive(work)
    for name, fields in packages.items():
        short, long = make_data.split_description(fields)
        yield name + ": " + short
        yield long.split("\n")[0]


def texts(count):
    """Distinct texts of at least four words, shuffled, always alike."""
    folder = unpacked()
    seen = {}
    for source in (wordnet(folder), gcide(folder), debian()):
        for text in source:
            text = " ".join(text.split())
            words = WORD.findall(text.lower())[:LONGEST]
            if len(words) >= 4:
                seen.setdefault(" ".join(words), text)
    items = [text for _, text in sorted(seen.items())]
    random.Random(1).shuffle(items)
    print(f"{len(items)} distinct texts")
    return items[:count]
