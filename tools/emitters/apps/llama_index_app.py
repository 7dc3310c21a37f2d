"""LlamaIndex under OpenInference's instrumentation: an agent with tools, and a query engine over a vector store."""

from llama_index.core import Document, Settings, VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAI
from openinference.instrumentation.llama_index import LlamaIndexInstrumentor

from journey import *

telemetry = tracing("llama-index-app")
LlamaIndexInstrumentor().instrument(tracer_provider=telemetry)


async def application(url):
    def chat(model):
        # It refuses names that it does not know.
        more = {} if model == MODEL else {"model": model}
        return OpenAI(model=MODEL, api_base=f"{url}/v1", api_key="none", max_retries=0, additional_kwargs=more)

    Settings.embed_model = OpenAIEmbedding(api_base=f"{url}/v1", api_key="none", max_retries=0)
    chat(MODEL).complete(HELLO)
    agent = FunctionAgent(name="weather", system_prompt="Be brief.", tools=[get_weather, refund], llm=chat(MODEL))
    await agent.run(WEATHER)
    index = VectorStoreIndex.from_documents([Document(text="Refunds take 5 days.", doc_id="kb-1")])
    index.as_query_engine(llm=chat(MODEL)).query("How long do refunds take?")
    with attempt("refund"):
        await agent.run(REFUND)
    with attempt("unknown model"):
        chat(UNKNOWN_MODEL).complete(HELLO)


run(application, telemetry, script=PLAIN + TOOL + ["Five days."] + FAILING_TOOL)
