// Nova: interim and final results, signs of speech, Finalize, the end, and errors.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { DeepgramClient } from "@deepgram/sdk";

const base = process.env.STANDIN_WEBSOCKET_URL, production = base, agent = base;
const client = (apiKey) => new DeepgramClient({ apiKey, environment: { base: process.env.STANDIN_URL, production, agent, agentRest: process.env.STANDIN_URL } });
const sound = readFileSync("speech-8000.mulaw");
const silence = Buffer.alloc(160, 0xff);

async function open(more = {}, key = process.env.STANDIN_KEY) {
  const socket = await client(key).listen.v1.connect({
    model: "nova-3", encoding: "mulaw", sample_rate: 8000, interim_results: "true", punctuate: "true", vad_events: "true",
    language: "en", keyterm: ["Sidetone"], reconnectAttempts: 0, Authorization: `Token ${key}`, ...more,
  });
  const heard = [];
  const closed = new Promise((resolve) => socket.on("close", resolve));
  socket.on("message", (m) => heard.push(m));
  socket.on("error", () => {});
  socket.connect();
  return { socket, heard, closed };
}

function send(socket, bytes) {
  for (let at = 0; at < bytes.length; at += 160) socket.sendMedia(bytes.subarray(at, at + 160));
}

async function until(what, test) {
  for (let i = 0; i < 500; i++) {
    if (test()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`${what} did not come`);
}

const results = (list) => list.filter((m) => m.type === "Results");
const text = (m) => m.channel.alternatives[0].transcript;

{
  const { socket, heard, closed } = await open({ utterance_end_ms: 1000, endpointing: 300 });
  await socket.waitForOpen();
  socket.sendKeepAlive({ type: "KeepAlive" });
  send(socket, sound);
  for (let i = 0; i < 20; i++) send(socket, silence);
  socket.sendFinalize({ type: "Finalize" });
  await until("the final", () => results(heard).some((m) => m.is_final && text(m) === "good morning"));
  assert.ok(results(heard).some((m) => !m.is_final && text(m) === "good"), "no interim result");
  assert.ok(heard.some((m) => m.type === "SpeechStarted"));
  const final = results(heard).find((m) => m.is_final && text(m) === "good morning");
  const [good, morning] = final.channel.alternatives[0].words;
  assert.ok(good.end > good.start && morning.start >= good.end && morning.punctuated_word === "morning");
  for (let i = 0; i < 60; i++) send(socket, silence);
  await until("UtteranceEnd", () => heard.some((m) => m.type === "UtteranceEnd"));
  send(socket, sound);
  for (let i = 0; i < 20; i++) send(socket, silence);
  socket.sendFinalize({ type: "Finalize" });
  await until("the answer to Finalize", () => results(heard).some((m) => m.from_finalize));
  socket.sendCloseStream({ type: "CloseStream" });
  const { code } = await closed;
  assert.equal(code, 1000);
  assert.ok(heard.some((m) => m.type === "Metadata" && m.duration > 1));
}

{
  const { socket, closed } = await open({}, "wrong");
  await assert.rejects(socket.waitForOpen());
  socket.close();
  await closed;
}

console.log("listen v1: ok");
process.exit(0);
