// Universal-Streaming: the beginning, turns, a forced end, the end, and a wrong key.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { AssemblyAI } from "assemblyai";

const sound = readFileSync("speech-8000.mulaw");
const silence = Buffer.alloc(800, 0xff);
const websocketBaseUrl = process.env.STANDIN_WEBSOCKET_URL + "/v3/ws";

function transcriber(apiKey, more = {}) {
  return new AssemblyAI({ apiKey }).streaming.transcriber({
    websocketBaseUrl, sampleRate: 8000, encoding: "pcm_mulaw", speechModel: "universal-streaming-english", maxConnectionRetries: 0, ...more,
  });
}

async function until(what, test) {
  for (let i = 0; i < 500; i++) {
    if (test()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`${what} did not come`);
}

const stream = transcriber(process.env.STANDIN_KEY, { formatTurns: true, keytermsPrompt: ["Sidetone"], minTurnSilence: 400 });
const turns = [];
const codes = [];
stream.on("turn", (t) => turns.push(t));
stream.on("close", (code) => codes.push(code));
stream.on("error", (e) => assert.fail(e));

function send(bytes) {
  for (let at = 0; at + 800 <= bytes.length; at += 800) stream.sendAudio(new Uint8Array(bytes.subarray(at, at + 800)).buffer);
}

const begun = await stream.connect();
assert.ok(begun.id && begun.expires_at > Date.now() / 1000);
send(Buffer.concat([sound, silence]));
for (let i = 0; i < 6; i++) send(silence);
await until("the end of a turn", () => turns.some((t) => t.end_of_turn && t.turn_is_formatted));
assert.ok(turns.some((t) => !t.end_of_turn && t.words.some((w) => !w.word_is_final)));
assert.deepEqual(turns.filter((t) => t.end_of_turn).map((t) => [t.turn_order, t.transcript]), [[0, "good morning"], [0, "good morning"]]);
assert.ok(turns.at(-1).words.every((w) => w.end > w.start));

send(Buffer.concat([sound, silence]));
stream.forceEndpoint();
await until("the forced end", () => turns.some((t) => t.end_of_turn && t.turn_order === 1));
await stream.close();

const wrong = transcriber("wrong-key");
wrong.on("error", () => {});
await assert.rejects(wrong.connect(), /[Uu]nauthorized|API key|Authorized/);
console.log("streaming v3: ok");
process.exit(0);
