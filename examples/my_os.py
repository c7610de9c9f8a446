"""An OS of your own: `serai serve examples/my_os.py`, with OPENAI_API_KEY or OPENAI_BASE_URL set."""

from __future__ import annotations

from pydantic_ai import Agent

from serai import AgentOS

ORDERS = {"7": "shipped", "8": "waiting for stock"}

assistant = Agent("openai:gpt-5-mini", name="assistant", instructions="Answer questions about orders. Be brief.")


@assistant.tool_plain
def order_status(order_id: str) -> str:
    """Look up an order."""
    return f"Order {order_id}: {ORDERS.get(order_id, 'unknown')}"


os = AgentOS(name="My OS", agents=[assistant])
