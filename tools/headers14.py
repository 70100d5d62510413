#!/usr/bin/env python3
"""Headers of PostgreSQL 14 out of those of 15, which are in no package registry.

    headers14.py HEADERS_15 BINDINGS_14 BINDINGS_15 TO

The bindings are those that the crate pgrx-pg-sys has for Rust, made by bindgen of
the real headers: every structure with its fields, every enumeration with its values.
Where 14 and 15 differ in one, 15's declaration is rewritten; what bindings do not
show (macros, and functions that were renamed) is below.
"""

import pathlib
import re
import shutil
import sys

C_TYPES = {"::core::ffi::c_int": "int", "::core::ffi::c_char": "char", "::core::ffi::c_void": "void",
           "::core::ffi::c_long": "long", "f64": "double", "usize": "size_t", "ReorderBufferApplyChangeCB": "void *"}


def structures(text):
    found = {}
    for name, body in re.findall(r"pub struct (\w+) \{\n(.*?)\n\}", text, re.S):
        found[name] = re.findall(r"pub (\w+):\s*(.*?),\n", body + "\n")
    return found


def enumerations(text):
    found = {}
    for name, body in re.findall(r"pub mod (\w+) \{\n(.*?)\n\}", text, re.S):
        found[name] = re.findall(r"pub const (\w+): Type = (\d+);", body)
    for name, body in re.findall(r"pub enum (\w+) \{\n(.*?)\n\}", text, re.S):
        found[name] = re.findall(r"(\w+) = (\d+),", body)
    return found


def declaration(name, rust):
    """A field in C."""
    array = re.fullmatch(r"\[(.*); (\d+)usize\]", rust)
    suffix = f"[{array[2]}]" if array else ""
    rust = array[1] if array else rust
    stars = ""
    while rust.startswith(("*mut ", "*const ")):
        rust, stars = rust.split(" ", 1)[1], stars + "*"
    rust = rust.removesuffix("::Type")
    return f"{C_TYPES.get(rust, rust)} {stars}{name}{suffix}"


def split_fields(body):
    """The fields of a structure's body: name and declaration, in order."""
    body = re.sub(r"/\*.*?\*/", " ", body, flags=re.S)
    body = re.sub(r"^\s*#.*$", "", body, flags=re.M)
    fields = []
    for part in filter(None, (" ".join(p.split()) for p in body.split(";"))):
        function = re.search(r"\(\s*\*\s*(\w+)\s*\)\s*\(", part)
        names = [function[1]] if function else [re.search(r"(\w+)\s*(?:\[[^\]]*\]\s*)*$|(\w+)\s*\[", n) for n in [part]]
        name = names[0] if function else (names[0][1] or names[0][2])
        fields.append((name, part))
    return fields


# Nothing here looks into these, and their fields have types that only 14 has.
LEFT = {"ExprState", "Pg_magic_struct", "A_Const", "AggState", "XLogReaderState", "DecodedXLogRecord"}
RENAMED = {"type_": "type", "tag": "tag", "override_": "override"}


def rewrite_structure(text, name, fields):
    """text with the structure's fields put in the order of the bindings; None if it is not there."""
    match = re.search(r"(?:typedef\s+)?struct\s+" + name + r"\s*\n?\{(.*?)\n\}", text, re.S) or \
        re.search(r"typedef struct\s*\{([^{}]*)\n\}\s*" + name + ";", text, re.S)
    if not match:
        return None
    old = dict(split_fields(match[1]))
    lines = []
    for field, rust in fields:
        field = RENAMED.get(field, field)
        kept = old.get(field)
        lines.append(f"\t{kept if kept else declaration(field, rust)};")
    return text[:match.start(1)] + "\n" + "\n".join(lines) + text[match.end(1):]


def rewrite_enumeration(text, name, values):
    match = re.search(r"typedef enum\s*\w*\s*\{([^{}]*)\}\s*" + name + r";", text, re.S) or \
        re.search(r"enum\s+" + name + r"\s*\{([^{}]*)\}", text, re.S)
    if not match:
        return None
    return text[:match.start(1)] + "\n" + ",\n".join(f"\t{k} = {v}" for k, v in values) + "\n" + text[match.end(1):]


SUBSTITUTIONS = [
    ("pg_config.h", r"#define PG_VERSION_NUM .*", "#define PG_VERSION_NUM 140000"),
    ("pg_config.h", r'#define PG_MAJORVERSION "15"', '#define PG_MAJORVERSION "14"'),
    ("pg_config.h", r"#define PG_MAJORVERSION_NUM 15", "#define PG_MAJORVERSION_NUM 14"),
    ("pg_config.h", r'#define PG_VERSION "15[^"]*"', '#define PG_VERSION "14"'),
    ("pg_config.h", r"#define USE_ASSERT_CHECKING 1", ""),
    # the magic block of a library had no vendor's mark
    ("fmgr.h", r"\tchar\t\tabi_extra\[32\];[^\n]*\n", ""),
    ("fmgr.h", r"\tFLOAT8PASSBYVAL, \\\n\tFMGR_ABI_EXTRA, \\\n", "\tFLOAT8PASSBYVAL \\\\\n"),
    ("fmgr.h", r"StaticAssertDecl\(sizeof\(FMGR_ABI_EXTRA\)[^;]*;", ""),
    ("utils/guc.h", r"MarkGUCPrefixReserved\(", "EmitWarningsOnPlaceholders("),
    ("storage/buffile.h", r"extern BufFile \*BufFileCreateFileSet\(FileSet \*", "extern BufFile *BufFileCreateShared(SharedFileSet *"),
    ("storage/buffile.h", r"BufFileExportFileSet\(", "BufFileExportShared("),
    ("storage/buffile.h", r"extern BufFile \*BufFileOpenFileSet\([^;]*;", "extern BufFile *BufFileOpenShared(SharedFileSet *fileset, const char *name, int mode);"),
    ("storage/buffile.h", r'#include "storage/fileset.h"', '#include "storage/sharedfileset.h"'),
    ("utils/sampling.h", r"uint32 randseed", "long randseed"),
    ("utils/sampling.h", r"pg_prng_state (\*?)(randstate)", r"SamplerRandomState \1\2"),
    ("utils/sampling.h", r'#include "common/pg_prng.h"', "typedef unsigned short SamplerRandomState[3];"),
    ("utils/tuplesort.h", r"int sortopt\)", "bool randomAccess)"),
    ("catalog/pg_index.h", r"\tbool\t\tindnullsnotdistinct;[^\n]*\n", ""),
    ("catalog/pg_index_d.h", r"(#define Anum_pg_index_ind\w+) (\d+)", lambda m: f"{m[1]} {int(m[2]) - (int(m[2]) > 6)}"),
    ("nodes/extensible.h", r"#define CUSTOMPATH_SUPPORT_PROJECTION.*", ""),
    # a relation is told of before it counts, and its counter does not count itself
    ("pgstat.h", r"#define pgstat_should_count_relation\(rel\)(?:[^\n]*\\\n)*[^\n]*\n", "#define pgstat_should_count_relation(rel) ((rel)->pgstat_info != NULL)\n"),
]


def main(headers, bindings14, bindings15, to):
    old, new = (pathlib.Path(f).read_text() for f in (bindings14, bindings15))
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(headers, to)
    files = {f: f.read_text(errors="surrogateescape") for f in sorted(pathlib.Path(to).rglob("*.h"))}
    texts = dict(files)

    def everywhere(what, name, how, value):
        for f, text in texts.items():
            changed = how(text, name, value)
            if changed is not None:
                texts[f] = changed
                print(f"{what} {name}: {f.relative_to(to)}")
                return
        print(f"{what} {name}: not found")

    a, b = structures(old), structures(new)
    plain = lambda fields: [(n, t.replace("Cardinality", "f64")) for n, t in fields]
    for name in sorted(set(a) & set(b)):
        if plain(a[name]) != plain(b[name]) and name not in LEFT:
            everywhere("structure", name, rewrite_structure, a[name])
    a, b = enumerations(old), enumerations(new)
    for name in sorted(set(a) & set(b)):
        if a[name] != b[name] and not name.startswith("_bindgen"):
            everywhere("enumeration", name, rewrite_enumeration, a[name])
    for name, pattern, by in SUBSTITUTIONS:
        f = pathlib.Path(to) / name
        changed, n = re.subn(pattern, by, texts[f])
        if n == 0:
            print(f"substitution without effect: {name}: {pattern}")
        texts[f] = changed
    for f, text in texts.items():
        if text != files[f]:
            f.write_text(text, errors="surrogateescape")


if __name__ == "__main__":
    main(*sys.argv[1:])
