"""A LangChain retriever over search()."""

from typing import Any

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from .search import asearch, search


class VectorizerRetriever(BaseRetriever):
    """conn: a connection string.  table, or options with name.  options: as of
    search()."""

    conn: str = ""
    table: str | None = None
    options: dict[str, Any] = {}

    def _get_relevant_documents(self, query, *, run_manager):
        return [self._document(h) for h in search(self.conn, query, self.table, **self.options)]

    async def _aget_relevant_documents(self, query, *, run_manager):
        return [self._document(h) for h in await asearch(self.conn, query, self.table, **self.options)]

    @staticmethod
    def _document(hit):
        return Document(page_content=hit.text or "", metadata={**hit.row, "score": hit.score, "why": hit.why})
