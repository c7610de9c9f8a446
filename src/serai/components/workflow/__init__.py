"""Workflows: steps of functions, agents, teams and other workflows, put together by constructs."""
