"""Parts what fits the caller's type from what does not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar, get_args

from pydantic import ValidationError

from serai.agent_data.items import InvalidAgentData, InvalidAgentDataError, InvalidAggregateGroup, OnInvalid

Raw = TypeVar("Raw")
Item = TypeVar("Item")
Invalid = TypeVar("Invalid", InvalidAgentData, InvalidAggregateGroup)

MOST_INVALID = 100
"""A walk that raises does so at once when it has met so many: the type is the wrong one."""

logger = logging.getLogger("serai.agent_data")


class Sieve(Generic[Raw, Item, Invalid]):
    """Reads what the server sent as objects of the caller's type.

    Attributes:
        invalid: what did not fit, unless it is skipped.
    """

    def __init__(
        self,
        type_name: str,
        on_invalid: OnInvalid,
        read: Callable[[Raw], Item],
        reject: Callable[[Raw, ValidationError], Invalid],
    ) -> None:
        if on_invalid not in get_args(OnInvalid):
            raise ValueError(f"on_invalid must be 'raise', 'skip' or 'keep', not {on_invalid!r}")
        self._type_name = type_name
        self._on_invalid = on_invalid
        self._read = read
        self._reject: Callable[[Raw, ValidationError], Invalid] = reject
        self.invalid: list[Invalid] = []

    def items(self, raws: Iterable[Raw]) -> Iterator[Item]:
        """Yield those that fit."""
        for raw in raws:
            try:
                item = self._read(raw)
            except ValidationError as error:
                self._set_apart(self._reject(raw, error))
            else:
                yield item

    def _set_apart(self, item: Invalid) -> None:
        if self._on_invalid != "raise":
            logger.warning("Payload does not fit %s: %s", self._type_name, item)
        if self._on_invalid != "skip":
            self.invalid.append(item)

    @property
    def is_hopeless(self) -> bool:
        """Whether the type seems to be the wrong one."""
        return len(self.invalid) >= MOST_INVALID

    def complain(self, page: Any = None) -> None:
        """Raise for what did not fit, if it is to be raised.

        Raises:
            InvalidAgentDataError: something did not fit.
        """
        if self._on_invalid == "raise" and self.invalid:
            raise InvalidAgentDataError(self.invalid, self._type_name, page) from self.invalid[0].error
