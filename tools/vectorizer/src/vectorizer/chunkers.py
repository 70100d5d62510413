"""Cutting texts into chunks, by semantic-text-splitter and tokenizers.

A chunker is {"by": tokens | sentences | markdown | code:LANGUAGE, "size": n,
"overlap": n}.  Sizes are in tokens of the model where its tokenizer is known,
else in fours of characters, which is what a token has on average in English.
"""

import importlib

from .errors import VectorizerError

KINDS = ("tokens", "sentences", "markdown", "code")
CHARACTERS = 4
# The splitter's time grows with the square of a stretch without sentences.
STRETCH = 10000


def parse(by, size, overlap):
    kind, _, language = by.partition(":")
    if kind not in KINDS or (kind == "code") != bool(language):
        raise VectorizerError(f"--chunker {by}: one of tokens, sentences, markdown, code:LANGUAGE (code:python)")
    if size < 8 or not 0 <= overlap <= size // 2:
        raise VectorizerError("a chunk has 8 tokens or more, and overlaps the next with half of them at most")
    if language:
        grammar(language)
    return {"by": by, "size": size, "overlap": overlap}


def grammar(language):
    if not language.isidentifier():
        raise VectorizerError(f"{language!r} is no language")
    try:
        return importlib.import_module(f"tree_sitter_{language}").language()
    except ModuleNotFoundError as e:
        raise VectorizerError(f"code:{language} needs its grammar: pip install tree-sitter-{language}") from e


def cut(chunker, model, text):
    """The chunks of a text, in order; none is blank."""
    kind, _, language = chunker["by"].partition(":")
    size, overlap = chunker["size"], chunker["overlap"]
    if model.tokenizer is not None:
        if kind == "tokens":
            return windows(model.tokenizer, text, size, overlap)
        make, measure = "from_huggingface_tokenizer", (model.tokenizer,)
    else:
        make, measure, size, overlap = None, (), size * CHARACTERS, overlap * CHARACTERS
    import semantic_text_splitter as splitter
    if kind == "markdown":
        cls, first = splitter.MarkdownSplitter, ()
    elif kind == "code":
        cls, first = splitter.CodeSplitter, (grammar(language),)
    else:
        cls, first = splitter.TextSplitter, ()
    made = (getattr(cls, make) if make else cls)(*first, *measure, size, overlap=overlap)
    return [c for part in stretches(text) for c in made.chunks(part) if c.strip()]


def stretches(text):
    """A text in parts of at most STRETCH characters, cut where a paragraph, a
    line or a word ends if there is such a place in a part's second half."""
    at = 0
    while len(text) - at > STRETCH:
        end = at + STRETCH
        for mark in ("\n\n", "\n", ". ", " "):
            found = text.rfind(mark, at + STRETCH // 2, end)
            if found >= 0:
                end = found + len(mark)
                break
        yield text[at:end]
        at = end
    yield text[at:]


def windows(tokenizer, text, size, overlap):
    """Windows of size tokens of which overlap are the next one's, too, each
    the piece of the text that its tokens stand for."""
    spans = [s for s in tokenizer.encode(text, add_special_tokens=False).offsets if s[0] < s[1]]
    out = []
    for at in range(0, len(spans), size - overlap):
        part = spans[at:at + size]
        piece = text[part[0][0]:part[-1][1]]
        if piece.strip():
            out.append(piece)
        if at + size >= len(spans):
            break
    return out
