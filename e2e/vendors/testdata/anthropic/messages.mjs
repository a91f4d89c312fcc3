// Messages in both API versions: text, a tool over two rounds, the cache's
// breakpoints, errors, and a client that leaves.
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ apiKey: process.env.STANDIN_KEY, baseURL: process.env.STANDIN_URL, maxRetries: 0 });
const older = new Anthropic({ apiKey: process.env.STANDIN_KEY, baseURL: process.env.STANDIN_URL, maxRetries: 0,
  defaultHeaders: { "anthropic-version": "2023-06-01" } });
const playbook = `playbook: Weather desk

when caller says: weather
  do get_weather city=Paris
  say: It is $result.

when caller says: goodbye
  do hang_up_now
  say: Bye.

otherwise:
  say: Ask me for the weather.
`;
const cached = { cache_control: { type: "ephemeral" } };
const request = {
  model: "claude-haiku-4-5", max_tokens: 300,
  system: [{ type: "text", text: playbook, ...cached }],
  tools: [
    { name: "get_weather", description: "The weather", input_schema: { type: "object", properties: { city: { type: "string" } } } },
    { name: "hang_up_now", input_schema: { type: "object", properties: {} }, ...cached },
  ],
};

async function faults(...lines) {
  const answer = await fetch(process.env.STANDIN_URL + "/standin/faults", { method: "POST", body: lines.join("\n") });
  assert.equal(answer.status, 204);
}

const ask = (messages, more = {}, by = client) => by.messages.stream({ ...request, messages, ...more }).finalMessage();

const history = [{ role: "user", content: "Good morning" }];
const first = await ask(history);
assert.deepEqual(first.content.map((b) => b.text), ["Ask me for the weather."]);
assert.equal(first.stop_reason, "end_turn");
assert.ok(first.usage.output_tokens > 1);

history.push({ role: "assistant", content: first.content.map(({ type, text }) => ({ type, text })) },
  { role: "user", content: [{ type: "text", text: "What is the weather?", ...cached }] });
const second = await ask(history);
assert.equal(second.stop_reason, "tool_use");
const call = second.content.at(-1);
assert.deepEqual([call.type, call.name, call.input], ["tool_use", "get_weather", { city: "Paris" }]);

history.push({ role: "assistant", content: [{ type: "tool_use", id: call.id, name: call.name, input: call.input }] },
  { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "sunny" }] });
assert.equal((await ask(history)).content[0].text, "It is sunny.");

// A call without arguments: one empty piece.
const bare = await ask([{ role: "user", content: "Goodbye" }]);
assert.deepEqual([bare.content[0].name, bare.content[0].input], ["hang_up_now", {}]);

// Only the older version takes a temperature.
assert.equal((await ask(history, { temperature: 0.3 }, older)).content[0].text, "It is sunny.");
await assert.rejects(ask(history, { temperature: 1 }), Anthropic.BadRequestError);

for (const [fault, type] of [["status?status=401&times=1", Anthropic.AuthenticationError], ["status?status=404&times=1", Anthropic.NotFoundError],
  ["status?status=429&retry-after=2s&times=1", Anthropic.RateLimitError], ["status?status=529&times=1", Anthropic.InternalServerError]]) {
  await faults(fault);
  await assert.rejects(ask(history), (err) => err instanceof type && err.requestID?.startsWith("req_"), fault);
}
await faults("in-band?after=3&times=1");
await assert.rejects(ask(history), (err) => err instanceof Anthropic.APIError && /Overloaded/.test(err.message));
await faults("reset?after=3&times=1");
await assert.rejects(ask(history));
await faults("no-end?times=1");
await assert.rejects(ask(history));
await assert.rejects(ask(history, {}, new Anthropic({ apiKey: "wrong", baseURL: client.baseURL, maxRetries: 0 })), Anthropic.AuthenticationError);
// What Anthropic refuses is refused here, too.
await assert.rejects(ask(history.slice(1)), Anthropic.BadRequestError);
await assert.rejects(ask(history.slice(0, 4)), Anthropic.BadRequestError);
await assert.rejects(ask([{ role: "user", content: " " }]), Anthropic.BadRequestError);

await faults("mute?times=1");
const stream = client.messages.stream({ ...request, messages: history });
setTimeout(() => stream.abort(), 200);
await assert.rejects(stream.finalMessage(), Anthropic.APIUserAbortError);

const ledger = await (await fetch(process.env.STANDIN_URL + "/standin/ledger")).json();
assert.equal(ledger[0].header["Anthropic-Version"][0], "2026-10-21");
assert.equal(ledger[0].credential, process.env.STANDIN_KEY);
console.log("@anthropic-ai/sdk: messages agree, " + ledger.length + " requests");
