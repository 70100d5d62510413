"""Models behind HTTP: OpenAI and what speaks its format (vLLM, llama.cpp, LM
Studio, Ollama, Text Embeddings Inference), Voyage, Cohere; and their re-rankers.

Address and key come from the environment (PREFIX_BASE_URL, PREFIX_API_KEY). The
database names the model only: who may write there could otherwise have the key
sent anywhere.  A key appears in no message.

A request is tried a few times, for at most PATIENCE seconds; then the caller is
told Unavailable and does its own waiting.
"""

import os

import httpx
import tenacity

from ..errors import BadAnswer, Rejected, Unavailable, VectorizerError
from .base import Model, Reranker

TRIES = 3
PATIENCE = 20.0			# seconds that all tries may take, beside the last one
TIMEOUT = 30.0			# seconds without an answer
# The server's fault, or of too many requests.
PASSING = {408, 409, 425, 429, 500, 502, 503, 504, 529}
# This input, or its batch.
INPUT = {400, 413, 422}


class Client:
    """Posts JSON to one address."""

    def __init__(self, prefix, default, path):
        self.key = os.environ.get(f"{prefix}_API_KEY", "")
        base = os.environ.get(f"{prefix}_BASE_URL", default)
        if not base:
            raise VectorizerError(f"where is it? Set {prefix}_BASE_URL")
        self.url = base.rstrip("/") + path
        try:
            timeout = float(os.environ.get("VECTORIZER_TIMEOUT", TIMEOUT))
            url = httpx.URL(self.url)
        except (ValueError, httpx.InvalidURL) as e:
            raise VectorizerError(f"{prefix}_BASE_URL or VECTORIZER_TIMEOUT: {e}") from e
        if url.scheme not in ("http", "https") or not url.host:
            raise VectorizerError(f"{prefix}_BASE_URL is no address: it begins with http:// or https://")
        self.where = f"{url.scheme}://{url.host}" + (f":{url.port}" if url.port else "")
        self.http = httpx.Client(timeout=timeout, headers={"Authorization": f"Bearer {self.key}"} if self.key else {})

    def hide(self, text):
        return text.replace(self.key, "***") if len(self.key) > 3 else text

    def post(self, body):
        """The answer's JSON.  Raises Unavailable, Rejected or BadAnswer."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Unavailable), reraise=True,
            stop=tenacity.stop_after_attempt(TRIES) | tenacity.stop_before_delay(PATIENCE), wait=self._pause)
        return retrying(self._post, body)

    def _pause(self, state):
        asked = state.outcome.exception().retry_after
        return asked if asked is not None else tenacity.wait_random_exponential(multiplier=0.3, max=5)(state)

    def _post(self, body):
        try:
            answer = self.http.post(self.url, json=body)
        except httpx.HTTPError as e:
            raise Unavailable(self.hide(f"{self.where}: {type(e).__name__} {e}".rstrip())) from None
        if answer.status_code != 200:
            said = self.hide(f"{self.where} answered {answer.status_code}: {_message(answer)}")
            if answer.status_code in INPUT:
                raise Rejected(said)
            # A key that is refused or a model that is not there are no text's fault either.
            after = _seconds(answer.headers.get("retry-after"))
            if answer.status_code not in PASSING:
                after = max(after or 0, PATIENCE)
            raise Unavailable(said, after)
        try:
            return answer.json()
        except ValueError:
            raise BadAnswer(f"{self.where} answered no JSON") from None


def _seconds(header):
    try:
        return max(0.0, float(header))
    except (TypeError, ValueError):
        return None


def _message(answer):
    """What an error's body says, without the markup around it."""
    try:
        said = answer.json()
        for name in ("error", "message", "detail"):
            while isinstance(said, dict) and name in said:
                said = said[name]
    except ValueError:
        said = answer.text
    return " ".join(str(said).split())[:300]


class HttpModel(Model):
    prefix = default = path = None

    def __init__(self, name):
        self.name = name
        self.client = Client(self.prefix, self.default, self.path)

    def embed(self, inputs):
        return self._pick(self.client.post(self._body(inputs, False)), len(inputs))

    def embed_query(self, text):
        return self._pick(self.client.post(self._body([text], True)), 1)[0]

    def _pick(self, answer, n):
        try:
            return self.pick(answer, n)
        except (KeyError, TypeError, IndexError, AttributeError) as e:
            raise BadAnswer(f"{self.client.where} answered JSON without embeddings ({type(e).__name__}: {e})") from None

    def pick(self, answer, n):
        """data: one for each input, in any order, with its index."""
        out = [None] * n
        for item in answer["data"]:
            out[item["index"]] = item["embedding"]
        if any(e is None for e in out) or len(answer["data"]) != n:
            raise BadAnswer(f"{self.client.where} gave {len(answer['data'])} embeddings of {n} inputs")
        return out


class OpenAI(HttpModel):
    """POST /embeddings {model, input, encoding_format}."""
    prefix, default, path = "OPENAI", "https://api.openai.com/v1", "/embeddings"

    def _body(self, inputs, query):
        return {"model": self.name, "input": inputs, "encoding_format": "float"}


class Ollama(OpenAI):
    prefix, default = "OLLAMA", "http://localhost:11434/v1"


class TEI(OpenAI):
    """Text Embeddings Inference serves one model, whatever the name."""
    prefix, default, path = "TEI", "", "/v1/embeddings"
    batch = 32


class Voyage(HttpModel):
    """POST /embeddings {model, input, input_type}."""
    prefix, default, path = "VOYAGE", "https://api.voyageai.com/v1", "/embeddings"

    def _body(self, inputs, query):
        return {"model": self.name, "input": inputs, "input_type": "query" if query else "document"}


class Cohere(HttpModel):
    """POST /v2/embed {model, texts, input_type, embedding_types}."""
    prefix, default, path = "COHERE", "https://api.cohere.com", "/v2/embed"

    def _body(self, inputs, query):
        return {"model": self.name, "texts": inputs, "embedding_types": ["float"],
                "input_type": "search_query" if query else "search_document"}

    def pick(self, answer, n):
        found = answer["embeddings"]["float"]
        if len(found) != n:
            raise BadAnswer(f"{self.client.where} gave {len(found)} embeddings of {n} inputs")
        return found


class HttpReranker(Reranker):
    prefix = default = path = None
    documents, results, relevance = "documents", "results", "relevance_score"

    def __init__(self, name):
        self.name = name
        self.client = Client(self.prefix, self.default, self.path)

    def score(self, query, texts):
        if not texts:
            return []
        answer = self.client.post({"model": self.name, "query": query, self.documents: texts})
        out = [None] * len(texts)
        try:
            for item in answer[self.results] if self.results else answer:
                out[item["index"]] = float(item[self.relevance])
        except (KeyError, TypeError, IndexError, ValueError) as e:
            raise BadAnswer(f"{self.client.where} answered no scores ({type(e).__name__}: {e})") from None
        if None in out:
            raise BadAnswer(f"{self.client.where} scored {sum(s is not None for s in out)} of {len(out)} texts")
        return out


class CohereReranker(HttpReranker):
    """POST /v2/rerank {model, query, documents}: results."""
    prefix, default, path = "COHERE", "https://api.cohere.com", "/v2/rerank"


class VoyageReranker(HttpReranker):
    """POST /rerank {model, query, documents}: data."""
    prefix, default, path, results = "VOYAGE", "https://api.voyageai.com/v1", "/rerank", "data"


class TEIReranker(HttpReranker):
    """POST /rerank {query, texts}: a list of index and score."""
    prefix, default, path = "TEI", "", "/rerank"
    documents, results, relevance = "texts", None, "score"
