// generateContentStream: text, a tool over two rounds with its signature, errors,
// and a client that leaves.
import assert from "node:assert/strict";
import { ApiError, GoogleGenAI } from "@google/genai";

const options = { httpOptions: { baseUrl: process.env.STANDIN_URL } };
const client = new GoogleGenAI({ apiKey: process.env.STANDIN_KEY, ...options });
const playbook = `playbook: Weather desk

when caller says: weather
  do get_weather city=Paris
  say: It is $result.

otherwise:
  say: Ask me for the weather.
`;
const config = {
  systemInstruction: playbook, temperature: 0.3, maxOutputTokens: 200,
  tools: [{ functionDeclarations: [{ name: "get_weather", description: "The weather",
    parametersJsonSchema: { type: "object", properties: { city: { type: "string" } } } }] }],
};

async function faults(...lines) {
  const answer = await fetch(process.env.STANDIN_URL + "/standin/faults", { method: "POST", body: lines.join("\n") });
  assert.equal(answer.status, 204);
}

// ask reads one streamed answer.
async function ask(contents, by = client, more = {}) {
  const read = { text: "", calls: [], parts: [], reason: null, usage: null };
  for await (const chunk of await by.models.generateContentStream({ model: "gemini-flash-latest", contents, config: { ...config, ...more } })) {
    const [candidate] = chunk.candidates;
    read.reason = candidate.finishReason ?? read.reason;
    read.usage = chunk.usageMetadata ?? read.usage;
    for (const part of candidate.content.parts) {
      read.text += part.text ?? "";
      if (part.functionCall) read.parts.push(part);
    }
    read.calls.push(...(chunk.functionCalls ?? []));
  }
  return read;
}

const history = [{ role: "user", parts: [{ text: "Good morning" }] }];
const first = await ask(history);
assert.equal(first.text, "Ask me for the weather.");
assert.equal(first.reason, "STOP");
assert.ok(first.usage.promptTokenCount > 0);

history.push({ role: "model", parts: [{ text: first.text }] }, { role: "user", parts: [{ text: "What is the weather?" }] });
const second = await ask(history);
assert.deepEqual(second.calls.map((c) => [c.name, c.args]), [["get_weather", { city: "Paris" }]]);
assert.ok(second.parts[0].thoughtSignature);

history.push({ role: "model", parts: second.parts },
  { role: "user", parts: [{ functionResponse: { id: second.calls[0].id, name: "get_weather", response: { result: "sunny" } } }] });
assert.equal((await ask(history)).text, "It is sunny.");

const status = (code) => (err) => err instanceof ApiError && err.status === code;
for (const [fault, code] of [["status?status=403&times=1", 403], ["status?status=404&times=1", 404], ["status?status=429&retry-after=2s&times=1", 429],
  ["status?status=500&times=1", 500]]) {
  await faults(fault);
  await assert.rejects(ask(history), status(code), fault);
}
await faults("in-band?after=1&times=1");
await assert.rejects(ask(history));
await faults("reset?after=2&times=1");
await assert.rejects(ask(history));
await assert.rejects(ask(history, new GoogleGenAI({ apiKey: "wrong", ...options })), status(400));
// What Google refuses is refused here, too: a lost signature, a result too few.
const unsigned = structuredClone(history);
delete unsigned[3].parts[0].thoughtSignature;
await assert.rejects(ask(unsigned), status(400));
await assert.rejects(ask([...history.slice(0, 4), { role: "user", parts: [{ text: "And?" }] }]), status(400));

await faults("mute?times=1");
const left = new AbortController();
setTimeout(() => left.abort(), 200);
await assert.rejects(ask(history, client, { abortSignal: left.signal }));

const ledger = await (await fetch(process.env.STANDIN_URL + "/standin/ledger")).json();
assert.equal(ledger[0].credential, process.env.STANDIN_KEY);
console.log("@google/genai: generateContentStream agrees, " + ledger.length + " requests");
