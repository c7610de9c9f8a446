"""Ask the demo's agent from Python and watch the events: `serai serve` in one terminal, `python ask.py` in another."""

from __future__ import annotations

from serai.client import SyncAgentOSClient

with SyncAgentOSClient(base_url="http://127.0.0.1:7777") as client:
    for event in client.run_agent_stream("my-agent", "What is 2 + 2?"):
        if event.event == "ToolCallCompleted":
            print(f"[{event.tool.tool_name} {event.tool.tool_args} -> {event.tool.result}]")
        if event.event == "RunContent":
            print(event.content, end="", flush=True)
print()
