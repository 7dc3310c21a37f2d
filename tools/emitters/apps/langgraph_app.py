"""A LangGraph agent with tools and a retriever, under the instrumentation that the argument names.

    langgraph_app.py openinference|openllmetry|langsmith
"""

import os
import sys

from journey import *

instrumentation = sys.argv[1]
if instrumentation == "langsmith":
    os.environ |= {"LANGSMITH_TRACING": "true", "LANGSMITH_OTEL_ENABLED": "true", "LANGSMITH_OTEL_ONLY": "true"}
    os.environ |= {"LANGSMITH_API_KEY": "none", "LANGSMITH_ENDPOINT": os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"]}
telemetry = tracing(f"langgraph-{instrumentation}")

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

if instrumentation == "openinference":
    from openinference.instrumentation.langchain import LangChainInstrumentor

    LangChainInstrumentor().instrument(tracer_provider=telemetry)
elif instrumentation == "openllmetry":
    from opentelemetry.instrumentation.langchain import LangchainInstrumentor

    LangchainInstrumentor().instrument(tracer_provider=telemetry)


def application(url):
    def chat(model, **more):
        return ChatOpenAI(model=model, base_url=f"{url}/v1", api_key="none", max_retries=0, **more)

    config = {"configurable": {"thread_id": SESSION}, "metadata": {"session_id": SESSION, "user_id": USER}}
    chat(MODEL).invoke(HELLO, config)
    agent = create_agent(chat(MODEL), [tool(get_weather), tool(refund)], system_prompt="Be brief.", name="weather")
    agent.invoke({"messages": [("user", WEATHER)]}, config)
    for _ in chat(MODEL, stream_usage=True).stream(HELLO, config):
        pass
    embeddings = OpenAIEmbeddings(model="text-embedding-3-small", base_url=f"{url}/v1", api_key="none", check_embedding_ctx_length=False)
    store = InMemoryVectorStore.from_texts(["Refunds take 5 days."], embeddings)
    store.as_retriever(search_kwargs={"k": 1}).invoke("How long do refunds take?", config)
    with attempt("refund"):
        agent.invoke({"messages": [("user", REFUND)]}, config)
    with attempt("unknown model"):
        chat(UNKNOWN_MODEL).invoke(HELLO, config)
    if instrumentation == "langsmith":
        from langchain_core.tracers.langchain import wait_for_all_tracers

        wait_for_all_tracers()


run(application, telemetry, script=PLAIN + TOOL + PLAIN + FAILING_TOOL)
