"""A LlamaIndex retriever over search()."""

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, TextNode

from .search import asearch, search


class VectorizerRetriever(BaseRetriever):
    """conn: a connection string.  options: as of search()."""

    def __init__(self, conn="", table=None, **options):
        self.conn, self.table, self.options = conn, table, options
        super().__init__()

    def _retrieve(self, query_bundle):
        return [self._node(h) for h in search(self.conn, query_bundle.query_str, self.table, **self.options)]

    async def _aretrieve(self, query_bundle):
        return [self._node(h) for h in await asearch(self.conn, query_bundle.query_str, self.table, **self.options)]

    @staticmethod
    def _node(hit):
        return NodeWithScore(node=TextNode(text=hit.text or "", metadata={**hit.row, "why": hit.why}), score=hit.score)
