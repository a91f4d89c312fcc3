import createClient from "openapi-fetch";
import { answered, baseUrl, equal, key } from "./check.js";
import type { paths } from "./generated/openapi-typescript.js";

const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });

const voice = answered(await client.POST("/v1/voices/create", { body: { type: "voice_flite", voice: "slt" } }));
const action = answered(await client.POST("/v1/actions/create", {
  body: { type: "action_transfer_call", config: { phone_number: "+12025550123" } },
}));
equal(action.config.phone_number, "+12025550123");
const account = answered(await client.POST("/v1/account_connections/create", {
  body: { type: "account_connection_twilio", credentials: { twilio_account_sid: "AC1", twilio_auth_token: "token" } },
}));
equal(account.credentials.twilio_auth_token, "token");
const webhook = answered(await client.POST("/v1/webhooks/create", {
  body: { url: "https://hook.example/in", subscriptions: ["event_transcript"] },
}));
const database = answered(await client.POST("/v1/vector_databases/create", {
  body: { index: "i", api_key: "k", api_environment: "e" },
}));
const agent = answered(await client.POST("/v1/agents/create", {
  body: {
    prompt: { content: "Be kind." }, voice: voice.id, actions: [action.id], webhook: webhook.id, vector_database: database.id,
  },
}));
equal([agent.language, agent.max_idle_check_count], ["en", 2]);

// What was read and is sent back changes nothing.
const read = answered(await client.GET("/v1/agents", { params: { query: { id: agent.id } } }));
const again = answered(await client.POST("/v1/agents/update", { params: { query: { id: agent.id } }, body: read }));
equal(again, read);

const number = answered(await client.POST("/v1/numbers/buy", { body: {} }));
const placed = answered(await client.POST("/v1/numbers/update", {
  params: { query: { phone_number: number.number } }, body: { example_context: {}, inbound_agent: agent.id },
}));
equal(placed.inbound_agent?.id, agent.id);
const linked = answered(await client.POST("/v1/numbers/link", {
  body: { phone_number: "+12025550177", telephony_account_connection: account.id },
}));
equal([linked.active, linked.outbound_only, linked.carrier_state], [true, false, "unverified"]);

const call = answered(await client.POST("/v1/calls/create", {
  body: { from_number: number.number, to_number: "+12025550199", agent: agent.id },
}));
const calls = answered(await client.GET("/v1/calls/list", { params: { query: { size: 1 } } }));
equal([calls.total, calls.items[0]?.id, calls.items[0]?.agent], [1, call.id, agent.id]);

const missing = await client.GET("/v1/agents", { params: { query: { id: "none" } } });
equal([missing.response.status, missing.error?.message], [404, "id names no agent in this environment"]);
