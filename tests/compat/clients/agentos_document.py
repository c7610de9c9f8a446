"""The page "AgentOSClient" with the published package: its snippets of teams and workflows, as they were published.

Run as a script in the environments of agno, as ``BASE_URL``; it prints a line of JSON for each snippet: its title and
what it printed.
"""

import asyncio
import io
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

from agno.client import AgentOSClient

IDS = {"my-team": "research-team", "my-workflow": "qa-workflow"}
"""What stands for the page's components that are not named after what they do."""


async def run_document(code_of, run_snippet, titles, base_url):
    """Run the snippets whose names tell of teams or workflows, in order."""
    for title in titles:
        if "team" not in title and "workflow" not in title:
            continue
        code = code_of("agentos_client", title)
        for published, ours in IDS.items():
            code = code.replace(f'"{published}"', f'"{ours}"')
        with redirect_stdout(io.StringIO()) as printed:
            await run_snippet(code, {"client": AgentOSClient(base_url=base_url)})
        print(json.dumps({"title": title, "printed": printed.getvalue()}), flush=True)


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1]))
    from documented_code import published_snippet, run_snippet, titles

    asyncio.run(run_document(published_snippet, run_snippet, titles("agentos_client"), sys.argv[1]))
