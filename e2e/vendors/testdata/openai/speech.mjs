// Speech: raw sound and a WAV file, and errors.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ apiKey: process.env.STANDIN_KEY, baseURL: process.env.STANDIN_URL + "/v1", maxRetries: 0 });

async function faults(...lines) {
  const answer = await fetch(process.env.STANDIN_URL + "/standin/faults", { method: "POST", body: lines.join("\n") });
  assert.equal(answer.status, 204);
}

async function speak(more = {}) {
  const answer = await client.audio.speech.create({ model: "gpt-4o-mini-tts", voice: "alloy", input: "hello world", response_format: "pcm", ...more });
  return Buffer.from(await answer.arrayBuffer());
}

// Two words of five letters are 460 ms of tone words, at 24000 Hz.
assert.equal((await speak()).length, 22080);
assert.equal((await speak({ speed: 1.5, instructions: "Be kind." })).length, 22080);
const wav = await speak({ response_format: "wav" });
assert.equal(wav.subarray(0, 4).toString(), "RIFF");
assert.equal(wav.length, 22080 + 44);

for (const [fault, type] of [["status?status=401&times=1", OpenAI.AuthenticationError], ["status?status=404&times=1", OpenAI.NotFoundError],
  ["status?status=429&times=1", OpenAI.RateLimitError], ["status?status=500&times=1", OpenAI.InternalServerError]]) {
  await faults(fault);
  await assert.rejects(speak(), (err) => err instanceof type && err.requestID?.startsWith("req_"), fault);
}
await faults("reset?after=1&times=1");
await assert.rejects(speak());
await assert.rejects(speak({ input: "x".repeat(5000) }), OpenAI.BadRequestError);
await assert.rejects(speak({ speed: 9 }), OpenAI.BadRequestError);
console.log("openai " + (await import("openai/version.mjs")).VERSION + ": speech agrees");
