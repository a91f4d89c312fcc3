-- +goose Up
-- What is known from the carrier of a number that is linked; '': it was bought here. So far nobody was asked.
ALTER TABLE numbers ADD COLUMN carrier_state TEXT NOT NULL DEFAULT '';
ALTER TABLE numbers ADD COLUMN carrier_cause TEXT NOT NULL DEFAULT '';
ALTER TABLE numbers ADD COLUMN carrier_since INTEGER NOT NULL DEFAULT 0;
UPDATE numbers SET carrier_state = 'unverified', carrier_since = created,
    carrier_cause = 'The server has no driver that asks the carrier.' WHERE connection_id <> '';
CREATE INDEX numbers_by_live_carrier_state ON numbers (environment_id, active, carrier_state, created, id);
CREATE INDEX api_keys_by_updated ON api_keys (environment_id, updated, id);
CREATE INDEX api_keys_by_active ON api_keys (environment_id, (revoked = 0), created, id);

-- +goose Down
DROP INDEX api_keys_by_active;
DROP INDEX api_keys_by_updated;
DROP INDEX numbers_by_live_carrier_state;
ALTER TABLE numbers DROP COLUMN carrier_since;
ALTER TABLE numbers DROP COLUMN carrier_cause;
ALTER TABLE numbers DROP COLUMN carrier_state;
