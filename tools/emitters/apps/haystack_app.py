"""Haystack under OpenInference's instrumentation: an agent with tools, and a pipeline with a retriever."""

from haystack import Document, Pipeline
from haystack.components.agents import Agent
from haystack.components.builders import ChatPromptBuilder
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.dataclasses import ChatMessage
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.tools import create_tool_from_function
from haystack.utils import Secret
from openinference.instrumentation.haystack import HaystackInstrumentor

from journey import *

telemetry = tracing("haystack-app")
HaystackInstrumentor().instrument(tracer_provider=telemetry)


def application(url):
    def chat(model):
        return OpenAIChatGenerator(model=model, api_base_url=f"{url}/v1", api_key=Secret.from_token("none"), max_retries=0)

    def agent():
        tools = [create_tool_from_function(get_weather), create_tool_from_function(refund)]
        return Agent(chat_generator=chat(MODEL), tools=tools, system_prompt="Be brief.")

    plain = Pipeline()
    plain.add_component("llm", chat(MODEL))
    plain.run({"llm": {"messages": [ChatMessage.from_user(HELLO)]}})
    agent().run(messages=[ChatMessage.from_user(WEATHER)])
    store = InMemoryDocumentStore()
    store.write_documents([Document(id="kb-1", content="Refunds take 5 days.")])
    retrieval = Pipeline()
    retrieval.add_component("retriever", InMemoryBM25Retriever(store, top_k=1))
    retrieval.add_component("prompt", ChatPromptBuilder([ChatMessage.from_user("{{documents[0].content}} How long?")]))
    retrieval.add_component("llm", chat(MODEL))
    retrieval.connect("retriever.documents", "prompt.documents")
    retrieval.connect("prompt.prompt", "llm.messages")
    retrieval.run({"retriever": {"query": "How long do refunds take?"}})
    with attempt("refund"):
        agent().run(messages=[ChatMessage.from_user(REFUND)])
    with attempt("unknown model"):
        unknown = Pipeline()
        unknown.add_component("llm", chat(UNKNOWN_MODEL))
        unknown.run({"llm": {"messages": [ChatMessage.from_user(HELLO)]}})


run(application, telemetry, script=PLAIN + TOOL + ["Five days."] + FAILING_TOOL)
