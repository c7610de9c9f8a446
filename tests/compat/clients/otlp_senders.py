# mypy: ignore-errors
"""Agents of published packages that send their spans by OTLP, each as its package says. Not a test itself.

Prints for each of them the id of its trace.
"""

import asyncio
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

CALL = {"id": "call-1", "type": "function", "function": {"name": "add", "arguments": '{"a": 4, "b": 5}'}}
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
SENDERS = {}


class ModelEndpoint(BaseHTTPRequestHandler):
    """A model that has `add` called where there is such a tool, and then says the sum."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        is_first = asked.get("tools") and asked["messages"][-1]["role"] != "tool"
        message = {"role": "assistant", "content": None if is_first else "It is 9."}
        if is_first:
            message["tool_calls"] = [CALL]
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if is_first else "stop"}
        answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini-2024-07-18"}
        body = json.dumps({**answer, "choices": [choice], "usage": USAGE}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Traces(SpanProcessor):
    """Notes the trace of what is told last."""

    def on_end(self, span):
        self.last = f"{span.context.trace_id:032x}"


def sender(send):
    SENDERS[send.__name__] = send
    return send


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@sender
def agno(provider, model_url):
    from agno.agent import Agent
    from agno.models.openai import OpenAIChat
    from openinference.instrumentation.agno import AgnoInstrumentor

    AgnoInstrumentor().instrument(tracer_provider=provider)
    model = OpenAIChat(id="gpt-4o-mini", api_key="none", base_url=model_url)
    Agent(id="far-agent", name="Far Agent", model=model, tools=[add]).run("4 and 5?", session_id="s-1", user_id="u-1")


@sender
def pydantic_ai(provider, model_url):
    from pydantic_ai import Agent
    from pydantic_ai.models.instrumented import InstrumentationSettings
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel("gpt-4o-mini", provider=OpenAIProvider(base_url=model_url, api_key="none"))
    agent = Agent(model, name="Far Agent", tools=[add], instructions="Be brief.")
    agent.instrument = InstrumentationSettings(tracer_provider=provider)
    asyncio.run(agent.run("4 and 5?", conversation_id="s-1"))


def run_chain():
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.tools import tool

    usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    model = GenericFakeChatModel(messages=iter([AIMessage("It is 9.", usage_metadata=usage)]))
    chain = (
        ChatPromptTemplate.from_messages([("human", "{q}")]) | model | (lambda _: tool(add).invoke({"a": 4, "b": 5}))
    )
    chain.invoke({"q": "4 and 5?"}, config={"metadata": {"session_id": "s-1", "user_id": "u-1"}})


@sender
def langsmith(provider, model_url):
    # They are read once, when its client is made.
    os.environ.update(LANGSMITH_OTEL_ENABLED="true", LANGSMITH_OTEL_ONLY="true", LANGSMITH_TRACING="true")
    os.environ.update(LANGSMITH_API_KEY="none", LANGSMITH_ENDPOINT="http://127.0.0.1:9")
    trace.set_tracer_provider(provider)
    from langchain_core.tracers.langchain import get_client, wait_for_all_tracers

    run_chain()
    wait_for_all_tracers()
    get_client().flush()


@sender
def langchain(provider, model_url):
    from langsmith import tracing_context
    from openinference.instrumentation.langchain import LangChainInstrumentor

    LangChainInstrumentor().instrument(tracer_provider=provider)
    with tracing_context(enabled=False):
        run_chain()


@sender
def openllmetry(provider, model_url):
    from openai import OpenAI
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=provider)
    asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "4 and 5?"}]
    OpenAI(base_url=model_url, api_key="none").chat.completions.create(model="gpt-4o-mini", messages=asked)


def main(url):
    endpoint = ThreadingHTTPServer(("127.0.0.1", 0), ModelEndpoint)
    threading.Thread(target=endpoint.serve_forever, daemon=True).start()
    traces = Traces()
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
    provider.add_span_processor(traces)
    sent = {}
    for name, send in SENDERS.items():
        send(provider, f"http://127.0.0.1:{endpoint.server_port}/v1")
        sent[name] = traces.last
    provider.shutdown()
    print(json.dumps(sent))


if __name__ == "__main__":
    main(sys.argv[1])
