-- +goose Up
-- Which transaction added a call tells whether another one has seen it. NULL is
-- one before this column: everybody has seen that.
ALTER TABLE calls ADD COLUMN transaction_id BIGINT;
ALTER TABLE calls ALTER COLUMN transaction_id SET DEFAULT CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT);
CREATE INDEX calls_by_transaction_id ON calls (environment_id, transaction_id);

-- +goose Down
DROP INDEX calls_by_transaction_id;
ALTER TABLE calls DROP COLUMN transaction_id;
