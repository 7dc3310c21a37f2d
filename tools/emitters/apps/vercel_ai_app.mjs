// The Vercel AI SDK under its own telemetry: text with tools, a stream, an object, and an embedding.

import { spawn } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import * as ai from "ai";

const { embed, generateObject, generateText, jsonSchema, stepCountIs, streamText, tool } = ai;

const telemetry = new NodeTracerProvider({
  resource: resourceFromAttributes({ "service.name": "vercel-ai-app", "service.version": "1.4.2" }),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
});
telemetry.register();
globalThis.AI_SDK_LOG_WARNINGS = false; // They go to stdout.
if (ai.registerTelemetry) {
  const { OpenTelemetry } = await import("@ai-sdk/otel"); // Since version 7.
  ai.registerTelemetry(new OpenTelemetry());
}

const script = [
  "Hello from the model.",
  { tool: "get_weather", arguments: { city: "Paris" } },
  "It is 18 °C and sunny in Paris.",
  "Hello from the model.",
  JSON.stringify({ city: "Paris", degrees: 18 }),
  { tool: "refund", arguments: { order: "8841" } },
  "Order 8841 does not exist.",
];
const provider = spawn("python3", ["scripted.py", JSON.stringify(script)], {
  cwd: dirname(fileURLToPath(import.meta.url)),
  stdio: ["pipe", "pipe", "inherit"],
});
const url = (await new Promise((resolve) => provider.stdout.once("data", resolve))).toString().trim();

const runs = [];
const object = (name) => jsonSchema({ type: "object", properties: { [name]: { type: "string" } }, required: [name] });
const tools = {
  get_weather: tool({
    description: "Weather in a city",
    inputSchema: object("city"),
    execute: async ({ city }) => {
      runs.push({ name: "get_weather", arguments: { city }, result: "18 °C, sunny" });
      return "18 °C, sunny";
    },
  }),
  refund: tool({
    description: "Refunds an order",
    inputSchema: object("order"),
    execute: async ({ order }) => {
      runs.push({ name: "refund", arguments: { order }, error: `no order ${order}` });
      throw new Error(`no order ${order}`);
    },
  }),
};

const openai = createOpenAICompatible({ name: "openai", baseURL: `${url}/v1`, apiKey: "none", includeUsage: true });
const session = process.env.EMITTER_SESSION ?? "sess-corpus";
const settings = { isEnabled: true, functionId: "weather", metadata: { sessionId: session, userId: "u-20931" } };
const told = ai.registerTelemetry ? { telemetry: settings } : { experimental_telemetry: settings };
const common = { model: openai("gpt-4o-mini"), maxRetries: 0, ...told };

async function attempt(what, turn) {
  try {
    await turn();
  } catch (error) {
    console.error(`${what}: ${error}`);
  }
}

await generateText({ ...common, prompt: "Say hello.", temperature: 0.5 });
const agent = { ...common, system: "Be brief.", tools, stopWhen: stepCountIs(3) };
await generateText({ ...agent, prompt: "What is the weather in Paris?" });
const stream = streamText({ ...common, prompt: "Say hello." });
for await (const _ of stream.textStream);
const schema = jsonSchema({ type: "object", properties: { city: { type: "string" }, degrees: { type: "number" } } });
await attempt("object", () => generateObject({ ...common, schema, prompt: "What is the weather in Paris?" }));
await embed({ model: openai.textEmbeddingModel("text-embedding-3-small"), value: "refunds", maxRetries: 0, ...told });
await attempt("refund", () => generateText({ ...agent, prompt: "Refund order 8841." }));
await attempt("unknown model", () => generateText({ ...common, model: openai("no-such-model"), prompt: "Say hello." }));

await telemetry.shutdown();
const calls = await (await fetch(`${url}/account`)).json();
console.log(JSON.stringify({ session, calls, tools: runs }, null, 1));
provider.stdin.end();
