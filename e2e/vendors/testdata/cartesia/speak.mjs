// The WebSocket of voices: contexts, times of words, text in pieces, cancel, errors.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

// As a module of its own kind the client does not find ws.
const { Cartesia } = createRequire(import.meta.url)("@cartesia/cartesia-js");

const client = new Cartesia({ apiKey: process.env.STANDIN_KEY, baseURL: process.env.STANDIN_URL, maxRetries: 0 });
const options = { model_id: "sonic-3", voice: { mode: "id", id: "a-voice" }, output_format: { container: "raw", encoding: "pcm_mulaw", sample_rate: 8000 },
  language: "en", add_timestamps: true };

async function faults(...lines) {
  const answer = await fetch(process.env.STANDIN_URL + "/standin/faults", { method: "POST", body: lines.join("\n") });
  assert.equal(answer.status, 204);
}

// open returns a socket; its errors are found where they are waited for.
async function open() {
  const socket = await client.tts.websocket();
  socket.on("error", () => {});
  return socket;
}

async function collect(events) {
  const got = { bytes: 0, words: [], done: false };
  for await (const event of events) {
    if (event.type === "chunk") got.bytes += event.audio.length;
    if (event.type === "timestamps") got.words.push(...event.word_timestamps.words);
    got.done = event.type === "done";
  }
  return got;
}

const socket = await open();
// Two words of five letters are 460 ms of tone words.
const want = { bytes: 3680, words: ["hello", "world"], done: true };
const whole = socket.context(options);
await whole.send({ transcript: "hello world", continue: false });
assert.deepEqual(await collect(whole.receive()), want);

const pieces = socket.context(options);
await pieces.push({ transcript: "hello " });
await pieces.push({ transcript: "world" });
await pieces.no_more_inputs();
assert.deepEqual(await collect(pieces.receive()), want);

const cancelled = socket.context(options);
await cancelled.push({ transcript: "hello " });
await cancelled.cancel();
const wide = socket.context({ ...options, output_format: { container: "raw", encoding: "pcm_s16le", sample_rate: 16000 } });
await wide.send({ transcript: "hello world", continue: false });
assert.deepEqual(await collect(wide.receive()), { ...want, bytes: 14720 });

const wrong = socket.context({ ...options, model_id: "" });
await wrong.send({ transcript: "hello", continue: false });
await assert.rejects(collect(wrong.receive()));
socket.close();

await faults("in-band?after=1&times=1");
const failing = await open();
const context = failing.context(options);
await context.send({ transcript: "hello world hello world hello world", continue: false });
await assert.rejects(collect(context.receive()), /quota_exceeded/);
failing.close();

await faults("unknown?times=1");
const unknown = await open();
const harmless = unknown.context(options);
await harmless.send({ transcript: "hello world", continue: false });
assert.deepEqual(await collect(harmless.receive()), want);
unknown.close();

// The client reports a refused upgrade to a handler, too, that nobody can set before.
process.on("unhandledRejection", () => {});
for (const status of [401, 402, 429]) {
  await faults(`status?status=${status}&times=1`);
  await assert.rejects(client.tts.websocket(), (err) => String(err.message ?? err).includes(status), `status ${status}`);
}
console.log("cartesia-js: the WebSocket of voices agrees");
