"""Finds the AgentOS that a command is to run: in a file, in a module, or the demo's."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from serai.cli.user_code import errors_in_one_paragraph
from serai.errors import ConfigurationError
from serai.settings import Settings

if TYPE_CHECKING:
    from serai.server.app import AgentOS

_USUAL_NAMES = ("os", "app")


def load_target(target: str | None, *, settings: Settings) -> AgentOS:
    """Return the AgentOS that a target names.

    Args:
        target: ``my_os.py``, ``my_os.py:name``, ``package.module``, ``package.module:name``; None for the demo.
        settings: for the demo; a target of the user's reads its own.

    Raises:
        ConfigurationError: there is no such file or module, or it does not hold that AgentOS, or several: the
            message says what was found. Or the user's own code raises: the message says where and what.
    """
    if target is None:
        from serai.demo import build_demo  # noqa: PLC0415

        return build_demo(settings)
    place, _, name = target.partition(":")
    module = _load_file(Path(place)) if place.endswith(".py") else _load_module(place)
    return _named(module, name, place) if name else _only_one(module, place)


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigurationError(f"There is no file {path} (looked in {Path.cwd()}).")
    path = path.resolve()
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    sys.modules.setdefault(path.stem, module)
    try:
        with errors_in_one_paragraph(str(path)):
            spec.loader.exec_module(module)
    except BaseException:
        if sys.modules.get(path.stem) is module:
            del sys.modules[path.stem]
        raise
    return module


def _load_module(name: str) -> ModuleType:
    sys.path.insert(0, str(Path.cwd()))
    with errors_in_one_paragraph(name):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
                raise
            raise ConfigurationError(
                f"There is no module {error.name!r} here. Give a file (my_os.py), or a module that can be imported "
                f"from {Path.cwd()} (package.module:os)."
            ) from error


def _named(module: ModuleType, name: str, place: str) -> AgentOS:
    from serai.server.app import AgentOS  # noqa: PLC0415

    found = getattr(module, name, None)
    if isinstance(found, AgentOS):
        return found
    what = f"is a {type(found).__name__}" if hasattr(module, name) else "does not exist"
    raise ConfigurationError(f"{place}:{name} {what}; it must be an AgentOS. {_describe(_find_all(module), place)}")


def _only_one(module: ModuleType, place: str) -> AgentOS:
    found = _find_all(module)
    for name in _USUAL_NAMES:
        if name in found:
            return found[name]
    if len({id(candidate) for candidate in found.values()}) == 1:
        return next(iter(found.values()))
    raise ConfigurationError(f"{place} does not say which AgentOS to run. {_describe(found, place)}")


def _find_all(module: ModuleType) -> dict[str, AgentOS]:
    from serai.server.app import AgentOS  # noqa: PLC0415

    return {name: value for name, value in vars(module).items() if isinstance(value, AgentOS)}


def _describe(found: dict[str, AgentOS], place: str) -> str:
    if not found:
        return f"It holds no AgentOS: write os = AgentOS(agents=[…]) in {place}."
    return f"It holds: {', '.join(f'{place}:{name}' for name in found)}."
