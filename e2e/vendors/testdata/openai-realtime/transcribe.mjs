// A realtime transcription session, and an upload.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import OpenAI, { toFile } from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";

const client = new OpenAI({ apiKey: process.env.STANDIN_KEY, baseURL: process.env.STANDIN_URL + "/v1", maxRetries: 0 });
const sound = readFileSync("speech-8000.mulaw");
const silence = Buffer.alloc(1600, 0xff);

const socket = new OpenAIRealtimeWS({ model: "gpt-live-transcribe" }, client);
const heard = [];
const errors = [];
socket.on("event", (e) => heard.push(e));
socket.on("error", (e) => errors.push(e));

async function until(what, test) {
  for (let i = 0; i < 500; i++) {
    if (test()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`${what} did not come: ${JSON.stringify(heard)} ${errors}`);
}

const all = (type) => heard.filter((e) => e.type === type);
const kind = "conversation.item.input_audio_transcription.";

await until("session.created", () => all("session.created").length === 1);
socket.send({
  type: "session.update",
  session: { type: "transcription", audio: { input: {
    format: { type: "audio/pcmu" }, turn_detection: null, transcription: { model: "gpt-live-transcribe", languages: ["en"], keywords: ["Sidetone"] },
  } } },
});
await until("session.updated", () => all("session.updated").length === 1);
assert.equal(all("session.updated")[0].session.audio.input.format.type, "audio/pcmu");
const audio = Buffer.concat([sound, silence]);
for (let at = 0; at < audio.length; at += 160) {
  socket.send({ type: "input_audio_buffer.append", audio: audio.subarray(at, at + 160).toString("base64") });
}
socket.send({ type: "input_audio_buffer.commit" });
await until("the text", () => all(kind + "completed").length === 1);
const { item_id } = all("input_audio_buffer.committed")[0];
assert.equal(all(kind + "completed")[0].transcript, "good morning");
assert.equal(all(kind + "completed")[0].item_id, item_id);
assert.equal(all(kind + "delta").map((e) => e.delta).join(""), "good morning");

socket.send({ type: "input_audio_buffer.commit" });
await until("the error", () => errors.length === 1);
assert.equal(errors[0].error.code, "input_audio_buffer_commit_empty");
socket.close();

const file = await toFile(readFileSync("speech-16000.wav"), "speech.wav");
const text = await client.audio.transcriptions.create({ file, model: "whisper-1", language: "en", response_format: "verbose_json", timestamp_granularities: ["word"] });
assert.equal(text.text, "good morning");
assert.deepEqual(text.words.map((w) => w.word), ["good", "morning"]);
assert.equal((await client.audio.transcriptions.create({ file, model: "gpt-4o-transcribe" })).text, "good morning");
await assert.rejects(client.audio.transcriptions.create({ file, model: "gpt-4o-transcribe", response_format: "verbose_json" }), { status: 400 });
console.log("transcription: ok");
process.exit(0);
