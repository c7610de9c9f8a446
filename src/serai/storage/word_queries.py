"""What people look for as queries of PostgreSQL's text search. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from serai.domain.search_words import Term, Word, WordQuestion
from serai.storage.knowledge_words import Form

Forms = Mapping[str, Form]


@dataclass(frozen=True, slots=True)
class WordQuery:
    """What is looked for; each text is a query as PostgreSQL writes them.

    Attributes:
        all_of: true of chunks that have all that is wanted.
        needed: what of it even those must fulfil that have only some of the words: what is quoted or excluded.
        excluded: what of that is excluded.
        stems: the wanted words that tell something, by their stems.
        is_loose: whether chunks that do not have all of them may do.
    """

    all_of: str
    needed: tuple[str, ...]
    excluded: tuple[str, ...]
    stems: Mapping[str, str]
    is_loose: bool

    def some_of(self, words: Iterable[str]) -> str:
        """Return the query that is true of chunks that have some of the words."""
        return " & ".join((f"({' | '.join(words)})", *self.needed))


def write_query(question: WordQuestion, forms: Forms, lexeme: str) -> WordQuery | None:
    """Return the query that a question means; None when it looks for no word.

    Args:
        question: what is looked for. Words that are too common to tell anything count only when there are no others,
            or when they are quoted.
        forms: of all its words.
        lexeme: which all chunks have that are meant.
    """
    groups = [group for group in question.wanted if any(_has_stems(term, forms) for term in group)]
    telling = [group for group in groups if not all(_is_common(term, forms) for term in group)] or groups
    if not telling:
        return None
    base = _quote(lexeme)
    excluded = [f"!{text}" for term in question.unwanted if (text := _write_term(term, forms))]
    wanted = [_write_group(group, forms) for group in telling]
    quoted = [text for group, text in zip(telling, wanted, strict=True) if any(term.is_quoted for term in group)]
    stems = dict(_stems([term for group in telling for term in group], forms))
    return WordQuery(
        all_of=" & ".join((*wanted, *excluded, base)),
        needed=(*quoted, *excluded, base),
        excluded=tuple(excluded),
        stems=stems,
        is_loose=len(quoted) < len(wanted) and len(stems) > 1,
    )


def _write_group(group: Iterable[Term], forms: Forms) -> str:
    terms = [text for term in group if (text := _write_term(term, forms))]
    return terms[0] if len(terms) == 1 else f"({' | '.join(terms)})"


def _write_term(term: Term, forms: Forms) -> str:
    """Return words that follow each other; those that are in no index leave a gap. Empty when none is left."""
    text, distance = "", 1
    for word in term.words:
        stems = forms[word.text].stems
        if not stems:
            distance += 1
            continue
        text += (f" <{distance}> " if text else "") + _write_word(word, stems)
        distance = 1
    return f"({text})" if text else ""


def _write_word(word: Word, stems: tuple[str, ...]) -> str:
    written = [_write_stem(word, stem) for stem in stems]
    return written[0] if len(written) == 1 else f"({' | '.join(written)})"


def _write_stem(word: Word, stem: str) -> str:
    return _quote(stem) + (":*" if word.is_prefix else "")


def _stems(terms: Iterable[Term], forms: Forms) -> Iterator[tuple[str, str]]:
    """Return each word that ranks chunks, as a query, with its stem; the common ones only when there are no others."""
    words = [word for term in terms for word in term.words]
    telling = [word for word in words if not forms[word.text].is_common] or words
    for word in telling:
        for stem in forms[word.text].stems:
            yield _write_stem(word, stem), stem


def _has_stems(term: Term, forms: Forms) -> bool:
    return any(forms[word.text].stems for word in term.words)


def _is_common(term: Term, forms: Forms) -> bool:
    return not term.is_quoted and all(forms[word.text].is_common for word in term.words)


def _quote(lexeme: str) -> str:
    escaped = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"
