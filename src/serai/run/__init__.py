"""Results and events of runs, under the import paths that the AgentOS documentation uses."""
