// Voices over HTTP: sound in two formats, and errors. The client has no WebSocket
// for voices.
import assert from "node:assert/strict";
import { ElevenLabsClient, ElevenLabsError } from "@elevenlabs/elevenlabs-js";

const client = new ElevenLabsClient({ apiKey: process.env.STANDIN_KEY, baseUrl: process.env.STANDIN_URL });
const once = { maxRetries: 0 };

async function faults(...lines) {
  const answer = await fetch(process.env.STANDIN_URL + "/standin/faults", { method: "POST", body: lines.join("\n") });
  assert.equal(answer.status, 204);
}

async function speak(text, outputFormat) {
  const stream = await client.textToSpeech.stream("a-voice", { text, modelId: "eleven_flash_v2_5", outputFormat }, once);
  let bytes = 0;
  for await (const chunk of stream) bytes += chunk.length;
  return bytes;
}

// Two words of five letters are 460 ms of tone words.
assert.equal(await speak("hello world", "ulaw_8000"), 3680);
assert.equal(await speak("hello world", "pcm_16000"), 14720);

for (const status of [401, 404, 429, 500]) {
  await faults(`status?status=${status}&times=1`);
  await assert.rejects(speak("hello", "ulaw_8000"), (err) => err instanceof ElevenLabsError && err.statusCode === status, `status ${status}`);
}
await faults("reset?after=1&times=1");
await assert.rejects(speak("hello world", "ulaw_8000"));
await assert.rejects(speak("hello world", "opus_48000_32"), ElevenLabsError);

const ledger = await (await fetch(process.env.STANDIN_URL + "/standin/ledger")).json();
assert.equal(ledger[0].path, "/v1/text-to-speech/a-voice/stream");
assert.equal(ledger[0].credential, process.env.STANDIN_KEY);
console.log("elevenlabs-js: voices over HTTP agree");
