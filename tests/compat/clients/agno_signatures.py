"""Prints the parameters of each method of the published ``AgentOSClient``, in their order, as JSON.

Each is its name, whether it is given by keyword only, and its default: null when there is none, else its JSON text.
"""

import inspect
import json

from agno.client import AgentOSClient


def _describe(parameter):
    default = None if parameter.default is parameter.empty else json.dumps(parameter.default, default=str)
    return [parameter.name, parameter.kind is parameter.KEYWORD_ONLY, default]


print(
    json.dumps(
        {
            name: [_describe(parameter) for parameter in inspect.signature(method).parameters.values()][1:]
            for name, method in inspect.getmembers(AgentOSClient, inspect.isfunction)
            if not name.startswith("_")
        }
    )
)
