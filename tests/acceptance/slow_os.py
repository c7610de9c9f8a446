"""An OS whose agent takes its time: 30 chunks in some 1.5 seconds."""

from __future__ import annotations

from pydantic_ai import Agent

from serai import AgentOS
from serai.testing import ScriptedModel, Turn

slow = Agent(ScriptedModel([Turn([f"{i} " for i in range(30)], chunk_delay_s=0.05)]), name="slow")
os = AgentOS(name="Slow", agents=[slow])
