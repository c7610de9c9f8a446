# mypy: ignore-errors
"""A knowledge base on agno's own server, whose vector database is a list that knows words. Not a test itself."""

import re

from agno.knowledge.knowledge import Knowledge
from agno.vectordb.base import VectorDb


class ListOfWords(VectorDb):
    """Finds documents that have a word of the query."""

    def __init__(self):
        super().__init__(id="words", name="words")
        self.stored = []

    def insert(self, content_hash, documents, filters=None, user_id=None):
        for number, document in enumerate(documents):
            document.id = f"{content_hash}-{number}"
            document.meta_data = {**document.meta_data, **(filters or {})}
            self.stored.append((content_hash, document))

    async def async_insert(self, content_hash, documents, filters=None, user_id=None):
        self.insert(content_hash, documents, filters)

    def upsert_available(self):
        return True

    def upsert(self, content_hash, documents, filters=None, user_id=None):
        self.stored = [one for one in self.stored if one[0] != content_hash]
        self.insert(content_hash, documents, filters)

    async def async_upsert(self, content_hash, documents, filters=None, user_id=None):
        self.upsert(content_hash, documents, filters)

    def search(self, query, limit=5, filters=None, user_id=None):
        wanted = words_of(query)
        return [
            document
            for _, document in self.stored
            if wanted & words_of(document.content) and (filters or {}).items() <= document.meta_data.items()
        ][:limit]

    async def async_search(self, query, limit=5, filters=None, user_id=None):
        return self.search(query, limit, filters)

    def update_metadata(self, content_id, metadata):
        for _, document in self.stored:
            if document.content_id == content_id:
                document.meta_data = {**document.meta_data, **metadata}

    def delete_by_content_id(self, content_id, user_id=None):
        return self._keep(lambda document: document.content_id != content_id)

    def delete_by_id(self, id):  # noqa: A002 - the name of its interface
        return self._keep(lambda document: document.id != id)

    def delete_by_name(self, name):
        return self._keep(lambda document: document.name != name)

    def delete_by_metadata(self, metadata):
        return self._keep(lambda document: not metadata.items() <= document.meta_data.items())

    def delete(self):
        return self._keep(lambda document: False)

    def drop(self):
        self.delete()

    async def async_drop(self):
        self.delete()

    def create(self):
        pass

    async def async_create(self):
        pass

    def exists(self):
        return True

    async def async_exists(self):
        return True

    def name_exists(self, name):
        return any(document.name == name for _, document in self.stored)

    async def async_name_exists(self, name):
        return self.name_exists(name)

    def id_exists(self, id):  # noqa: A002 - the name of its interface
        return any(document.id == id for _, document in self.stored)

    def content_hash_exists(self, content_hash, user_id=None):
        return any(stored == content_hash for stored, _ in self.stored)

    def get_supported_search_types(self):
        return ["keyword"]

    def _keep(self, is_kept):
        before = len(self.stored)
        self.stored = [one for one in self.stored if is_kept(one[1])]
        return len(self.stored) < before


def words_of(text):
    return set(re.findall(r"\w+", text.lower()))


def knowledge_base(db):
    return Knowledge(name="knowledge", contents_db=db, vector_db=ListOfWords())
