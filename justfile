# One word per chore; .ci/run calls the same commands.

# list the chores
default:
    @just --list

# format, lint, types
check:
    uv run ruff format --check
    uv run ruff check
    uv run mypy

# put right what can be put right
fix:
    uv run ruff format
    uv run ruff check --fix

# all tests, or those named
test *tests:
    uv run pytest {{tests}}

# all tests, also those that kill nodes at moments close to others
thorough:
    uv run pytest -n auto -m ""

# start and import, beside the published server
bench *flags:
    uv run python -m benchmarks {{flags}}

# runs, beside the published server
bench-runs *flags:
    uv run python -m benchmarks.runs {{flags}}

# records, beside published stores
bench-records *flags:
    uv run python -m benchmarks.records {{flags}}

# sessions, memories and metrics, beside the published server
bench-state *flags:
    uv run python -m benchmarks.state {{flags}}

# knowledge taken in and searched, beside bare statements and the published server
bench-knowledge *flags:
    uv run python -m benchmarks.knowledge {{flags}}

# traces: what they cost, and lists of many, beside the published server
bench-traces *flags:
    uv run python -m benchmarks.traces {{flags}}

# write docs/reference from the code
docs:
    uv run python -m docs.generate

# the demo, or an OS of your own
serve *arguments:
    uv run serai serve {{arguments}}

# kill and freeze nodes at random for some minutes, and look at every trace they left
chaos seconds="300":
    uv run python -m tests.acceptance.chaos --seconds {{seconds}}
