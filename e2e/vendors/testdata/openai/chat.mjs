// Chat completions: text, a tool over two rounds, errors, and a client that leaves.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ apiKey: process.env.STANDIN_KEY, baseURL: process.env.STANDIN_URL + "/v1", maxRetries: 0 });
const model = "gpt-4.1-mini";
const playbook = `playbook: Weather desk

when caller says: weather
  do get_weather city=Paris
  say: It is $result.

otherwise:
  say: Ask me for the weather.
`;
const tools = [{
  type: "function",
  function: { name: "get_weather", description: "The weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
}];

async function faults(...lines) {
  const answer = await fetch(process.env.STANDIN_URL + "/standin/faults", { method: "POST", body: lines.join("\n") });
  assert.equal(answer.status, 204);
}

// ask reads one streamed answer.
async function ask(messages, more = {}) {
  const stream = await client.chat.completions.create({ model, messages, stream: true, stream_options: { include_usage: true }, tools, ...more });
  const read = { text: "", calls: [], reason: null, usage: null };
  for await (const chunk of stream) {
    assert.equal(chunk.object, "chat.completion.chunk");
    if (chunk.usage) read.usage = chunk.usage;
    for (const { delta, finish_reason } of chunk.choices) {
      read.text += delta.content ?? "";
      read.reason = finish_reason ?? read.reason;
      for (const call of delta.tool_calls ?? []) {
        read.calls[call.index] ??= { id: call.id, name: call.function.name, args: "" };
        read.calls[call.index].args += call.function.arguments ?? "";
      }
    }
  }
  return read;
}

const history = [{ role: "system", content: playbook }, { role: "user", content: "Good morning" }];
const first = await ask(history, { temperature: 0.3, max_completion_tokens: 200 });
assert.equal(first.text, "Ask me for the weather.");
assert.equal(first.reason, "stop");
assert.ok(first.usage.prompt_tokens > 0 && first.usage.completion_tokens > 0);

history.push({ role: "assistant", content: first.text }, { role: "user", content: "What is the weather?" });
const second = await ask(history);
assert.equal(second.reason, "tool_calls");
assert.deepEqual(second.calls.map((c) => [c.name, JSON.parse(c.args)]), [["get_weather", { city: "Paris" }]]);

const [call] = second.calls;
history.push({ role: "assistant", tool_calls: [{ id: call.id, type: "function", function: { name: call.name, arguments: call.args } }] },
  { role: "tool", tool_call_id: call.id, content: "sunny" });
assert.equal((await ask(history)).text, "It is sunny.");

// The client's own accumulator agrees that the pieces make one whole answer.
const whole = await client.chat.completions.stream({ model, messages: history.slice(0, 4), tools }).finalChatCompletion();
assert.equal(whole.choices[0].message.tool_calls[0].function.arguments, call.args);

for (const [fault, type] of [["status?status=401&times=1", OpenAI.AuthenticationError], ["status?status=404&times=1", OpenAI.NotFoundError],
  ["status?status=429&retry-after=2s&times=1", OpenAI.RateLimitError], ["status?status=500&times=1", OpenAI.InternalServerError]]) {
  await faults(fault);
  await assert.rejects(ask(history), (err) => err instanceof type && err.requestID?.startsWith("req_"), fault);
}
await faults("in-band?after=2&times=1");
await assert.rejects(ask(history), OpenAI.APIError);
await faults("reset?after=2&times=1");
await assert.rejects(ask(history));
await faults("null?times=1");
await assert.doesNotReject(fetch(process.env.STANDIN_URL + "/v1/chat/completions", {
  method: "POST", headers: { authorization: "Bearer " + process.env.STANDIN_KEY },
  body: JSON.stringify({ model, messages: history, stream: true }),
}).then((r) => r.text()));
await assert.rejects(new OpenAI({ apiKey: "wrong", baseURL: client.baseURL, maxRetries: 0 }).chat.completions.create(
  { model, messages: history, stream: true }), OpenAI.AuthenticationError);
// What OpenAI refuses is refused here, too.
await assert.rejects(ask(history.slice(0, 5)), OpenAI.BadRequestError);
await assert.rejects(ask(history, { model: "o3", temperature: 0.2 }), OpenAI.BadRequestError);

await faults("mute?times=1");
const left = new AbortController();
setTimeout(() => left.abort(), 200);
await assert.rejects(async () => {
  for await (const _ of await client.chat.completions.create({ model, messages: history, stream: true }, { signal: left.signal }));
  left.signal.throwIfAborted();
});
console.log("openai " + (await import("openai/version.mjs")).VERSION + ": chat completions agree");
