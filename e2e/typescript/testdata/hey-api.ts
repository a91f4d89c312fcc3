import { answered, baseUrl, equal, key } from "./check.js";
import { client } from "./generated/hey-api/client.gen.js";
import * as sdk from "./generated/hey-api/index.js";

client.setConfig({ baseUrl, auth: key });

const voice = answered(await sdk.voiceControllerCreateVoice({ body: { type: "voice_flite", voice: "slt" } }));
const action = answered(await sdk.actionControllerCreateAction({
  body: { type: "action_transfer_call", config: { phone_number: "+12025550123" } },
}));
equal(action.config.phone_number, "+12025550123");
const account = answered(await sdk.accountConnectionControllerCreateAccountConnection({
  body: { type: "account_connection_twilio", credentials: { twilio_account_sid: "AC1", twilio_auth_token: "token" } },
}));
equal(account.credentials.twilio_auth_token, "token");
const webhook = answered(await sdk.webhookControllerCreateWebhook({
  body: { url: "https://hook.example/in", subscriptions: ["event_transcript"] },
}));
const database = answered(await sdk.vectorDatabaseControllerCreateVectorDatabase({
  body: { index: "i", api_key: "k", api_environment: "e" },
}));
const agent = answered(await sdk.agentControllerCreateAgent({
  body: {
    prompt: { content: "Be kind." }, voice: voice.id, actions: [action.id], webhook: webhook.id, vector_database: database.id,
  },
}));
equal([agent.language, agent.max_idle_check_count], ["en", 2]);

// What was read and is sent back changes nothing.
const read = answered(await sdk.agentControllerGetAgent({ query: { id: agent.id } }));
equal(answered(await sdk.agentControllerUpdateAgent({ query: { id: agent.id }, body: read })), read);

const number = answered(await sdk.numberControllerBuyNumber({ body: {} }));
const placed = answered(await sdk.numberControllerUpdateNumber({
  query: { phone_number: number.number }, body: { example_context: {}, inbound_agent: agent.id },
}));
equal(placed.inbound_agent?.id, agent.id);
const linked = answered(await sdk.numberControllerLinkNumber({
  body: { phone_number: "+12025550177", telephony_account_connection: account.id },
}));
equal([linked.active, linked.outbound_only, linked.carrier_state], [true, false, "unverified"]);

const call = answered(await sdk.callControllerCreateCall({
  body: { from_number: number.number, to_number: "+12025550199", agent: agent.id },
}));
const calls = answered(await sdk.callControllerListCalls({ query: { size: 1 } }));
equal([calls.total, calls.items[0]?.id, calls.items[0]?.agent], [1, call.id, agent.id]);

const missing = await sdk.agentControllerGetAgent({ query: { id: "none" } });
equal([missing.response?.status, missing.error?.message], [404, "id names no agent in this environment"]);
