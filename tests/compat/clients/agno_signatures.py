"""Prints the parameters of each method of the published ``AgentOSClient``, in their order, as JSON."""

import inspect
import json

from agno.client import AgentOSClient

print(
    json.dumps(
        {
            name: list(inspect.signature(method).parameters)[1:]
            for name, method in inspect.getmembers(AgentOSClient, inspect.isfunction)
            if not name.startswith("_")
        }
    )
)
