"""An OS with a schedule that is due when a test says so. Not a test itself."""

from __future__ import annotations

from pydantic_ai import Agent

from serai import AgentOS, Schedule
from serai.testing import ScriptedModel

clerk = Agent(ScriptedModel(lambda _: "Done."), name="clerk")
os = AgentOS(agents=[clerk], schedules=[Schedule("0 0 29 2 *", "clerk", message="Work", name="seldom")])
